"""The commands, as a person and a script use them, on a server and hosts in memory."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import World
from wadm.wire.yaml import read_yaml

MakeWorld = Callable[..., World]


def a_manifest(name: str = "shop", version: str | None = "v1", instances: int = 2, **more: Any) -> str:
    annotations = (
        {"description": f"the {name}"} | ({"version": version} if version else {}) | more.get("annotations", {})
    )
    component = {
        "name": "web",
        "type": "component",
        "properties": more.get("properties", {"image": "registry.example/web:1"}),
        "traits": [{"type": "spreadscaler", "properties": {"instances": instances, **more.get("spread", {})}}],
    }
    if "traits" in more:
        component["traits"] = more["traits"]
    return json.dumps(
        {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {"name": name, "annotations": annotations},
            "spec": {"components": [component]},
        }
    )


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a manifest to a file; return its path."""

    def write(text: str = "", name: str = "wadm.yaml") -> str:
        path = tmp_path / name
        path.write_text(text or a_manifest())
        return str(path)

    return write


File = Callable[..., str]

# -- deploying ---------------------------------------------------------------------------------


def test_deploy_a_file_and_wait(world: World, file: File) -> None:
    done = world.wadm("deploy", file(), "--wait")
    assert (done.code, done.out) == (0, "Deployed shop version v1.\n")
    assert "Put shop version v1." in done.err
    assert done.err.splitlines()[-1].endswith("shop  ✓ deployed  version v1  1 of 1 scaler as wanted")


