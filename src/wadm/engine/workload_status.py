"""The status of a component or provider scaler: how it is, what it waits for, and what comes next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from wadm.engine.configs import OUT_OF_SYNC, next_config
from wadm.engine.placing.assign import Missing, Placement
from wadm.engine.plan import PlanBuilder, errors_of, explain
from wadm.engine.scalers import WorkloadScaler
from wadm.engine.wording import (
    given_up_texts,
    goes_on,
    missing_hosts,
    silent_hosts,
    until_then,
    used_by,
)
from wadm.model.lattice import Entity
from wadm.model.status import ScalerStatus

if TYPE_CHECKING:
    from wadm.engine.workloads import Progress

TOLD = 20
"""Spreads, labels, or things that an earlier version runs, that are told of one by one. Of more the number is told."""


def eligible(scaler: WorkloadScaler, host: str, work: PlanBuilder) -> bool:
    """Whether a host has the labels of any spread."""
    return any(work.lattice.hosts[host].meets(wanted) for wanted in {share.requirements for share in scaler.shares})


def workload_status(
    progress: Progress,
    placement: Placement,
    foreign: Mapping[str, Entity],
    leaving: list[str],
) -> ScalerStatus:
    """Return the status of a scaler that has been planned. ``foreign`` is what runs under its id for somebody else, by
    host; ``leaving`` are the hosts outside the placement on which it runs."""
    scaler, work = progress.scaler, progress.work
    trouble = [text for name in scaler.config if (text := work.configs.trouble.get(name))] if scaler.config else []
    wanted = sum(p.count for p in placement.places.values())
    wanted += sum(missing.lacking for missing in placement.missing)
    explanation = explain(progress.pending, _waiting_for(progress, placement), wanted, progress.running)
    if not explanation.next:
        if work.lattice.pause is not None and (progress.unreached or progress.unsure):
            explanation = replace(explanation, next=goes_on(work.lattice.pause), next_try=work.lattice.pause.until)
        elif not progress.ready:
            explanation = replace(explanation, next=next_config(scaler.config, work))
        elif progress.outlived_at:
            explanation = replace(explanation, next="looks what came of that", next_try=progress.outlived_at)
        elif placement.missing:
            free = f"goes on as soon as the id {scaler.entity_id} is free there"
            explanation = replace(explanation, next=free if foreign else _next_host(placement))
    given_up = given_up_texts(progress.swaps, scaler, work) if progress.swaps else []
    if given_up:
        again = f"{scaler.image} is not tried again before the next deploy, or wadm deploy {scaler.application} --retry"
        explanation = replace(explanation, next=again, final=True)
    earlier = list(progress.earlier.items())
    if (scaler.entity_kind, scaler.entity_id) in work.workloads.not_serving:
        earlier += [(host, entity) for _, host, entity in work.left_over[:TOLD]]
    if serves := until_then(earlier, work):
        explanation = replace(explanation, next="; ".join(filter(None, (explanation.next, serves))))
    errors = errors_of(progress.pending)
    if progress.impossible:
        errors.append(progress.impossible)
    waits = progress.unsure or _may_come_back(placement, work)
    work.waits_for_silent |= waits or bool(progress.unreached)
    if trouble or errors or given_up or (placement.missing and not waits):
        texts = trouble + given_up + errors + _missing_texts(scaler, placement.missing, foreign, work)
        return work.status(scaler, "failed", " ".join(texts), explanation)
    if waits:
        return work.status(scaler, "reconciling", "Waiting for silent hosts to say what they run", explanation)
    plural = "components" if scaler.entity_kind == "component" else "providers"
    if not progress.wrong and not all(eligible(scaler, host, work) for host in leaving):
        text = f"Found {plural} running on ineligible hosts, removing them."
        return work.status(scaler, "reconciling", text, explanation)
    if hosts := len(progress.wrong) + len(leaving):
        text = f"Scaling {scaler.entity_kind} on {hosts} host(s)"
        return work.status(scaler, "reconciling", text, explanation)
    if not work.configs.out_of_sync.isdisjoint(scaler.config):
        return work.status(scaler, "reconciling", OUT_OF_SYNC, explanation)
    if progress.unreached and work.lattice.pause is not None:
        text = f"On {len(progress.unreached)} silent host(s)"
        return work.status(scaler, "unhealthy", text, explanation)
    if progress.sick:
        text = f"Unhealthy provider on {len(progress.sick)} host(s)"
        return work.status(scaler, "unhealthy", text, explanation)
    return work.status(scaler, "deployed", "", replace(explanation, note=_unreported(progress)))


def _unreported(progress: Progress) -> str:
    """Say which provider has not reported its health since it was started, if any; builtin ones never do."""
    scaler, work = progress.scaler, progress.work
    for host in work.lattice.where(scaler.entity_kind, scaler.entity_id) if scaler.entity_kind == "provider" else ():
        start = work.lattice.provider_starts.get(host, scaler.entity_id)
        if start is not None and start.silent_for(work.now) is not None:
            return f"{scaler.entity_id} has not reported its health yet"
    return ""


def _waiting_for(progress: Progress, placement: Placement) -> str:
    """Say what this scaler waits for, in one sentence, or nothing."""
    work, scaler = progress.work, progress.scaler
    if progress.unsure or _may_come_back(placement, work):
        return f"{silent_hosts(work.lattice)} to say what runs there"
    if not progress.ready:
        names = ", ".join(name for name in scaler.config if name not in work.configs.ready)
        return f"configuration {names} to be in the lattice"
    if placement.missing:
        told = [missing_hosts(m, scaler.entity_kind, work.lattice, progress.rules) for m in placement.missing[:TOLD]]
        return " and ".join(_first(told, len(placement.missing), "spreads without a host"))
    if progress.awaits:
        return progress.awaits
    if progress.wrong:
        hosts = ", ".join(work.host(h) for h in progress.wrong[:3])
        more = f" and {len(progress.wrong) - 3} more" if len(progress.wrong) > 3 else ""
        return f"{hosts}{more} to run {scaler.image}"
    if progress.unreached and (pause := work.lattice.pause) is not None:
        hosts = ", ".join(work.host(h) for h in progress.unreached[:3])
        return f"{hosts} to answer: {pause.silent} of {pause.of} hosts do not"
    if progress.sick:
        hosts = ", ".join(work.host(h) for h in progress.sick[:3])
        if progress.never_well:
            return f"{scaler.entity_id} on {hosts} to report its health: it may crash again and again, or hang"
        if progress.silent:
            return f"{scaler.entity_id} on {hosts} to tell of its health again: it may have crashed, or hang"
        return f"{scaler.entity_id} on {hosts} to be healthy again"
    return ""


def _may_come_back(placement: Placement, work: PlanBuilder) -> bool:
    """Whether a silent host would do for something that no other can be had for."""
    if not work.lattice.certainty.silent or not placement.missing:
        return False
    silent = [work.lattice.hosts[host] for host in work.lattice.certainty.silent]
    lacking = {missing.share.requirements for missing in placement.missing}
    return any(host.meets(wanted) for wanted in lacking for host in silent)


def _next_host(placement: Placement) -> str:
    labels = sorted({f"{key}={value}" for m in placement.missing for key, value in m.share.requirements})
    told = " ".join(_first(labels[:TOLD], len(labels), "labels"))
    label = f", or one of those there gets {told}" if labels else ""
    return f"goes on as soon as such a host joins{label}"


def _missing_texts(
    scaler: WorkloadScaler, missing: Sequence[Missing], foreign: Mapping[str, Entity], work: PlanBuilder
) -> list[str]:
    """Return the original's words for shares without enough hosts, and who is in the way."""
    texts = []
    for one in missing[:TOLD]:
        share = one.share
        if scaler.daemon:
            text = f"Could not satisfy daemonscaler {share.name} for {scaler.image}, {one.found} eligible hosts found."
        elif scaler.entity_kind == "provider":
            found = f"{one.found}/{share.target}"
            text = f"Could not satisfy spread {share.name} for {scaler.image}, {found} eligible hosts found."
        else:
            text = (
                f"Spread requirement conflict: {share.name} spread requires {share.target} instances vs 0 "
                "computed from reconciliation commands"
            )
        texts.append(text)
    texts = _first(texts, len(missing), "spreads lack hosts.")
    if texts and foreign:
        texts.append(used_by(scaler.entity_id, foreign, work.lattice))
    return texts


def _first(told: list[str], of: int, what: str) -> list[str]:
    """Return what is told, and how many more there are."""
    return [*told, f"{of - len(told)} more {what}"] if of > len(told) else told
