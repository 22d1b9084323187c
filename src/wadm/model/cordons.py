"""Hosts that people have taken out of use: cordoned, so that nothing new is placed there, or to be drained."""

from __future__ import annotations

from msgspec import Struct


class Cordon(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What somebody wants of a host, by its id, or of all hosts with a label. Times are seconds since 1970."""

    since: float
    host: str = ""
    """A host's id; empty where it is by label."""
    called: str = ""
    """The name that this host had."""
    label: str = ""
    """``key=value``."""
    author: str = ""
    message: str = ""
    drain: bool = False
    """Whether what runs there is to run elsewhere."""
    deadline: float = 0.0
    """When a drain is to be over; 0: it has as long as it takes."""
    force: bool = False
    """Whether what is left there at the deadline is stopped."""

    @property
    def key(self) -> str:
        """What it is about, as people name it in a request."""
        return self.host or self.label

    @property
    def requirement(self) -> tuple[str, str]:
        """The label and its value."""
        label, _, value = self.label.partition("=")
        return label, value

    @property
    def about(self) -> str:
        """What it is about, in words for people."""
        return self.called or self.host or f"hosts with {self.label}"

    def forces(self, now: float) -> bool:
        """Whether what is left is stopped by now."""
        return self.force and 0 < self.deadline <= now


class Left(Struct, frozen=True):
    """Something of wadm's that still runs on a host that is drained, and what it waits for."""

    kind: str
    id: str
    application: str
    why: str


class CordonedHost(Struct, frozen=True):
    """How far a host is that is cordoned or drained.

    ``state``: ``cordoned``; of a drain ``draining``, ``waiting`` (nothing is moved at the moment, ``why`` says what it
    waits for) or ``safe to stop``. ``others`` are the ids of what runs there that wadm did not start: it goes with the
    host.
    """

    id: str
    name: str
    state: str
    why: str = ""
    left: tuple[Left, ...] = ()
    others: tuple[str, ...] = ()


class CordonStanding(Struct, frozen=True):
    """A cordon, and the hosts that it is about; none where it has lapsed: no such host is there."""

    cordon: Cordon
    hosts: tuple[CordonedHost, ...] = ()
