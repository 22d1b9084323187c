"""The protocol of leases and records, explored completely: it is safe, and each of its rules is needed for that."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import fields

from wadm.sim.protocol import leases, records
from wadm.sim.protocol.checker import TooManyStates, explore
from wadm.sim.protocol.leases import explore_leases
from wadm.sim.protocol.records import explore_records


def test_at_most_one_of_three_servers_believes_that_it_owns_a_lattice() -> None:
    found = explore_leases()
    assert found.wrong == "", found
    assert found.states > 10_000


BROKEN_LEASES: list[dict[str, Any]] = [
    {"margin": 0},
    {"counted_from": "answer"},
    {"renewed_over_revision": False},
    {"ended_over_revision": False},
    {"taken_over_revision": False},
    {"revision_read_first": False},
    {"owner_asked_for": False},
    {"belief_ends": False},
    {"let_go_in_order": False},
]


@pytest.mark.parametrize("broken", BROKEN_LEASES, ids=lambda broken: next(iter(broken)))
def test_each_rule_of_leases_is_needed(broken: dict[str, Any]) -> None:
    two_take_it = "taken_over_revision" in broken or "revision_read_first" in broken
    found = explore_leases(leases.Rules(**broken), writes=3 if two_take_it else 2, owner_gone=two_take_it)
    assert "act" in found.wrong, found


def test_it_is_safe_however_often_the_lattice_changes_hands_once_its_owner_is_gone() -> None:
    found = explore_leases(writes=3, owner_gone=True)
    assert found.wrong == "", found


def test_what_owners_store_and_send_is_safe_whoever_takes_over_when() -> None:
    found = explore_records()
    assert found.wrong == "", found
    assert found.states > 1000


BROKEN_RECORDS = {
    "recorded_first": "not on record",
    "written_over_revision": "over its successor's",
    "trusts_own_writes_only": "not on record",
    "purged_at_take_over": "lies in the stream",
    "commands_bear_epoch": "a former owner decided is carried out",
    "struck_off_when_gone": "not on record",
}


@pytest.mark.parametrize("rule", BROKEN_RECORDS)
def test_each_rule_of_records_is_needed(rule: str) -> None:
    assert BROKEN_RECORDS[rule] in explore_records(records.Rules(**{rule: False})).wrong


def test_writes_that_bear_no_revision_have_to_be_in_order() -> None:
    in_order = records.Rules(written_over_revision=False)
    assert explore_records(in_order, owners=1).wrong == ""
    out_of_order = records.Rules(written_over_revision=False, written_in_order=False)
    assert "not on record" in explore_records(out_of_order, owners=1).wrong


def test_every_rule_is_tried() -> None:
    assert {next(iter(broken)) for broken in BROKEN_LEASES} == {f.name for f in fields(leases.Rules)}
    assert {*BROKEN_RECORDS, "written_in_order"} == {f.name for f in fields(records.Rules)}


def test_the_way_to_a_bad_state_is_a_shortest_one() -> None:
    def steps(number: int) -> list[tuple[str, int]]:
        return [("one more", number + 1), ("twice", number * 2)] if number < 50 else []

    found = explore([1], steps, lambda number: "it is 10" if number == 10 else "")
    assert found.way == ("one more", "twice", "one more", "twice")
    assert str(found).endswith("  4. twice\nWRONG: it is 10")
    assert str(explore([49], steps, lambda _: "")) == "3 states, 2 steps: nothing wrong"
    with pytest.raises(TooManyStates):
        explore([1], steps, lambda _: "", most=10)
