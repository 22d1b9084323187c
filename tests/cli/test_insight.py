"""Looking before and after: plan, explain, events, history, rollback, doctor."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.test_commands import a_manifest
from tests.cli.world import World
from tests.conftest import NatsServerFactory
from wadm.cli.main import main

MakeWorld = Callable[..., World]


@pytest.fixture
def file(tmp_path: Path) -> Callable[..., str]:
    """Write a manifest to a file; return its path."""

    def write(**what: object) -> str:
        path = tmp_path / "wadm.yaml"
        path.write_text(a_manifest(**what))  # type: ignore[arg-type]
        return str(path)

    return write


File = Callable[..., str]

# -- plan ------------------------------------------------------------------------------------


def test_a_plan_changes_nothing_and_needs_nothing_stored(world: World, file: File) -> None:
    planned = world.wadm("plan", file(), columns=200)
    assert planned.code == 0
    assert "+ start" in planned.out
    assert "none runs there" in planned.out
    assert world.wadm("list", "-o", "json").out == "[]\n"


def test_deploying_by_a_plan(world: World, file: File) -> None:
    path = file()
    planned = json.loads(world.wadm("plan", path, "-o", "json").out)
    assert (planned["planned_by"], planned["version"], planned["status"]["type"]) == ("server", "v1", "deployed")
    done = world.wadm("deploy", path, "--plan", planned["id"], "--wait")
    assert (done.code, done.out) == (0, "Deployed shop version v1.\n")
    assert "Nothing would be done" in world.wadm("plan", "shop").out


def test_a_manifest_without_a_version_can_be_deployed_by_its_plan(world: World, file: File) -> None:
    path = file(version=None)
    planned = json.loads(world.wadm("plan", path, "-o", "json").out)
    assert world.wadm("deploy", path, "--plan", planned["id"], "--wait").code == 0


def test_a_plan_that_does_not_hold_any_more_is_refused(world: World, file: File) -> None:
    planned = json.loads(world.wadm("plan", file(), "-o", "json").out)
    world.wadm("deploy", file(version="v0", instances=7), "--wait")
    refused = world.wadm("deploy", file(), "--plan", planned["id"])
    assert refused.code == 1
    assert "does not hold any more" in refused.err
    assert "make a new plan" in refused.err
    assert json.loads(world.wadm("history", "shop", "-o", "json").out)["revisions"][-1]["version"] == "v0"


def test_what_is_updated_live_is_told(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    planned = world.wadm("plan", file(version="v2", properties={"image": "registry.example/web:2"}))
    assert "~ update live" in planned.out
    assert "live updates lose no request" in planned.out


def test_what_undeploying_would_do(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    assert "- stop" in world.wadm("plan", "shop", "--undeploy").out


def test_without_a_server_the_plan_is_made_from_what_hosts_say(make_world: MakeWorld, file: File) -> None:
    world = make_world("a", server=False)
    planned = world.wadm("plan", file())
    assert planned.code == 0
    assert "+ start" in planned.out
    assert "No server in this lattice can plan" in planned.err
    assert "--plan" not in planned.out, "there is nobody to keep to it"


def test_the_plan_made_here_is_the_one_a_server_makes(make_world: MakeWorld, file: File) -> None:
    path = file(instances=5)
    by_server = json.loads(make_world("a").wadm("plan", path, "-o", "json").out)
    made_here = json.loads(make_world("a", server=False).wadm("plan", path, "-o", "json").out)
    assert made_here.pop("planned_by") == "inventories"
    assert by_server.pop("planned_by") == "server"
    assert made_here == by_server


def test_plans_of_what_cannot_be(world: World, file: File) -> None:
    assert world.wadm("plan", "nothing").code == 3
    assert world.wadm("plan", file(), "--undeploy").code == 2
    assert world.wadm("plan", file(instances=-1)).code == 2


# -- explain, events -------------------------------------------------------------------------


def test_explaining_one_scaler(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    assert "wants:      2 of registry.example/web:1 in all" in world.wadm("explain", "shop", "web").out
    one = json.loads(world.wadm("explain", "shop", "web", "-o", "json").out)
    assert [scaler["name"] for scaler in one["explanation"]["scalers"]] == ["shop-web"]
    missing = world.wadm("explain", "shop", "api")
    assert missing.code == 3
    assert "it has: web" in missing.err
    assert world.wadm("explain", "nothing").code == 3


def test_events_tell_command_answer_event_and_status(world: World, file: File) -> None:
    world.wadm("put", file())
    world.wadm("plan", "shop")  # an owner is there, and hears of the deployment
    world.wadm("deploy", "shop", "--wait")
    world.run(asyncio.sleep(1))  # entries are told together
    entries = json.loads(world.wadm("events", "shop", "-o", "json").out)["entries"]
    assert {entry["kind"] for entry in entries} == {"request", "command", "answer", "event", "status"}
    assert [entry["time"] for entry in entries] == sorted(entry["time"] for entry in entries)
    assert "because spread default wants 2" in world.wadm("events", "shop", columns=200).out
    assert len(json.loads(world.wadm("events", "--limit", "2", "-o", "json").out)["entries"]) == 2
    world.run(asyncio.sleep(60))
    assert "Nothing has happened in that time." in world.wadm("events", "shop", "--since", "1s").out
    assert world.wadm("events", "nothing").code == 3


def test_events_tell_who_put_deployed_and_deleted(world: World, file: File) -> None:
    world.wadm("put", file(), "--author", "ann")
    world.wadm("put", file())  # nothing new
    world.wadm("deploy", "shop", "--wait", "--author", "bob", "-m", "first day")
    world.wadm("deploy", file(version="v2", instances=3), "--wait", "--author", "cem")
    world.wadm("deploy", file(version="v2", instances=4), "--replace", "--wait", "--author", "dea")
    world.wadm("rollback", "shop", "--wait", "--author", "eve")
    world.wadm("delete", "shop", "--version", "v2", "--yes", "--author", "fay")
    world.wadm("undeploy", "shop", "--wait", "--author", "gil")
    world.wadm("delete", "shop", "--yes")
    world.wadm("delete", "shop", "--yes")  # nothing is there
    world.run(asyncio.sleep(1))
    entries = json.loads(world.wadm("events", "shop", "--limit", "500", "-o", "json").out)["entries"]
    asked = [one["text"] for one in entries if one["kind"] == "request" and "to be " not in one["text"]]
    assert asked[:-1] == [
        "version v1 put by ann",
        "version v1 deployed by bob (first day)",
        "version v2 put by cem",
        "version v2 deployed by cem",
        "version v2 put in its own place by dea",
        "version v2 deployed again by dea",
        "rollback to version v1 by eve",
        "version v2 deleted by fay",
        "undeployed by gil",
    ]
    assert asked[-1].startswith("deleted, with all its versions by ")
    assert "@" in asked[-1]


def test_following_what_happens(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    world.interrupt_in(2)
    followed = world.wadm("events", "shop", "--follow", "-o", "json")
    assert followed.code == 130
    assert json.loads(followed.out.splitlines()[0])["application"] == "shop"


# -- history, rollback -------------------------------------------------------------------------


def test_history_tells_who_and_what_for(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait", "--author", "ann", "-m", "the first")
    world.wadm("undeploy", "shop", "--wait", "--author", "bob")
    revisions = json.loads(world.wadm("history", "shop", "-o", "json").out)["revisions"]
    told = [(one["action"], one["author"], one.get("message", ""), one["outcome"]) for one in revisions]
    assert told == [("deploy", "ann", "the first", "deployed"), ("undeploy", "bob", "", "undeployed")]
    assert "ann  v1\n" in world.wadm("history", "shop").out


def test_without_an_author_it_is_who_is_at_the_machine(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    (revision,) = json.loads(world.wadm("history", "shop", "-o", "json").out)["revisions"]
    assert "@" in revision["author"]


def test_back_to_the_version_before(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    world.wadm("deploy", file(version="v2", instances=3), "--wait")
    back = world.wadm("rollback", "shop", "--wait", "-m", "v2 is worse")
    assert (back.code, back.out) == (0, "Deployed shop version v1.\n")
    assert world.wadm("rollback", "shop", "--to", "v2", "--wait").out == "Deployed shop version v2.\n"
    assert world.wadm("rollback", "shop", "--to", "v9").code == 3


def test_nothing_to_go_back_to(world: World, file: File) -> None:
    world.wadm("deploy", file(), "--wait")
    refused = world.wadm("rollback", "shop")
    assert refused.code == 1
    assert "has no version to go back to" in refused.err
    assert "`wadm history shop` lists the versions; name one with --to" in refused.err


# -- doctor ------------------------------------------------------------------------------------


def test_the_doctor_without_nats(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "-s", "nats://127.0.0.1:1"]) == 5
    assert "Cannot connect to NATS" in capsys.readouterr().err


def test_the_doctor_without_jetstream(
    nats_server_factory: NatsServerFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    server = nats_server_factory(jetstream=False)
    assert main(["doctor", "-s", server.url]) == 1
    assert "start nats-server with -js" in capsys.readouterr().out


def test_the_doctor_of_an_empty_lattice(
    nats_server_factory: NatsServerFactory, capsys: pytest.CaptureFixture[str]
) -> None:
    server = nats_server_factory()
    assert main(["doctor", "-s", server.url, "-o", "json"]) == 1
    found = {one["area"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["JetStream"]["level"] == "ok"
    assert "no wadm server has ever run" in found["storage"]["text"]
    assert found["server"]["level"] == found["hosts"]["level"] == "error"
    assert found["hosts"]["hint"]
