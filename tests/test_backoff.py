"""Pauses between attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from wadm.backoff import Backoff


def test_each_pause_is_twice_the_one_before_up_to_a_limit() -> None:
    backoff = Backoff(0.5, 3)
    assert [backoff.next() for _ in range(5)] == [0.5, 1, 2, 3, 3]
    backoff.reset()
    assert backoff.next() == 0.5


@given(st.integers(1, 10_000), st.floats(0, 0.9))
def test_chance_makes_a_pause_longer_or_shorter_by_its_spread(failures: int, spread: float) -> None:
    pause, drawn = Backoff(1, 60).after(failures), Backoff(1, 60, spread).after(failures)
    assert pause * (1 - spread) - 1e-9 <= drawn <= pause * (1 + spread) + 1e-9
