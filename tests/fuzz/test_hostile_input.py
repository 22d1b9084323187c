"""Whatever comes in, by whichever door: nothing dies, nobody waits, what is right goes on, memory does not grow."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.fuzz.mutations import Fuzzer
from tests.fuzz.target import INPUTS, SEED, Target
from tests.server.lab import component, in_virtual_time, manifest
from wadm.engine.changes import InformationRequests
from wadm.errors import WadmError
from wadm.model.commands import PutLink, ScaleComponent
from wadm.server.logging import get_logger
from wadm.server.records import Records
from wadm.transport.base import Message
from wadm.transport.memory.transport import MAX_PAYLOAD
from wadm.wire import subjects
from wadm.wire.commands import encode_command
from wadm.wire.operations import OPERATIONS

pytestmark = pytest.mark.timeout(60 + INPUTS)
EXAMPLES = [
    yaml.safe_load(path.read_text())
    for path in sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    if path.read_text().count("\n---") == 0
]
HOST_EVENTS = (
    "host_started", "host_stopped", "host_heartbeat", "labels_changed", "component_scaled", "component_scale_failed",
    "provider_started", "provider_start_failed", "provider_stopped", "health_check_status", "health_check_passed",
    "linkdef_set", "linkdef_set_failed", "linkdef_deleted", "config_set", "config_deleted",
)  # fmt: skip
GROWTH = 1.25
"""By how much the things in memory may grow from the first half of an attack to its end, applications included."""


async def attack(target: Target, send: Callable[[], Awaitable[None]], every: int = 50) -> None:
    """Send all inputs, with a little time now and then; memory is compared when the half of them is through."""
    before = 0
    for number in range(INPUTS):
        if number == INPUTS // 2:
            await asyncio.sleep(60)
            before = target.objects()
        await send()
        if number % every == 0:
            await asyncio.sleep(1)
    await target.is_well()
    assert target.objects() < before * GROWTH + 20_000
    await target.close()


@in_virtual_time
async def test_manifests() -> None:
    fuzzer = Fuzzer(f"manifests {SEED}", EXAMPLES, _as_some_text)
    target = Target()
    await target.start()

    async def send() -> None:
        answer = await target.ask("wadm.api.default.model.put", fuzzer.input())
        assert answer["result"] in ("error", "created", "newversion")
        if answer["result"] != "error" and fuzzer.chance.random() < 0.5:
            name = answer["name"]
            await target.ask(f"wadm.api.default.model.deploy.{name}", b"")
            await target.ask(f"wadm.api.default.model.{fuzzer.chance.choice(('undeploy', 'del'))}.{name}", b"{}")

    await attack(target, send)


def _as_some_text(value: Any) -> bytes:
    """Write a manifest as JSON or as YAML, whichever; what YAML cannot say, as JSON."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) % 2:
        try:
            return yaml.dump(value, allow_unicode=True).encode(errors="surrogatepass")
        except RecursionError:
            pass
    return text.encode(errors="surrogatepass")


@in_virtual_time
async def test_api_requests() -> None:
    bodies: list[Any] = [
        {"version": "v1"}, {"destroy_undeploy": True}, {"delete_all": True, "version": "x"}, {"non_destructive": True},
        {"limit": 3, "since": 0, "after": ""}, {"to": "v1"}, {"manifest": EXAMPLES[0]}, EXAMPLES[0],
    ]  # fmt: skip
    fuzzer = Fuzzer(f"requests {SEED}", bodies)
    operations = [operation.name for operation in OPERATIONS] + ["", "PUT", "nonsense", "*"]
    target = Target()
    await target.start()

    async def send() -> None:
        draw = fuzzer.chance.random
        operation = fuzzer.chance.choice(operations)
        lattice = "default" if draw() < 0.7 else fuzzer.text()
        name = fuzzer.text() if draw() < 0.5 else "other"
        parts = ["wadm.api", lattice, "model" if draw() < 0.95 else fuzzer.text(), operation]
        parts += [name] if draw() < 0.8 else []
        if draw() < 0.05:
            parts.append(fuzzer.text())
        subject = ".".join(parts)
        if "steady" not in subject and all(subjects.is_token(part) for part in subject.split(".")):
            headers = {"Content-Type": "text/" + "x" * 9} if draw() < 0.2 else None
            assert isinstance(await target.ask(subject, fuzzer.input(), headers), dict | list)

    await attack(target, send)


@in_virtual_time
async def test_host_events() -> None:
    """Real events, damaged; what they say of the living host is put right by what it says itself."""
    target = Target()
    await target.start()
    examples = [json.loads(message.data) for message in target.events]
    fuzzer = Fuzzer(f"events {SEED}", examples)

    async def send() -> None:
        target.send(f"wasmbus.evt.default.{fuzzer.chance.choice(HOST_EVENTS)}", fuzzer.input())

    await attack(target, send)


