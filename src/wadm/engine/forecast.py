"""What would happen: the plan of a manifest that is not deployed (yet), carried on until nothing is left to do.

The same :func:`~wadm.engine.reconcile.reconcile` that runs in earnest plans on a copy of the lattice, its commands are
taken as done at once, and so on, round by round. What a host may refuse or be unable to do is not foreseen.
"""

from __future__ import annotations

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.changes import ChangeSet
from wadm.engine.commands import describe, kind_of
from wadm.engine.conflicts import conflicts, uses_of
from wadm.engine.dependency_index import DependencyIndex, StoredVersions
from wadm.engine.expectations import Expectations
from wadm.engine.history import with_version
from wadm.engine.plan import OwnedResources, PlanBuilder
from wadm.engine.reconcile import plan_all, reconcile
from wadm.engine.scalers import Desired
from wadm.engine.steps import Steps, is_time_to_yield
from wadm.engine.workloads import HOST_JOIN_WINDOW
from wadm.model.commands import Action, Command, host_of
from wadm.model.insight import Consequence, PlannedStep
from wadm.model.lattice import Lattice, owner
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus

UNSTORED = "(not stored yet)"
"""The version that a manifest is planned under which has none: it gets one when it is stored."""
ROUNDS = 50
"""More rounds than any order of effects takes; a plan that still wants something then never would be done."""


class Step(PlannedStep, frozen=True):
    """One thing that would be done, with the command that does it."""

    command: Command


class Forecast(Struct, frozen=True):
    """What deploying would do. ``id`` names this very outcome: as long as it would be the same, so is the id."""

    application: str
    version: str | None
    id: str
    steps: tuple[Step, ...]
    status: ApplicationStatus
    consequences: tuple[Consequence, ...] = ()
    warnings: tuple[str, ...] = ()
    """What it would share with other applications that only one can have, and who would miss it."""


def to_plan(manifest: Manifest) -> Manifest:
    """Return a manifest as it is planned. Without a version it would count as one of which nothing is to run."""
    return manifest if manifest.version is not None else with_version(manifest, UNSTORED)


def forecast(
    desired: Desired,
    interests: DependencyIndex,
    lattice: Lattice,
    now: float,
    versions: StoredVersions = lambda _: (),
) -> Steps[Forecast]:
    """Foresee what ``desired`` in place of what its application wants now would do. Nothing passed in is changed.
    ``versions`` returns the stored versions of the application.

    Configurations that have not been asked for are taken as absent.
    """
    world = lattice.copy()
    world.last_joined = now - HOST_JOIN_WINDOW  # what may come is not waited for: it might as well not come
    record = interests.record(desired.application)
    record = replace(record, swaps=tuple(replace(swap, given_up="") for swap in record.swaps))
    before_record, steps = record, []
    needed = interests.needed_by_others(desired.application, versions)
    news = ChangeSet()
    plan = None
    for round_ in range(1, ROUNDS + 1):
        for name in desired.configs:
            world.configs.setdefault(name, None)
        world.certainty.links_read = True
        plan = yield from plan_all(PlanBuilder(desired, record, world, Expectations(), now, needed, side_by_side=True))
        record = plan.record
        if not plan.actions:
            break
        for number, action in enumerate(plan.actions):
            if is_time_to_yield(number):
                yield
            steps.append(_step(round_, action, world))
            apply(action.command, world, news, now)
    assert plan is not None
    return Forecast(
        desired.application,
        None if desired.version == UNSTORED else desired.version,
        _identify(desired, steps, before_record),
        _restarts(steps),
        plan.status,
        (yield from _consequences(desired, interests, lattice, world, news, now)),
        _warnings(desired, interests, world),
    )


def _warnings(desired: Desired, interests: DependencyIndex, world: Lattice) -> tuple[str, ...]:
    others = [other for name in interests if (other := interests.desired(name)) is not None]
    found = conflicts(desired, others, lambda kind, id_: [world.hosts[host].called for host in world.where(kind, id_)])
    return found if desired.version is not None else (*found, *uses_of(desired.application, others))


def apply(command: Command, lattice: Lattice, changes: ChangeSet, now: float) -> None:
    """Take a command as done at once, as a host would do it."""
    kind_of(command).apply(command, lattice, now, now)
    changes.mark_changed(command.key)


def _step(round_: int, action: Action, lattice: Lattice) -> Step:
    command, host_id = action.command, host_of(action.command)
    host = lattice.hosts[host_id].called if host_id in lattice.hosts else host_id
    effect = kind_of(command).effect(command, lattice)
    return Step(round_, effect, describe(command, lattice), host, action.reason, command)


def _restarts(steps: list[Step]) -> tuple[Step, ...]:
    """Mark stops that are followed by a start of the same thing on the same host for what they are."""
    started = {s.command.key: s.round for s in steps if s.effect == "start"}
    return tuple(
        replace(s, effect="restart") if s.effect == "stop" and started.get(s.command.key, 0) > s.round else s
        for s in steps
    )


def _identify(desired: Desired, steps: list[Step], record: OwnedResources) -> str:
    """Return the id of an outcome: what is wanted, and every command that leads there, in order, with its reason."""
    # Not the version: a manifest without one gets one when it is put, and is planned before.
    text = "\n".join([repr(desired.scalers), *(repr((s.effect, s.reason, s.command)) for s in steps)])
    return hashlib.sha256(f"{text}\n{sorted(record.configs)}".encode()).hexdigest()[:12]


def _consequences(
    desired: Desired, interests: DependencyIndex, lattice: Lattice, world: Lattice, news: ChangeSet, now: float
) -> Steps[tuple[Consequence, ...]]:
    """Return the other applications whose status would change."""
    found = []
    for kind, entity_id in list(news.entities):
        for entity in lattice.where(kind, entity_id).values():
            news.applications.update({owner(entity) or ""} - {""})
    touched = interests.touched(news, world) | set(interests.dependents(desired.application))
    for name in sorted(touched - {desired.application}):
        other = interests.desired(name)
        if other is None:
            continue
        record, needed = interests.record(name), interests.needed_by_others(name)
        yield
        before = reconcile(other, record, lattice, Expectations(), now, needed).status
        after = (yield from plan_all(PlanBuilder(other, record, world, Expectations(), now, needed))).status
        if (before.type, before.message) != (after.type, after.message):
            found.append(Consequence(name, _words(before), _words(after)))
    return tuple(found)


def _words(status: ApplicationStatus) -> str:
    return f"{status.type}: {status.message}" if status.message else status.type
