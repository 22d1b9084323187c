"""Streams and durable consumers in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol

from wadm.errors import NoRoom, StaleRevision
from wadm.transport.base import Headers, Stored, StreamSpec
from wadm.transport.memory.soon import later
from wadm.transport.rules import EXPECTED_REVISION, ROLLUP, matches

_MAX_ACK_PENDING = 1000
_numbers = count(1)


class Stream:
    """A stream and what it keeps."""

    def __init__(self, spec: StreamSpec, now: Callable[[], float], *, discard_new: bool = False) -> None:
        self.spec = spec
        self.made = str(next(_numbers))
        """What tells it from another stream of the same name."""
        self.sequence = 0
        self.durables: dict[str, Durable] = {}
        self._now = now
        self._discard_new = discard_new
        self._kept: dict[int, Stored] = {}
        self._by_subject: dict[str, dict[int, None]] = {}
        self._before: dict[str, Stored] = {}
        self._bytes = 0

    def takes(self, subject: str) -> bool:
        """Whether messages on the subject are kept here."""
        return any(matches(pattern, subject) for pattern in self.spec.subjects)

    @property
    def messages(self) -> int:
        """How many messages it keeps."""
        self._expire()
        return len(self._kept)

    def get(self, sequence: int) -> Stored | None:
        """Return a message, if it is still kept."""
        self._expire()
        return self._kept.get(sequence)

    def last(self, subject: str, *, behind: float = 0) -> Stored | None:
        """Return the newest message under a subject; the one before it if the copy read has not heard of that one yet,
        being so many seconds behind."""
        self._expire()
        sequences = self._by_subject.get(subject)
        newest = self._kept[next(reversed(sequences))] if sequences else None
        if behind and subject in self._before and (newest is None or newest.time > self._now() - behind):
            return self._before[subject]
        return newest

    def select(self, patterns: Sequence[str], *, after: int = 0, last_per_subject: bool = False) -> list[Stored]:
        """Return what is kept under the patterns with a sequence beyond ``after``, oldest first."""
        self._expire()
        subjects = [s for s in self._by_subject if any(matches(pattern, s) for pattern in patterns)]
        if last_per_subject:
            sequences = [next(reversed(self._by_subject[subject])) for subject in subjects]
        else:
            sequences = [sequence for subject in subjects for sequence in self._by_subject[subject]]
        return [self._kept[sequence] for sequence in sorted(sequences) if sequence > after]

    def add(self, subject: str, data: bytes, headers: Headers | None) -> int:
        """Keep a message; return its sequence."""
        newest = self.last(subject)
        headers = headers or {}
        revision = newest.sequence if newest else 0
        if int(headers.get(EXPECTED_REVISION, revision)) != revision:
            raise StaleRevision(f"{subject}: wrong last sequence: {revision}")
        replaced = len(newest.data) if newest and self.spec.max_msgs_per_subject == 1 else 0
        if self._discard_new and 0 < self.spec.max_bytes < self._bytes + len(data) - replaced:
            raise NoRoom(f"{subject}: NATS has no room left (maximum bytes exceeded)")
        self.sequence += 1
        if self.spec.retention == "interest" and not self.durables:
            return self.sequence
        if newest is not None:
            self._before[subject] = newest
        if ROLLUP in headers:
            self.purge(subject)
        self._kept[self.sequence] = Stored(subject, data, self.sequence, self._now(), headers or None)
        self._by_subject.setdefault(subject, {})[self.sequence] = None
        self._bytes += len(data)
        self._enforce_limits(subject)
        for durable in self.durables.values():
            durable.wake()
        return self.sequence

    def purge(self, pattern: str) -> None:
        """Drop everything under a pattern."""
        for stored in self.select([pattern]):
            self._drop(stored.sequence)

    def acknowledged(self, sequence: int) -> None:
        """Drop a message where retention says so and nobody else is to see it."""
        stored = self._kept.get(sequence)
        if stored is None or self.spec.retention == "limits":
            return
        if not any(durable.has_yet_to_deal_with(stored) for durable in self.durables.values()):
            self._drop(sequence)

    def _drop(self, sequence: int) -> None:
        stored = self._kept.pop(sequence)
        self._bytes -= len(stored.data)
        sequences = self._by_subject[stored.subject]
        del sequences[sequence]
        if not sequences:
            del self._by_subject[stored.subject]

    def _enforce_limits(self, subject: str) -> None:
        sequences = self._by_subject[subject]
        while 0 < self.spec.max_msgs_per_subject < len(sequences):
            self._drop(next(iter(sequences)))
        while 0 < self.spec.max_bytes < self._bytes and len(self._kept) > 1:
            self._drop(next(iter(self._kept)))

    def _expire(self) -> None:
        if self.spec.max_age > 0:
            horizon = self._now() - self.spec.max_age
            while self._kept and (oldest := next(iter(self._kept.values()))).time <= horizon:
                self._drop(oldest.sequence)


class Puller(Protocol):
    """Somebody who consumes through a durable consumer."""

    @property
    def there(self) -> bool:
        """Whether it can be reached."""

    def hand(self, durable: Durable, stored: Stored) -> None:
        """Give it a message."""


class Durable:
    """A durable consumer: what of a stream has been handed out, and what of that is not acknowledged."""

    def __init__(self, stream: Stream, subject: str, ack_wait: float, max_deliver: int) -> None:
        self.pullers: deque[Puller] = deque()
        self._stream = stream
        self._subject = subject
        self._ack_wait = ack_wait
        self._max_deliver = max_deliver
        self._next = 1
        self._pending: dict[int, tuple[float, int]] = {}
        """By sequence: when it comes again (in the loop's time), and how often it has been handed out."""
        self._timer: asyncio.TimerHandle | None = None
        self._awake = False

    def has_yet_to_deal_with(self, stored: Stored) -> bool:
        """Whether a message is still to be handed out or acknowledged here."""
        waits = stored.sequence >= self._next or stored.sequence in self._pending
        return waits and matches(self._subject, stored.subject)

    def join(self, puller: Puller) -> None:
        """Have it take part."""
        if puller not in self.pullers:
            self.pullers.append(puller)
        self.wake()

    def wake(self) -> None:
        """Hand out, soon, what is due."""
        if not self._awake:
            self._awake = True
            later(0, self._hand_out)

    def ack(self, sequence: int) -> None:
        """Be done with a message."""
        if self._pending.pop(sequence, None) is not None:
            self._stream.acknowledged(sequence)
            self.wake()

    def nak(self, sequence: int, delay: float) -> None:
        """Have a message handed out again."""
        if sequence in self._pending:
            self._pending[sequence] = (_loop_time() + delay, self._pending[sequence][1])
            self.wake()

    def _hand_out(self) -> None:
        self._awake = False
        if self._timer is not None:
            self._timer.cancel()
        if not any(puller.there for puller in self.pullers):
            return  # until one joins
        now = _loop_time()
        for sequence, (due, times) in sorted(self._pending.items()):
            if due <= now and (times >= self._max_deliver or not self._hand(sequence, times + 1)):
                del self._pending[sequence]
        while self._next <= self._stream.sequence and len(self._pending) < _MAX_ACK_PENDING:
            self._next += 1
            self._hand(self._next - 1, 1)
        if self._pending:
            due = min(due for due, _ in self._pending.values())
            self._timer = asyncio.get_running_loop().call_at(due, self.wake)

    def _hand(self, sequence: int, times: int) -> bool:
        """Give a message to whose turn it is; return whether there still is such a message."""
        stored = self._stream.get(sequence)
        if stored is None or not matches(self._subject, stored.subject):
            return False
        self._pending[sequence] = (_loop_time() + self._ack_wait, times)
        while True:
            self.pullers.rotate(-1)
            if self.pullers[-1].there:
                self.pullers[-1].hand(self, stored)
                return True


def _loop_time() -> float:
    return asyncio.get_running_loop().time()
