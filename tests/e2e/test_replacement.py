"""In place of the original, and back: the same answers to the same requests, and nothing that runs is touched."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import PATIENCE, Instance, Stage, application, until
from tests.real import real_program
from wadm.errors import WadmError
from wadm.hosts.behaviour import HostBehaviour
from wadm.transport.base import Transport
from wadm.transport.nats import ConnectOptions, connect

pytestmark = pytest.mark.real

Begin = Callable[[str], subprocess.Popen[bytes]]


@pytest.fixture
def begin_original(tmp_path: Path) -> Iterator[Begin]:
    """Start the original on a NATS server."""
    started = []

    def begin(url: str) -> subprocess.Popen[bytes]:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("RUST_", "WADM_"))}
        with (tmp_path / "original.log").open("ab") as log:
            command = [str(real_program("wadm")), "--nats-server", url]
            started.append(subprocess.Popen(command, stdout=log, stderr=log, env=environment))
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.wait()


# -- conversations -------------------------------------------------------------------------------

NAMES = ("shop", "my-app", "my_app", "x" * 60)
VERSIONS = ("v1", "v2", "1.0.0", "latest", "nobody")


def conversation(draw: random.Random) -> list[tuple[str, str]]:
    """Draw requests, each an operation with its body, about a few applications that are in each other's way."""
    return [_request(draw) for _ in range(30)]


def _request(draw: random.Random) -> tuple[str, str]:
    name, version = draw.choice(NAMES), {"version": draw.choice(VERSIONS)}
    kind = draw.choices(
        ("put", "deploy", "undeploy", "del", "get", "versions", "status", "list", "odd"), (40, 15, 7, 8, 8, 7, 7, 5, 3)
    )[0]
    match kind:
        case "put":
            return "model.put", json.dumps(_manifest(draw, name))
        case "list":
            return draw.choice(("model.list", "model.get")), ""
        case "odd":
            return draw.choice(("model", "other", "model.put.shop", "model.other.shop", "model.deploy")), ""
        case "deploy" | "get":
            return f"model.{kind}.{name}", draw.choice(("", "{}", json.dumps(version)))
        case "del":
            bodies = ("", "{}", json.dumps(version), json.dumps({**version, "delete_all": True}))
            return f"model.del.{name}", draw.choice(bodies)
        case _:
            return f"model.{kind}.{name}", ""


def _manifest(draw: random.Random, name: str) -> dict[str, Any]:
    annotations = {"version": draw.choice(VERSIONS)} if draw.random() < 0.9 else {}
    if draw.random() < 0.3:
        annotations["experimental.wasmcloud.dev/shared"] = "true"
    spec: dict[str, Any] = {"components": [_component(draw, number) for number in range(draw.randint(1, 3))]}
    if draw.random() < 0.2:
        policy = {"name": "vault", "type": "policy.secret.wasmcloud.dev/v1alpha1", "properties": {"backend": "nats-kv"}}
        spec["policies"] = [policy]
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": annotations},
        "spec": spec,
    }


def _component(draw: random.Random, number: int) -> dict[str, Any]:
    kind = draw.choice(("component", "component", "capability"))
    properties: dict[str, Any] = {"image": f"registry.example/{kind}{number}:{draw.randint(1, 2)}"}
    if draw.random() < 0.25:
        properties = {"application": {"name": draw.choice(NAMES), "component": f"part{draw.randint(0, 2)}"}}
    if draw.random() < 0.2:
        properties["id"] = draw.choice(("same", "shop-part0"))
    if draw.random() < 0.3:
        properties["config"] = [{"name": "c", "properties": {"a": "b"}}]
    if draw.random() < 0.1:
        properties["secrets"] = [{"name": "s", "properties": {"policy": "vault", "key": "k"}}]
    traits: list[dict[str, Any]] = []
    if draw.random() < 0.7:
        spread = [{"name": "s", "requirements": {"zone": "1"}, "weight": draw.choice((0, 10, 100))}]
        scaler = {"instances": draw.choice((0, 1, 5)), "spread": draw.choice(([], spread))}
        traits.append({"type": draw.choice(("spreadscaler", "daemonscaler")), "properties": scaler})
    if draw.random() < 0.4:
        link = {"namespace": "wasi", "package": "http", "interfaces": ["h"], "target": f"part{draw.randint(0, 2)}"}
        traits.append({"type": "link", "properties": link})
    name = f"part{number}" if draw.random() < 0.9 else "part0"
    return {"name": name, "type": kind, "properties": properties, "traits": traits}


async def answers(transport: Transport, lattice: str, requests: list[tuple[str, str]]) -> list[Any]:
    found = []
    for operation, body in requests:
        answer = (await transport.request(f"wadm.api.{lattice}.{operation}", body.encode(), 10)).data
        found.append(_comparable(json.loads(answer)))
    return found


