"""Questions of an owner: calls to all hosts, one at a time; what hosts have not heard of yet, or cannot tell."""

from __future__ import annotations

import asyncio
import sys
from types import FrameType
from typing import Any

from msgspec import json

from tests.server.lab import in_virtual_time
from wadm.engine.changes import InformationRequests
from wadm.engine.inputs import ConfigReply, LinksReply, ListeningReply, PingSweep, Reply
from wadm.errors import NotPermitted, Unavailable
from wadm.model.lattice import Link
from wadm.server.host_queries import NOT_PERMITTED_FOR, HostQueries
from wadm.server.logging import get_logger
from wadm.transport.base import BucketSpec, Message
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.wire.links import encode_link


class Lattice:
    """Hosts that answer a call to all, some of them late, and know no configuration; and somebody who asks."""

    def __init__(self, hosts: dict[str, float], network: Network | None = None) -> None:
        broker = MemoryBroker(network)
        self.calls = 0
        self.answers: list[Reply] = []
        self._hosts = hosts
        self._transport = MemoryTransport(broker, "hosts")
        clock = asyncio.get_running_loop().time
        asking = MemoryTransport(broker, "asking")
        self.inquiries = HostQueries(asking, "default", None, self.answers.append, clock, get_logger("test"))

    async def listen(self) -> None:
        await self._transport.subscribe("wasmbus.ctl.v1.default.host.ping", self._called)
        await self._transport.subscribe("wasmbus.ctl.v1.default.config.get.*", self._asked_for_a_config)

    async def keep_silent_about_links(self) -> list[Message]:
        """Hear who asks for the links, and answer nobody."""
        asked: list[Message] = []
        await self._transport.subscribe("wasmbus.ctl.v1.default.link.get", asked.append)
        await self._transport.ensure_bucket(BucketSpec("LATTICEDATA_default"))
        return asked

    async def keep(self, key: str, value: bytes) -> None:
        """Store something where hosts keep links."""
        await self._transport.bucket("LATTICEDATA_default").put(key, value)

    def _asked_for_a_config(self, message: Message) -> None:
        answer = {"success": True, "message": "Configuration not found", "response": None}
        self._transport.publish(message.reply, json.encode(answer))

    def _called(self, message: Message) -> None:
        self.calls += 1
        for host_id, delay in self._hosts.items():
            body = {"id": host_id, "friendly_name": "", "labels": {}, "version": "1", "uptime_seconds": 1}
            answer = json.encode({"success": True, "message": "", "response": body})
            asyncio.get_running_loop().call_later(delay, self._transport.publish, message.reply, answer)


class Fails(Network):
    """Lets the first question to a provider fail."""

    def __init__(self, error: Unavailable) -> None:
        self._error: Unavailable | None = error

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        error, self._error = self._error, None
        return None if error is None else Fault(before=error)


@in_virtual_time
async def test_a_provider_that_could_not_be_asked_for_a_moment_is_asked_again() -> None:
    lattice = Lattice({}, Fails(Unavailable("the connection is away")))
    for _ in range(2):
        lattice.inquiries.listening("http", 1)
        await asyncio.sleep(5)
    assert lattice.answers == [ListeningReply("http", None), ListeningReply("http", 0)]


@in_virtual_time
async def test_where_nats_does_not_permit_it_that_is_told_and_no_provider_is_asked_for_a_while() -> None:
    lattice = Lattice({}, Fails(NotPermitted("NATS does not permit it")))
    for pause in (5, NOT_PERMITTED_FOR, 5):
        lattice.inquiries.listening("http", 1)
        await asyncio.sleep(pause)
    assert lattice.answers == [ListeningReply("http", None, permitted=False), ListeningReply("http", 0)]


@in_virtual_time
async def test_a_call_to_all_tells_of_everybody_who_is_there() -> None:
    lattice = Lattice({"one": 0.0, "two": 0.1})
    await lattice.listen()
    lattice.inquiries.ping_all(["two", "three"], ["one", "two", "three"])
    await asyncio.sleep(5)
    (answer,) = lattice.answers
    assert isinstance(answer, PingSweep)
    assert (answer.called, answer.present) == ({"two", "three"}, {"one", "two"})
    assert lattice.calls == 1


