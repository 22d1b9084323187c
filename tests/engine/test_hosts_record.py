"""What the next owner must know of the hosts is stored when it changes, and once an hour."""

from __future__ import annotations

from wadm.engine.context import Context
from wadm.engine.effects import RememberHosts
from wadm.engine.hosts_record import STORED_EVERY, HostsRecord
from wadm.engine.inputs import HostsStored
from wadm.engine.liveness import KnownHost, Remembered

NOBODY = Remembered({})
ONE = Remembered({"h1": KnownHost("one", {})})
TWO = Remembered({"h1": KnownHost("one", {}), "h2": KnownHost("two", {})})


class Story:
    def __init__(self) -> None:
        self.context = Context("default")
        self.record = HostsRecord(self.context)

    def asks(self, remembered: Remembered, now: float) -> list[Remembered]:
        """Return what is to be stored at a tick."""
        self.record.tick(remembered, now)
        effects = self.context.take_effects()
        assert all(isinstance(effect, RememberHosts) for effect in effects)
        return [effect.remembered for effect in effects if isinstance(effect, RememberHosts)]

    def stored(self, now: float, stored: bool = True) -> None:
        self.record.answered(HostsStored(stored), now)


def test_hosts_are_stored_once_and_again_when_they_change() -> None:
    story = Story()
    assert story.asks(ONE, 0) == [ONE]
    story.stored(1)
    assert story.asks(ONE, 2) == []
    assert story.asks(TWO, 3) == [TWO]


def test_nothing_is_asked_while_they_are_being_stored() -> None:
    story = Story()
    assert story.asks(ONE, 0) == [ONE]
    assert story.asks(TWO, 1) == []
    story.stored(2)
    assert story.asks(TWO, 2) == [TWO]


def test_what_could_not_be_stored_is_asked_again() -> None:
    story = Story()
    story.asks(ONE, 0)
    story.stored(1, stored=False)
    assert story.asks(ONE, 2) == [ONE]


def test_they_are_stored_again_once_an_hour_and_when_the_bucket_is_a_new_one() -> None:
    story = Story()
    story.asks(ONE, 0)
    story.stored(0)
    assert story.asks(ONE, STORED_EVERY - 1) == []
    assert story.asks(ONE, STORED_EVERY) == [ONE]
    story.stored(STORED_EVERY)
    story.record.lost()
    assert story.asks(ONE, STORED_EVERY + 1) == [ONE]


def test_of_a_lattice_that_never_had_hosts_nothing_is_stored() -> None:
    story = Story()
    assert story.asks(NOBODY, 0) == []
    story.asks(ONE, 1)
    story.stored(1)
    assert story.asks(NOBODY, 2) == [NOBODY]
