"""When a host is asked, when it is lost, and when so many are silent that none is."""

from __future__ import annotations

import pytest

from wadm.engine.failure_detector import FailureDetector, Hosts
from wadm.model.lattice import Pause

OVERDUE, WINDOW, LIMIT = 33.0, 30.0, 300.0


def detector() -> FailureDetector:
    return FailureDetector(OVERDUE, WINDOW, LIMIT)


def hosts(number: int, passing: int = 0) -> Hosts:
    """Hosts a, b, c, ...; the last few do not count."""
    ids = "abcdefghijklmnopqrstuvwxyz"[:number]
    return Hosts({one: one.upper() for one in ids}, frozenset(ids[: number - passing]))


def test_a_host_is_asked_three_times_before_all_are_called() -> None:
    one = detector()
    assert one.check([("a", 0.0)], 33.0) == ([], [])
    assert one.check([("a", 0.0)], 33.1) == (["a"], [])
    assert one.check([("a", 0.0)], 34.0) == ([], [])
    assert one.check([("a", 0.0)], 35.2) == (["a"], [])
    assert one.check([("a", 0.0)], 37.3) == (["a"], [])
    assert one.check([("a", 0.0)], 39.4) == ([], ["a"])


def test_a_sign_of_life_ends_the_asking() -> None:
    one = detector()
    one.check([("a", 0.0)], 34.0)
    one.heard("a", 35.0)
    assert not one.probing("a")
    assert one.check([("a", 35.0)], 36.1) == ([], [])


@pytest.mark.parametrize(
    ("silent", "of", "lost"),
    [
        ("a", 1, ["a"]),
        ("ab", 2, ["a"]),  # of two hosts, there is no majority to speak of
        ("a", 3, ["a"]),
        ("ab", 3, []),
        ("abc", 3, []),
        ("ab", 4, ["a"]),
        ("abc", 4, []),
        ("abcdefghijkl", 24, ["a"]),
        ("abcdefghijklm", 24, []),
    ],
)
def test_a_host_is_lost_unless_most_are_silent(silent: str, of: int, lost: list[str]) -> None:
    one = detector()
    assert one.lost(["a"], silent, hosts(of), 100.0) == lost
    assert (one.pause is None) is bool(lost)


def test_hosts_that_fall_silent_one_after_the_other_within_a_heartbeat_count_together() -> None:
    one = detector()
    assert one.lost(["a"], ["a"], hosts(3), 100.0) == ["a"]
    one.gone("a")
    two = Hosts({"b": "B", "c": "C"}, frozenset("bc"))
    assert one.lost(["b"], ["b"], two, 129.0) == []
    assert one.pause == Pause(129.0, 1, 3, ("B",), 429.0)


def test_those_that_fell_silent_longer_ago_do_not_count() -> None:
    one = detector()
    assert one.lost(["a"], ["a"], hosts(3), 100.0) == ["a"]
    one.gone("a")
    two = Hosts({"b": "B", "c": "C"}, frozenset("bc"))
    assert one.lost(["b"], ["b"], two, 131.0) == ["b"]


def test_hosts_that_stopped_in_good_order_do_not_count() -> None:
    one = detector()
    one.lost([], ["a", "b"], hosts(5), 100.0)
    one.stopped("a")
    one.stopped("b")
    assert one.lost(["c"], ["c"], Hosts({"c": "C", "d": "D", "e": "E"}, frozenset("cde")), 101.0) == ["c"]


def test_hosts_that_left_questions_unanswered_count_even_if_they_are_back() -> None:
    """Of three that were cut off together, two are back when the third would be lost."""
    one = detector()
    heard = [("a", 0.0), ("b", 0.0), ("c", 0.0)]
    for now in (34.0, 36.0, 38.0):
        one.check(heard, now)
    one.heard("a", 38.5)
    one.heard("b", 39.0)
    assert one.lost(["c"], ["c"], hosts(3), 40.5) == []


