"""The messaging provider: hands messages of NATS to components."""

from __future__ import annotations

from collections.abc import Callable

from wadm.background import BackgroundTasks
from wadm.hosts.provider_links import ToldLink
from wadm.hosts.wasm.workload_table import WorkloadTable
from wadm.transport.base import Message, Subscription, Transport

_Wanted = tuple[str, str, str]
"""A subject, a queue group or ``""``, and the component that gets the messages."""


class Subscriptions:
    """The subscriptions of one provider: ``subscriptions`` of each link, with commas, each ``SUBJECT`` or
    ``SUBJECT|QUEUE``."""

    def __init__(self, transport: Transport, workloads: WorkloadTable) -> None:
        self._transport = transport
        self._workloads = workloads
        self._running: dict[_Wanted, Subscription] = {}
        self._tasks = BackgroundTasks("A message could not be handed to a component")

    async def follow(self, links: list[ToldLink]) -> None:
        """Subscribe to what these links say, and to nothing else. Raises Malformed for what is no subject."""
        wanted = {one for link in links for one in _wanted(link)}
        for one in [one for one in self._running if one not in wanted]:
            await self._running.pop(one).stop()
        for one in sorted(wanted):
            if one not in self._running:
                subject, queue, target = one
                self._running[one] = await self._transport.subscribe(subject, self._handler(target), queue)

    async def close(self) -> None:
        """Hand over nothing more, and end what handles messages."""
        await self.follow([])
        await self._tasks.stop()

    def _handler(self, target: str) -> Callable[[Message], None]:
        def handle(message: Message) -> None:
            self._tasks.start(self._hand_over(target, message))

        return handle

    async def _hand_over(self, target: str, message: Message) -> None:
        workload = await self._workloads.expect(target)
        if workload is not None:
            await workload.receive((message.subject, message.data, message.reply or None))


def _wanted(link: ToldLink) -> list[_Wanted]:
    found = []
    for text in link.source_config.get("subscriptions", "").split(","):
        subject, _, queue = text.strip().partition("|")
        if subject:
            found.append((subject, queue, link.target))
    return found