def _comparable(answer: Any) -> Any:
    """Leave out what differs on purpose: generated versions, further fields, the version that a put names, order of
    lists, and the wording after the colon where a body cannot be read."""
    if isinstance(answer, list):
        return sorted(map(_comparable, answer), key=repr)
    if isinstance(answer, str):
        return re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ULID", answer)
    if not isinstance(answer, dict):
        return answer
    kept = {key: _comparable(value) for key, value in answer.items() if key != "problems"}
    if kept.get("result") in ("created", "newversion"):
        del kept["message"]
    return kept


async def is_there(transport: Transport) -> None:
    """Wait until somebody answers."""

    async def listed() -> bool:
        try:
            await transport.request("wadm.api.nobody.model.list", b"", 1)
        except WadmError:
            return False
        return True

    await until(listed)


async def test_the_same_requests_get_the_same_answers(
    nats_server_factory: NatsServerFactory, begin_original: Begin, tmp_path: Path
) -> None:
    theirs, ours = nats_server_factory().url, nats_server_factory().url
    begin_original(theirs)
    instance = Instance("ours", [ours], tmp_path / "ours.log", (), {})
    try:
        original, server = [await connect(ConnectOptions((url,))) for url in (theirs, ours)]
        await is_there(original)
        await is_there(server)
        for seed in range(20):
            requests = conversation(random.Random(seed))
            expected = await answers(original, f"seed{seed}", requests)
            assert await answers(server, f"seed{seed}", requests) == expected, f"seed {seed}"
        for transport in (original, server):
            await transport.close()
    finally:
        instance.kill()


# -- taking over -----------------------------------------------------------------------------------


def stored_by_either(name: str, version: str = "v1") -> dict[str, Any]:
    """Return an application with something of every kind."""
    wanted = application(name)
    wanted["metadata"]["annotations"]["version"] = version
    (api,) = wanted["spec"]["components"]
    api["properties"]["image"] = f"registry.example/{name}:{version}"
    api["properties"]["config"] = [{"name": "defaults", "properties": {"colour": "red"}}]
    spread = [{"name": f"zone{zone}", "requirements": {"zone": str(zone)}, "weight": 50} for zone in (0, 1)]
    api["traits"][0]["properties"] = {"instances": 4, "spread": spread}
    link = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"], "target": {"name": "api"}}
    source = {"config": [{"name": "address", "properties": {"address": "127.0.0.1:8080"}}]}
    http = {
        "name": "http",
        "type": "capability",
        "properties": {"image": "registry.example/http:1"},
        "traits": [
            {"type": "spreadscaler", "properties": {"instances": 1}},
            {"type": "link", "properties": {**link, "source": source}},
        ],
    }
    wanted["spec"]["components"].append(http)
    return wanted


async def deployed(stage: Stage, name: str) -> bool:
    status = (await stage.insist(f"status.{name}"))["status"]
    return bool(status["status"]["type"] == "deployed")


async def deploy(stage: Stage, name: str, version: str = "v1") -> None:
    """Put a version, deploy it, and wait until the hosts and the status say so."""
    put = await stage.insist("put", stored_by_either(name, version))
    assert put["result"] in ("created", "newversion"), put
    assert (await stage.insist(f"deploy.{name}", {"version": version}))["result"] == "acknowledged"
    image = f"registry.example/{name}:{version}"

    async def runs() -> bool:
        images = [c.image for host in stage.fleet.hosts.values() for c in host.components.values() if c.image == image]
        return len(images) == 2 and await deployed(stage, name)

    await until(runs, 2 * PATIENCE)  # the original waits for half a minute after a link was refused


async def test_what_one_deployed_the_other_leaves_as_it_is(
    nats_server_factory: NatsServerFactory, begin_original: Begin, set_up: SetUp
) -> None:
    stage = set_up([nats_server_factory().url])
    await stage.start(hosts=3, habits=HostBehaviour(heartbeat_interval=1))  # the original learns of hosts by heartbeats
    original = begin_original(stage.urls[0])
    await is_there(stage.client)
    await deploy(stage, "theirs")
    original.terminate()
    original.wait()

    before = stage.changes()
    await stage.serve("ours")
    await stage.some_owner()
    await until(lambda: deployed(stage, "theirs"))
    assert stage.changes() == before, "what the original deployed was touched"
    await deploy(stage, "ours")  # all that came before has been planned by now
    needed = stage.changes() - before
    assert needed == 2 + 1 + 2 + 1, "a component on two hosts, a provider, two configurations, a link"
    await deploy(stage, "theirs", "v2")
    stage.instances.pop("ours").kill()

    before, running = stage.changes(), stage.running()
    begin_original(stage.urls[0])
    await is_there(stage.client)
    await until(lambda: deployed(stage, "ours"))
    assert (stage.changes(), stage.running()) == (before, running), "the original found something to do"
