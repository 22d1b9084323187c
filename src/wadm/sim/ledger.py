"""What may be stored of an application after all that was asked and answered, several requests at a time included.

An application is a register: its versions, and which is deployed. A request changes it at one moment between its being
asked and its being answered (it is *linearizable*). The ledger keeps every state that is possible so far, together with
which of the unanswered requests have had their effect in it. An answer rules out the states in which it could not have
been given; where none is left, the answers contradict each other.

A deletion bears no mark of who has done it. One whose write was lost, and that another came before, finds that what it
asked for is so, and is confirmed: deletions that are asked for at the same time may be one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Final

from msgspec import Struct

UNSURE: Final = 40.0
"""Seconds after which what was asked and not answered has happened, or never will."""


class Stored(Struct, frozen=True):
    """What may be stored of an application: its versions, oldest first, and which is deployed."""

    versions: tuple[str, ...] = ()
    deployed: str | None = None

    def put(self, version: str) -> Stored | None:
        """Return what is stored after a put; ``None`` where it is refused."""
        return None if version in self.versions else Stored((*self.versions, version), self.deployed)

    def deploy(self, version: str) -> Stored | None:
        """Return what is stored after a deploy; ``None`` where there is no such version."""
        return Stored(self.versions, version) if version in self.versions else None

    def undeploy(self) -> Stored | None:
        """Return what is stored after an undeploy; ``None`` where there is no such application."""
        return Stored(self.versions) if self.versions else None

    def delete(self) -> Stored | None:
        """Return what is stored after all versions have been deleted; ``None`` where there is none."""
        return Stored() if self.versions else None

    def delete_version(self, version: str) -> Stored | None:
        """Return what is stored after one version has been deleted; ``None`` where there is no such version."""
        if version not in self.versions:
            return None
        left = tuple(one for one in self.versions if one != version)
        return Stored(left, None if self.deployed == version else self.deployed)

    def forget(self, number: int) -> Stored:
        """Return what is stored after the oldest versions were forgotten that are neither deployed nor the newest."""
        expendable = [one for one in self.versions[:-1] if one != self.deployed]
        gone = set(expendable[:number])
        return Stored(tuple(one for one in self.versions if one not in gone), self.deployed)


Change = Callable[[Stored], Stored | None]
"""What a request does to what is stored; ``None``: it is refused, and nothing changes."""


class Contradiction(Exception):
    """An answer that could not have been given, whatever else has happened."""


class _Request(Struct):
    change: Change
    what: str
    may_forget: bool
    given_up: float | None = None
    """When the one who asked gave it up, not knowing what came of it."""


_Possible = tuple[Stored, frozenset[int]]
"""A state that is possible, and the unanswered requests that have had their effect in it."""


class Ledger:
    """What may be stored of one application. ``now`` counts seconds; ``unsure`` is as in :data:`UNSURE`."""

    def __init__(self, now: Callable[[], float], unsure: float = UNSURE) -> None:
        self._now = now
        self._unsure = unsure
        self._numbers = count()
        self._requests: dict[int, _Request] = {}
        self._possible: set[_Possible] = {(Stored(), frozenset())}

    def asks(self, what: str, change: Change, *, may_forget: bool = False) -> int:
        """Take note of a request; return its number. ``may_forget``: the oldest versions may go where it succeeds."""
        self._settle()
        number = next(self._numbers)
        self._requests[number] = _Request(change, what, may_forget)
        return number

    def done(self, number: int, forgotten: int | None = None) -> None:
        """Take note that a request was confirmed, and how many versions were forgotten for it, if that was told.

        Raises :class:`Contradiction` where that cannot be.
        """
        request = self._requests[number]
        if forgotten is not None:
            change = request.change
            request.change = lambda stored: _forgetting(change(stored), forgotten)
            request.may_forget = False
        self._rule_out(number, lambda applied: number in applied, "was confirmed")

    def refused(self, number: int, *, rightly: bool = False) -> None:
        """Take note that a request was refused, which changes nothing. ``rightly``: it must have been refused as things
        were stored, not for a passing reason.

        Raises :class:`Contradiction` where that cannot be.
        """
        change = self._requests[number].change

        def fits(applied: frozenset[int], stored: Stored) -> bool:
            return number not in applied and (not rightly or change(stored) is None)

        # It may have been refused at a moment after which others had their effect: whoever is right then is enough.
        if rightly and not any(fits(applied, stored) for stored, applied in self._reachable()):
            raise Contradiction(f"{self._requests[number].what} was refused without a reason: {self}")
        self._rule_out(number, lambda applied: number not in applied, "was refused")

    def gives_up(self, number: int) -> None:
        """Take note that nobody will hear what came of a request."""
        self._requests[number].given_up = self._now()

    @property
    def is_sure(self) -> bool:
        """Whether nothing that was asked can still come to pass."""
        self._settle()
        return not self._requests

    @property
    def waiting(self) -> int:
        """How many requests may still come to pass, or are waited for."""
        self._settle()
        return len(self._requests)

    def may_be(self) -> set[Stored]:
        """Return all that may be stored now."""
        self._settle()
        return {stored for stored, _ in self._reachable()}

    def is_now(self, stored: Stored) -> None:
        """Take what is stored for true, whatever was asked and answered before."""
        self._requests.clear()
        self._possible = {(stored, frozenset())}

    def __str__(self) -> str:
        states = sorted({f"{' '.join(one.versions) or 'nothing'}, deployed {one.deployed}" for one in self.may_be()})
        return "possible were " + " or ".join(states[:6])

    def _rule_out(self, number: int, keeps: Callable[[frozenset[int]], bool], how: str) -> None:
        possible = {(stored, applied) for stored, applied in self._reachable() if keeps(applied)}
        if not possible:
            raise Contradiction(f"{self._requests[number].what} {how}, which cannot be: {self}")
        self._forget(number, possible)

    def _settle(self) -> None:
        """Have what was given up long ago have happened, or never."""
        for number, request in list(self._requests.items()):
            if request.given_up is not None and self._now() - request.given_up >= self._unsure:
                self._forget(number, self._reachable())

    def _forget(self, number: int, possible: set[_Possible]) -> None:
        del self._requests[number]
        self._possible = {(stored, applied - {number}) for stored, applied in possible}

    def _reachable(self) -> set[_Possible]:
        """Return the states that are possible by now: any of the unanswered requests may have had their effect."""
        found, waiting = set(self._possible), list(self._possible)
        while waiting:
            stored, applied = waiting.pop()
            for number in self._requests.keys() - applied:
                for after in _after(stored, self._requests[number]):
                    fresh = {(after, together) for together in self._together(stored, after, applied | {number})}
                    waiting += fresh - found
                    found |= fresh
        return found

    def _together(self, stored: Stored, after: Stored, applied: frozenset[int]) -> list[frozenset[int]]:
        """Return which requests may have had their effect at once: the last of those ``applied``, or others with it
        that delete the same."""
        possible = [applied]
        if len(after.versions) < len(stored.versions):
            for number in self._requests.keys() - applied:
                if self._requests[number].change(stored) == after:
                    possible += [one | {number} for one in possible]
        return possible


def _after(stored: Stored, request: _Request) -> Iterator[Stored]:
    after = request.change(stored)
    if after is None:
        return
    yield after
    if request.may_forget:
        for number in range(1, len(after.versions) - 1):
            yield after.forget(number)


def _forgetting(stored: Stored | None, number: int) -> Stored | None:
    return None if stored is None else stored.forget(number)
