"""Components and providers: from what should run where to what must be asked of the hosts.

The rules, in the order in which they are tried for each host of the placement:

    component   not there                    start it
                another image                update it live (no request is lost); its configuration follows
                the same, called over lattice  try the new one beside it, then stop it; started again once it is gone
                code of another image        call it by that one's name again, so that it can be updated
                annotations not the scaler's scale it to the same number, which hands over annotations and configuration
                another number               scale it
                all right                    nothing
    provider    not there                    start it
                another image or scaler      stop it, one host at a time; the new one is started once it is gone, and
                                             the old one again where that fails (engine.swaps)
                all right                    nothing

What runs of it on hosts outside the placement is stopped only as its replacement runs
(:mod:`wadm.engine.replacement`), and no number is lowered while a host of the placement lacks it, so that there is
never less than what is wanted.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from wadm.engine.commands import describe, starting
from wadm.engine.expectations import Pending
from wadm.engine.links import awaited
from wadm.engine.placing.assign import Assignment, Placement
from wadm.engine.placing.constraints import HostRules, emptied, rules_for, taken_out, workload_of
from wadm.engine.placing.strategies import strategy_for
from wadm.engine.plan import PlanBuilder, start_beside
from wadm.engine.providers import plan_provider
from wadm.engine.replacement import may_stop, take_stock
from wadm.engine.scalers import WorkloadScaler
from wadm.engine.steps import Steps, is_time_to_yield
from wadm.engine.swaps import is_wanted, open_swaps
from wadm.engine.trial import is_called_over_lattice, next_trial
from wadm.engine.wording import (
    serves_meanwhile,
)
from wadm.engine.workload_status import eligible, workload_status
from wadm.model.commands import MOST_INSTANCES, ScaleComponent, StartProvider, StopProvider, UpdateComponent
from wadm.model.lattice import Component, Entity, Provider, owner, scaler_of, spread_of
from wadm.model.names import SCALER, SPREAD, trial_id
from wadm.model.status import ScalerStatus
from wadm.model.swaps import Swap

HOST_JOIN_WINDOW = 5.0
"""Seconds after a host joined in which more may follow: hosts of a lattice start together."""


def plan_workload(scaler: WorkloadScaler, work: PlanBuilder) -> Steps[ScalerStatus]:
    """Plan a component or provider scaler: add its actions to ``work`` and return its status."""
    workload = workload_of(scaler, work.lattice)
    mine, foreign = workload.mine, workload.foreign
    failed = _failed(scaler, work)
    rules = rules_for(workload, {host: pending.asked for host, pending in failed.items()})
    place = strategy_for(scaler.entity_kind, scaler.daemon)
    placement = yield from place(scaler.entity_id, scaler.shares, work.lattice, _expected(scaler, work, mine), rules)

    attempts = max(pending.attempts for pending in failed.values()) if failed else 0
    progress = Progress(work, scaler, placement, rules, mine, runs=bool(mine or foreign), attempts=attempts)
    if scaler.entity_kind == "provider":
        progress.judge_swaps()
    for number, (host, wanted) in enumerate(placement.places.items()):
        if is_time_to_yield(number):
            yield
        if scaler.entity_kind == "component":
            _component(progress, host, wanted, mine.get(host))
        else:
            plan_provider(progress, host, wanted, mine.get(host))
    if progress.wrong:
        # Until it is right, who failed at it is remembered, with the reason.
        told = {pending.command.key for pending in progress.pending}
        for pending in failed.values():
            work.commands.considered.add(pending.command.key)
            if pending.command.key not in told and pending.command.key not in work.commands.pending:
                progress.pending.append(pending)
    leaving = _stop_the_rest(progress, placement, mine)
    work.workloads.leaving = work.workloads.leaving or bool(leaving)
    progress.note_what_serves()
    if scaler.daemon or placement.missing or placement.crowded or progress.lacking:
        work.wants_hosts = True
    return workload_status(progress, placement, foreign, leaving)


def _failed(scaler: WorkloadScaler, work: PlanBuilder) -> dict[str, Pending]:
    """Return the hosts that have failed too often to start what is wanted now."""
    failed = work.workloads.failed.get((scaler.entity_kind, scaler.entity_id), {})
    return {
        host: pending
        for host, pending in failed.items()
        if (command := starting(pending.command)) is not None
        and command.reference == scaler.image
        and host in work.lattice.hosts
    }


def _expected(scaler: WorkloadScaler, work: PlanBuilder, mine: dict[str, Entity]) -> dict[str, Entity]:
    """Return what runs, and what is being started as if it ran: a start under way must not be placed anew
    because a host came that would have suited better."""
    starts = work.workloads.starts.get((scaler.entity_kind, scaler.entity_id), {})
    expected = dict(mine)
    for host, command in starts.items():
        if host not in expected and host in work.lattice.hosts:
            if isinstance(command, ScaleComponent):
                annotations, image = command.annotations, command.reference
                expected[host] = Component(scaler.entity_id, image, command.count, annotations)
            else:
                expected[host] = Provider(scaler.entity_id, command.reference, command.annotations)
    for swap in work.record.swaps:
        if swap.provider_id == scaler.entity_id and swap.host_id in work.lattice.hosts:
            # Stopped for its replacement, it stays where it is.
            expected.setdefault(swap.host_id, Provider(scaler.entity_id, swap.reference, dict(swap.annotations)))
    return expected


class Progress:
    """How far one scaler is: the hosts that are not right yet and what is pending for them."""

    def __init__(
        self,
        work: PlanBuilder,
        scaler: WorkloadScaler,
        placement: Placement,
        rules: HostRules,
        mine: dict[str, Entity],
        runs: bool,
        attempts: int,
    ) -> None:
        self.work = work
        self.scaler = scaler
        self.rules = rules
        self.mine = mine
        self.ready = work.configs.ready.issuperset(scaler.config)
        self.runs = runs
        """Whether it runs anywhere, for whomever."""
        self.attempts = attempts
        """How often starting it has failed on hosts that are not tried at the moment."""
        self.lacking = not placement.places.keys() <= mine.keys()
        """Whether a host that it should run on does not have it yet."""
        self.awaits = ""
        """What a start waits for, besides configurations."""
        self.outlived_at = 0.0
        """When what an earlier version asked for is out of time, 0 where there is no such thing."""
        self.wrong: list[str] = []
        self.pending: list[Pending] = []
        self.gathering = work.now < work.lattice.last_joined + HOST_JOIN_WINDOW and any(
            not one.barred for one in placement.missing
        )
        """Whether the hosts that it lacks may be just about to join; it is not torn apart before that is clear."""
        self.restarting = self.lacking or bool(work.lattice.certainty.unseen)
        self.sick: list[str] = []
        """Hosts on which it runs and says that it is not well, or says nothing any more."""
        self.silent = False
        """Whether there is one on which it says nothing."""
        self.impossible = ""
        """Why what is wanted cannot be had of any host."""
        self.never_well = False
        """Whether there is one on which it never said that it is well."""
        self.swaps: dict[str, Swap] = {}
        """Swaps of it that are not over, by host."""
        silent = work.lattice.certainty.silent
        self.unreached = sorted(silent.keys() & placement.places.keys() & mine.keys()) if silent else []
        """Hosts that it runs on, as far as known, and that do not answer."""
        self.unsure = False
        """Whether no more of it are started because they may run on a host of which it is not known what it runs."""
        self.running = 0
        self.serving: dict[str, Entity] = {}
        """What runs as this version wants it, where it is placed, though perhaps not as many; by host."""
        self.placement = placement
        self.earlier: dict[str, Entity] = {}
        """What runs of earlier versions and goes on until this one runs, by host."""

    def right(self, host: str, count: int) -> None:
        """Note that a host runs as many as it should of what is wanted."""
        self.running += count
        self.work.mark_satisfied((self.scaler.entity_kind, host, self.scaler.entity_id))

    def judge_swaps(self) -> None:
        """See how the swaps are that have begun: while one is not over, or what is new is ill, no other begins."""
        places = self.placement.places
        self.swaps = open_swaps(self.scaler, self.work, self.mine, frozenset(places))
        self.work.workloads.swaps |= {swap.at: swap for swap in self.swaps.values()}
        ill = any(
            isinstance(one, Provider) and is_wanted(one, self.scaler) and one.health in ("failed", "silent")
            for host, one in self.mine.items()
            if host in places
        )
        self.restarting = self.restarting or bool(self.swaps) or ill

    def note_what_serves(self) -> None:
        """Tell the rest of the plan whether an earlier version still serves, or nothing does yet: what that one uses,
        and what this may replace, must stay."""
        thing = (self.scaler.entity_kind, self.scaler.entity_id)
        self.earlier = self._earlier()
        if self.earlier:
            self.work.workloads.still_serving.add(thing)
        nothing_else = self.mine.keys() <= self.serving.keys() and (not self.serving or self._starts_more())
        if nothing_else and any(share.target for share in self.scaler.shares):
            self.work.workloads.not_serving.add(thing)

    def _starts_more(self) -> bool:
        return self.lacking and any(not pending.held and not pending.attempts for pending in self.pending)

    def _earlier(self) -> dict[str, Entity]:
        if not self.mine or not (self.wrong or self.placement.missing):
            return {}
        return {
            host: entity
            for host, entity in sorted(self.mine.items())
            if host not in self.placement.places or (host not in self.serving and scaler_of(entity) != self.scaler.id)
        }

    def ensure(self, command: ScaleComponent | UpdateComponent | StartProvider | StopProvider, reason: str) -> None:
        """Have a command carried out, and wait for it."""
        self.pending.append(self.work.ensure(command, self.scaler.id, reason, self.attempts))

    def outlive(self, before: Pending) -> None:
        """Wait until what an earlier version asked for has shown, or is out of time."""
        self.awaits = f"the end of what an earlier version asked for: {describe(before.command, self.work.lattice)}"
        self.outlived_at = max(self.outlived_at, before.deadline)

    def wait_for_inventory(self, host: str) -> None:
        """Start nothing on a host that is back and has not said yet what it runs."""
        self.work.questions.hosts.add(host)
        self.awaits = f"{self.work.host(host)} to say what it runs"

    def start(self, command: ScaleComponent | StartProvider, reason: str) -> None:
        """Have it started on a host that lacks it, once its configuration is there; links may have to wait for it."""
        name = self.scaler.entity_id
        if self.work.lattice.certainty.unseen and command.host_id not in self.swaps:
            self.unsure = True
        elif not self.work.lattice.hosts[command.host_id].known:
            self.wait_for_inventory(command.host_id)
        elif self.gathering and isinstance(command, ScaleComponent):
            self.work.workloads.starting.add(name)
        elif self.ready and (link := awaited(self.scaler, self.work)) is not None:
            self.awaits = f"the link from {link.source_id} to {link.target} to be in the lattice"
            if isinstance(command, ScaleComponent):
                self.work.workloads.starting.add(name)
        elif self.ready:
            self.ensure(command, reason)
            pending = self.pending[-1]
            if not pending.held and (pending.looked == 0 or not self.runs):
                self.work.workloads.starting.add(name)
        elif not self.runs:
            self.work.workloads.starting.add(name)


def _component(progress: Progress, host: str, wanted: Assignment, entity: Entity | None) -> None:
    scaler, work = progress.scaler, progress.work
    name, called = scaler.entity_id, work.host(host)
    annotations = scaler.annotations(wanted.share)
    key = ("component", host, name)
    before = work.pending(key)
    work.commands.considered.add(key)

    def scale(count: int) -> ScaleComponent:
        return ScaleComponent(name, host, count, scaler.image, scaler.application, annotations, scaler.config)

    def rescale(count: int, reason: str) -> None:
        # A host that has this very number and configuration ignores the request with all its annotations
        # (docs/protocol/lattice.md#scale-unchanged); then one more instance for a moment makes it listen.
        plain, nudge = scale(count), scale(count + 1)
        ignored = before is not None and (before.ignored or before.command == nudge)
        progress.ensure(nudge if ignored else plain, reason)

    if wanted.count > MOST_INSTANCES:
        progress.wrong.append(host)
        progress.impossible = f"{wanted.count} instances is more than a host can take ({MOST_INSTANCES})"
        return
    if not isinstance(entity, Component):
        progress.wrong.append(host)
        work.workloads.on_trial.add((host, trial_id(name)))
        start = scale(wanted.count)
        if before is not None and before.application == scaler.application and before.may_be_at_work:
            start = start_beside(start, before)
        progress.start(start, f"spread {wanted.share} wants {wanted.count} on {called}, none runs there")
        return
    progress.running += min(entity.count, wanted.count)
    if _serves(entity, scaler):
        progress.serving[host] = entity
    if entity.image != scaler.image and is_called_over_lattice(name, work):
        progress.wrong.append(host)
        if progress.ready:
            _exchange(progress, host, wanted, entity)
    elif entity.image != scaler.image:
        progress.wrong.append(host)
        if progress.ready:
            # Annotations name the scaler, the scaler's id covers the configuration: they may only become the new ones
            # together with it, and an update leaves the configuration as it is.
            only_image = scaler_of(entity) == scaler.id_for(entity.image)
            kept = annotations if only_image else entity.annotations
            if _is_in_doubt(entity, before):
                kept = {key: value for key, value in entity.annotations.items() if key != SCALER}
            command = UpdateComponent(name, host, scaler.image, scaler.application, kept)
            progress.ensure(command, f"{entity.image} runs on {called}, {scaler.image} is wanted")
    elif entity.code:
        progress.wrong.append(host)
        if progress.ready:
            # A host does not update to the image by whose name it calls it already, whatever runs
            # (docs/protocol/lattice.md#update-a-component). Under its true name it can be updated; only with another
            # number does the host take that name.
            renamed = replace(scale(entity.count + 1), reference=entity.code)
            progress.ensure(renamed, f"{entity.code} runs on {called}, though it is called {entity.image} there")
    elif (wanted.count > entity.count or spread_of(entity) != wanted.share) and work.lattice.certainty.unseen:
        # What it lacks, or the share that it is to serve, may run on a host of which it is not known yet what it runs.
        progress.wrong.append(host)
        progress.unsure = True
    elif wanted.count < entity.count and progress.lacking:
        progress.wrong.append(host)  # Others are to take over first.
    elif wanted.count < entity.count and progress.placement.missing and spread_of(entity) != wanted.share:
        # It also serves for a share that has no host: the number stays, and the name of its spread, which says so.
        progress.wrong.append(host)
        if progress.ready and scaler_of(entity) != scaler.id:
            annotations = {**annotations, SPREAD: spread_of(entity)}
            rescale(entity.count, f"what runs on {called} was started for an earlier version")
    elif scaler_of(entity) != scaler.id or spread_of(entity) != wanted.share:
        progress.wrong.append(host)
        if progress.ready:
            rescale(wanted.count, f"what runs on {called} was started for an earlier version")
    elif entity.rescaled:
        progress.wrong.append(host)
        if progress.ready:
            why = f"somebody else re-scaled it on {called}, perhaps without its configuration"
            progress.ensure(scale(wanted.count), why)
    elif entity.perhaps_gone:
        progress.wrong.append(host)
        if progress.ready:
            progress.ensure(scale(wanted.count), f"it may have ended on {called}")
    elif entity.count != wanted.count:
        progress.wrong.append(host)
        if progress.ready:
            progress.ensure(scale(wanted.count), f"{entity.count} run on {called}, {wanted.count} are wanted")
    elif before is not None and work.under_way(key):
        # What an earlier version asked for may still happen: it is not right before that has shown, or is out of time.
        # Its errors are about what nobody wants any more, and are not told.
        progress.wrong.append(host)
        del progress.serving[host]
        progress.outlive(before)
    else:
        work.mark_satisfied(key)


def _exchange(progress: Progress, host: str, wanted: Assignment, entity: Component) -> None:
    """Have another image run in place of one that is called over the lattice (:mod:`wadm.engine.trial`)."""
    scaler, work = progress.scaler, progress.work
    name, called = scaler.entity_id, work.host(host)
    differs = f"{entity.image} runs on {called}, {scaler.image} is wanted"
    trial = next_trial(scaler, host, wanted.share, work)
    if trial is not None:
        progress.ensure(trial, f"{differs}: it is tried beside the old one first")
    elif not progress.restarting:
        progress.restarting = True
        stop = stop_component(entity, host, scaler.application)
        elsewhere = len(work.lattice.where("component", name).keys() - {host})
        gap = serves_meanwhile(elsewhere) if elsewhere else "this interrupts calls to it for a moment"
        progress.ensure(stop, f"{differs}: {name} is stopped and started anew; {gap}")
    elif work.lattice.certainty.unseen:
        progress.unsure = True


def _serves(entity: Component, scaler: WorkloadScaler) -> bool:
    """Whether it is as its scaler wants it, whatever the number, and certain to run."""
    as_wanted = entity.image == scaler.image and not entity.code and scaler_of(entity) == scaler.id
    return as_wanted and not entity.perhaps_gone


def _is_in_doubt(entity: Component, before: Pending | None) -> bool:
    """Whether a component may have another configuration than its annotations say: somebody else has re-scaled it, or
    the host may have carried out a re-scale whose outcome has not been seen. An update that repeats those annotations
    would hide that for ever; one that names no scaler has the configuration handed over after it."""
    if entity.rescaled:
        return True
    if before is None:
        return False
    if isinstance(before.command, UpdateComponent):
        return SCALER not in before.command.annotations
    asked = before.command
    may_be_done = before.lingering or before.delivered or not before.held
    return may_be_done and isinstance(asked, ScaleComponent) and asked.annotations != entity.annotations


def _stop_the_rest(progress: Progress, placement: Placement, mine: Mapping[str, Entity]) -> list[str]:
    """Stop what runs outside the placement where it may go now. Return the hosts that it must leave."""
    scaler, work = progress.scaler, progress.work
    outside_placement = mine.keys() - placement.places.keys()
    if not outside_placement:
        return []
    leaving = []
    for host in sorted(outside_placement):
        if not work.lattice.hosts[host].known:
            work.questions.hosts.add(host)  # Its labels, which say whether it may stay, are not known yet.
        elif owner(mine[host]) is not None:
            leaving.append(host)
    outside = {host: mine[host] for host in leaving}
    certainty, hosts = work.lattice.certainty, work.lattice.hosts
    serving = {host: one for host, one in progress.serving.items() if certainty.of_host(hosts[host]) == "certain"}
    drained = emptied(work.lattice) if work.lattice.cordons else {}
    may_go = may_stop(outside, scaler, placement, take_stock(placement, serving))
    may_go |= {host for host in leaving if host in drained and drained[host].forces(work.now)}
    for host in leaving:
        work.commands.considered.add((scaler.entity_kind, host, scaler.entity_id))
        entity = mine[host]
        may_stay = eligible(scaler, host, work)
        why = "more run than are wanted" if may_stay else "its labels match no spread"
        if host in drained:
            why = f"the host {taken_out(drained[host])}"
        if host not in may_go:
            continue
        if isinstance(entity, Component):
            progress.ensure(stop_component(entity, host, scaler.application), f"{work.host(host)}: {why}")
        else:
            stop = StopProvider(scaler.entity_id, host, scaler.application, entity.annotations)
            progress.ensure(stop, f"{work.host(host)}: {why}")
    return leaving


def stop_component(entity: Component, host: str, application: str) -> ScaleComponent:
    """Return the command that stops a component on a host."""
    return ScaleComponent(entity.id, host, 0, entity.image, application, entity.annotations)
