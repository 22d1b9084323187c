"""What somebody undoes again and again is asked ever more slowly, and says so."""

from __future__ import annotations

from wadm.engine.expectations import AGAIN_FREE, BACKOFF_MOST, UNDONE_FREE, UNDONE_WINDOW, Expectations
from wadm.engine.plan import NO_OTHERS, OwnedResources, PlanBuilder
from wadm.engine.scalers import nothing
from wadm.model.commands import Action, DeleteLink, ScaleComponent
from wadm.model.lattice import Lattice

UP = ScaleComponent("web", "h1", 2, "x/web:1", "shop", {})
DOWN = ScaleComponent("web", "h1", 0, "x/web:1", "shop", {})


def wanted(command: ScaleComponent) -> Action:
    return Action(command, "shop", "s", "it is wanted")


def asked(in_flight: Expectations, times: int, *commands: ScaleComponent, pause: float = 5.0) -> float:
    """Ask and settle the commands in turn, so many times; return the time after that."""
    now = 0.0
    for _ in range(times):
        for command in commands:
            in_flight.ask(wanted(command), now)
            in_flight.settle([command.key])
            now += pause
    return now


def test_what_is_undone_a_few_times_is_simply_asked_again() -> None:
    in_flight = Expectations()
    now = asked(in_flight, UNDONE_FREE - 1, UP)
    assert in_flight.undone(wanted(UP), now) == (0, 0.0)


def test_the_pauses_grow() -> None:
    pauses = []
    for times in (UNDONE_FREE, UNDONE_FREE + 2, UNDONE_FREE + 4, UNDONE_FREE + 20):
        in_flight = Expectations()
        now = asked(in_flight, times, UP, pause=1.0)
        pauses.append(in_flight.undone(wanted(UP), now)[1] - (now - 1.0))
    assert pauses == sorted(pauses)
    assert pauses[0] > 1.0
    assert pauses[-1] <= BACKOFF_MOST * 1.2


def test_a_pair_of_opposite_commands_is_seen_in_both() -> None:
    in_flight = Expectations()
    now = asked(in_flight, UNDONE_FREE, UP, DOWN)
    assert in_flight.undone(wanted(UP), now)[0] == in_flight.undone(wanted(DOWN), now)[0] == UNDONE_FREE


def test_a_failure_that_is_tried_again_is_not_undone() -> None:
    in_flight = Expectations()
    for number in range(20):
        in_flight.ask(wanted(UP), number * 100.0)
        in_flight.hold(UP.key, "no", number * 100.0)
    assert in_flight.undone(wanted(UP), 2000.0) == (0, 0.0)


def test_what_was_long_ago_is_forgotten() -> None:
    in_flight = Expectations()
    now = asked(in_flight, 20, UP)
    assert in_flight.undone(wanted(UP), now + UNDONE_WINDOW) == (0, 0.0)


def test_what_people_decide_anew_is_not_undone_by_somebody() -> None:
    in_flight, now = Expectations(), 0.0
    for _ in range(3 * UNDONE_FREE):
        for command in (UP, DOWN):
            in_flight.decide("shop", now)
            assert in_flight.undone(wanted(command), now) == (0, 0.0)
            in_flight.ask(wanted(command), now)
            in_flight.settle([command.key])
            now += 1.0


def test_planning_puts_it_off_with_the_reason_and_asks_when_its_time_has_come() -> None:
    in_flight, lattice = Expectations(), Lattice()
    now = asked(in_flight, UNDONE_FREE + 3, UP, pause=1.0)
    work = PlanBuilder(nothing("shop"), OwnedResources(), lattice, in_flight, now, NO_OTHERS)
    put_off = work.ensure(UP, "s", "it is wanted")
    assert (work.commands.actions, work.commands.deferred) == ([], [put_off])
    assert put_off.held
    assert put_off.error.startswith("Somebody undoes this again and again: scale web to 2 on h1")

    in_flight.keep(put_off)
    assert in_flight.next_due() == put_off.retry_at
    later = PlanBuilder(nothing("shop"), OwnedResources(), lattice, in_flight, put_off.retry_at, NO_OTHERS)
    later.ensure(UP, "s", "it is wanted")
    assert [action.command for action in later.commands.actions] == [UP]


def test_a_link_is_put_anew_for_its_providers_ever_more_slowly() -> None:
    in_flight, delete = Expectations(), DeleteLink("web", "default", "wasi", "http", "shop")
    again = Action(delete, "shop", "s", "a provider lacks it", again=True)
    for number in range(AGAIN_FREE):
        assert in_flight.undone(again, number) == (0, 0.0)
        in_flight.ask(again, number)
        in_flight.settle([delete.key])
    times, until = in_flight.undone(again, AGAIN_FREE)
    assert times == AGAIN_FREE
    assert until > AGAIN_FREE
    assert in_flight.undone(Action(delete, "shop", "s", "it is not wanted"), AGAIN_FREE) == (0, 0.0)
    work = PlanBuilder(nothing("shop"), OwnedResources(), Lattice(), in_flight, AGAIN_FREE, NO_OTHERS)
    assert work.ensure(delete, "s", "a provider lacks it", again=True).error.startswith("Providers must be told this")
