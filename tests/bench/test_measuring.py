"""The measuring itself: a manager as a process, hosts in another, a real NATS server."""

from __future__ import annotations

import asyncio
import json

from bench import cases
from bench.checkouts import Calls
from bench.hosts import Counted
from bench.processes import Manager
from bench.shapes import Holdings, Shape
from wadm.engine.validate import validate
from wadm.transport import virtual_time
from wadm.transport.base import Message
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.wire.manifests import read_manifest


def test_the_applications_that_are_measured_are_valid_and_hold_what_is_expected() -> None:
    shape = Shape(applications=3, components=2, instances=10)
    manifest = shape.manifest(shape.names()[0], "1.0.0")
    assert [p for p in validate(read_manifest(manifest)) if p.level == "error"] == []
    assert len(json.loads(manifest)["spec"]["components"]) == 3
    held = shape.holds("1.0.0")
    assert (held.components, held.instances, held.providers, held.links, held.configs) == (12, 60, 3, 6, 6)
    assert held.changes_from_nothing() == 27


async def test_settling_is_measured_without_anything_superfluous() -> None:
    result = await cases.settle(Manager.ours(), hosts=2, applications=1, components=1)
    assert set(result) == {"deploy", "upgrade", "undeploy"}
    for figures in result.values():
        assert figures["right_s"] is not None
        assert figures["told_s"] is not None
        assert figures["superfluous"] == 0
    assert Holdings().changes_from_nothing() == 0


def test_a_question_to_a_provider_is_counted_and_answered_like_a_control_call() -> None:
    async def asked() -> tuple[dict[str, int], list[str]]:
        broker, heard = MemoryBroker(), list[str]()
        counted = Counted(MemoryTransport(broker, "hosts"))
        for subject in ("wasmbus.rpc.default.kv.health", "wasmbus.ctl.v1.default.config.put.c"):
            await counted.subscribe(subject, lambda message: heard.append(message.subject))
            MemoryTransport(broker, "manager").publish(subject, b"")
        await asyncio.sleep(1)
        return dict(counted.calls), heard

    calls, heard = virtual_time.run(asked())
    assert calls == {"provider.health": 1, "config.put": 1}
    assert heard == ["wasmbus.rpc.default.kv.health", "wasmbus.ctl.v1.default.config.put.c"]


def test_only_calls_that_change_a_lattice_are_counted_and_each_once() -> None:
    calls = Calls()
    for call in ("component.scale.N1", "component.scale.N1", "link.put", "host.ping", "config.get.web", "link.get"):
        calls.hear(Message(f"wasmbus.ctl.v1.default.{call}", b""))
    assert calls.take() == {"component.scale": 2, "link.put": 1}
    assert calls.take() == {}
