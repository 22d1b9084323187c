"""Revisions, put together from what is kept in their stream."""

from __future__ import annotations

import pytest

from wadm.wire.timeline import EARLY, Change, revisions


def told(*changes: Change) -> list[tuple[str | None, str, float]]:
    return [(one.version, one.outcome, one.seconds) for one in revisions(enumerate(changes, 1))]


def deployed(time: float, version: str) -> Change:
    return Change(time, "deploy", version)


def came_up(time: float, version: str) -> Change:
    return Change(time, version=version, outcome="deployed")


def test_what_became_of_a_change_follows_it() -> None:
    assert told(deployed(1, "v1"), came_up(3.5, "v1"), deployed(5, "v2")) == [("v1", "deployed", 2.5), ("v2", "", 0)]


def test_what_is_followed_by_another_change_was_superseded() -> None:
    changes = (deployed(1, "v1"), deployed(2, "v2"), came_up(3, "v2"))
    assert told(*changes) == [("v1", "superseded", 1), ("v2", "deployed", 1)]


@pytest.mark.parametrize("after", [0.0, 0.1, EARLY - 0.1])
def test_an_outcome_that_is_stored_just_before_its_change_is_the_change_s(after: float) -> None:
    changes = (deployed(1, "v1"), came_up(2, "v1"), came_up(10, "v2"), deployed(10 + after, "v2"))
    assert told(*changes) == [("v1", "deployed", 1), ("v2", "deployed", 0)]


def test_the_outcome_just_before_a_rollback_is_not_lost_though_the_change_before_had_none() -> None:
    changes = (deployed(1, "v1"), came_up(2, "v1"), deployed(5, "v2"), came_up(20, "v1"), deployed(20.1, "v1"))
    assert told(*changes)[-2:] == [("v2", "superseded", 15.1), ("v1", "deployed", 0)]


@pytest.mark.parametrize(
    "early",
    [
        (came_up(10, "v2"), deployed(10 + EARLY, "v2")),  # long before
        (came_up(10, "v1"), deployed(10, "v2")),  # of another version
    ],
)
def test_an_outcome_of_something_else_is_not(early: tuple[Change, Change]) -> None:
    assert told(deployed(1, "v1"), came_up(2, "v1"), *early)[-1] == ("v2", "", 0)
