"""Commands on their way while their server is not sure of its lease: not carried out, and never lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.server.lab import in_virtual_time
from wadm.model.commands import Action, Outcome, ScaleComponent
from wadm.server.commands import IN_DOUBT, Commands
from wadm.server.logging import get_logger
from wadm.transport.base import Message, StreamSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport


class Way:
    """Commands from a server to a host that answers nothing."""

    def __init__(self) -> None:
        broker = MemoryBroker()
        self.server, self.host = MemoryTransport(broker, "server"), MemoryTransport(broker, "host")
        self.asked: list[Message] = []
        self.outcomes: list[Outcome] = []
        self.may_act = self.waits = True
        self.commands = Commands(
            self.server,
            "default",
            None,
            "commands",
            self.outcomes.append,
            lambda _: self.waits,
            lambda: self.may_act,
            get_logger("commands"),
            at_a_time=1,
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        await self.server.ensure_stream(StreamSpec("commands", ("wadm.cmd.>",)))
        await self.host.subscribe("wasmbus.ctl.v1.default.component.scale.*", self.asked.append)
        await self.commands.start()
        yield
        await self.commands.stop()

    async def send(self, *components: str) -> None:
        scale = [ScaleComponent(name, "h", 1, "image:1", "shop", {}) for name in components]
        await self.commands.send(Action(command, "shop", "scaler", "why") for command in scale)


@in_virtual_time
async def test_what_is_waited_for_is_reported_so_that_it_is_planned_again() -> None:
    way = Way()
    way.may_act = False
    async with way.open():
        await way.send("one")
        await asyncio.sleep(0.1)
        assert [(outcome.result, outcome.message) for outcome in way.outcomes] == [("unreachable", IN_DOUBT)]
        assert not way.asked


@in_virtual_time
async def test_what_another_waits_for_stays_for_it() -> None:
    way = Way()
    way.may_act = way.waits = False
    async with way.open():
        await way.send("one")
        await asyncio.sleep(0.5)
        assert not way.outcomes
        way.may_act = way.waits = True
        await asyncio.sleep(1)
        assert len(way.asked) == 1


@in_virtual_time
async def test_what_waited_for_its_turn_until_the_lease_was_in_doubt_is_not_carried_out() -> None:
    way = Way()
    async with way.open():
        await way.send("one", "two")
        await asyncio.sleep(1)
        way.may_act = False
        await asyncio.sleep(5)
        assert len(way.asked) == 1
        assert [outcome.result for outcome in way.outcomes] == ["unanswered", "unreachable"]
