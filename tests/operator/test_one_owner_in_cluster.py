"""Each object and each application has one owner: nobody else's is overwritten, adopted or removed."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from tests.operator.world import World, application, condition, eventually

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(240)]

APPLICATIONS = "applications.core.oam.dev"


@pytest.fixture(scope="module")
def lattice(world: World) -> str:
    return world.lattice(hosts=1)


def with_image(body: dict[str, Any], image: str) -> dict[str, Any]:
    body["spec"]["components"][0]["properties"]["image"] = image
    return body


def put(world: World, lattice: str, name: str, image: str = "ghcr.io/wash/theirs:1", version: str = "v1") -> None:
    """Deploy an application as ``wash`` does."""
    body = with_image(application(name, annotations={"version": version}), image)
    with world.client(lattice) as client:
        client.put(yaml.safe_dump(body).encode())
        client.deploy(name, version)


def deployed(world: World, lattice: str) -> dict[str, str | None]:
    with world.client(lattice) as client:
        return {one.name: one.deployed_version for one in client.list()}


def image_of(world: World, lattice: str, name: str) -> str:
    with world.client(lattice) as client:
        image: str = client.get(name, deployed(world, lattice)[name]).spec.components[0].properties.image
        return image


def mirrors(world: World, namespace: str) -> dict[str, dict[str, Any]]:
    """The mirrors of a namespace by the application that they show, as lattice/name."""
    items = world.cluster.list(APPLICATIONS, "-n", namespace, "-l", "wasmcloud.dev/owner=wadm")
    return {
        f"{one['metadata']['annotations']['wasmcloud.dev/lattice']}/"
        f"{one['metadata']['annotations'].get('wasmcloud.dev/application', one['metadata']['name'])}": one
        for one in items
    }


def phase_of(world: World, namespace: str, name: str, version: str) -> str | None:
    """The phase that a status gives for a version, None while it still speaks of another."""
    status = world.status(namespace, name)
    return status["phase"] if status.get("deployedVersion") == version else None


def version_of(world: World, namespace: str, name: str) -> str:
    return str(world.cluster.get(APPLICATIONS, name, namespace)["metadata"]["resourceVersion"])


def test_an_application_of_the_same_name_in_another_lattice_is_mirrored_beside_it(world: World) -> None:
    first, second = world.lattice(hosts=1), world.lattice(hosts=1)
    both = world.namespace()
    world.cluster.apply(world.host_config(both, "one", lattice=first), world.host_config(both, "two", lattice=second))
    body = application("hello", namespace=both, annotations={"wasmcloud.dev/lattice": first})
    world.cluster.apply(body)
    eventually(lambda: world.status(both, "hello").get("phase") == "Deployed")
    world.cluster.kubectl("delete", "whc", "hosts", "-n", second)  # so that its mirrors are in the common namespace
    put(world, second, "hello")
    shown = eventually(lambda: mirrors(world, both).get(f"{second}/hello"))
    assert shown["metadata"]["name"].startswith("hello-")
    ours = world.cluster.get(APPLICATIONS, "hello", both)
    assert ours["metadata"]["generation"] == 1
    assert ours["metadata"]["annotations"]["wasmcloud.dev/lattice"] == first
    assert image_of(world, first, "hello") == body["spec"]["components"][0]["properties"]["image"]
    assert image_of(world, second, "hello") == "ghcr.io/wash/theirs:1"


def test_an_object_that_has_the_name_of_an_application_and_means_another_stays(world: World, lattice: str) -> None:
    body = application("hello2", namespace=lattice, annotations={"wasmcloud.dev/application": "My_App"})
    world.cluster.apply(body)
    eventually(lambda: world.status(lattice, "hello2").get("phase") == "Deployed")
    put(world, lattice, "hello2")
    shown = eventually(lambda: mirrors(world, lattice).get(f"{lattice}/hello2"))
    eventually(lambda: world.status(lattice, shown["metadata"]["name"]).get("observedGeneration"))
    assert world.cluster.get(APPLICATIONS, "hello2", lattice)["metadata"]["generation"] == 1
    assert image_of(world, lattice, "My_App") == body["spec"]["components"][0]["properties"]["image"]
    assert image_of(world, lattice, "hello2") == "ghcr.io/wash/theirs:1"
    with world.client(lattice) as client:
        client.delete("hello2")
    eventually(lambda: f"{lattice}/hello2" not in mirrors(world, lattice))


def test_one_that_is_renamed_leaves_its_old_name_and_says_so(world: World, lattice: str) -> None:
    world.cluster.apply(application("before", namespace=lattice))
    eventually(lambda: world.status(lattice, "before").get("phase") == "Deployed")
    world.cluster.kubectl("annotate", APPLICATIONS, "before", "-n", lattice, "wasmcloud.dev/application=after")
    version = eventually(lambda: "before" not in deployed(world, lattice) and deployed(world, lattice).get("after"))
    eventually(lambda: phase_of(world, lattice, "before", version) == "Deployed")
    moved = f"moved from {lattice}/before to {lattice}/after"
    eventually(lambda: moved in world.cluster.kubectl("describe", APPLICATIONS, "before", "-n", lattice).stdout)
    assert not {f"{lattice}/before", f"{lattice}/after"} & mirrors(world, lattice).keys()
    settled = version_of(world, lattice, "before")
    put(world, lattice, "marker")
    eventually(lambda: mirrors(world, lattice).get(f"{lattice}/marker"))
    assert version_of(world, lattice, "before") == settled


def test_one_that_moves_with_its_host_config_leaves_the_old_lattice(world: World) -> None:
    old, new = world.lattice(hosts=1), world.namespace()
    world.hosts(new, 1)
    world.cluster.apply(application("mover", namespace=old))
    eventually(lambda: world.status(old, "mover").get("phase") == "Deployed")
    world.cluster.apply(world.host_config(old, lattice=new))
    eventually(lambda: deployed(world, new).get("mover"))
    eventually(lambda: "mover" not in deployed(world, old))
    assert (
        f"moved from {old}/mover to {new}/mover"
        in world.cluster.kubectl("describe", APPLICATIONS, "mover", "-n", old).stdout
    )
    # A change that is not accepted moves nothing.
    world.cluster.apply(world.host_config(old, lattice="no where"))
    eventually(lambda: condition(world.cluster.get("whc", "hosts", old)["status"], "Accepted")["status"] == "False")
    assert world.status(old, "mover")["lattice"] == new
    assert deployed(world, new)["mover"]


def test_one_applied_with_new_settings_of_its_hosts_touches_nothing_in_the_old_lattice(world: World) -> None:
    old, new = world.lattice(hosts=1), world.namespace()
    world.hosts(new, 1)
    put(world, old, "theirs")
    eventually(lambda: f"{old}/theirs" in mirrors(world, old))
    mine = application("mine", namespace=old, annotations={"wasmcloud.dev/application": "theirs"})
    # The settings wait for a Secret, so that the old ones are in force for as long as the test wants.
    world.cluster.apply(world.host_config(old, lattice=new, registryCredentialsSecret="late"), mine)
    eventually(lambda: condition(world.status(old, "mine"), "Accepted").get("reason") == "LatticeChanging")
    assert condition(world.status(old, "mine"), "Reconciling")["status"] == "True"
    assert image_of(world, old, "theirs") == "ghcr.io/wash/theirs:1"
    world.cluster.apply(world.host_config(old, lattice=new))
    eventually(lambda: world.status(old, "mine").get("phase") == "Deployed")
    assert world.status(old, "mine")["lattice"] == new
    assert deployed(world, old) == {"theirs": "v1"}


def test_deleting_a_mirror_releases_the_application(world: World, lattice: str) -> None:
    put(world, lattice, "released")
    uid = eventually(lambda: mirrors(world, lattice).get(f"{lattice}/released"))["metadata"]["uid"]
    world.cluster.kubectl("delete", APPLICATIONS, "released", "-n", lattice, "--timeout=60s")
    again = eventually(lambda: mirrors(world, lattice).get(f"{lattice}/released"))
    assert again["metadata"]["uid"] != uid
    assert deployed(world, lattice)["released"] == "v1"


def test_deleting_a_namespace_removes_what_was_applied_in_it_and_nothing_else(world: World) -> None:
    shared = world.lattice(hosts=1)
    first = f"a-{world.namespace()}"  # the first by name has the mirrors
    world.cluster.kubectl("create", "namespace", first)
    world.cluster.apply(world.host_config(first, lattice=shared), application("applied", namespace=first))
    eventually(lambda: world.status(first, "applied").get("phase") == "Deployed")
    put(world, shared, "washed")
    eventually(lambda: f"{shared}/washed" in mirrors(world, first))
    # No controller empties namespaces here, so what one would delete is deleted.
    world.cluster.kubectl("delete", f"{APPLICATIONS},whc", "--all", "-n", first, "--timeout=60s")
    assert deployed(world, shared) == {"washed": "v1"}
    eventually(lambda: f"{shared}/washed" in mirrors(world, shared))
    assert not world.cluster.list(APPLICATIONS, "-n", first)


def test_deleting_the_last_host_config_removes_mirrors_and_no_application(world: World) -> None:
    lattice = world.lattice(hosts=1)
    put(world, lattice, "washed")
    eventually(lambda: f"{lattice}/washed" in mirrors(world, lattice))
    world.cluster.kubectl("delete", "whc", "hosts", "-n", lattice, "--timeout=60s")
    eventually(lambda: not world.cluster.list(APPLICATIONS, "-n", lattice))
    assert deployed(world, lattice) == {"washed": "v1"}


def test_an_object_that_was_never_valid_takes_nothing_with_it(world: World, lattice: str) -> None:
    put(world, lattice, "theirs")
    eventually(lambda: f"{lattice}/theirs" in mirrors(world, lattice))
    elsewhere = world.namespace()
    world.cluster.apply(world.host_config(elsewhere, lattice=lattice))
    broken = application("theirs", namespace=elsewhere)
    broken["spec"]["components"][0]["type"] = "widget"
    world.cluster.apply(broken)
    eventually(lambda: condition(world.status(elsewhere, "theirs"), "Accepted").get("reason") == "Invalid")
    world.cluster.kubectl("delete", APPLICATIONS, "theirs", "-n", elsewhere, "--timeout=60s")
    assert deployed(world, lattice)["theirs"] == "v1"
    world.cluster.kubectl("delete", "whc", "hosts", "-n", elsewhere, "--timeout=60s")  # or mirrors may be there


def test_orphans_are_left_alone(world: World, lattice: str) -> None:
    world.cluster.apply(application("orphaned", namespace=lattice))
    eventually(lambda: world.cluster.get("service", "orphaned", lattice))
    eventually(lambda: world.status(lattice, "orphaned").get("phase") == "Deployed")
    uid = world.cluster.get("service", "orphaned", lattice)["metadata"]["uid"]
    world.cluster.kubectl("delete", APPLICATIONS, "orphaned", "-n", lattice, "--cascade=orphan", "--wait=false")
    collect(world, APPLICATIONS, "orphaned", lattice, "service/orphaned")
    shown = eventually(lambda: mirrors(world, lattice).get(f"{lattice}/orphaned"))
    assert deployed(world, lattice)["orphaned"]
    assert world.cluster.get("service", "orphaned", lattice)["metadata"]["uid"] == uid
    assert shown["metadata"]["name"] == "orphaned"


def collect(world: World, kind: str, name: str, namespace: str, *dependents: str) -> None:
    """Do what the garbage collector does for ``--cascade=orphan``, once the operator has let go."""

    def let_go() -> bool:
        return bool(world.cluster.get(kind, name, namespace)["metadata"]["finalizers"] == ["orphan"])

    eventually(let_go)
    remove = '{"metadata":{"ownerReferences":null}}'
    for dependent in dependents:
        world.cluster.kubectl("patch", dependent, "-n", namespace, "--type=merge", "-p", remove)
    world.cluster.kubectl(
        "patch", kind, name, "-n", namespace, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
    )


HOST_OBJECTS = ("deployment", "configmap", "service", "serviceaccount", "role", "rolebinding")


def test_hosts_are_orphaned_and_adopted_again(world: World) -> None:
    namespace = world.namespace()
    world.cluster.apply(world.host_config(namespace))
    for kind in HOST_OBJECTS:
        eventually(lambda kind=kind: world.cluster.get(kind, "hosts", namespace))  # type: ignore[misc]
    before = {kind: world.cluster.get(kind, "hosts", namespace)["metadata"]["uid"] for kind in HOST_OBJECTS}
    world.cluster.kubectl("delete", "whc", "hosts", "-n", namespace, "--cascade=orphan", "--wait=false")
    collect(world, "whc", "hosts", namespace, *(f"{kind}/hosts" for kind in HOST_OBJECTS))
    assert {kind: world.cluster.get(kind, "hosts", namespace)["metadata"]["uid"] for kind in HOST_OBJECTS} == before
    world.cluster.apply(world.host_config(namespace))
    accepted(world, namespace, "hosts", "True")
    assert {kind: world.cluster.get(kind, "hosts", namespace)["metadata"]["uid"] for kind in HOST_OBJECTS} == before
    assert world.cluster.get("deployment", "hosts", namespace)["metadata"]["ownerReferences"]


def accepted(world: World, namespace: str, name: str, status: str) -> dict[str, Any]:
    """Wait for the verdict on a host config and return it."""

    def verdict() -> dict[str, Any]:
        found = condition(world.cluster.get("whc", name, namespace).get("status", {}), "Accepted")
        return found if found.get("status") == status else {}

    return eventually(verdict)


def theirs(kind: str, namespace: str) -> dict[str, Any]:
    api = "rbac.authorization.k8s.io/v1" if kind == "Role" else "v1"
    content: dict[str, Any] = {
        "ConfigMap": {"data": {"nats.conf": "theirs"}},
        "Secret": {"stringData": {"user": "theirs"}},
        "ServiceAccount": {"automountServiceAccountToken": True},
        "Service": {"spec": {"ports": [{"port": 80}], "selector": {"app": "theirs"}}},
        "Role": {"rules": []},
    }[kind]
    name = "web-registry" if kind == "Secret" else "web"
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content}


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "ServiceAccount", "Service", "Role"])
def test_a_host_config_refuses_a_name_that_belongs_to_somebody(world: World, kind: str) -> None:
    namespace = world.namespace()
    pull = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/dockerconfigjson",
        "metadata": {"name": "pull", "namespace": namespace},
        "stringData": {".dockerconfigjson": '{"auths":{"r.local":{"username":"me","password":"it"}}}'},
    }
    body = theirs(kind, namespace)
    world.cluster.apply(pull, body)
    name = body["metadata"]["name"]
    before = world.cluster.get(kind, name, namespace)
    world.cluster.apply(world.host_config(namespace, "web", registryCredentialsSecret="pull"))
    refusal = accepted(world, namespace, "web", "False")
    assert refusal["reason"] == "NameTaken"
    assert f"{kind} {name} of namespace {namespace} belongs to somebody else" in refusal["message"]
    world.cluster.kubectl("delete", "whc", "web", "-n", namespace, "--timeout=60s")
    assert world.cluster.get(kind, name, namespace) == before
    assert world.cluster.get("deployment", "web", namespace) is None
