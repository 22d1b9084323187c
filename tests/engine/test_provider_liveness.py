"""Providers that used to tell of their health and do not any more (docs/protocol/lattice.md#provider-health)."""

from __future__ import annotations

from wadm.engine.provider_liveness import LATE, LOOKS_AGAIN, TOO_LONG, ProviderLiveness

EVERY = 30.0


def told(pulses: ProviderLiveness, times: int, provider: str = "kv") -> float:
    """Have a provider tell of its health, so many times; return when it did last."""
    for number in range(times):
        pulses.heard("h1", provider, number * EVERY)
    return (times - 1) * EVERY


def test_one_that_goes_on_telling_has_not_ceased() -> None:
    pulses = ProviderLiveness()
    last = told(pulses, 10)
    assert pulses.ceased(last + TOO_LONG - 1) == []
    assert pulses.late(last + LATE - 1) == []


def test_one_that_told_once_has_ceased_and_is_named_once() -> None:
    pulses = ProviderLiveness()
    last = told(pulses, 1)
    assert pulses.ceased(last + TOO_LONG) == [("h1", "kv")]
    assert pulses.ceased(last + 2 * TOO_LONG) == []


def test_each_is_judged_by_its_own_last_report() -> None:
    pulses = ProviderLiveness()
    told(pulses, 1, "kv")
    last = told(pulses, 3, "http")
    assert pulses.late(LATE) == ["kv"]
    assert pulses.ceased(TOO_LONG) == [("h1", "kv")]
    assert pulses.ceased(last + TOO_LONG) == [("h1", "http")]


def test_one_that_was_stopped_or_started_anew_is_not_missed() -> None:
    pulses = ProviderLiveness()
    told(pulses, 3)
    pulses.forget("h1", "kv")
    assert pulses.late(1000.0) == []
    assert pulses.ceased(1000.0) == []


# -- what is asked -----------------------------------------------------------------------------


def test_that_nobody_listens_counts_once_it_has_been_so_for_a_while() -> None:
    pulses = ProviderLiveness()
    assert not pulses.nobody_listens("kv", 10.0)
    assert not pulses.nobody_listens("kv", 10.0 + LOOKS_AGAIN - 1)
    assert pulses.nobody_listens("kv", 10.0 + LOOKS_AGAIN)


def test_whoever_answers_or_tells_in_between_has_not_ended() -> None:
    for sign in (
        lambda pulses: pulses.answers("kv", ["h1"], 5.0),
        lambda pulses: pulses.heard("h1", "kv", 5.0),
    ):
        pulses = ProviderLiveness()
        assert not pulses.nobody_listens("kv", 0.0)
        sign(pulses)
        assert not pulses.nobody_listens("kv", LOOKS_AGAIN + 1)


def test_an_answer_is_as_good_as_a_report() -> None:
    pulses = ProviderLiveness()
    told(pulses, 1)
    pulses.answers("kv", ["h1"], 90.0)
    assert pulses.late(90.0) == []
    assert pulses.ceased(90.0 + TOO_LONG - 1) == []
