"""Planning in turns: the same plan wherever it is interrupted, and nothing is decided on what has passed."""

from __future__ import annotations

import json

import pytest

from bench.large_applications import SHAPES
from tests.engine.builders import AHost, a_host, a_lattice
from wadm.engine.changes import ChangeSet
from wadm.engine.compile import compile_manifest
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.expectations import Expectations
from wadm.engine.forecast import apply
from wadm.engine.limits import Limits, excess, refusal, size_of
from wadm.engine.plan import OwnedResources, Plan
from wadm.engine.planning import Decided, Planning
from wadm.engine.reconcile import reconcile
from wadm.engine.scalers import Desired, nothing
from wadm.engine.validate import validate
from wadm.model.lattice import Lattice
from wadm.wire.manifests import read_manifest

NOW = 1000.0


def a_large_one(shape: str, size: int) -> Desired:
    return compile_manifest(read_manifest(json.dumps(SHAPES[shape][0]("shop", size)).encode()))


def six_hosts(desired: Desired) -> Lattice:
    lattice = a_lattice(*(AHost(f"h{i}", {"zone": str(i)}, ()) for i in range(6)))
    lattice.last_joined = 0.0
    lattice.configs.update(dict.fromkeys(desired.configs))
    return lattice


def in_turns(planning: Planning, budget: int) -> list[Decided]:
    turns = []
    while not planning.done:
        planning.advance(budget, NOW)
        turns.append(planning.take())
    return turns


@pytest.mark.parametrize("budget", [1, 7, 100, 100_000])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_plan_is_the_same_wherever_it_is_interrupted(shape: str, budget: int) -> None:
    desired = a_large_one(shape, 60)
    lattice = six_hosts(desired)
    whole = reconcile(desired, OwnedResources(), lattice, Expectations(), NOW)
    turns = in_turns(Planning(desired, OwnedResources(), lattice, Expectations(), NOW), budget)
    last = turns[-1]
    assert [action for turn in turns for action in turn.actions] == list(whole.actions)
    assert sorted(key for turn in turns for key in turn.settled) == list(whole.settled)
    assert (last.status, last.record) == (whole.status, whole.record)
    assert all(turn.status is None for turn in turns[:-1])


def test_what_may_be_put_is_on_record_with_the_first_turn() -> None:
    desired = a_large_one("components and links", 60)
    turns = in_turns(Planning(desired, OwnedResources(), six_hosts(desired), Expectations(), NOW), 10)
    whole = turns[-1].record
    assert len(turns) > 10
    assert all(whole.links <= turn.record.links for turn in turns)


def test_a_turn_takes_no_more_than_its_budget_and_says_what_is_left() -> None:
    desired = a_large_one("components", 60)
    planning = Planning(desired, OwnedResources(), six_hosts(desired), Expectations(), NOW)
    assert planning.advance(10, NOW) == 0
    assert not planning.done
    left = planning.advance(10_000, NOW)
    assert planning.done
    assert 0 < left < 10_000


def test_other_hosts_or_another_wish_or_record_make_a_planning_outdated() -> None:
    desired = a_large_one("components", 60)
    lattice = six_hosts(desired)
    planning = Planning(desired, OwnedResources(), lattice, Expectations(), NOW)
    planning.advance(10, NOW)
    assert not planning.is_outdated(desired, OwnedResources())
    assert not planning.is_outdated(desired, planning.take().record)
    assert planning.is_outdated(nothing("shop"), OwnedResources())
    assert planning.is_outdated(desired, OwnedResources(configs=frozenset({"found"})))
    lattice.remove_host("h0")
    assert planning.is_outdated(desired, OwnedResources())


@pytest.mark.parametrize("change", ["join", "leave", "labels"])
def test_a_planning_notices_every_change_of_the_hosts(change: str) -> None:
    lattice = a_lattice(a_host("a"), a_host("b"))
    planning = Planning(nothing("shop"), OwnedResources(), lattice, Expectations(), NOW)
    if change == "join":
        lattice.put_host("c", "", {}, "1", NOW)
    elif change == "leave":
        lattice.remove_host("a")
    else:
        lattice.set_labels("a", {"zone": "east"})
    assert planning.is_outdated(nothing("shop"), OwnedResources())


# -- limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_the_largest_of_each_shape_is_planned_and_one_more_is_not(shape: str) -> None:
    make, most = SHAPES[shape]
    largest = read_manifest(json.dumps(make("shop", most)).encode())
    assert excess(largest) == ""
    size = max(size_of(largest).__struct_fields__, key=lambda kind: getattr(size_of(largest), kind))
    few = Limits(**{size: getattr(size_of(largest), size) - 1})
    number = getattr(size_of(largest), size)
    assert excess(largest, few) == f"{number} {size}, this server plans {number - 1}"
    assert "W046" in {problem.code for problem in validate(largest, few)}
    assert "W046" not in {problem.code for problem in validate(largest)}


def too_large(name: str = "shop") -> Desired:
    manifest = read_manifest(json.dumps(SHAPES["components"][0](name, 3)).encode())
    return compile_manifest(manifest, limits=Limits(components=2))


def test_of_one_that_is_too_large_nothing_is_touched_and_nothing_forgotten() -> None:
    earlier = a_large_one("components and links", 10)
    lattice, record = runs(earlier)
    plan = reconcile(too_large(), record, lattice, Expectations(), NOW)
    assert (plan.actions, plan.settled, plan.record) == ((), (), record)
    assert plan.status.type == "failed"
    assert plan.status.message.startswith("3 components, this server plans 2")


def test_one_that_is_too_large_can_be_undeployed() -> None:
    earlier = a_large_one("components and links", 10)
    lattice, record = runs(earlier)
    assert len(reconcile(nothing("shop"), record, lattice, Expectations(), NOW).actions) >= 10


def runs(desired: Desired) -> tuple[Lattice, OwnedResources]:
    """Return a lattice in which an application runs as it wants, and what is on record for it."""
    lattice, record = six_hosts(desired), OwnedResources()
    for _ in range(10):
        plan: Plan = reconcile(desired, record, lattice, Expectations(), NOW)
        record = plan.record
        for action in plan.actions:
            apply(action.command, lattice, ChangeSet(), NOW)
    return lattice, record


def test_what_one_that_is_too_large_has_put_is_not_removed_by_another() -> None:
    interests = DependencyIndex()
    interests.put(too_large())
    interests.put_record(
        "shop", OwnedResources(frozenset({(("a", "n", "p", "default"), "b")}), frozenset({"settings"}))
    )
    needed = interests.needed_by_others("blog")
    assert needed.config("settings")
    assert needed.link(("a", "n", "p", "default"), "b")
    assert not interests.needed_by_others("shop").config("settings")


def test_the_status_says_what_can_be_done() -> None:
    manifest = read_manifest(json.dumps(SHAPES["spreads"][0]("shop", 20)).encode())
    said = refusal(manifest, Limits(spreads=10))
    assert said.startswith("20 spreads, this server plans 10. ")
    assert "--planning-limits" in said