def test_hosts_that_only_pass_do_not_count() -> None:
    one = detector()
    assert one.lost(["c"], ["c", "d"], hosts(4, passing=2), 100.0) == ["c"]


def test_a_pause_ends_when_all_are_back_and_have_said_what_they_run() -> None:
    one = detector()
    one.lost(["a"], ["a", "b"], hosts(3), 100.0)
    one.reported("a", 110.0)
    one.heard("b", 111.0)
    assert one.tick(3, 112.0) == []
    assert one.pause is not None
    one.reported("b", 113.0)
    assert one.tick(3, 114.0) == []
    assert one.pause is None


def test_a_pause_ends_when_its_time_is_up_and_the_silent_are_called_once_more() -> None:
    one = detector()
    one.lost(["a"], ["a", "b"], hosts(3), 100.0)
    assert one.lost(["a", "b"], ["a", "b"], hosts(3), 399.0) == []
    assert one.tick(3, 399.9) == []
    assert one.tick(3, 400.0) == ["a", "b"]
    assert one.lost(["a", "b"], ["a", "b"], hosts(3), 401.0) == ["a", "b"]
    assert one.pause is None


def test_one_that_answers_that_call_is_not_lost() -> None:
    one = detector()
    one.lost(["a"], ["a", "b"], hosts(3), 100.0)
    assert one.resume() == ["a", "b"]
    one.heard("b", 101.0)
    assert one.lost(["a", "b"], ["a"], hosts(3), 102.0) == ["a"]


def test_the_time_runs_only_while_some_host_answers() -> None:
    one = detector()
    one.lost(["a"], ["a", "b", "c"], hosts(3), 100.0)
    assert one.tick(3, 10_000.0) == []
    one.heard("a", 10_000.0)
    assert one.tick(3, 10_001.0) == []
    assert one.pause is not None
    assert one.pause.until == 10_300.0
    assert one.tick(3, 10_300.0) == ["b", "c"]


def test_a_pause_ends_when_most_are_back_and_for_a_heartbeat_no_other_came() -> None:
    one = detector()
    one.lost(["a"], ["a", "b", "c"], hosts(5), 100.0)
    one.reported("a", 120.0)
    assert one.tick(5, 150.0) == []
    assert one.tick(5, 150.1) == ["b", "c"]


def test_what_a_pause_has_given_up_is_no_reason_for_another() -> None:
    one = detector()
    one.lost(["a"], ["a", "b"], hosts(3), 100.0)
    one.resume()
    assert one.lost(["a"], ["a", "b"], hosts(3), 101.0) == ["a"]
    assert one.lost(["b"], ["b"], Hosts({"b": "B", "c": "C"}, frozenset("bc")), 102.0) == ["b"]


def test_a_new_owner_goes_on_with_the_pause_of_the_former() -> None:
    one = detector()
    one.take_over(["a", "b"], hosts(3), (50.0, 350.0), 100.0)
    assert one.pause == Pause(50.0, 2, 3, ("A", "B"), 350.0)
    assert one.tick(3, 350.0) == ["a", "b"]


def test_it_gives_hosts_that_come_back_one_by_one_time_though_half_were_back_when_it_came() -> None:
    """When those came back is not known: it may have been a moment ago."""
    one = detector()
    one.take_over(["a", "b"], hosts(4), (50.0, 350.0), 100.0)
    assert one.tick(4, 100.0 + WINDOW) == []
    assert one.tick(4, 100.1 + WINDOW) == ["a", "b"]


def test_a_new_owner_that_finds_most_missing_begins_one() -> None:
    one = detector()
    one.take_over(["a", "b"], hosts(3), None, 100.0)
    assert one.pause == Pause(100.0, 2, 3, ("A", "B"), 400.0)


def test_a_new_owner_that_finds_few_missing_asks_them() -> None:
    one = detector()
    one.take_over(["a"], hosts(3), None, 100.0)
    assert one.pause is None
    assert one.check([], 100.0) == (["a"], [])
