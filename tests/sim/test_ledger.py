"""The ledger of what may be stored: answers rule out states, and contradict each other where none is left."""

from __future__ import annotations

import pytest

from wadm.sim.ledger import UNSURE, Contradiction, Ledger, Stored


class Clock:
    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        return self.time


def put(version: str):  # type: ignore[no-untyped-def]
    return lambda stored: stored.put(version)


def deploy(version: str):  # type: ignore[no-untyped-def]
    return lambda stored: stored.deploy(version)


def test_a_request_that_is_not_answered_may_have_had_its_effect_or_not() -> None:
    ledger = Ledger(Clock().now)
    ledger.asks("put v1", put("v1"))
    assert ledger.may_be() == {Stored(), Stored(("v1",))}
    assert not ledger.is_sure


def test_what_was_given_up_is_one_of_both_for_good_after_a_while() -> None:
    clock = Clock()
    ledger = Ledger(clock.now)
    ledger.gives_up(ledger.asks("put v1", put("v1")))
    clock.time = UNSURE
    assert ledger.is_sure
    assert ledger.may_be() == {Stored(), Stored(("v1",))}
    ledger.done(ledger.asks("deploy v1", deploy("v1")))
    assert ledger.may_be() == {Stored(("v1",), "v1")}


def test_requests_at_the_same_time_may_have_been_in_any_order() -> None:
    ledger = Ledger(Clock().now)
    for version in ("v1", "v2"):
        ledger.done(ledger.asks(f"put {version}", put(version)))
    first, second = ledger.asks("deploy v1", deploy("v1")), ledger.asks("deploy v2", deploy("v2"))
    ledger.done(second)
    ledger.done(first)
    assert ledger.may_be() == {Stored(("v1", "v2"), "v1"), Stored(("v1", "v2"), "v2")}
    third = ledger.asks("undeploy", Stored.undeploy)
    ledger.done(third)
    assert ledger.may_be() == {Stored(("v1", "v2"))}


def test_a_confirmed_write_that_others_have_lost_contradicts() -> None:
    """Two puts of the same version at the same time: only one of them can have been confirmed."""
    ledger = Ledger(Clock().now)
    first, second = ledger.asks("put v1", put("v1")), ledger.asks("put v1 again", put("v1"))
    ledger.done(first)
    with pytest.raises(Contradiction, match="put v1 again was confirmed, which cannot be"):
        ledger.done(second)


def test_what_follows_an_answer_sees_it() -> None:
    ledger = Ledger(Clock().now)
    ledger.done(ledger.asks("put v1", put("v1")))
    ledger.done(ledger.asks("delete", Stored.delete))
    with pytest.raises(Contradiction):
        ledger.done(ledger.asks("deploy v1", deploy("v1")))


def test_a_refusal_needs_a_reason_where_nothing_goes_wrong() -> None:
    ledger = Ledger(Clock().now)
    ledger.done(ledger.asks("put v1", put("v1")))
    ledger.refused(ledger.asks("put v1", put("v1")), rightly=True)
    with pytest.raises(Contradiction, match="was refused without a reason"):
        ledger.refused(ledger.asks("deploy v1", deploy("v1")), rightly=True)


def test_the_oldest_versions_may_be_forgotten_but_the_deployed_and_the_newest() -> None:
    ledger = Ledger(Clock().now)
    for version in ("v1", "v2", "v3"):
        ledger.done(ledger.asks(f"put {version}", put(version)))
    ledger.done(ledger.asks("deploy v1", deploy("v1")))
    ledger.done(ledger.asks("put v4", put("v4"), may_forget=True), forgotten=1)
    assert ledger.may_be() == {Stored(("v1", "v3", "v4"), "v1")}
    ledger.gives_up(ledger.asks("put v5", put("v5"), may_forget=True))
    assert Stored(("v1", "v5"), "v1") in ledger.may_be()


def test_one_version_is_deleted() -> None:
    stored = Stored(("v1", "v2"), "v1")
    assert stored.delete_version("v1") == Stored(("v2",))
    assert stored.delete_version("v2") == Stored(("v1",), "v1")
    assert stored.delete_version("v3") is None


@pytest.mark.parametrize("left", [(), ("v1",)], ids=["the last version", "one of two"])
def test_deletions_at_the_same_time_may_be_one(left: tuple[str, ...]) -> None:
    """The write of one is lost, and what it finds then, another has done: nothing tells whose deletion it was."""
    ledger = Ledger(Clock().now)
    for version in (*left, "v2"):
        ledger.done(ledger.asks(f"put {version}", put(version)))
    delete = lambda stored: stored.delete_version("v2")  # noqa: E731
    first, second = (ledger.asks(what, delete) for what in ("delete v2", "delete v2 once more"))
    ledger.done(second)
    ledger.done(first)
    assert ledger.may_be() == {Stored(left)}


def test_a_deletion_that_was_asked_for_after_another_was_confirmed_finds_nothing() -> None:
    ledger = Ledger(Clock().now)
    ledger.done(ledger.asks("put v1", put("v1")))
    ledger.done(ledger.asks("delete", Stored.delete))
    with pytest.raises(Contradiction, match="delete v1 was confirmed, which cannot be"):
        ledger.done(ledger.asks("delete v1", lambda stored: stored.delete_version("v1")))


def test_what_a_store_forgot_is_left_out() -> None:
    ledger = Ledger(Clock().now)
    ledger.asks("put v1", put("v1"))
    ledger.is_now(Stored(("v7",), None))
    assert ledger.may_be() == {Stored(("v7",))}
    assert ledger.is_sure