@in_virtual_time
async def test_answers_of_hosts() -> None:
    """Hosts that answer every question, and every command, with something else."""
    target = Target()
    await target.start()
    host = next(iter(target.fleet.hosts))
    examples = {
        call: json.loads((await target.client.request(f"wasmbus.ctl.v1.default.{call}", body, 2)).data)
        for call, body in {
            f"host.get.{host}": b"",
            "link.get": b"",
            "host.ping": b"",
            "component.auction": b'{"component_ref":"a","component_id":"b","constraints":{}}',
        }.items()
    }
    links = {"success": True, "message": "", "response": [_link("a"), _link("b")]}
    config = {"success": True, "message": "", "response": {"a": "b"}}
    fuzzer = Fuzzer(f"answers {SEED}", [*examples.values(), links, config])

    def lie(message: Message) -> None:
        if message.reply:
            target.client.publish(message.reply, fuzzer.input())

    for call in ("host.get.liar", "config.get.lie", "component.scale.liar", "host.ping", "link.get", "link.put"):
        await target.client.subscribe(f"wasmbus.ctl.v1.default.{call}", lie)
    executor = target.owner._executor
    inquiries, commands = executor._inquiries, executor._commands

    async def send() -> None:
        kind = fuzzer.chance.randrange(4)
        if kind == 0:
            inquiries.ask(InformationRequests({"lie"}, {"liar"}, links=True))
        elif kind == 1:
            await inquiries.hosts(0.2, 0.1)
        elif kind == 2:
            await commands._call(ScaleComponent("a", "img:1", 1, "liar", "app", {}, ()))
        else:
            await commands._call(PutLink("a", "b", "w", "k", "n", (), "app", (), ()))
        await asyncio.sleep(0.01)

    await attack(target, send)


def _link(name: str) -> dict[str, Any]:
    return {
        "source_id": "a", "target": "b", "name": name, "wit_namespace": "w", "wit_package": "k",
        "interfaces": ["i"], "source_config": [], "target_config": [],
    }  # fmt: skip


@in_virtual_time
async def test_what_is_stored() -> None:
    """Somebody writes into the buckets and the status stream."""
    target = Target()
    await target.start()
    stored: list[Any] = [await target.lab.stored("default-steady"), await target.lab.stored("default")]
    stored += [{"links": [["a", "b", "c", "d", "e"]], "configs": ["x"]}, {"owner": "x"}, {"host": "h", "beats": 3}]
    stored.append({"status": {"type": "deployed", "message": ""}, "scalers": [], "version": "", "components": []})
    fuzzer = Fuzzer(f"stored {SEED}", stored)
    keys = {
        "wadm_manifests": ["default-evil", "default/evil", "other-evil", "other", "evil", "default-", "a-b-c"],
        "wadm_state": ["owned.default.evil", "owned.default.worse", "component_default", "owned"],
        "wadm_leases": ["instance.evil", "lattice.evil", "roster", "nonsense", "lattice.a.b"],
        "LATTICEDATA_default": ["COMPONENT_evil", "COMPONENT_", "CLAIMS_x"],
    }

    async def send() -> None:
        bucket = fuzzer.chance.choice(sorted(keys))
        data = fuzzer.input()
        try:
            key = f"default-{fuzzer.text()}" if fuzzer.chance.random() < 0.1 else fuzzer.chance.choice(keys[bucket])
            await target.client.bucket(bucket).put(key, data)
            if fuzzer.chance.random() < 0.05:
                await target.client.bucket(bucket).purge(key)
        except WadmError:
            pass  # NATS does not take such a key
        target.send("wadm.status.default.evil", data)

    await attack(target, send)


@in_virtual_time
async def test_the_names_of_a_lattice() -> None:
    """The array of names that the original keeps may hold anything; what is stored is found all the same."""
    target = Target()
    await target.start()
    fuzzer = Fuzzer(f"names {SEED}", [["steady"], ["steady", "gone", "more"], []])

    async def send() -> None:
        await target.client.bucket("wadm_manifests").put("default", fuzzer.input())
        answer = await target.ask("wadm.api.default.model.get", b"")
        assert [model["name"] for model in answer["models"]] == ["steady"]

    await attack(target, send)


@in_virtual_time
async def test_records_of_what_was_put() -> None:
    """Read when a lattice is taken over."""
    target = Target()
    await target.start()
    state = target.client.bucket("wadm_state")
    fuzzer = Fuzzer(f"records {SEED}", [{"links": [["a", "b", "c", "d", "e"]], "configs": ["x"]}])
    records = Records(target.transport.bucket("wadm_state"), "default", None, get_logger("wadm.server.owner"))

    async def send() -> None:
        for number in range(10):
            await state.put(f"owned.default.app-{number}", fuzzer.input()[:MAX_PAYLOAD])
        await records.load()

    await attack(target, send)


@in_virtual_time
async def test_commands_in_the_stream() -> None:
    """Somebody puts commands there: none but the owner's own is carried out."""
    target = Target()
    await target.start()
    command = ScaleComponent(
        "steady-api", "registry.example/evil:1", 7, next(iter(target.fleet.hosts)), "steady", {}, ()
    )
    link = PutLink("a", "b", "w", "k", "n", (), "steady", (), ())
    fuzzer = Fuzzer(f"commands {SEED}", [json.loads(encode_command(one)) for one in (command, link)])

    async def send() -> None:
        await target.client.append("wadm.cmd.default", fuzzer.input())

    await attack(target, send)
    assert all(
        running.image == "registry.example/api:1"
        for host in target.fleet.hosts.values()
        for running in host.components.values()
    )


@in_virtual_time
async def test_a_flood_from_one_client_does_not_starve_others() -> None:
    target = Target()
    await target.start()
    body = json.dumps(manifest("flood", "v1", [component(f"c{n}") for n in range(3)])).encode()
    answers: list[Message] = []
    await target.client.subscribe("_INBOX.flood.*", answers.append)
    for number in range(3_000):
        target.client.publish("wadm.api.default.model.put", body, f"_INBOX.flood.{number}")
    began = asyncio.get_running_loop().time()
    assert (await target.lab.ask("versions.steady"))["result"] == "success"
    assert asyncio.get_running_loop().time() - began < 1
    assert len(answers) < 3_000, "the flood was over before the other's turn came"
    await asyncio.sleep(30)
    assert len(answers) == 3_000, "somebody was not answered"
    await target.close()
