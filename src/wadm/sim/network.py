"""A network and a NATS server on which things go wrong, as often as they are told to."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Sequence, Set
from typing import Final

from msgspec import Struct

from wadm.errors import TimedOut, Unavailable
from wadm.transport.memory import Fault, Network
from wadm.transport.memory.broker import GATHERING

LATENCY: Final = 0.0005
"""Seconds that a message takes."""
HOSTS_BEHIND: Final = 2.0
"""Seconds that what a host reads may be behind (docs/protocol/lattice.md#link-reads-lag)."""
_HAIR: Final = 1e-6
_CALLS: Final = frozenset({"request", "gather"})
_NO_WRITES: Final = _CALLS | {"consume", "watch"}
"""What has no effect that outlives a caller who was told that it failed."""
_PLAIN: Final = frozenset({"subscribe", "flush"})
"""What does not go through JetStream, and waits for nobody."""


class Trouble(Struct, frozen=True):
    """The odds, between 0 and 1, of what may befall each message and call; times are in seconds."""

    event_lost: float = 0.0
    event_doubled: float = 0.0
    event_late: float = 0.0
    request_lost: float = 0.0
    reply_lost: float = 0.0
    reply_doubled: float = 0.0
    reply_late: float = 0.0
    delivery_lost: float = 0.0
    delivery_doubled: float = 0.0
    write_refused: float = 0.0
    """A write or read at the NATS server fails."""
    write_unheard: float = 0.0
    """A write has its effect, and whoever wrote is told that it timed out."""
    write_slow: float = 0.0
    read_stale: float = 0.0
    watch_late: float = 0.0
    latest: float = 3.0
    """How late, in seconds, what is late may be."""


NO_TROUBLE: Final = Trouble()


class TroubledNetwork(Network):
    """A network with odds. Messages between two keep their order, unless one is made late."""

    def __init__(self, rng: random.Random, spared: Set[str] = frozenset()) -> None:
        self.trouble = NO_TROUBLE
        self._rng = rng
        self.spared = set(spared)
        """Clients whose calls to the NATS server never fail."""
        self._last: dict[tuple[str, str], float] = {}
        self.refuses = ""
        """The beginning of a subject: the next message that is appended to a stream under it is refused."""

    def deliveries(self, sender: str, receiver: str, subject: str) -> Sequence[float]:
        """Return after how many seconds each copy of a message arrives."""
        trouble = self.trouble
        if trouble is NO_TROUBLE:
            return (self._in_order(sender, receiver),)
        lost, doubled, late = self._odds(sender, subject)
        if self._happens(lost):
            return ()
        copies = []
        for _ in range(1 + self._happens(doubled)):
            if self._happens(late):
                copies.append(LATENCY + self._rng.uniform(0, trouble.latest))
            else:
                copies.append(self._in_order(sender, receiver))
        return copies

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        """Return what befalls a call to the NATS server."""
        trouble = self.trouble
        if operation in _PLAIN:
            return None
        if self.refuses and operation == "append" and target.startswith(self.refuses):
            self.refuses = ""
            return Fault(LATENCY, before=Unavailable(f"{operation} {target}: the server has no leader"))
        if trouble is NO_TROUBLE or client in self.spared:
            return Fault(delay=0 if operation in _CALLS else LATENCY)
        delay = LATENCY if operation not in _CALLS else 0.0
        # Hosts that take longer to write than they have to answer would mostly show one gap (docs/simulator.md).
        if not client.startswith("host-") and self._happens(trouble.write_slow):
            delay += self._rng.uniform(0, trouble.latest)
        if self._happens(trouble.write_refused):
            return Fault(delay, before=Unavailable(f"{operation} {target}: the server has no leader"))
        if operation not in _NO_WRITES and self._happens(trouble.write_unheard):
            return Fault(delay, after=TimedOut(f"{operation} {target}: no answer"))
        # Leases stand on reads that the leader answers, as the transport promises; others should do without.
        stale = operation in ("get", "last") and "lease" not in target and self._happens(trouble.read_stale)
        # Servers ought not to mind how old it is. Of a host they cannot ask for more than it knows.
        behind = HOSTS_BEHIND if client.startswith("host-") else math.inf
        return Fault(delay, behind=behind if stale else 0)

    def lag(self, client: str, stream: str) -> float:
        """Return how late a watch learns of a change."""
        if self._happens(self.trouble.watch_late):
            return self._rng.uniform(0, self.trouble.latest)
        return LATENCY

    def _odds(self, sender: str, subject: str) -> tuple[float, float, float]:
        """Return the odds that a message is lost, doubled, late."""
        trouble = self.trouble
        if not sender:
            return trouble.delivery_lost, trouble.delivery_doubled, trouble.event_late
        if subject.startswith("wasmbus.evt."):
            return trouble.event_lost, trouble.event_doubled, trouble.event_late
        if subject.startswith("_INBOX."):
            # NATS hands an answer over once. Whoever counts the answers of several may rely on that.
            doubled = 0.0 if subject.startswith(GATHERING) else trouble.reply_doubled
            return trouble.reply_lost, doubled, trouble.reply_late
        if subject.startswith(("wasmbus.ctl.", "wadm.api.")):
            return trouble.request_lost, 0.0, trouble.reply_late
        return 0.0, 0.0, 0.0

    def _in_order(self, sender: str, receiver: str) -> float:
        now = asyncio.get_running_loop().time()
        arrival = max(now + LATENCY, self._last.get((sender, receiver), 0.0) + _HAIR)
        self._last[sender, receiver] = arrival
        return arrival - now

    def _happens(self, chance: float) -> bool:
        return chance > 0 and self._rng.random() < chance
