"""The cost of an application grows with its size, and not faster: counted in steps, and in calls of functions."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from bench.large_applications import SHAPES
from tests.engine.builders import AHost, a_lattice
from wadm.engine import history, steps
from wadm.engine.changes import ChangeSet
from wadm.engine.compile import compile_manifest
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.expectations import Expectations
from wadm.engine.forecast import apply, forecast
from wadm.engine.plan import NO_OTHERS, OwnedResources, PlanBuilder, carry_since
from wadm.engine.planning import Planning
from wadm.engine.reconcile import plan_all
from wadm.engine.scalers import Desired, nothing
from wadm.engine.validate import validate
from wadm.model.lattice import Lattice
from wadm.server.statuses import fitting
from wadm.wire.application_header import glance
from wadm.wire.manifests import read_manifest
from wadm.wire.stored import decode_application, encode_application

T = TypeVar("T")

NOW = 1000.0
SMALL = 120
GROWTH = 2.2
"""Most by which the cost may grow where the size doubles."""


class Cost:
    """Counts steps of planning, and calls of functions by what they were made for."""

    def __init__(self) -> None:
        self.steps = 0
        self.calls: dict[str, int] = {}

    def of(self, what: str, work: Callable[[], T]) -> T:
        calls = 0

        def count(frame: object, event: str, argument: object) -> None:
            nonlocal calls
            calls += event in ("call", "c_call")

        before = sys.getprofile()
        gc.disable()  # What the collector calls depends on what ran before.
        sys.setprofile(count)
        try:
            return work()
        finally:
            sys.setprofile(before)
            gc.enable()
            self.calls[what] = calls

    def of_steps(self, what: str, work: steps.Steps[T]) -> T:
        number, result = self.of(what, lambda: steps.count(work))
        self.steps += number
        return result


def six_hosts(desired: Desired) -> Lattice:
    """Return a lattice of six hosts, of which it is known that they have no configuration yet."""
    lattice = a_lattice(*(AHost(f"h{i}", {"zone": str(i)}, ()) for i in range(6)))
    lattice.last_joined = 0.0
    lattice.configs.update(dict.fromkeys(desired.configs))
    return lattice


def cost(shape: str, size: int) -> Cost:
    """Take an application of a shape all the way: put, deployed, planned till it runs, foreseen, replaced by a version
    with other images, undeployed."""
    make, _ = SHAPES[shape]
    spent = Cost()
    body = json.dumps(make("pill", size)).encode()
    manifest = spent.of("read", lambda: read_manifest(body))
    spent.of("validate", lambda: validate(manifest))
    application = spent.of("deploy", lambda: history.deploy(history.put_version(None, manifest), None))
    value = spent.of("encode", lambda: encode_application(application))
    spent.of("decode", lambda: decode_application("pill", value))
    spent.of("glance", lambda: glance(value))
    desired = spent.of("compile", lambda: compile_manifest(manifest))
    interests, lattice = DependencyIndex(), six_hosts(desired)
    spent.of("index", lambda: interests.put(desired))
    spent.of("index again", lambda: interests.put(desired))
    record = start(desired, OwnedResources(), lattice, interests, spent, "plan")
    spent.of_steps("forecast", forecast(desired, interests, lattice, NOW))
    newer = compile_manifest(read_manifest(body.replace(b"x/y:1", b"x/y:2")))
    spent.of_steps("forecast of newer", forecast(newer, interests, lattice, NOW))
    interests.put(newer)
    record = start(newer, record, lattice, interests, spent, "plan of newer")
    spent.of("touched", lambda: interests.touched(ChangeSet(), lattice))
    work = PlanBuilder(nothing("pill"), record, lattice, Expectations(), NOW, interests.needed_by_others("pill"))
    spent.of_steps("garbage", plan_all(work))
    return spent


def start(
    desired: Desired, record: OwnedResources, lattice: Lattice, interests: DependencyIndex, spent: Cost, what: str
) -> OwnedResources:
    """Plan and carry out until everything has been asked for once."""
    in_flight = Expectations()
    for turn in (f"first {what}", f"second {what}", f"third {what}"):
        work = PlanBuilder(desired, record, lattice, in_flight, NOW, interests.needed_by_others("pill"))
        plan = spent.of_steps(turn, plan_all(work))
        record = plan.record
        spent.of(f"{turn}: record", lambda plan=plan: interests.put_record("pill", plan.record))  # type: ignore[misc]
        spent.of(f"{turn}: others", lambda plan=plan: interests.rivals(plan))  # type: ignore[misc]
        spent.of(f"{turn}: ask", lambda plan=plan: [in_flight.ask(one, NOW) for one in plan.actions])  # type: ignore[misc]
        status = spent.of(f"{turn}: status", lambda plan=plan: carry_since(None, plan.status, NOW))  # type: ignore[misc]
        spent.of(f"{turn}: told", lambda status=status: fitting(status, 1 << 20))  # type: ignore[misc]
        for action in plan.actions:
            apply(action.command, lattice, ChangeSet(), NOW)
    return record


@pytest.mark.parametrize("shape", SHAPES)
def test_the_cost_grows_with_the_size(shape: str) -> None:
    small, large = cost(shape, SMALL), cost(shape, 2 * SMALL)
    assert large.steps <= GROWTH * small.steps + 50
    grown = {
        what: (small.calls[what], calls)
        for what, calls in large.calls.items()
        if calls > GROWTH * small.calls[what] + 2_000
    }
    assert not grown


@pytest.mark.parametrize("shape", SHAPES)
def test_no_step_is_long(shape: str) -> None:
    """However large the application, a single step stays small: a turn is interrupted between two of them."""
    longest = max(_calls_of_steps(shape, SMALL))
    assert max(_calls_of_steps(shape, 4 * SMALL)) <= 2 * longest + 2_000


@pytest.mark.parametrize("shape", SHAPES)
def test_what_is_on_record_is_put_together_once_for_all_turns(shape: str) -> None:
    """Else each turn costs as much as the whole application has links and configurations."""
    desired = compile_manifest(read_manifest(json.dumps(SHAPES[shape][0]("pill", SMALL)).encode()))
    planning = Planning(desired, OwnedResources(), six_hosts(desired), Expectations(), NOW)
    records = set()
    while not planning.done:
        assert not planning.is_outdated(desired, OwnedResources())
        planning.advance(10, NOW)
        records.add(id(planning.take().record))
    assert len(records) <= 2  # one while it is planned, and that of the plan


def _calls_of_steps(shape: str, size: int) -> list[int]:
    make, _ = SHAPES[shape]
    desired = compile_manifest(read_manifest(json.dumps(make("pill", size)).encode()))
    planning: Any = plan_all(PlanBuilder(desired, OwnedResources(), six_hosts(desired), Expectations(), NOW, NO_OTHERS))
    spent, calls = Cost(), []
    while True:
        ended = spent.of("step", lambda: next(planning, "ended"))
        if ended is not None:  # the last one puts the whole plan together
            return calls
        calls.append(spent.calls["step"])
