"""Why an application is as it is: per scaler what is wanted, which hosts match and which do not and for which label,
what was asked and when it is asked again. The same sentences as in plans and statuses."""

from __future__ import annotations

from wadm.engine.commands import describe
from wadm.engine.expectations import Expectations, Pending
from wadm.engine.placing.constraints import HasLabels, HostRules, Workload, rules_for, workload_of
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.plan import Plan
from wadm.engine.scalers import Desired, Scaler, UnsatisfiableScaler, WorkloadScaler
from wadm.engine.traits import by_scaler_kind
from wadm.model.insight import ApplicationView, OnHost, ScalerView, ShareView, Unfit, Waiting
from wadm.model.lattice import Component, Host, Lattice, owner
from wadm.model.status import ScalerStatus

MOST_HOSTS = 50
"""Hosts told of one by one in each list; the numbers count all."""


def explain_application(
    desired: Desired, plan: Plan, statuses: dict[str, ScalerStatus], lattice: Lattice, in_flight: Expectations
) -> ApplicationView:
    """Explain an application. ``statuses`` are the published ones by scaler id, which know since when."""
    pendings = in_flight.of(desired.application)
    scalers = []
    for scaler, planned in zip(desired.scalers, plan.status.scalers, strict=False):
        scalers.append(_scaler(scaler, statuses.get(scaler.id, planned), lattice, pendings))
    return ApplicationView(
        desired.application,
        desired.version,
        plan.status.type,
        plan.status.message,
        len(lattice.hosts),
        tuple(scalers),
        {name: _configuration(name, wanted, lattice) for name, wanted in desired.configs.items()},
        tuple(f"{describe(a.command, lattice)}, because {a.reason}" for a in plan.actions),
        tuple(_waiting(p, lattice) for p in pendings if not p.scaler),
        tuple(sorted(lattice.hosts[host].called for host in lattice.certainty.silent if host in lattice.hosts)),
        tuple(sorted(lattice.certainty.lost.values())),
        lattice.pause is not None,
    )


def _scaler(scaler: Scaler, status: ScalerStatus, lattice: Lattice, pendings: list[Pending]) -> ScalerView:
    wants = "nothing that can be done"
    running: tuple[OnHost, ...] = ()
    shares: tuple[ShareView, ...] = ()
    if not isinstance(scaler, UnsatisfiableScaler):
        wants = by_scaler_kind(scaler.kind).wants(scaler, lattice)
    if isinstance(scaler, WorkloadScaler):
        running = _running(scaler, lattice)
        workload = workload_of(scaler, lattice)
        rules = rules_for(workload, {})
        shares = tuple(_share(share, workload, rules) for share in scaler.shares)
    e = status.explanation
    return ScalerView(
        scaler.id,
        scaler.kind,
        scaler.name,
        status.type,
        status.message,
        e.since,
        e.waiting_for,
        e.next,
        wants,
        running,
        shares,
        tuple(_waiting(p, lattice) for p in pendings if p.scaler == scaler.id),
        e.note,
    )


def _running(scaler: WorkloadScaler, lattice: Lattice) -> tuple[OnHost, ...]:
    found = []
    for host_id, entity in sorted(lattice.where(scaler.entity_kind, scaler.entity_id).items())[:MOST_HOSTS]:
        count, health = (entity.count, "") if isinstance(entity, Component) else (1, entity.health)
        found.append(OnHost(lattice.hosts[host_id].called, host_id, entity.image, count, owner(entity) or "", health))
    return tuple(found)


def _share(share: SpreadTarget, workload: Workload, rules: HostRules) -> ShareView:
    lattice, labels = workload.lattice, HasLabels(share.requirements)
    matching = lattice.eligible(share.requirements)
    if rules.constraints:
        matching = [host for host in matching if not _excluded(lattice.hosts[host], workload, rules)]
    unfit: list[Unfit] = []
    for host in sorted(lattice.hosts.values(), key=lambda h: h.id):
        if len(unfit) == MOST_HOSTS:
            break
        if (differs := labels.mismatch(host)) is not None:
            unfit.append(Unfit(host.called, host.id, *differs, labels.why_not(host)))
        elif why := _excluded(host, workload, rules):
            unfit.append(Unfit(host.called, host.id, "", "", None, why))
    names = tuple(lattice.hosts[host_id].called for host_id in matching[:MOST_HOSTS])
    return ShareView(share.name, share.target, dict(share.requirements), len(matching), names, tuple(unfit))


def _excluded(host: Host, workload: Workload, rules: HostRules) -> str:
    """Return why a host with the right labels is not used; nothing where it is, or may go on running what it runs."""
    if host.id in rules.frozen and host.id in workload.mine:
        return ""
    return rules.why_not(host)


def _configuration(name: str, wanted: dict[str, str] | None, lattice: Lattice) -> str:
    """Say how a configuration is, never what it holds: it may be a secret reference."""
    if name not in lattice.configs:
        return "being asked for"
    there = lattice.configs[name]
    if there is None:
        return "missing" if wanted is None else "to be put"
    return "there" if wanted is None or there == wanted else "differs, to be put"


def _waiting(pending: Pending, lattice: Lattice) -> Waiting:
    state = "held back after a failure" if pending.held else "accepted by the host" if pending.delivered else "sent"
    return Waiting(
        describe(pending.command, lattice),
        pending.reason,
        pending.since,
        pending.asked,
        state,
        pending.retry_at if pending.held else pending.deadline,
        pending.attempts,
        pending.error,
    )
