"""What is touched is planned at once, or together with what is about to come, and never forgotten."""

from __future__ import annotations

import pytest

from tests.engine.builders import (
    a_component,
    a_config,
    a_host,
    a_lattice,
    a_provider,
    an_app,
    compiled,
    owned,
)
from wadm.engine.agenda import GATHER, Agenda, expects_more
from wadm.engine.command_kind import PATIENCE_REPLY
from wadm.engine.expectations import Expectations
from wadm.model.commands import Action, Command, DeleteLink, PutConfig, ScaleComponent, StartProvider, StopProvider
from wadm.model.lattice import Component, Lattice, Provider

SHOP = compiled(an_app("shop", a_component("web", config=[a_config("c", k="v")]), a_provider("kv")))
PUT_C, PUT_D = PutConfig("shop-c", {"k": "v"}, "shop"), PutConfig("shop-d", {"k": "v"}, "shop")
START = ScaleComponent("shop-web", "h1", 1, "x/web:1", "shop", owned("shop"))
START_KV = StartProvider("shop-kv", "h1", "x/kv:1", "shop", owned("shop"))
STOP_KV = StopProvider("shop-kv", "h1", "shop", owned("shop"))
STOP_OLD = ScaleComponent("shop-old", "h1", 0, "x/old:1", "shop", owned("shop"))
DELETE = DeleteLink("shop-web", "wasi", "http", "default", "shop")


def an_agenda(*waiting: tuple[str, float]) -> Agenda:
    agenda = Agenda()
    for name, now in waiting:
        agenda.add_later(name, now)
    return agenda


# -- the order ------------------------------------------------------------------------------------------


def test_what_is_added_is_taken_once_in_the_order_in_which_it_came() -> None:
    agenda = Agenda()
    agenda.add({"b", "c"})
    agenda.add({"a", "b"})
    assert agenda.ready
    assert list(agenda.take(2)) == ["b", "c"]
    assert list(agenda.take(2)) == ["a"]
    assert not agenda.ready


def test_what_is_added_while_others_are_taken_is_left_for_later() -> None:
    agenda = Agenda()
    agenda.add({"a"})
    for name in agenda.take(10):
        agenda.add({name})
    assert list(agenda.take(10)) == ["a"]


def test_who_stops_taking_loses_nothing() -> None:
    agenda = Agenda()
    agenda.add({"a", "b", "c"})
    for _ in agenda.take(10):
        break
    assert list(agenda.take(10)) == ["b", "c"]


def test_what_waits_is_ready_after_a_while_however_often_it_is_touched() -> None:
    agenda = an_agenda(("a", 1.0), ("b", 1.005), ("a", 1.01))
    assert not agenda.ready
    assert "a" in agenda
    assert agenda.next_due == 1.0 + GATHER
    agenda.take_due(1.0 + GATHER)
    assert list(agenda.take(10)) == ["a"]
    assert agenda.next_due == 1.005 + GATHER
    agenda.take_due(2.0)
    assert list(agenda.take(10)) == ["b"]
    assert agenda.next_due is None
    assert "a" not in agenda


def test_what_need_not_wait_any_more_is_ready_and_waits_no_longer() -> None:
    agenda = an_agenda(("a", 1.0))
    agenda.add({"a"})
    agenda.add_later("a", 1.01)
    assert agenda.next_due is None
    assert list(agenda.take(10)) == ["a"]


# -- the rule -------------------------------------------------------------------------------------------


def under_way(*commands: Command, scaler: str = "scaler") -> Expectations:
    in_flight = Expectations()
    for command in commands:
        in_flight.ask(Action(command, "shop", scaler, "reason"), 1.0)
    return in_flight


def known(lattice: Lattice | None = None) -> Lattice:
    lattice = lattice or a_lattice(a_host("h1"))
    lattice.set_config("shop-c", None)
    lattice.certainty.links_read = True
    return lattice


def expects(lattice: Lattice, in_flight: Expectations, now: float = 1.0) -> bool:
    return expects_more("shop", SHOP, lattice, in_flight, now)


def test_nothing_is_expected_where_nothing_is_under_way() -> None:
    assert not expects(known(), Expectations())
    assert not expects_more("gone", None, known(), Expectations(), 1.0)


def test_commands_are_expected_to_show_until_all_have() -> None:
    lattice, in_flight = known(), under_way(PUT_C, PUT_D)
    lattice.set_config("shop-c", {"k": "v"})
    assert expects(lattice, in_flight)
    lattice.set_config("shop-d", {"k": "v"})
    assert not expects(lattice, in_flight)


def test_what_has_failed_is_not_expected() -> None:
    lattice, in_flight = known(), under_way(PUT_C, START)
    in_flight.hold(PUT_C.key, "no", 1.0)
    in_flight.hold(START.key, "no", 1.0)
    assert not expects(lattice, in_flight)


def test_what_is_overdue_is_not_expected() -> None:
    assert not expects(known(), under_way(PUT_C), 1.0 + PATIENCE_REPLY)


def test_what_others_have_asked_for_is_not_expected() -> None:
    in_flight = Expectations()
    in_flight.ask(Action(PUT_C, "other", "scaler", "reason"), 1.0)
    assert not expects(known(), in_flight)


@pytest.mark.parametrize(
    ("removal", "there"), [(STOP_KV, Provider("shop-kv", "x/kv:1", owned("shop"))), (DELETE, None)]
)
def test_what_was_removed_to_be_replaced_is_replaced_at_once(removal: Command, there: Provider | None) -> None:
    lattice, in_flight = known(), under_way(removal, START)
    if there is not None:
        lattice.put("h1", there)
        assert expects(lattice, in_flight)
        lattice.drop("provider", "h1", "shop-kv")
    assert not expects(lattice, in_flight), "nothing serves meanwhile"


def test_what_was_only_left_over_is_in_no_hurry() -> None:
    lattice, in_flight = known(), under_way(STOP_OLD, STOP_KV, scaler="")
    lattice.put("h1", Provider("shop-kv", "x/kv:1", owned("shop")))
    lattice.put("h1", Component("shop-old", "x/old:1", 1, owned("shop")))
    lattice.drop("component", "h1", "shop-old")
    assert expects(lattice, in_flight)
    lattice.drop("provider", "h1", "shop-kv")
    assert not expects(lattice, in_flight)


def test_what_configurations_hold_is_expected_to_be_told_where_there_are_hosts() -> None:
    assert expects(a_lattice(a_host("h1")), Expectations())
    assert not expects(a_lattice(), Expectations())
    assert not expects(known(), Expectations())


def test_starts_of_which_some_run_are_expected_to_show() -> None:
    lattice, in_flight = known(), under_way(START, START_KV)
    lattice.put("h1", Component("shop-web", "x/web:1", 1, owned("shop")))
    assert expects(lattice, in_flight)
    lattice.put("h1", Provider("shop-kv", "x/kv:1", owned("shop")))
    assert not expects(lattice, in_flight)
