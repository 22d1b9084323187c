"""What people and scripts do every day: look at many things, wait for some, take values out of what is printed."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_commands import a_manifest
from tests.cli.world import World
from wadm.cli import query
from wadm.cli.facts import timed
from wadm.cli.main import main
from wadm.cli.selectors import read
from wadm.hosts.behaviour import HostBehaviour, containing
from wadm.hosts.core import HostSpec

MakeWorld = Callable[..., World]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    def write(name: str = "shop", labels: dict[str, str] | None = None, **more: Any) -> str:
        manifest = json.loads(a_manifest(name, **more))
        manifest["metadata"]["labels"] = labels or {}
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(manifest))
        return str(path)

    return write


File = Callable[..., str]

# -- lists ---------------------------------------------------------------------------------------


def test_a_list_of_some(world: World, file: File) -> None:
    for name, team in (("a", "shop"), ("b", "shop"), ("c", "other")):
        world.wadm("deploy", file(name, {"team": team}), "--wait")
    assert world.wadm("list", "a", "c", "-o", "name").out == "a\nc\n"
    assert world.wadm("list", "-l", "team=shop", "-o", "name").out == "a\nb\n"
    assert world.wadm("list", "-l", "team!=shop", "-o", "name").out == "c\n"
    assert world.wadm("list", "-l", "!team", "-o", "name").out == ""
    missing = world.wadm("list", "a", "bb")
    assert (missing.code, missing.out) == (3, "")
    assert "bb: not in lattice default" in missing.err


@pytest.mark.parametrize("text", ["", "=x", "a=b,,c", "!"])
def test_what_is_no_selector(text: str) -> None:
    with pytest.raises(ValueError, match="is no selector"):
        read(text)


def test_a_list_of_all_lattices(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    world.wadm("put", file("b"), "--lattice", "other")
    done = world.wadm("list", "--all-lattices", "-o", "custom-columns=LATTICE:.lattice,NAME:.name,STATE:.state")
    assert done.out == "LATTICE  NAME  STATE\ndefault  a     deployed\nother    b     undeployed\n"
    assert world.wadm("list", "-A").out.splitlines()[0].split()[:3] == ["LATTICE", "NAME", "VERSION"]


def test_a_list_that_stays(world: World, file: File) -> None:
    world.wadm("put", file("a"))
    world.loop.call_later(3, lambda: world.loop.create_task(_deploy(world, "a")))
    world.interrupt_in(20)
    shown = world.wadm("list", "--watch")
    assert shown.code == 130
    assert re.search(r"a  ○ undeployed\n(.*\n)*.*a  ✓ deployed  version v1  1 of 1 scaler as wanted", shown.out)


async def _deploy(world: World, name: str) -> None:
    await world.transport("somebody").request(f"wadm.api.default.model.deploy.{name}", b"{}", 5)


# -- status --------------------------------------------------------------------------------------


def test_several_applications_and_an_exit_code(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    world.wadm("put", file("b"))
    assert world.wadm("status", "a", "--exit-code").code == 0
    both = world.wadm("status", "a", "b", "--exit-code", "-o", "json")
    assert (both.code, [one["state"] for one in json.loads(both.out)]) == (1, ["deployed", "undeployed"])


def test_on_which_hosts_it_runs(world: World, file: File) -> None:
    world.wadm("deploy", file("a", instances=4), "--wait")
    hosts = [host.friendly_name for host in world.fleet.hosts.values()]
    shown = world.wadm("status", "a", "-o", "wide").out
    (row,) = [line for line in shown.splitlines() if line.startswith("web ")]
    assert any(f"{host} (" in row for host in hosts)
    assert sum(map(int, re.findall(r"\((\d)\)", row))) == 4


def test_json_says_what_the_text_says(world: World, file: File) -> None:
    """Fields that were there keep their names and types; the words of the text and readable times stand beside."""
    world.wadm("deploy", file("a", spread={"spread": [{"name": "m", "requirements": {"zone": "moon"}}]}), "--wait",
               "--timeout", "5s")  # fmt: skip
    data = json.loads(world.wadm("status", "a", "-o", "json").out)
    (scaler,) = data["status"]["scalers"]
    assert (scaler["name"], scaler["kind"], scaler["scaler"], scaler["scaler_kind"]) == (
        "a-web", "SpreadScaler", "web", "spread")  # fmt: skip
    assert scaler["why"].startswith("no host has zone=moon")
    assert scaler["todo"].startswith("label a host so")
    since = scaler["explanation"]
    assert isinstance(since["since"], float)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", since["since_at"])
    assert since["since_seconds_ago"] > 0
    (listed,) = json.loads(world.wadm("list", "-o", "json").out)
    assert (listed["state"], listed["status"]["type"], listed["lattice"]) == ("failed", "failed", "default")
    for command in ("history", "events"):
        assert '_at": "20' in world.wadm(command, "a", "-o", "json").out, command


def test_times_beside_what_is_no_time() -> None:
    data = timed({"since": 10.0, "next": "soon", "next_try": 70.0, "time": 0, "asked": True}, 40.0)
    assert data == {
        "since": 10.0,
        "since_at": "1970-01-01T00:00:10.000Z",
        "since_seconds_ago": 30.0,
        "next": "soon",
        "next_try": 70.0,
        "next_try_at": "1970-01-01T00:01:10.000Z",
        "next_try_in_seconds": 30.0,
        "time": 0,
        "asked": True,
    }


def test_what_an_undeploy_left(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    world.wadm("undeploy", "a", "--wait", "--author", "bob", "-m", "for the night")
    said = world.wadm("status", "a", columns=200).out
    assert "undeployed by bob at " in said
    assert "(for the night); deploy it again with: wadm deploy a" in said


def test_a_newer_version_is_told_of(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    world.wadm("put", file("a", version="v2"))
    assert "a newer version is stored, v2: deploy it with `wadm deploy a`" in world.wadm("status", "a").out


PROVIDER = {
    "name": "http",
    "type": "capability",
    "properties": {"image": "registry.example/http:1"},
    "traits": [
        {
            "type": "link",
            "properties": {
                "namespace": "wasi",
                "package": "http",
                "interfaces": ["incoming-handler"],
                "target": {"name": "web"},
                "source": {"config": [{"name": "listen", "properties": {"address": "127.0.0.1:8080"}}]},
            },
        }
    ],
}


def with_provider(name: str) -> str:
    manifest = json.loads(a_manifest(name))
    manifest["spec"]["components"].append(PROVIDER)
    return json.dumps(manifest)


def test_what_a_provider_was_told_and_that_nobody_knows_whether_it_listens(world: World) -> None:
    world.wadm("deploy", "-", "--wait", stdin=with_provider("a"))
    world.run(_pass(world))
    said = " ".join(world.wadm("status", "a", columns=300).out.split())
    assert "http was told of the link to web with a-listen (address 127.0.0.1:8080) at " in said
    assert "Whether it listens, only its host knows: see its log there, or try `curl http://127.0.0.1:8080`" in said


def test_a_deploy_that_waits_for_a_health_report_says_so_and_tells_nothing_twice(world: World) -> None:
    told = world.wadm("deploy", "-", "--wait", stdin=with_provider("a")).err.splitlines()
    deployed = [line.partition("as wanted")[2] for line in told if "✓ deployed" in line]
    assert deployed == [": a-http has not reported its health yet", ""]


def test_a_provider_that_runs_nowhere_was_told_nothing(make_world: MakeWorld) -> None:
    nowhere = make_world()
    nowhere.wadm("deploy", "-", stdin=with_provider("a"))
    assert "was told of the link" not in nowhere.wadm("status", "a").out
    unfetchable = make_world(HostSpec("host-a", {}, HostBehaviour(images=containing("http:1", error="not found"))))
    failed = unfetchable.wadm("deploy", "-", "--wait", "--fail-fast", stdin=with_provider("a"))
    assert failed.code == 1
    assert "was told of the link" not in unfetchable.wadm("status", "a").out


async def _pass(world: World) -> None:
    await world.transport("time").sleep(5)


def test_two_applications_on_one_address(make_world: MakeWorld) -> None:
    world = make_world("a")
    for name in ("a", "b"):
        world.wadm("deploy", "-", "--wait", stdin=with_provider(name))
    said = " ".join(world.wadm("status", "b", columns=300).out.split())
    host = next(iter(world.fleet.hosts.values())).friendly_name
    assert f"address 127.0.0.1:8080 of http is taken: http of a listens there on {host}" in said
    assert "give one of them another port in b-listen" in said


# -- waiting -------------------------------------------------------------------------------------


def test_waiting_for_a_state(world: World, file: File) -> None:
    world.wadm("deploy", file("a"))
    assert world.wadm("wait", "a").out == "a is deployed.\n"
    reached = world.wadm("wait", "a", "--for", "jsonpath={.scalers[0].running}=2")
    assert (reached.code, reached.out) == (0, "a: .scalers[0].running is 2.\n")
    missed = world.wadm("wait", "a", "--for", "jsonpath={.scalers[0].running}=3", "--timeout", "1s")
    assert (missed.code, missed.err.partition(" within")[0]) == (4, "error: a: .scalers[0].running is not 3")
    late = world.wadm("wait", "a", "--for", "deleted", "--timeout", "3s")
    assert (late.code, late.err) == (4, "error: a: not deleted within 3 s\n")
    world.wadm("undeploy", "a")
    assert world.wadm("wait", "a", "--for", "undeployed").code == 0
    world.wadm("delete", "a")
    assert world.wadm("wait", "a", "--for", "deleted").code == 0
    assert world.wadm("wait", "a").code == 3
    assert world.wadm("wait", "a", "--for", "nonsense").code == 2


def test_what_is_waited_for_in_vain_is_explained(world: World, file: File) -> None:
    world.wadm("deploy", file("a", spread={"spread": [{"name": "m", "requirements": {"zone": "moon"}}]}))
    late = world.wadm("wait", "a", "--timeout", "5s")
    assert late.code == 4
    assert "error: a: not deployed within 5 s: it is failed; web: no host has zone=moon" in late.err


def test_not_waiting_for_what_has_failed(world: World, file: File) -> None:
    path = file("a", spread={"spread": [{"name": "m", "requirements": {"zone": "moon"}}]})
    began = world.loop.time()
    failed = world.wadm("deploy", path, "--wait", "--fail-fast", "--timeout", "5m")
    assert failed.code == 1
    assert "error: a: failed\n" in failed.err
    assert world.loop.time() - began < 30
    assert world.wadm("deploy", file("b"), "--wait", "--fail-fast").code == 0


def test_interrupted_while_waiting(world: World, file: File) -> None:
    world.interrupt_in(5)
    path = file("a", spread={"spread": [{"name": "m", "requirements": {"zone": "moon"}}]})
    done = world.wadm("deploy", path, "--wait")
    assert done.code == 130
    assert "Not waiting any more. The server goes on deploying a." in done.err
    assert "wadm status a --watch" in done.err


# -- looking ahead -------------------------------------------------------------------------------


def test_plans_and_differences_of_a_directory(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.json").write_text(a_manifest(name))
    world.wadm("deploy", str(tmp_path / "a.json"), "--wait")
    plans = json.loads(world.wadm("plan", f"{tmp_path}/", "-o", "json").out)
    assert [(one["application"], bool(one["steps"])) for one in plans] == [("a", False), ("b", True)]
    shown = world.wadm("plan", f"{tmp_path}/", columns=200).out
    assert f"To do just this: wadm deploy {tmp_path}/b.json --plan " in shown
    changed = world.wadm("diff", f"{tmp_path}/", "--exit-code")
    assert (changed.code, "--- b (not deployed)" in changed.out) == (1, True)


def test_a_plan_that_deploy_would_refuse_says_so(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    planned = world.wadm("plan", file("a", instances=5), columns=200)
    assert "To do just this" not in planned.out
    assert "`wadm deploy` refuses this: version v1 is stored with another content" in planned.out


def test_a_plan_of_an_undeploy_that_others_would_suffer_from(world: World) -> None:
    shared = {"annotations": {"experimental.wasmcloud.dev/shared": "true"}}
    world.wadm("deploy", "-", "--wait", stdin=a_manifest("platform", **shared))
    tenant = json.loads(a_manifest("tenant", traits=[]))
    tenant["spec"]["components"][0]["properties"] = {"application": {"name": "platform", "component": "web"}}
    world.wadm("deploy", "-", stdin=json.dumps(tenant))
    planned = json.loads(world.wadm("plan", "platform", "--undeploy", "-o", "json").out)
    assert "other applications need this: tenant uses web of platform" in planned["refused"]


# -- taking values out ---------------------------------------------------------------------------

DATA = {"name": "shop", "labels": {"a.b/c": "x"}, "scalers": [{"type": "failed", "n": 1}, {"type": "deployed", "n": 2}]}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (".name", "shop"),
        ("{.name}", "shop"),
        ("{$.name}", "shop"),
        ("{.labels['a.b/c']}", "x"),
        ("{.scalers[*].type}", "failed deployed"),
        ("{.scalers[1].n}", "2"),
        ("{.scalers[9].n}{.nothing}", ""),
        ('{range .scalers[*]}{.type}={.n}{"\\n"}{end}', "failed=1\ndeployed=2\n"),
        ("{.labels}", '{"a.b/c": "x"}'),
    ],
)
def test_a_template(template: str, text: str) -> None:
    assert query.evaluate(template, DATA) == text


@pytest.mark.parametrize("template", ["{.a[}", "{.a b}", "{end}", "{.scalers[?(@.n)]}"])
def test_a_template_that_cannot_be_read(template: str) -> None:
    with pytest.raises(ValueError, match=r"cannot be read|without"):
        query.evaluate(template, DATA)


def test_formats_on_the_command_line(world: World, file: File) -> None:
    world.wadm("deploy", file("a"), "--wait")
    assert world.wadm("status", "a", "-o", "jsonpath={.status.type}").out == "deployed\n"
    assert world.wadm("list", "-o", "jsonpath={range .[*]}{.name} {.state}{'\\n'}{end}").out == "a deployed\n"
    zones = world.wadm("hosts", "-o", "custom-columns=ZONE:.labels.zone").out.split()
    assert (zones[0], sorted(zones[1:])) == ("ZONE", ["a", "b"])
    for wrong in ("jsonpath", "jsonpath=", "json=x", "custom-columns=NAME"):
        assert world.wadm("list", "-o", wrong).code == 2, wrong


# -- contexts ------------------------------------------------------------------------------------


def test_contexts_are_made_and_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    create = ["context", "create", "staging", "-s", "nats.example.com:4333", "--lattice", "staging", "--use"]
    assert main(create) == 0
    path = tmp_path / ".config/wash/contexts/staging.json"
    assert json.loads(path.read_text()) == {
        "name": "staging",
        "ctl_host": "nats.example.com",
        "ctl_port": 4333,
        "lattice": "staging",
    }
    assert path.stat().st_mode & 0o777 == 0o600
    capsys.readouterr()
    assert main(["context", "show", "-o", "json"]) == 0
    rows = {row["setting"]: (row["value"], row["from"]) for row in json.loads(capsys.readouterr().out)}
    assert rows["servers"] == ("nats://nats.example.com:4333", "wash context 'staging'")
    assert main(create) == 1
    assert "there is a context 'staging' of wash already" in capsys.readouterr().err
    assert main(["context", "create", "x", "--user", "ann", "--password", "p"]) == 2
    assert "contexts of wash hold no user; make one of nats with --of nats" in capsys.readouterr().err
    assert main(["context", "create", "x", "--of", "nats", "-s", "nats://a,nats://b", "--user", "ann"]) == 0
    assert main(["context", "use", "x"]) == 0
    assert "But wash context staging is used before it: wash has a default" in capsys.readouterr().err
    assert main(["context", "create", "../x", "-x", "l"]) == 2


# -- a provider whose new image does not come to run ---------------------------------------------


def a_provider(tmp_path: Path, version: str) -> str:
    image = f"registry.example/http:{version}"
    http = {"name": "http", "type": "capability", "properties": {"image": image}}
    manifest = {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": "shop", "annotations": {"version": version}},
        "spec": {"components": [http]},
    }
    path = tmp_path / f"{version}.json"
    path.write_text(json.dumps(manifest))
    return str(path)


def test_waiting_ends_with_an_error_where_a_provider_runs_as_before_and_a_retry_tries_it_again(
    make_world: MakeWorld, tmp_path: Path
) -> None:
    broken = HostBehaviour(provider_crash=containing("http:2"))
    world = make_world(HostSpec("host-a", {}, broken))
    assert world.wadm("deploy", a_provider(tmp_path, "1"), "--wait").code == 0
    world.run(asyncio.sleep(60))
    planned = world.wadm("plan", a_provider(tmp_path, "2"))
    assert "this interrupts shop-http, of which a host runs only one" in " ".join(planned.out.split())
    began = world.loop.time()
    failed = world.wadm("deploy", a_provider(tmp_path, "2"), "--wait", "--timeout", "5m")
    assert failed.code == 1
    assert "error: shop: failed" in failed.err
    assert "try again with: wadm deploy shop --retry" in failed.err
    assert world.loop.time() - began < 20, "it is not waited for what is not tried"
    told = " ".join(world.wadm("status", "shop").out.split())
    assert "registry.example/http:2 was given up on" in told

    [host] = world.fleet.hosts.values()
    host.habits = HostBehaviour()
    assert world.wadm("deploy", "shop", "--retry", "--wait").code == 0
    assert host.providers["shop-http"].image == "registry.example/http:2"


def test_there_is_nothing_to_try_again_of_what_is_not_deployed(world: World, file: File) -> None:
    world.wadm("put", file("a"))
    refused = world.wadm("deploy", "a", "--retry")
    assert (refused.code, "nothing to try again" in refused.err) == (1, True)
    assert world.wadm("deploy", file("a"), "--retry").code == 2