def test_deploying_the_same_file_again_changes_nothing(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    again = world.wadm("deploy", file(), "--wait")
    assert (again.code, again.out) == (0, "Deployed shop version v1.\n")
    assert "shop version v1 is stored already, unchanged." in again.err
    told = json.loads(world.wadm("history", "shop", "-o", "json").out)
    assert len(told["versions"]) == 1
    assert [one["outcome"] for one in told["revisions"]] == ["deployed"]


def test_deploying_a_file_without_a_version_again_makes_no_further_one(world: World, file: File) -> None:
    path = file(a_manifest(version=None))
    first = json.loads(world.wadm("deploy", path, "-o", "json").out)
    second = json.loads(world.wadm("deploy", path, "-o", "json").out)
    assert first == second
    path = file(a_manifest(version=None, instances=3))
    assert json.loads(world.wadm("deploy", path, "-o", "json").out) != first


def test_a_version_with_another_content_is_refused_unless_replaced(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    changed = file(a_manifest(instances=5))
    refused = world.wadm("deploy", changed, "--wait")
    assert refused.code == 1
    assert "shop version v1 is stored with another content" in refused.err
    assert world.wadm("deploy", changed, "--wait", "--replace").code == 0
    assert json.loads(world.wadm("get", "shop", "-o", "json").out) == json.loads(a_manifest(instances=5))


def test_nothing_stops_where_a_deployed_version_is_replaced(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    new = file(a_manifest(properties={"image": "registry.example/web:2"}))
    planned = world.wadm("plan", new).out
    assert "use --replace, which does the same" in " ".join(planned.split())
    before = len(commands_told(world))
    assert world.wadm("deploy", new, "--wait", "--replace").code == 0
    (command,) = commands_told(world)[before:]
    assert command.startswith("update shop-web on ")
    revisions = json.loads(world.wadm("history", "shop", "-o", "json").out)
    assert [(one["version"], one["outcome"]) for one in revisions["revisions"]] == [("v1", "deployed")] * 2


def commands_told(world: World) -> list[str]:
    world.run(asyncio.sleep(5))  # what happens is written down a little later
    told = json.loads(world.wadm("events", "shop", "-o", "json").out)
    return [entry["text"] for entry in told["entries"] if entry["kind"] == "command"]


def test_what_has_nothing_to_start_is_not_waited_for(world: World, file: File) -> None:
    began = world.loop.time()
    done = world.wadm("deploy", file(a_manifest(name="idle", traits=[])), "--wait")
    assert done.code == 0
    assert "idle has nothing that could be started: its status stays undeployed." in done.err
    assert world.loop.time() - began < 30


def test_without_waiting_the_next_step_is_named(world: World, file: File) -> None:
    assert world.wadm("deploy", file()).out == ("Deploying shop version v1. Follow it with: wadm status shop --watch\n")


def test_what_does_not_come_in_time_is_explained(world: World, file: File) -> None:
    path = file(a_manifest(spread={"spread": [{"name": "moon", "requirements": {"zone": "moon"}}]}))
    late = world.wadm("deploy", path, "--wait", "--timeout", "30s")
    assert late.code == 4
    assert "why:        no host has zone=moon" in late.out
    assert "error: shop: not deployed within 30 s" in late.err
    assert "wadm status shop --watch" in late.err
    (as_data,) = json.loads(world.wadm("deploy", path, "--wait", "--timeout", "3s", "-o", "json").out)
    assert (as_data["deployed"], as_data["status"]["type"]) == (False, "failed")


def test_waiting_for_what_waits_already_shows_how_it_is(world: World, file: File) -> None:
    path = file(a_manifest(spread={"spread": [{"name": "moon", "requirements": {"zone": "moon"}}]}))
    world.wadm("deploy", path, "--wait", "--timeout", "5s")
    again = world.wadm("deploy", path, "--wait", "--timeout", "5s")
    assert again.code == 4
    assert "shop  ✗ failed  version v1  0 of 1 scaler as wanted: web: no host has zone=moon" in again.err


def test_a_version_by_name(world: World, file: File) -> None:
    world.wadm("put", file(a_manifest(version="v1")))
    world.wadm("put", file(a_manifest(version="v2", instances=3)))
    assert world.wadm("deploy", "shop", "--version", "v1", "--wait").out == "Deployed shop version v1.\n"
    assert world.wadm("deploy", "shop", "--wait").out == "Deployed shop version v2.\n"
    missing = world.wadm("deploy", "shop", "--version", "v9")
    assert missing.code == 3


def test_several_at_once_the_shared_one_first(world: World, tmp_path: Path) -> None:
    shared = {"experimental.wasmcloud.dev/shared": "true"}
    reference = {"application": {"name": "platform", "component": "web"}}
    (tmp_path / "a-tenant.yaml").write_text(a_manifest("tenant", properties=reference, traits=[]))
    (tmp_path / "platform.yaml").write_text(a_manifest("platform", annotations=shared))
    done = world.wadm("deploy", str(tmp_path), "--wait")
    assert (done.code, done.out) == (0, "Deployed platform version v1.\nDeployed tenant version v1.\n")


def test_nothing_is_stored_if_one_of_several_manifests_is_wrong(world: World, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest("a"))
    (tmp_path / "b.yaml").write_text(a_manifest("b", properties={}))
    wrong = world.wadm("deploy", str(tmp_path), columns=300)
    assert wrong.code == 2
    assert "b.yaml is invalid: 1 error" in wrong.err
    assert json.loads(world.wadm("list", "-o", "json").out) == []


def test_one_application_meant_twice(world: World, file: File) -> None:
    assert "shop is meant twice" in world.wadm("deploy", file(), "shop").err


def test_put_from_stdin(world: World) -> None:
    put = world.wadm("put", "-", stdin=a_manifest())
    assert (put.code, put.err) == (0, "")
    assert put.out == "Put shop version v1 (its only version). Deploy it with: wadm deploy shop\n"
    twice = world.wadm("put", stdin=a_manifest())
    assert (twice.code, twice.out) == (0, "shop version v1 is stored already, unchanged.\n")


def test_what_is_stored_with_another_content_keeps_everything_from_being_stored(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(a_manifest(name, instances=5))
    world.wadm("put", "-", stdin=a_manifest("b"))
    put = world.wadm("put", str(tmp_path))
    assert put.code == 1
    said = "b version v1 is stored with another content: give the manifest a new version. Nothing was stored\n"
    assert put.err == f"error: {said}"
    assert [one["name"] for one in json.loads(world.wadm("list", "-o", "json").out)] == ["b"]


def test_putting_the_same_again_is_no_failure(world: World, file: File) -> None:
    path = file()
    world.wadm("put", path)
    again = world.wadm("put", path, "-o", "json")
    assert (again.code, json.loads(again.out)) == (
        0,
        [{"name": "shop", "version": "v1", "created": False, "unchanged": True}],
    )


def test_put_on_a_terminal_does_not_wait_for_what_nobody_types(world: World) -> None:
    put = world.wadm("put", terminal=True)
    assert (put.code, put.out) == (2, "")
    assert "name a manifest: a file, a directory, a URL, or - for standard input" in put.err


def test_doubts_are_said_beside_the_result(world: World) -> None:
    put = world.wadm("put", stdin=a_manifest(traits=[]))
    assert put.code == 0
    assert "warning: <stdin>:1:" in put.err


# -- looking -----------------------------------------------------------------------------------


def test_list_status_get_history(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    assert "shop  v1       ✓ deployed  1/1      the shop" in world.wadm("list").out
    assert "web     spread  ✓ deployed  2/2" in world.wadm("status", "shop").out
    assert read_yaml(world.wadm("get", "shop").out.encode()) is not None
    revisions, versions = world.wadm("history", "shop").out.split("\n\n")
    assert revisions.splitlines()[1].split()[:2] == ["1", "deploy"]
    assert versions.splitlines()[1].split() == ["v1", "✓", "yes"]
    data = json.loads(world.wadm("status", "shop", "-o", "json").out)
    assert (data["version"], data["status"]["type"], data["status"]["scalers"][0]["type"]) == ("v1", *["deployed"] * 2)


@pytest.mark.parametrize("command", ["status", "get", "history", "deploy", "undeploy", "diff"])
def test_an_application_that_is_not_there(world: World, command: str) -> None:
    missing = world.wadm(command, "nothing")
    assert (missing.code, missing.out) == (3, "")
    assert "nothing not found" in missing.err
    assert "nothing is stored in lattice default; name another lattice with --lattice" in missing.err


def test_an_empty_lattice_says_what_to_do(world: World) -> None:
    assert world.wadm("list").out == "No applications in lattice default. Put one with: wadm deploy FILE\n"


def test_diff_of_a_version_and_a_file(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    other = file(a_manifest(version="v2", instances=5), "other.yaml")
    for arguments in (("shop", other), ("shop", "v1", other), (other,), (other, "v1")):
        done = world.wadm("diff", *arguments)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith(f"--- shop v1\n+++ {other}\n")
        assert "+            instances: 5\n" in done.out


def test_diff(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    world.wadm("put", file(a_manifest(version="v2", instances=7)))
    between = world.wadm("diff", "shop")
    assert between.out.startswith("--- shop v1\n+++ shop v2\n")
    assert "-            instances: 2\n+            instances: 7\n" in between.out
    assert world.wadm("diff", "shop", "--exit-code").code == 1
    same = world.wadm("diff", "shop", "v1", "v1", "--exit-code")
    assert (same.code, same.out, same.err) == (0, "", "shop: no difference\n")
    assert "instances: 9" in world.wadm("diff", file(a_manifest(version="v3", instances=9))).out


def test_what_the_lattice_holds(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    hosts = json.loads(world.wadm("hosts", "-o", "json").out)
    assert sorted(host["labels"]["zone"] for host in hosts) == ["a", "b"]
    inventory = world.wadm("inventory").out
    assert re.search(r"shop-web  component  \d    shop         registry\.example/web:1", inventory)
    one = json.loads(world.wadm("inventory", hosts[0]["host_id"][:8], "-o", "json").out)
    assert [host["host_id"] for host in one] == [hosts[0]["host_id"]]
    assert world.wadm("inventory", "nowhere").code == 3


def test_links_and_configurations(world: World) -> None:
    hello = str(Path(__file__).parents[2] / "examples/hello.yaml")
    world.wadm("deploy", hello, "--wait")
    assert "hello-httpserver  hello-greeter  default  hello" in world.wadm("links").out
    by_hand = {"source_id": "hello-greeter", "target": "hello-httpserver", "name": "mine", "wit_namespace": "wasi"}
    by_hand |= {"wit_package": "keyvalue", "interfaces": ["store"], "source_config": [], "target_config": []}
    put = world.transport("hand").request("wasmbus.ctl.v1.default.link.put", json.dumps(by_hand).encode(), 5)
    world.run(put)
    assert "hello-greeter     hello-httpserver  mine     by hand" in world.wadm("links").out
    told = {one["name"]: one["application"] for one in json.loads(world.wadm("links", "-o", "json").out)}
    assert told == {"default": "hello", "mine": None}
    assert "hello-listen_on  hello        ✓ yes  hello/httpserver" in world.wadm("config").out
    assert json.loads(world.wadm("config", "hello-listen_on", "-o", "json").out) == {"address": "127.0.0.1:8000"}
    assert world.wadm("config", "nothing").code == 3


def test_watching_a_status_line_by_line(world: World, file: File) -> None:
    world.wadm("put", file())

    deploy = world.transport("other").request("wadm.api.default.model.deploy.shop", b"", 5)
    world.loop.call_later(1, world.loop.create_task, deploy)
    world.interrupt_in(5)
    watched = world.wadm("status", "shop", "--watch", "-o", "json")
    assert watched.code == 130
    seen = [json.loads(line)["status"]["type"] for line in watched.out.splitlines()]
    assert (seen[0], seen[-1]) == ("undeployed", "deployed")


# -- taking away -------------------------------------------------------------------------------


def test_undeploy_and_delete(world: World, file: File) -> None:
    path = file()
    world.wadm("deploy", path, "--wait")
    assert world.wadm("undeploy", "shop", "--wait").out == "Undeployed shop.\n"
    assert all("nothing runs here" in part for part in world.wadm("inventory").out.split("\n\n"))
    assert world.wadm("delete", path).out == "Deleted shop.\n"
    gone = world.wadm("delete", "shop")
    assert (gone.code, gone.out) == (3, "")
    assert "error: Application shop doesn't exist or was already deleted\nhint:  `wadm list` shows" in gone.err
    assert world.wadm("delete", "shop", "--if-exists").out == "There was nothing of shop to delete.\n"
    assert world.wadm("delete", "shop", "--if-exists").code == 0


def test_a_person_is_asked_first(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    kept = world.wadm("undeploy", "shop", terminal=True, stdin="n\n")
    assert kept.code == 1
    assert "Undeploy shop in lattice default? [y/N]" in kept.err
    assert "nothing was done" in kept.err
    assert "deployed" in world.wadm("list").out
    assert world.wadm("undeploy", "shop", terminal=True, stdin="y\n").code == 0


def test_what_others_need_is_kept(world: World, file: File) -> None:
    shared = {"experimental.wasmcloud.dev/shared": "true"}
    reference = {"application": {"name": "platform", "component": "web"}}
    world.wadm("deploy", file(a_manifest("platform", annotations=shared)), "--wait")
    world.wadm("deploy", file(a_manifest("tenant", properties=reference, traits=[])), "--wait")
    for command in ("undeploy", "delete"):
        refused = world.wadm(command, "platform")
        assert refused.code == 1
        assert "tenant uses web of platform" in refused.err
    assert world.wadm("undeploy", "platform", "tenant").code == 0
    world.wadm("deploy", "platform", "tenant", "--wait")
    assert world.wadm("undeploy", "platform", "--force").code == 0


def test_all_at_once(world: World, file: File) -> None:
    for name in ("a", "b", "c"):
        world.wadm("deploy", file(a_manifest(name)), "--wait")
    assert world.wadm("undeploy", "a").code == 0
    assert json.loads(world.wadm("delete", "--all-undeployed", "-o", "json").out)[0]["name"] == "a"
    assert world.wadm("undeploy", "--all", "--wait").out == "Undeployed b.\nUndeployed c.\n"
    assert world.wadm("delete", "--all").out == "Deleted b.\nDeleted c.\n"
    assert world.wadm("undeploy", "--all").out == "Nothing is deployed in lattice default.\n"


def test_one_version_of_several(world: World, file: File) -> None:
    world.wadm("put", file(a_manifest(version="v1")))
    world.wadm("deploy", file(a_manifest(version="v2")), "--wait")
    assert world.wadm("delete", "shop", "--version", "v1").out == "Deleted version v1 of shop.\n"
    assert world.wadm("delete", "shop", "--version", "v1").code == 3
    assert "✓ deployed" in world.wadm("list").out


@pytest.mark.parametrize("command", ["undeploy", "delete"])
def test_names_or_all_but_not_both_and_not_none(world: World, command: str) -> None:
    assert world.wadm(command).code == 2
    assert world.wadm(command, "shop", "--all").code == 2


# -- errors ------------------------------------------------------------------------------------


def test_no_server(make_world: MakeWorld) -> None:
    alone = make_world("a", server=False).wadm("list")
    assert (alone.code, alone.out) == (5, "")
    assert "no wadm server serves lattice 'default'" in alone.err
    assert "wadm serve" in alone.err


def test_errors_are_json_beside_json(world: World) -> None:
    missing = world.wadm("get", "nothing", "-o", "json")
    assert missing.code == 3
    assert json.loads(missing.err)["error"] == "not_found"


def test_all_problems_of_a_manifest_are_json_beside_json(world: World) -> None:
    refused = world.wadm("put", "-", "-o", "json", stdin=a_manifest(properties={}))
    assert refused.code == 2
    (problem,) = [one for one in json.loads(refused.err)["problems"] if one.get("level", "error") == "error"]
    assert problem["path"] == "spec.components[0].properties"


def test_a_programming_error_is_no_traceback(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.client.client.Client.list", lambda self: 1 / 0)
    broken = world.wadm("list")
    assert broken.code == 1
    assert broken.err.startswith("error: ZeroDivisionError: division by zero\nhint:")


# -- how it is said ----------------------------------------------------------------------------


def test_colour_for_people_only(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    assert "\x1b[" in world.wadm("list", terminal=True).out
    assert "\x1b[" not in world.wadm("list").out


def test_lines_are_cut_for_a_terminal_and_whole_for_a_pipe(world: World, file: File) -> None:
    long = "a description that goes on and on, far beyond what a terminal of eighty columns has room for"
    world.wadm("deploy", file(a_manifest(annotations={"description": long})), "--wait")
    assert "…" in world.wadm("list", terminal=True).out
    assert long in world.wadm("list", "-o", "wide", terminal=True).out


def test_a_terminal_sees_the_rollout_redrawn(world: World, file: File) -> None:
    done = world.wadm("deploy", file(), "--wait", terminal=True)
    assert done.out == "Deployed shop version v1.\n"
    assert "reconciling" in done.err
    assert "\x1b[2K" in done.err