@in_virtual_time
async def test_that_most_hosts_do_not_answer_a_call_is_believed_when_they_are_called_again() -> None:
    lattice = Lattice({"one": 0.0})
    await lattice.listen()
    lattice.inquiries.ping_all(["three"], ["one", "two", "three"])
    await asyncio.sleep(5)
    (answer,) = lattice.answers
    assert isinstance(answer, PingSweep)
    assert (answer.present, lattice.calls) == ({"one"}, 2)


@in_virtual_time
async def test_calls_wait_for_the_one_under_way_and_go_out_together() -> None:
    lattice = Lattice({"one": 0.0})
    await lattice.listen()
    for number in range(20):
        lattice.inquiries.ping_all([f"gone-{number}"], ["one"])
        await asyncio.sleep(0.01)
    await asyncio.sleep(5)
    assert lattice.calls == 2
    first, second = lattice.answers
    assert isinstance(first, PingSweep)
    assert isinstance(second, PingSweep)
    assert first.called == {"gone-0"}
    assert second.called == {f"gone-{number}" for number in range(1, 20)}


@in_virtual_time
async def test_nobody_is_missing_as_long_as_answers_of_many_still_come() -> None:
    lattice = Lattice({f"host-{number:04}": number / 1000 for number in range(4000)})
    await lattice.listen()
    lattice.inquiries.ping_all(["host-3999"], [f"host-{number:04}" for number in range(4000)])
    await asyncio.sleep(10)
    (answer,) = lattice.answers
    assert isinstance(answer, PingSweep)
    assert answer.present is not None
    assert answer.called <= answer.present


@in_virtual_time
async def test_a_host_that_does_not_know_what_was_just_put_is_not_believed() -> None:
    lattice = Lattice({})
    await lattice.listen()
    await asyncio.sleep(10)
    lattice.inquiries.config_was_put("new")
    for _ in range(2):
        lattice.inquiries.ask(InformationRequests({"new", "old"}, set()))
        await asyncio.sleep(3)
    assert lattice.answers == [
        ConfigReply("old", None),
        ConfigReply("new", None, unknown=True),
        ConfigReply("new", None),
        ConfigReply("old", None),
    ]


@in_virtual_time
async def test_what_was_put_long_ago_costs_nothing_when_more_is_put() -> None:
    """Thousands of configurations are put within a moment: to note one must not mean to look at all."""
    lattice = Lattice({})
    await lattice.listen()

    def steps(first: int, last: int) -> int:
        """Put some, and return how many instructions of the interpreter that takes."""
        taken = 0

        def trace(frame: FrameType, event: str, _argument: object) -> Any:
            nonlocal taken
            frame.f_trace_opcodes = True
            taken += event == "opcode"
            return trace

        before = sys.gettrace()
        sys.settrace(trace)
        try:
            for number in range(first, last):
                lattice.inquiries.config_was_put(f"config-{number}")
        finally:
            sys.settrace(before)
        return taken

    first = steps(0, 1500)
    assert steps(1500, 3000) <= 1.1 * first
    await asyncio.sleep(3)
    lattice.inquiries.config_was_put("last")
    lattice.inquiries.ask(InformationRequests({"config-7", "last"}, set()))
    await asyncio.sleep(0.5)
    assert lattice.answers == [ConfigReply("config-7", None)]  # "last" may not have got about


@in_virtual_time
async def test_links_that_no_answer_can_hold_are_read_where_hosts_keep_them() -> None:
    """A host cannot send an answer over the size of a message, so it is as if it did not answer."""
    lattice = Lattice({})
    asked = await lattice.keep_silent_about_links()
    link = Link("web", "kv", "default", "wasi", "keyvalue", ("store",))
    await lattice.keep("COMPONENT_web", b'{"url":"","links":[' + encode_link(link) + b"]}")
    await lattice.keep("COMPONENT_kv", b'{"url":"registry.example/kv:1","links":[]}')
    await lattice.keep("CLAIMS_web", b"something else")
    lattice.inquiries.ask(InformationRequests(set(), set(), links=True))
    await asyncio.sleep(5)
    assert len(asked) == 1
    (answer,) = lattice.answers
    assert isinstance(answer, LinksReply)
    assert answer.links == [link]
