"""The idea of the program: compare what one application wants with what the lattice holds, and say what to do.

Vocabulary: *desired* is what the deployed manifest wants (scalers, configurations); *lattice* is what is, as far as it
is known; *in flight* is what was asked and has not been seen yet; a *plan* is what to ask now, what to tell people, and
what must be known first. Planning is level-triggered: it depends on what is, never on which event led to it, so asking
again at any time is safe and an unchanged world plans nothing.

Order of effects: configurations, then links of providers that run nowhere yet, then components and providers, then all
other links, then what is left over of earlier versions. Each waits in the plan for what it needs, not the whole for its
slowest part.
"""

from __future__ import annotations

from msgspec.structs import replace

from wadm.engine.configs import plan_configs
from wadm.engine.expectations import Expectations
from wadm.engine.garbage import Leftovers, plan_garbage
from wadm.engine.links import goes_first, plan_link
from wadm.engine.plan import NO_OTHERS, OtherApplications, OwnedResources, Plan, PlanBuilder
from wadm.engine.scalers import Desired, LinkScaler, Scaler, WorkloadScaler
from wadm.engine.steps import Steps, finish, is_time_to_yield
from wadm.engine.wording import paused
from wadm.engine.workloads import plan_workload
from wadm.model.lattice import Lattice
from wadm.model.status import UNDEPLOYED, ApplicationStatus, ScalerStatus, aggregate

ERRORS_TOLD = 10
"""Different errors that the status of an application names of what is still to go."""


def reconcile(
    desired: Desired,
    record: OwnedResources,
    lattice: Lattice,
    in_flight: Expectations,
    now: float,
    needed: OtherApplications = NO_OTHERS,
) -> Plan:
    """Plan one application. Nothing that is passed in is changed.

    ``now`` is in seconds of the clock that ``in_flight`` was told. ``needed`` answers for the other applications.
    """
    return finish(plan_all(PlanBuilder(desired, record, lattice, in_flight, now, needed)))


def plan_all(work: PlanBuilder) -> Steps[Plan]:
    """Plan an application step by step; :class:`~wadm.engine.planning.Planning` interrupts it."""
    desired = work.desired
    if desired.too_large:
        return _left_alone(work)
    yield from work.look_at_pending()
    yield from plan_configs(work)
    turns: list[int] = []
    for scaler in desired.scalers:
        if is_time_to_yield(len(turns)):
            yield
        turns.append(_turn(scaler, work))
    statuses = {}
    for i in sorted(range(len(turns)), key=turns.__getitem__):
        yield
        statuses[i] = yield from _plan(desired.scalers[i], work)
    left = yield from plan_garbage(work)
    return Plan(
        desired.application,
        tuple(work.commands.actions),
        _status(work, aggregate(statuses[i] for i in range(len(desired.scalers))), left),
        left.record,
        tuple(sorted(work.commands.resolved)),
        work.questions,
        work.wants_hosts,
        tuple(work.commands.deferred),
        work.due,
        tuple(sorted(work.links.in_vain.items())),
    )


def _left_alone(work: PlanBuilder) -> Plan:
    """Return the plan for an application that is too large: nothing is asked, nothing is forgotten."""
    status = ApplicationStatus("failed", work.desired.too_large)
    return Plan(work.desired.application, (), status, work.record, (), work.questions, wants_hosts=False)


def _turn(scaler: Scaler, work: PlanBuilder) -> int:
    """Return when a scaler is planned: links of what is not started yet, then workloads, then other links."""
    if not isinstance(scaler, LinkScaler):
        return 1
    return 0 if goes_first(scaler, work) else 2


def _plan(scaler: Scaler, work: PlanBuilder) -> Steps[ScalerStatus]:
    if isinstance(scaler, WorkloadScaler):
        return (yield from plan_workload(scaler, work))
    if isinstance(scaler, LinkScaler):
        return plan_link(scaler, work)
    return work.status(scaler, "failed", scaler.message)


def _status(work: PlanBuilder, status: ApplicationStatus, left: Leftovers) -> ApplicationStatus:
    """Return the application's status: what its scalers add up to, and what is still to go of it."""
    deployed = work.desired.version is not None
    if work.waits_for_silent and work.lattice.pause is not None:
        status = replace(status, message=f"{paused(work.lattice.pause)} {status.message}".strip())
    if not left.count:
        if deployed and not work.desired.scalers and not work.desired.shared:
            return ApplicationStatus("undeployed")  # It wants nothing at all: the original's word for that.
        return status if deployed else UNDEPLOYED
    if deployed and status.type != "deployed":
        return status
    of = "an earlier version" if deployed else "the application"
    message = " ".join([f"Removing what is left of {of}: {left.count} to go", *list(left.errors)[:ERRORS_TOLD]])
    return ApplicationStatus("failed" if left.errors else "reconciling", message, status.scalers)
