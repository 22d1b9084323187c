"""Providers that used to tell of their health and do not any more (lattice reference, 2.8)."""

from __future__ import annotations

from wadm.engine.pulse import REGULAR, TOO_LONG, Pulses

EVERY = 30.0


def told(pulses: Pulses, times: int, provider: str = "kv") -> float:
    """Have a provider tell of its health, so many times; return when it did last."""
    for number in range(times):
        pulses.heard("h1", provider, number * EVERY)
    return (times - 1) * EVERY


def test_one_that_goes_on_telling_has_not_ceased() -> None:
    pulses = Pulses()
    last = told(pulses, 10)
    assert pulses.ceased(last + TOO_LONG - 1) == []


def test_one_that_told_regularly_has_ceased_and_is_named_once() -> None:
    pulses = Pulses()
    last = told(pulses, REGULAR)
    assert pulses.ceased(last + TOO_LONG) == [("h1", "kv")]
    assert pulses.ceased(last + 2 * TOO_LONG) == []


def test_one_that_never_told_regularly_is_no_news() -> None:
    pulses = Pulses()
    last = told(pulses, REGULAR - 1)
    assert pulses.ceased(last + TOO_LONG) == []


def test_each_is_judged_by_its_own_last_report() -> None:
    pulses = Pulses()
    told(pulses, REGULAR, "kv")
    last = told(pulses, REGULAR + 2, "http")
    assert pulses.ceased(last - 2 * EVERY + TOO_LONG) == [("h1", "kv")]
    assert pulses.ceased(last + TOO_LONG) == [("h1", "http")]
