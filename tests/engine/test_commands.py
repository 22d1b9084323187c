"""The engine and the wire each know commands in one place: one that is added there is planned, sent, confirmed,
foreseen and told of like any other."""

from __future__ import annotations

from typing import get_args

import pytest
from msgspec import Struct

from tests.engine.builders import a_lattice, an_app, compiled
from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.engine.command_kind import CommandKind
from wadm.engine.commands import COMMAND_KINDS, describe, has_come_true, stops
from wadm.engine.expectations import Expectations
from wadm.engine.forecast import apply
from wadm.engine.outcomes import observe_outcome
from wadm.engine.plan import NO_OTHERS, OwnedResources, PlanBuilder
from wadm.engine.telling import tell_outcome
from wadm.model.commands import Command, Key, Outcome
from wadm.model.insight import Effect
from wadm.model.lattice import Lattice
from wadm.wire.commands import SPELLINGS, Spelling, decode_command, encode_command, request_for

HOST = "N1"


class PutLabel(Struct, frozen=True):
    """Give a host a label."""

    host_id: str
    label: str
    value: str
    model_name: str

    @property
    def key(self) -> Key:
        return ("label", self.host_id, self.label)


class _PutLabel(CommandKind[PutLabel]):  # type: ignore[type-var]
    confirmed_by = "reply"
    settles = "command"

    def patience(self, command: PutLabel) -> float:
        return 7.0

    def has_come_true(self, command: PutLabel, lattice: Lattice, since: float) -> bool:
        return lattice.hosts[command.host_id].labels.get(command.label) == command.value

    def apply(self, command: PutLabel, lattice: Lattice, now: float, asked: float | None) -> bool:
        labels = lattice.hosts[command.host_id].labels
        return lattice.set_labels(command.host_id, {**labels, command.label: command.value})

    def effect(self, command: PutLabel, lattice: Lattice) -> Effect:
        return "put"

    def describe(self, command: PutLabel, host: object) -> str:
        return f"put label {command.label}={command.value} on {host(command.host_id)}"  # type: ignore[operator]


@pytest.fixture
def put_label(monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a command of a kind that is added for the time of a test."""
    monkeypatch.setitem(COMMAND_KINDS, PutLabel, _PutLabel())
    spelling = Spelling(PutLabel, lambda c: (f"label.put.{c.host_id}", b"{}"))  # type: ignore[arg-type]
    monkeypatch.setitem(SPELLINGS, "PutLabel", spelling)
    return PutLabel(HOST, "zone", "a", "shop")  # type: ignore[return-value]


def a_host_named_alpha() -> Lattice:
    lattice = a_lattice()
    lattice.put_host(HOST, "alpha", {}, "1.0.0", 0.0)
    lattice.hosts[HOST].known = True
    return lattice


def plan_builder(lattice: Lattice, in_flight: Expectations, now: float) -> PlanBuilder:
    return PlanBuilder(compiled(an_app("shop")), OwnedResources(), lattice, in_flight, now, NO_OTHERS)


def sent(command: Command, lattice: Lattice) -> Expectations:
    """Return what is expected once a plan has asked for a command, at 100 s."""
    in_flight = Expectations()
    work = plan_builder(lattice, in_flight, 100.0)
    work.ensure(command, "", "the test wants it")
    [action] = work.commands.actions
    assert in_flight.ask(action, 100.0)
    return in_flight


def answered(outcome: Outcome, lattice: Lattice, in_flight: Expectations) -> ChangeSet:
    changes = ChangeSet()
    observe_outcome(outcome, lattice, in_flight, changes, LastEventTimes(), 101.0)
    return changes


def test_each_command_has_its_class_and_its_spelling() -> None:
    assert set(COMMAND_KINDS) == set(get_args(Command)) == {one.command for one in SPELLINGS.values()}


def test_an_added_command_is_asked_once_and_waited_for(put_label: Command) -> None:
    lattice = a_host_named_alpha()
    in_flight = sent(put_label, lattice)
    again = plan_builder(lattice, in_flight, 106.9)
    again.ensure(put_label, "", "the test wants it")
    assert not again.commands.actions
    assert in_flight.due(106.9, lattice)[0] == {"shop"}  # it is looked for
    in_flight.due(107.0, lattice)
    pending = in_flight.get(put_label.key)
    assert pending is not None
    assert pending.held
    assert pending.error == "No sign that this was done within 7 s of asking"


def test_it_goes_over_the_stream_and_becomes_a_control_call(put_label: Command) -> None:
    message = encode_command(put_label)
    assert message == b'{"PutLabel":{"host_id":"N1","label":"zone","value":"a","model_name":"shop"}}'
    assert decode_command(message) == put_label
    assert request_for(put_label) == ("label.put.N1", b"{}")


def test_a_reply_that_says_yes_confirms_it(put_label: Command) -> None:
    lattice = a_host_named_alpha()
    in_flight = sent(put_label, lattice)
    assert not has_come_true(put_label, lattice)
    changes = answered(Outcome(put_label, "accepted"), lattice, in_flight)
    assert has_come_true(put_label, lattice)
    assert (changes.applications, changes.hosts) == ({"shop"}, {HOST})
    assert in_flight.get(put_label.key) is None


def test_what_fails_is_looked_at_and_tried_again(put_label: Command) -> None:
    lattice = a_host_named_alpha()
    in_flight = sent(put_label, lattice)
    changes = answered(Outcome(put_label, "unanswered"), lattice, in_flight)
    pending = in_flight.get(put_label.key)
    assert pending is not None
    assert (pending.held, pending.error) == (True, "Host N1 did not answer in time")
    assert changes.questions.hosts == {HOST}


def test_nothing_is_expected_of_a_host_that_is_gone(put_label: Command) -> None:
    in_flight = sent(put_label, a_host_named_alpha())
    assert in_flight.drop_host(HOST) == {"shop"}
    assert not len(in_flight)


def test_a_forecast_takes_it_as_done(put_label: Command) -> None:
    lattice, changes = a_host_named_alpha(), ChangeSet()
    apply(put_label, lattice, changes, 100.0)
    assert lattice.hosts[HOST].labels == {"zone": "a"}
    assert changes.hosts == {HOST}
    assert not stops(put_label)


def test_people_are_told_of_it_in_its_own_words(put_label: Command) -> None:
    lattice = a_host_named_alpha()
    assert describe(put_label, lattice) == "put label zone=a on alpha (N1)"
    assert tell_outcome(Outcome(put_label, "accepted"), lattice) == "accepted: put label zone=a on alpha (N1)"
