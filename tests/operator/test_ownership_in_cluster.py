"""Applications of other tools as objects, who owns which, and what conflicts look like."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.operator.world import EXAMPLES, World, application, condition, eventually
from wadm.client import connect_sync

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def lattice(world: World) -> str:
    return world.lattice(hosts=1)


def put(world: World, lattice: str, name: str, version: str = "v1", deploy: bool = True) -> None:
    """Put an application with another tool."""
    body = application(name, annotations={"version": version})
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.put(yaml.safe_dump(body).encode())
        if deploy:
            client.deploy(name)


def shown(world: World, lattice: str, name: str, phase: str = "Deployed") -> dict[str, Any]:
    """Wait for an object in that phase and return it."""

    def look() -> Any:
        body = world.cluster.get("application", name, lattice)
        return body if body and body.get("status", {}).get("phase") == phase else None

    found: dict[str, Any] = eventually(look)
    return found


def test_what_another_tool_put_is_shown_and_marked(world: World, lattice: str) -> None:
    put(world, lattice, "foreign")
    body = shown(world, lattice, "foreign")
    assert body["metadata"]["labels"] == {"wasmcloud.dev/owner": "wadm"}
    assert body["status"]["owner"] == "wadm"
    assert body["spec"]["components"][0]["name"] == "greeter"
    row = world.cluster.kubectl("get", "app", "foreign", "-n", lattice, "--no-headers").stdout.split()
    assert row[:5] == ["foreign", "v1", "v1", "Deployed", "wadm"]


def test_a_mirror_follows_the_deployed_version_and_goes_with_the_application(world: World, lattice: str) -> None:
    put(world, lattice, "followed")
    shown(world, lattice, "followed")
    body = application("followed", annotations={"version": "v2"})
    body["spec"]["components"][0]["traits"][0]["properties"]["instances"] = 2
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.put(yaml.safe_dump(body).encode())
        client.deploy("followed")

        def instances() -> bool:
            spec = world.cluster.get("application", "followed", lattice)["spec"]
            return bool(spec["components"][0]["traits"][0]["properties"]["instances"] == 2)

        eventually(instances)
        client.delete("followed")
    eventually(lambda: world.cluster.get("application", "followed", lattice) is None)


def test_an_undeployed_application_is_shown_as_that(world: World, lattice: str) -> None:
    put(world, lattice, "stored", deploy=False)
    body = shown(world, lattice, "stored", "Undeployed")
    assert condition(body["status"], "Deployed")["status"] == "False"


def test_one_that_kubernetes_refuses_to_show_keeps_no_other_from_being_shown(world: World, lattice: str) -> None:
    with connect_sync(world.nats.url, lattice=lattice) as client:
        body = application("immense", annotations={"version": "v1", "note": "x" * 300_000})  # 256 KiB is the most
        client.put(yaml.safe_dump(body).encode())
        for number in range(10):
            put(world, lattice, f"modest-{number}", deploy=False)
        for number in range(10):
            shown(world, lattice, f"modest-{number}", "Undeployed")
            client.delete(f"modest-{number}")
        client.delete("immense")
    assert world.cluster.get("application", "immense", lattice) is None
    assert "immense" in world.operator.log.read_text()


def test_applying_a_mirror_makes_it_kubernetes_own(world: World, lattice: str) -> None:
    put(world, lattice, "adopted")
    shown(world, lattice, "adopted")
    body = application("adopted", annotations={"version": "v1"})
    world.cluster.kubectl("apply", "-n", lattice, "-f", "-", stdin=body)
    eventually(lambda: world.status(lattice, "adopted").get("owner") == "kubernetes")
    assert "labels" not in world.cluster.get("application", "adopted", lattice)["metadata"]
    world.cluster.kubectl("wait", "--for=condition=Deployed", "app/adopted", "-n", lattice, "--timeout=60s")
    with connect_sync(world.nats.url, lattice=lattice) as client:  # the very version that was there
        assert [one.version for one in client.versions("adopted")] == ["v1"]


def test_names_that_kubernetes_does_not_take_are_mirrored_under_others(world: World, lattice: str) -> None:
    put(world, lattice, "Odd_Name")

    def found() -> list[Any]:
        items = world.cluster.list("application", "-n", lattice)
        return [
            one
            for one in items
            if one["metadata"].get("annotations", {}).get("wasmcloud.dev/application") == "Odd_Name"
        ]

    (body,) = eventually(found)
    assert body["metadata"]["name"].startswith("odd-name-")
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.delete("Odd_Name")


def test_what_kubernetes_owns_is_deployed_again_when_another_tool_undeploys_it(world: World, lattice: str) -> None:
    world.cluster.apply(application("firm", namespace=lattice))
    shown(world, lattice, "firm")
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.undeploy("firm")
        eventually(lambda: {one.name: one.deployed_version for one in client.list()}["firm"])
    shown(world, lattice, "firm")
    assert "ChangedElsewhere" in world.cluster.kubectl("describe", "app", "firm", "-n", lattice).stdout


def test_of_two_objects_of_one_name_the_older_counts_and_the_other_says_so(world: World, lattice: str) -> None:
    elsewhere = world.namespace()
    world.cluster.apply(world.host_config(elsewhere, lattice=lattice))
    world.cluster.apply(application("twice", namespace=lattice))
    shown(world, lattice, "twice")
    world.cluster.apply(application("twice", namespace=elsewhere))
    eventually(lambda: condition(world.status(elsewhere, "twice"), "Accepted").get("reason") == "NameTaken")
    refusal = condition(world.status(elsewhere, "twice"), "Accepted")
    assert f"{lattice}/twice" in refusal["message"]
    world.cluster.kubectl("delete", "app", "twice", "-n", elsewhere, "--timeout=60s")
    assert world.status(lattice, "twice")["phase"] == "Deployed"
    with connect_sync(world.nats.url, lattice=lattice) as client:
        assert client.get("twice").name == "twice"


def refusal_of(world: World, lattice: str, body: dict[str, Any]) -> dict[str, Any]:
    world.cluster.kubectl("apply", "-n", lattice, "-f", "-", stdin=body)
    name = body["metadata"]["name"]
    eventually(lambda: condition(world.status(lattice, name), "Accepted").get("status") == "False")
    return condition(world.status(lattice, name), "Accepted")


def broken(name: str, change: str) -> dict[str, Any]:
    body = application(name)
    components = body["spec"]["components"]
    match change:
        case "type":
            components[0]["type"] = "widget"
        case "target":
            components[1]["traits"][1]["properties"]["target"]["name"] = "nobody"
        case "version":
            body["metadata"]["annotations"] = {"version": "latest"}
    return body


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("type", "spec.components[0]"),
        ("target", "nobody"),
        ("version", "latest"),
    ],
)
def test_a_bad_manifest_is_refused_in_a_condition_that_names_the_field(
    world: World, lattice: str, change: str, words: str
) -> None:
    refusal = refusal_of(world, lattice, broken(f"bad-{change}", change))
    assert refusal["reason"] == "Invalid"
    assert words in refusal["message"]
    status = world.status(lattice, f"bad-{change}")
    assert status["phase"] == "Failed"
    assert condition(status, "Stalled")["status"] == "True"
    world.cluster.kubectl("delete", "app", f"bad-{change}", "-n", lattice, "--timeout=60s")


def test_a_bad_change_leaves_what_runs_alone(world: World, lattice: str) -> None:
    world.cluster.apply(application("solid", namespace=lattice))
    version = shown(world, lattice, "solid")["status"]["deployedVersion"]
    patch = json.dumps([{"op": "replace", "path": "/spec/components/0/type", "value": "widget"}])
    world.cluster.kubectl("patch", "app", "solid", "-n", lattice, "--type=json", "-p", patch)
    shown(world, lattice, "solid", "Failed")
    with connect_sync(world.nats.url, lattice=lattice) as client:
        assert {one.name: one.deployed_version for one in client.list()}["solid"] == version


def test_a_manifest_that_is_too_large_for_nats_says_so(world: World, lattice: str) -> None:
    body = application("huge", namespace=lattice)
    texts = {f"key-{number}": "x" * 11_000 for number in range(100)}
    body["spec"]["components"][0]["properties"]["config"] = [{"name": "much", "properties": texts}]
    world.cluster.apply(body)
    eventually(lambda: condition(world.status(lattice, "huge"), "Accepted").get("reason") == "TooLarge")
    status = world.status(lattice, "huge")
    assert condition(status, "Stalled")["status"] == "True"
    assert "too large" in condition(status, "Ready")["message"]
    world.cluster.kubectl("delete", "app", "huge", "-n", lattice, "--timeout=60s")


def test_a_change_of_the_version_alone_is_a_new_version(world: World, lattice: str) -> None:
    world.cluster.apply(application("renumbered", namespace=lattice, annotations={"version": "v1"}))
    shown(world, lattice, "renumbered")
    world.cluster.kubectl("annotate", "app", "renumbered", "-n", lattice, "version=v2", "--overwrite")
    eventually(lambda: world.status(lattice, "renumbered").get("deployedVersion") == "v2")
    world.cluster.kubectl("label", "app", "renumbered", "-n", lattice, "velero.io/restore-name=x")
    world.cluster.kubectl("annotate", "app", "renumbered", "-n", lattice, "corp.example/run=7")
    put(world, lattice, "later")
    shown(world, lattice, "later")
    with connect_sync(world.nats.url, lattice=lattice) as client:
        assert {one.version for one in client.versions("renumbered")} == {"v1", "v2"}


def test_types_and_names_are_refused_by_the_api_server_with_the_field(world: World, lattice: str) -> None:
    body = application("typed")
    first, second = body["spec"]["components"]
    first["properties"]["image"] = 7
    done = world.cluster.kubectl("apply", "-n", lattice, "-f", "-", stdin=body, check=False)
    assert done.returncode == 1
    assert "spec.components[0].properties.image" in done.stderr
    first["properties"]["image"], second["name"] = "x", first["name"]
    done = world.cluster.kubectl("apply", "-n", lattice, "-f", "-", stdin=body, check=False)
    assert done.returncode == 1
    assert "spec.components[1]: Duplicate value" in done.stderr


def test_an_application_without_a_lattice_says_where_it_would_come_from(world: World) -> None:
    nowhere = world.namespace()
    refusal = refusal_of(world, nowhere, application("lost"))
    assert refusal["reason"] == "NoLattice"
    assert "WasmCloudHostConfig" in refusal["message"]


def test_deleted_where_no_lattice_is_any_more_it_goes_and_an_event_says_what_stays(world: World, lattice: str) -> None:
    world.cluster.apply(application("stranded", namespace=lattice))
    shown(world, lattice, "stranded")
    world.cluster.kubectl("annotate", "app", "stranded", "-n", lattice, "wasmcloud.dev/lattice=gone")
    eventually(lambda: condition(world.status(lattice, "stranded"), "Accepted").get("reason") == "NoLattice")
    world.cluster.kubectl("delete", "app", "stranded", "-n", lattice, "--timeout=60s")
    events = ("get", "events", "-n", lattice, "--field-selector", "involvedObject.name=stranded,reason=NoLattice")
    eventually(lambda: "stays as it is in wadm" in world.cluster.kubectl(*events).stdout)
    with connect_sync(world.nats.url, lattice=lattice) as client:
        client.delete("stranded")


def test_several_lattices_in_a_namespace_need_a_choice(world: World, lattice: str) -> None:
    both = world.namespace()
    world.cluster.apply(world.host_config(both, "one", lattice=lattice), world.host_config(both, "two", lattice=both))
    refusal = refusal_of(world, both, application("torn"))
    assert refusal["reason"] == "AmbiguousLattice"
    world.cluster.kubectl("annotate", "app", "torn", "-n", both, f"wasmcloud.dev/lattice={lattice}")
    eventually(lambda: world.status(both, "torn").get("phase") == "Deployed")


def test_the_example_with_a_loopback_address_says_so(world: World, lattice: str) -> None:
    body = yaml.safe_load((EXAMPLES / "hello.yaml").read_text())
    world.cluster.kubectl("apply", "-n", lattice, "-f", "-", stdin=body)
    reachable = eventually(lambda: condition(world.status(lattice, "hello"), "Reachable"))
    assert reachable["reason"] == "LoopbackAddress"
    assert "0.0.0.0:8000" in reachable["message"]
    assert world.cluster.get("service", "hello", lattice) is None
