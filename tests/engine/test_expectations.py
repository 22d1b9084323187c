"""The life of what was asked: from asking to seeing it, through failures, pauses and looks."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.builders import a_host, a_lattice
from wadm.engine.command_kind import PATIENCE_REPLY, PATIENCE_UPDATE, PATIENCE_WORKLOAD
from wadm.engine.commands import creates, patience, starting
from wadm.engine.expectations import BACKOFF_FIRST, BACKOFF_MOST, PROBE_SCHEDULE, Expectations, Pending, backoff, begin
from wadm.engine.plan import NO_OTHERS, OwnedResources, PlanBuilder
from wadm.engine.scalers import nothing
from wadm.engine.steps import finish
from wadm.model.commands import (
    Action,
    Command,
    DeleteConfig,
    DeleteLink,
    Key,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.lattice import Component


def scale(count: int = 1, host: str = "h1", reference: str = "x/web:1") -> ScaleComponent:
    return ScaleComponent("web", host, count, reference, "shop", {})


START = StartProvider("kv", "h1", "x/kv:1", "shop", {})
STOP = StopProvider("kv", "h1", "shop", {})
UPDATE = UpdateComponent("web", "h1", "x/web:2", "shop", {})
PUT_LINK = PutLink("web", "kv", "default", "wasi", "keyvalue", ("store",), "shop")
DELETE_LINK = DeleteLink("web", "wasi", "keyvalue", "default", "shop")
PUT_CONFIG = PutConfig("c", {"k": "v"})
DELETE_CONFIG = DeleteConfig("c")

WEB: Key = ("component", "h1", "web")


def an_action(command: Command, application: str = "shop") -> Action:
    return Action(command, application, "scaler", "reason")


def asked(command: Command | None = None, now: float = 0.0) -> Expectations:
    in_flight = Expectations()
    in_flight.ask(an_action(command or scale()), now)
    return in_flight


def pending(in_flight: Expectations, key: Key = WEB) -> Pending:
    found = in_flight.get(key)
    assert found is not None
    return found


# -- keys and kinds -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "key", "waits", "creates_something"),
    [
        (scale(3), WEB, PATIENCE_WORKLOAD, True),
        (scale(0), WEB, PATIENCE_REPLY, False),
        (UPDATE, WEB, PATIENCE_UPDATE, False),
        (START, ("provider", "h1", "kv"), PATIENCE_WORKLOAD, True),
        (STOP, ("provider", "h1", "kv"), PATIENCE_REPLY, False),
        (PUT_LINK, ("link", "web", "wasi", "keyvalue", "default", "kv"), PATIENCE_REPLY, True),
        (DELETE_LINK, ("link", "web", "wasi", "keyvalue", "default"), PATIENCE_REPLY, False),
        (PUT_CONFIG, ("config", "c"), PATIENCE_REPLY, True),
        (DELETE_CONFIG, ("config", "c"), PATIENCE_REPLY, False),
    ],
)
def test_kinds_of_commands(command: Command, key: Key, waits: float, creates_something: bool) -> None:
    assert command.key == key
    assert patience(command) == waits
    assert creates(command) is creates_something
    assert (starting(command) is not None) == (creates_something and key[0] in ("component", "provider"))


# -- the life of one command ----------------------------------------------------------------------


def test_what_is_asked_is_waited_for_until_its_deadline() -> None:
    in_flight = asked(now=100.0)
    assert pending(in_flight).waits(100.0 + PATIENCE_WORKLOAD - 0.1)
    assert not pending(in_flight).waits(100.0 + PATIENCE_WORKLOAD)


def test_a_host_that_accepts_has_its_time_from_then_on() -> None:
    in_flight = asked()
    in_flight.deliver(WEB, 5.0)
    in_flight.deliver(WEB, 9.0)
    assert pending(in_flight).delivered
    assert pending(in_flight).deadline == 5.0 + PATIENCE_WORKLOAD


def test_a_host_that_accepts_late_what_was_sent_late_has_its_time_all_the_same() -> None:
    in_flight = asked()
    in_flight.due(PATIENCE_WORKLOAD, a_lattice())
    assert pending(in_flight).held
    in_flight.deliver(WEB, PATIENCE_WORKLOAD + 1)
    assert pending(in_flight).waits(2 * PATIENCE_WORKLOAD)


def test_what_is_seen_is_settled() -> None:
    in_flight = asked()
    in_flight.settle([WEB])
    assert in_flight.get(WEB) is None
    assert len(in_flight) == 0
    assert not in_flight.of("shop")
    assert in_flight.next_due() is None


def test_a_failure_is_kept_and_held_back() -> None:
    in_flight = asked()
    assert in_flight.hold(WEB, "no such image", 1.0) == "shop"
    held = pending(in_flight)
    assert (held.held, held.attempts, held.error) == (True, 1, "no such image")
    assert held.waits(1.0 + 0.79 * BACKOFF_FIRST)
    assert not held.waits(1.0 + 1.21 * BACKOFF_FIRST)


def test_what_was_never_asked_cannot_fail() -> None:
    in_flight = Expectations()
    assert in_flight.hold(WEB, "no such image", 1.0) is None
    in_flight.deliver(WEB, 1.0)
    in_flight.answer(WEB)
    in_flight.retry(WEB, 1.0)
    in_flight.settle([WEB])
    assert len(in_flight) == 0


def test_a_failure_that_is_told_twice_counts_once_and_the_later_words_are_kept() -> None:
    in_flight = asked()
    in_flight.hold(WEB, "h1 did not answer in time", 1.0)
    first = pending(in_flight)
    in_flight.hold(WEB, "no such image", 1.5)
    assert pending(in_flight).error == "no such image"
    assert (pending(in_flight).attempts, pending(in_flight).retry_at) == (1, first.retry_at)


def test_whether_the_host_may_still_be_at_work_on_what_has_failed() -> None:
    overdue = asked()
    overdue.due(60.0, a_lattice())
    assert pending(overdue).lingering
    overdue.hold(WEB, "no such image", 61.0)
    assert not pending(overdue).lingering, "now it is certain"
    refused = asked()
    refused.hold(WEB, "no such image", 1.0)
    assert not pending(refused).lingering


def test_what_is_put_off_has_its_time_like_what_has_failed() -> None:
    in_flight = asked(scale(2), now=0.0)
    begun = begin(an_action(scale(), "other"), None, 1.0)
    in_flight.keep(replace(begun, held=True, retry_at=9.0))
    assert in_flight.of("shop") == []
    assert in_flight.due(9.0, a_lattice()) == ({"other"}, set())


def test_asking_again_carries_on_from_the_failures_before() -> None:
    in_flight = asked(now=0.0)
    in_flight.hold(WEB, "no such image", 1.0)
    in_flight.ask(an_action(scale()), 3.0)
    again = pending(in_flight)
    assert (again.since, again.asked, again.attempts, again.error) == (0.0, 3.0, 1, "no such image")
    assert not again.held


def test_another_command_for_the_same_thing_starts_afresh() -> None:
    in_flight = asked(now=0.0)
    in_flight.hold(WEB, "no such image", 1.0)
    in_flight.ask(an_action(scale(reference="x/web:2")), 1.5)
    afresh = pending(in_flight)
    assert (afresh.since, afresh.attempts, afresh.error, afresh.held) == (1.5, 0, "", False)


def test_a_command_without_effect_is_free_at_once_and_then_paused() -> None:
    in_flight = asked()
    in_flight.answer(WEB)
    assert pending(in_flight).answered
    in_flight.retry(WEB, 1.0)
    ignored = pending(in_flight)
    assert (ignored.held, ignored.ignored, ignored.answered, ignored.retry_at) == (True, True, False, 1.0)
    in_flight.ask(an_action(scale()), 1.0)
    in_flight.retry(WEB, 2.0)
    assert pending(in_flight).retry_at > 2.0


def test_another_application_may_ask_for_the_same_thing() -> None:
    in_flight = asked()
    in_flight.ask(an_action(scale(2), "other"), 1.0)
    assert not in_flight.of("shop")
    assert [p.command for p in in_flight.of("other")] == [scale(2)]


def test_what_two_applications_want_is_sent_once() -> None:
    in_flight = Expectations()
    assert in_flight.ask(an_action(PUT_LINK), 0.0)
    assert not in_flight.ask(an_action(PUT_LINK, "other"), 0.0)
    in_flight.hold(PUT_LINK.key, "no", 1.0)
    assert in_flight.ask(an_action(PUT_LINK, "other"), 5.0)


def test_an_application_settles_what_it_has_asked_itself() -> None:
    in_flight = asked()
    in_flight.settle([WEB], "other")
    assert len(in_flight) == 1
    in_flight.settle([WEB], "shop")
    assert len(in_flight) == 0


def test_when_a_host_goes_nothing_is_pending_there() -> None:
    in_flight = asked()
    in_flight.ask(an_action(START, "store"), 0.0)
    in_flight.ask(an_action(scale(host="h2"), "far"), 0.0)
    in_flight.ask(an_action(PutConfig("h1", {})), 0.0)
    assert in_flight.drop_host("h1") == {"shop", "store"}
    assert {p.command.key for p in in_flight} == {("component", "h2", "web"), ("config", "h1")}


# -- questions --------------------------------------------------------------------------------------


def looked_at(in_flight: Expectations, application: str) -> PlanBuilder:
    """Return the planning of an application that has looked at what is pending."""
    work = PlanBuilder(nothing(application), OwnedResources(), a_lattice(), in_flight, 0.0, NO_OTHERS)
    finish(work.look_at_pending())
    return work


def test_starts_are_told_by_thing_and_host() -> None:
    in_flight = asked()
    in_flight.ask(an_action(scale(host="h2")), 0.0)
    in_flight.ask(an_action(START), 0.0)
    in_flight.ask(an_action(scale(0, "h3")), 0.0)
    assert looked_at(in_flight, "shop").workloads.starts == {
        ("component", "web"): {"h1": scale(), "h2": scale(host="h2")},
        ("provider", "kv"): {"h1": START},
    }
    assert looked_at(in_flight, "other").workloads.starts == {}


def test_a_start_that_has_failed_thrice_is_one_no_more() -> None:
    in_flight = asked()
    for attempt in range(1, 4):
        work = looked_at(in_flight, "shop")
        assert (work.workloads.starts, work.workloads.failed) == ({("component", "web"): {"h1": scale()}}, {})
        in_flight.hold(WEB, "no", 100.0 * attempt)
        if attempt < 3:
            in_flight.ask(an_action(scale()), 100.0 * attempt + 50.0)
    work = looked_at(in_flight, "shop")
    assert (work.workloads.starts, work.workloads.failed) == ({}, {("component", "web"): {"h1": in_flight.get(WEB)}})


def test_what_is_settled_while_it_is_looked_at_is_left_out() -> None:
    in_flight = asked()
    for number in range(40):
        in_flight.ask(an_action(scale(host=f"host-{number:02}")), 0.0)
    work = PlanBuilder(nothing("shop"), OwnedResources(), a_lattice(), in_flight, 0.0, NO_OTHERS)
    looking = work.look_at_pending()
    next(looking)
    in_flight.settle([("component", "host-39", "web")])
    finish(looking)
    hosts = work.workloads.starts["component", "web"]
    assert len(hosts) == 40
    assert "host-39" not in hosts


def test_an_application_is_busy_while_anything_is_neither_seen_nor_refused() -> None:
    in_flight = asked()
    assert in_flight.busy("shop")
    assert not in_flight.busy("other")
    in_flight.hold(WEB, "no", 1.0)
    assert not in_flight.busy("shop")


# -- pauses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (6, 32), (7, 60), (99, 60)])
def test_the_pause_doubles_up_to_a_minute_give_or_take_a_fifth(attempts: int, seconds: float) -> None:
    pauses = [backoff(("component", f"h{i}", "web"), attempts) for i in range(200)]
    assert all(0.8 * seconds <= pause <= 1.2 * seconds for pause in pauses)
    assert max(pauses) - min(pauses) > 0.3 * seconds, "they do not all come back at once"
    assert BACKOFF_MOST == 60


def test_the_pause_is_the_same_in_a_replay() -> None:
    assert backoff(WEB, 3) == backoff(WEB, 3)


# -- time -----------------------------------------------------------------------------------------


def test_what_should_show_is_looked_for_ever_less_often_until_it_is_overdue() -> None:
    in_flight = asked()
    looks = []
    while not pending(in_flight).held:
        now = in_flight.next_due()
        assert now is not None
        applications, keys = in_flight.due(now, a_lattice())
        looks.append(now)
        assert (applications, keys) == ({"shop"}, {WEB})
    assert looks == [*PROBE_SCHEDULE, PATIENCE_WORKLOAD]


def test_what_is_overdue_is_held_and_says_what_may_be_the_matter() -> None:
    in_flight = asked()
    in_flight.due(PATIENCE_WORKLOAD, a_lattice())
    assert pending(in_flight).error == "Host h1 shows no sign of web after 60 s: it may still be fetching x/web:1"
    assert pending(in_flight).attempts == 1


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (START, "Host h1 shows no sign of kv after 60 s: it may still be fetching x/kv:1"),
        (UPDATE, "h1 still runs x/web:1 15 s after it was asked for x/web:2; its log says why"),
        (scale(0), "No sign that this was done within 10 s of asking"),
        (PUT_LINK, "No sign that this was done within 10 s of asking"),
    ],
)
def test_words_for_what_is_overdue(command: Command, error: str) -> None:
    in_flight = asked(command)
    in_flight.due(1000.0, a_lattice(a_host("h1", Component("web", "x/web:1", 1, {}))))
    assert pending(in_flight, command.key).error == error


def test_the_hosts_own_words_outlive_a_deadline() -> None:
    in_flight = asked()
    in_flight.hold(WEB, "no such image", 1.0)
    in_flight.ask(an_action(scale()), 3.0)
    in_flight.due(1000.0, a_lattice())
    assert pending(in_flight).error == "no such image"


def test_when_a_pause_is_over_its_application_is_due_once() -> None:
    in_flight = asked()
    in_flight.hold(WEB, "no", 1.0)
    at = pending(in_flight).retry_at
    assert in_flight.next_due() == at
    assert in_flight.due(at - 0.01, a_lattice()) == (set(), set())
    assert in_flight.due(at, a_lattice()) == ({"shop"}, set())
    assert in_flight.due(at + 1, a_lattice()) == (set(), set())
    assert in_flight.next_due() is None


def test_after_a_long_sleep_everything_is_due_at_once() -> None:
    in_flight = asked()
    in_flight.ask(an_action(START, "store"), 0.0)
    applications, looks = in_flight.due(10_000.0, a_lattice())
    assert applications == {"shop", "store"}
    assert looks == {WEB, START.key}


def test_timers_do_not_pile_up() -> None:
    in_flight = Expectations()
    for number in range(10_000):
        in_flight.ask(an_action(scale(host=f"h{number % 10}")), float(number))
        in_flight.settle([("component", f"h{number % 10}", "web")])
    assert len(in_flight._due) < 500
    in_flight.ask(an_action(scale()), 0.0)
    assert in_flight.next_due() == PROBE_SCHEDULE[0]
