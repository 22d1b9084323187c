"""What servers write and send, in which order: judged at every step, in quiet times and in an attack alike.

The rules are those that :mod:`wadm.sim.protocol` shows to be needed:

* *order*: what is put is on record before its command is sent; the writes of one record follow each other;
* *writers*: what several may write is written over the revision that was read, and what a former owner wrote late does
  not lie over what its successor wrote;
* *take-over*: a new owner carries out nothing that its predecessor left in the stream, and asks a host what it runs
  before it asks anything of it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final, Protocol

from msgspec import Struct

from wadm.errors import Malformed
from wadm.model.commands import PutConfig, PutLink
from wadm.sim.calls import Call
from wadm.transport.base import Message
from wadm.transport.rules import EXPECTED_REVISION
from wadm.wire.commands import decode_command

COMMANDS: Final = "wadm.cmd."
RECORDS: Final = "$KV.wadm_state.owned."
SHARED: Final = ("$KV.wadm_manifests.", "$KV.wadm_leases.lattice.", "$KV.wadm_leases.instance.", RECORDS)
"""The beginnings of subjects that several servers write."""


class Lease(Struct, frozen=True):
    """Who holds a lattice, as it is stored: the session, since when, and the revision by which it took it."""

    session: str
    since: float
    epoch: int

    def is_of(self, who: str) -> bool:
        """Whether it is the lease of a server."""
        return self.session.startswith(f"{who}-")


class Judge(Protocol):
    """Knows what is judged by."""

    forgot: bool
    """Whether the NATS server was started again without what it kept in memory."""

    def now(self) -> float:
        """Return the seconds since the simulation began."""

    def lease(self, lattice: str) -> Lease | None:
        """Return the lease of a lattice; ``None`` while nobody holds it."""

    def records(self, lattice: str) -> list[bytes]:
        """Return what is on record of all applications of a lattice."""

    def failed(self, check: str, what: str) -> None:
        """Note that a check has failed."""


class _Sent(Struct):
    """A command in the stream: who put it there, and when that was confirmed."""

    who: str
    at: float


class Order:
    """Judges the order of what servers write and send."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge
        self._writing: set[tuple[str, str]] = set()
        """The records that are being written, with who does."""
        self._written: dict[str, tuple[int, str]] = {}
        """The epoch of whoever wrote a record last, and who that was."""
        self._sent: dict[bytes, _Sent] = {}
        self._looked: dict[tuple[str, str], float] = {}
        """When a server last learned what a host runs."""

    def begins(self, who: str, message: Message) -> Callable[[bool], None] | None:
        """Judge a write of a server that begins; what is returned is told whether it was confirmed."""
        subject = message.subject
        if subject.startswith(SHARED) and EXPECTED_REVISION not in (message.headers or {}):
            self._judge.failed("writers", f"{who} writes {subject} whatever others have written meanwhile")
        if subject.startswith(RECORDS):
            return self._record_begins(who, subject)
        if subject.startswith(COMMANDS):
            self._judge_recorded(who, subject.removeprefix(COMMANDS), message.data)
            self._sent.pop(message.data, None)  # what comes of this one need not be known

            def sent(confirmed: bool) -> None:
                if confirmed:
                    self._sent[message.data] = _Sent(who, self._judge.now())

            return sent
        return None

    def delivered(self, who: str, message: Message) -> None:
        """Judge a command that the stream hands to a server."""
        lattice = message.subject.removeprefix(COMMANDS)
        sent, lease = self._sent.get(message.data), self._judge.lease(lattice)
        if sent is None or lease is None or not lease.is_of(who):
            return
        if sent.who != who and sent.at < lease.since:
            what = message.data.decode(errors="replace")
            self._judge.failed("take-over", f"{who} gets what {sent.who} left in the stream: {what}")

    def learns(self, who: str, host: str) -> None:
        """Take note that a server learns what a host runs."""
        self._looked[who, host] = self._judge.now()

    def judge_call(self, call: Call, lattice: str) -> None:
        """Judge a call by what whoever asks has looked at."""
        lease = self._judge.lease(lattice)
        if call.key[0] not in ("component", "provider") or lease is None or not lease.is_of(call.who):
            return
        if self._looked.get((call.who, call.key[1]), -1.0) < lease.since:
            self._judge.failed("take-over", f"{call.who} does not know yet what runs on the host: {call}")

    # -- records -----------------------------------------------------------------------------

    def _record_begins(self, who: str, subject: str) -> Callable[[bool], None]:
        if (who, subject) in self._writing:
            self._judge.failed("order", f"{who} writes {subject} before its last write of that has ended")
        self._writing.add((who, subject))
        lattice = subject.removeprefix(RECORDS).partition(".")[0]
        lease = self._judge.lease(lattice)
        epoch = lease.epoch if lease is not None and lease.is_of(who) else 0

        def ended(confirmed: bool) -> None:
            self._writing.discard((who, subject))
            if not confirmed or self._judge.forgot:
                return
            before, writer = self._written.get(subject, (0, ""))
            if epoch < before and who != writer:
                self._judge.failed("writers", f"{who} writes {subject} over what its successor {writer} wrote")
            self._written[subject] = (max(epoch, before), who)

        return ended

    def _judge_recorded(self, who: str, lattice: str, data: bytes) -> None:
        if self._judge.forgot:
            return
        try:
            command = decode_command(data)
        except Malformed:
            return
        if isinstance(command, PutLink):
            thing: Any = [*command.link_key, command.target]
            kind = "links"
        elif isinstance(command, PutConfig):
            thing, kind = command.config_name, "configs"
        else:
            return
        if not any(thing in json.loads(record).get(kind, ()) for record in self._judge.records(lattice)):
            self._judge.failed("order", f"{who} has {thing} put, which is not on record")
