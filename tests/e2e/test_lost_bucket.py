"""The bucket of the applications is deleted under running servers, on a real NATS: nothing is forgotten, hosts are
asked to change nothing, everybody is told, and both ways back work."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import Stage, application, component_id, until
from tests.transport.worlds import free_port

NAMES = ["app-0", "app-1"]
BUCKETS = ("KV_wadm_manifests", "KV_wadm_state", "wadm_revisions")


async def wadm(stage: Stage, *arguments: str) -> tuple[int, str, str]:
    """Run the command line; return its exit code and what it said."""
    command = [sys.executable, "-m", "wadm", *arguments, "-s", stage.urls[0]]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


async def ready(port: int) -> tuple[int, Any]:
    """Return what ``/readyz`` answers."""

    def ask() -> tuple[int, Any]:
        try:
            with urlopen(f"http://127.0.0.1:{port}/readyz") as reply:
                return reply.status, json.load(reply)
        except HTTPError as error:
            return error.code, json.load(error)

    return await asyncio.to_thread(ask)


async def all_deployed(stage: Stage) -> bool:
    told = await stage.ask("get")
    return [one["status"] for one in told["models"]] == ["deployed"] * len(NAMES)


@pytest.mark.timeout(120)
async def test_nothing_is_forgotten_and_both_ways_back_work(
    nats_server_factory: NatsServerFactory, set_up: SetUp, tmp_path: Path
) -> None:
    stage, port = set_up([nats_server_factory().url]), free_port()
    stage.configured = True
    await stage.start()
    await stage.serve("one", arguments=("--http-admin", f"127.0.0.1:{port}"))
    await stage.serve("two")
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    file = tmp_path / "backup.json"
    assert (await wadm(stage, "backup", str(file)))[0] == 0
    assert await ready(port) == (200, {"status": "ok"})
    before = stage.changes()
    assert len(stage.configs()) == len(NAMES)

    assert await stage.client.delete_stream(BUCKETS[0])

    async def told() -> bool:
        return (await ready(port))[0] == 503

    await until(told)
    assert "the bucket wadm_manifests was deleted" in (await ready(port))[1]["reason"]
    assert sorted(one["name"] for one in (await stage.ask("get"))["models"]) == NAMES
    code, out, _ = await wadm(stage, "doctor", "-o", "json")
    assert code == 1
    (lost,) = [one for one in json.loads(out) if one["text"].startswith("app-0, app-1 are not stored any more")]
    assert lost["hint"].startswith("wadm restore --from-server")
    code, out, err = await wadm(stage, "status", "app-0")
    assert "stands still" in out + err
    refused = await stage.ask("undeploy.app-0", {"non_destructive": False})
    assert (refused["result"], "the bucket wadm_manifests was deleted" in refused["message"]) == ("error", True)

    code, out, err = await wadm(stage, "restore", "--from-server", "--yes", "-o", "json")
    assert (code, json.loads(out)["restored"]) == (0, NAMES), err
    await until(lambda: all_deployed(stage))
    assert await ready(port) == (200, {"status": "ok"})
    assert stage.changes() == before

    # Now nobody remembers anything: the servers are gone, too.
    for instance in ("one", "two"):
        stage.instances[instance].kill()
    for bucket in BUCKETS:
        assert await stage.client.delete_stream(bucket)
    await stage.serve("three")
    assert (await stage.ask("get"))["models"] == []
    code, out, _ = await wadm(stage, "doctor", "-o", "json")
    assert any(one["text"].startswith("hosts run parts of app-0, app-1") for one in json.loads(out))
    code, out, err = await wadm(stage, "restore", str(file), "--yes")
    assert code == 0, err
    await until(lambda: all_deployed(stage))
    await asyncio.sleep(3)
    assert stage.changes() == before
    assert [one["version"] for one in (await stage.ask("history.app-0"))["revisions"]] == ["v1"]
    assert (await stage.ask("undeploy.app-0", {"non_destructive": False}))["result"] == "acknowledged"

    # What was put for it is known again, so it goes with it: the component, and the configuration.
    await until(lambda: stage.running() == {component_id("app-1"): 3} and len(stage.configs()) == 1)


async def test_a_deployment_is_answered_though_nobody_can_be_told_of_it(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    stage = set_up([nats_server_factory().url])
    await stage.start()
    await stage.serve("one")
    for stream in ("wadm_events", "wadm_revisions"):
        assert await stage.client.delete_stream(stream)
    assert (await stage.ask("put", application("app-0")))["result"] == "created"
    assert (await stage.ask("deploy.app-0", timeout=2))["result"] == "acknowledged"
    assert (await stage.ask("undeploy.app-0", {"non_destructive": False}, timeout=2))["result"] == "acknowledged"
