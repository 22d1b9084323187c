"""Taking a lattice over: every host is asked what it runs before anything is planned, so that what runs is not started
again.

A host that was there a moment ago and does not answer is asked once more and given time: it may be busy.
"""

from __future__ import annotations

from wadm.engine.context import Context
from wadm.engine.effects import ProbeHost
from wadm.engine.inputs import InventoryReply, TakeOver
from wadm.engine.liveness import KnownHost, Liveness


class Takeover:
    """The hosts of which it is waited for that they answer."""

    def __init__(self, context: Context, liveness: Liveness) -> None:
        self._context = context
        self._liveness = liveness
        self._begun: TakeOver | None = None
        self._waiting: set[str] = set()
        self._asked_again: set[str] = set()
        self._silent: dict[str, KnownHost] = {}
        """Hosts that answered the ping, and not what they run."""

    @property
    def waits(self) -> bool:
        """Whether a host has not answered yet, nor been given up."""
        return bool(self._waiting)

    def begin(self, taken: TakeOver) -> None:
        """Ask the hosts that are there."""
        self._begun = taken
        self._context.lattice.provider_starts.began = taken.began
        for host_id in sorted(taken.hosts):
            self._waiting.add(host_id)
            self._context.emit(ProbeHost(host_id))

    def is_asked_again(self, reply: InventoryReply) -> bool:
        """Whether a host that did not answer in time is given another chance."""
        host_id = reply.host_id
        if reply.inventory is not None or host_id not in self._waiting - self._asked_again:
            return False
        self._asked_again.add(host_id)
        self._context.emit(ProbeHost(host_id, patient=True))
        return True

    def answered(self, reply: InventoryReply) -> None:
        """Take note that a host has answered, or was given up."""
        self._waiting.discard(reply.host_id)
        if self._begun is not None and reply.inventory is None and reply.host_id in self._begun.hosts:
            self._silent[reply.host_id] = self._begun.hosts[reply.host_id]

    def end(self, now: float) -> None:
        """Take up what the former owner left, once all hosts have answered: before any application is looked at."""
        if self._begun is not None:
            remembered, self._begun = self._begun.remembered, None
            self._liveness.take_over(remembered, self._silent, self._context.lattice.hosts, now)
