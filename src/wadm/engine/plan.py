"""The result of planning, and what planning one application has at hand while it works."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.changes import InformationRequests
from wadm.engine.commands import describe, has_come_true, starting
from wadm.engine.expectations import Expectations, Pending, begin
from wadm.engine.plan_parts import PlanCommands, PlanConfigs, PlanLinks, PlanWorkloads
from wadm.engine.scalers import Desired, Scaler, WorkloadScaler
from wadm.engine.steps import Steps, is_time_to_yield
from wadm.model.commands import Action, Command, DeleteLink, Key, PutLink, ScaleComponent
from wadm.model.lattice import Entity, EntityKind, Lattice, Link, LinkKey
from wadm.model.link_puts import LinkAt
from wadm.model.names import SECRET_PREFIX
from wadm.model.status import ApplicationStatus, Explanation, ScalerStatus, StatusType
from wadm.model.swaps import Swaps, joined


class OwnedResources(Struct, frozen=True):
    """The links and configurations that wadm has put for an application. They bear no annotation in the lattice, so
    this is stored before the first of them is put, and is how they are found again."""

    links: frozenset[LinkAt] = frozenset()
    """Link identities with their targets."""
    configs: frozenset[str] = frozenset()
    untold: frozenset[LinkAt] = frozenset()
    """Those of the links that providers are being told of (:mod:`wadm.engine.delivery`)."""
    changing: frozenset[str] = frozenset()
    """Those of the configurations that get other values, until all who are linked with them are told."""
    swaps: Swaps = ()
    """Providers that are being replaced in place, with what ran before (:mod:`wadm.engine.swaps`)."""

    def __bool__(self) -> bool:
        return bool(self.links or self.configs or self.swaps)

    def __or__(self, other: OwnedResources) -> OwnedResources:
        return OwnedResources(
            self.links | other.links,
            self.configs | other.configs,
            self.untold | other.untold,
            self.changing | other.changing,
            joined(*other.swaps, *self.swaps),
        )


class Plan(Struct, frozen=True):
    """What to do and say for one application now.

    ``record`` must be stored before ``actions`` are sent. ``settled`` are things that this application need not wait
    for any more; they are to be settled before the actions are noted as asked, which may be about the same things.
    ``wants_hosts`` says that another host, or other labels, could change the plan.
    """

    application: str
    actions: tuple[Action, ...]
    status: ApplicationStatus
    record: OwnedResources
    settled: tuple[Key, ...]
    questions: InformationRequests
    wants_hosts: bool
    put_off: tuple[Pending, ...] = ()
    """What is not asked now, because somebody undoes it again and again; to be noted, so that its time comes."""
    due: float | None = None
    """When to plan again though nothing is heard, besides what is in flight."""
    in_vain: tuple[tuple[LinkAt, str], ...] = ()
    """Links that were told in vain, each with the provider that is in the way (:mod:`wadm.engine.listening`)."""

    def __str__(self) -> str:
        lines = [f"{self.application}: {self.status.type} {self.status.message}".rstrip()]
        lines += [f"  {describe(action.command)}  because {action.reason}" for action in self.actions]
        return "\n".join(lines)


class OtherApplications(Struct, frozen=True):
    """What the rest of the lattice's applications need, as far as this one must know."""

    config: Callable[[str], bool]
    """Whether another application uses a configuration of that name."""
    link: Callable[[LinkKey, str], bool]
    """Whether another application wants that link (identity, target)."""
    earlier: Callable[[str], WorkloadScaler | None] = lambda _: None
    """The scaler of that id in whichever stored version of this application."""


NO_OTHERS = OtherApplications(lambda _: False, lambda _key, _target: False)


class PlanBuilder:
    """The planning of one application: collects actions, and asks each thing at most once."""

    def __init__(
        self,
        desired: Desired,
        record: OwnedResources,
        lattice: Lattice,
        in_flight: Expectations,
        now: float,
        needed: OtherApplications,
        *,
        side_by_side: bool = False,
    ) -> None:
        """``side_by_side``: links of one source need not wait for each other, as in a forecast each is done at once."""
        self.desired = desired
        self.record = record
        self.lattice = lattice
        self.in_flight = in_flight
        self.now = now
        self.needed = needed
        self._side_by_side = side_by_side
        self.commands = PlanCommands()
        self.workloads = PlanWorkloads()
        self.links = PlanLinks()
        self.configs = PlanConfigs()
        self.questions = InformationRequests(set(), set())
        self.wants_hosts = False
        """Whether another host, or other labels, could change the plan."""
        self.waits_for_silent = False
        """Whether something is as it is because hosts do not answer."""
        self.due: float | None = None
        """When the plan changes though nothing is heard, besides what is in flight."""

    def look_at_pending(self) -> Steps[None]:
        """Take in what is pending for the application; to be done first."""
        for number, pending in enumerate(self.in_flight.one_by_one(self.desired.application)):
            if is_time_to_yield(number):
                yield
            key, start = pending.command.key, starting(pending.command)
            if start is not None and pending.moves:
                self.workloads.failed.setdefault((key[0], key[2]), {})[key[1]] = pending
            elif start is not None:
                self.workloads.starts.setdefault((key[0], key[2]), {})[key[1]] = start
            if has_come_true(pending.command, self.lattice, pending.asked):
                self.commands.resolved.add(key)

    def pending(self, key: Key) -> Pending | None:
        """Return what is pending for a thing, for whichever application, and has not come true."""
        pending = self.in_flight.get(key)
        if (
            pending is None
            or key in self.commands.resolved
            or has_come_true(pending.command, self.lattice, pending.asked)
        ):
            return None
        return pending

    def under_way(self, key: Key) -> bool:
        """Whether the lattice may still act on what was asked for a thing."""
        pending = self.pending(key)
        return pending is not None and not pending.held and pending.waits(self.now)

    def ensure(self, command: Command, scaler: str, reason: str, attempts: int = 0, *, again: bool = False) -> Pending:
        """Have a command carried out: ask now, unless it is on its way or its pause is not over, or another command
        for the same thing is under way, or another application waits to ask its own again, or the host has not said
        yet what it runs. Return what is pending then; its error is what the status tells. ``attempts`` and ``again`` as
        in :class:`~wadm.model.commands.Action`."""
        key = command.key
        self.commands.considered.add(key)
        if key in self.commands.pending:
            return self.commands.pending[key]
        pending = self.pending(key)
        if pending is not None and pending.waits(self.now):
            free = pending.application == self.desired.application and (
                pending.held or _supersedes(command, pending.command)
            )
            if pending.command == command or not free:
                return pending
            pending = None
        action = Action(command, self.desired.application, scaler, reason, attempts, again)
        if pending is None and (undone := self._undone(action)) is not None:
            self.commands.deferred.append(undone)
            self.commands.pending[key] = undone
            return undone
        if self._is_guesswork(key):
            self.questions.hosts.add(key[1])
            self.commands.pending[key] = begin(action, pending, self.now)
            return self.commands.pending[key]
        self.commands.actions.append(action)
        self.commands.pending[key] = begin(action, pending, self.now)
        if key[0] == "link":
            self.links.changing.setdefault(key[1], set()).add(key)
        return self.commands.pending[key]

    def _is_guesswork(self, key: Key) -> bool:
        """Whether a thing is on a host of which single events have told, and not yet the host what it runs: a new owner
        hears of one thing there, and nothing of what was done to it before."""
        host = self.lattice.hosts.get(key[1]) if key[0] in ("component", "provider") else None
        return host is not None and not host.known

    def must_wait(self, change: PutLink | DeleteLink) -> bool:
        """Whether another link of the same source is being put or deleted.

        Hosts keep all links of a source in one record, which they read and write back without looking
        (docs/protocol/lattice.md#link-writes-race): of two changes made at the same time one is lost, though both
        are confirmed.
        """
        if self._side_by_side:
            return False
        source = change.source_id
        if source not in self.links.under_way:
            self.links.under_way[source] = self.in_flight.links_of(source, self.now)
        changing = self.links.changing.get(source, set())
        return any(key != change.key for key in changing) or any(
            key != change.key and key not in self.commands.resolved for key in self.links.under_way[source]
        )

    def is_same(self, there: Link, wanted: Link) -> bool:
        """Whether a link of the lattice is as wanted. Looked at once for all traits that mean the same link."""
        known = self.links.compared.get(wanted.at)
        if known is None or known[0] is not there or known[1] is not wanted:
            known = self.links.compared[wanted.at] = (there, wanted, there.same_as(wanted))
        return known[2]

    def resume(self, now: float) -> None:
        """Go on after an interruption: commands may have been asked or answered meanwhile."""
        self.now = now
        self.links.under_way.clear()
        self.links.first = None

    def _undone(self, action: Action) -> Pending | None:
        """Return the command as put off, if somebody undoes it again and again, or it helps nothing."""
        times, until = self.in_flight.undone(action, self.now)
        if self.now >= until:
            return None
        done = f"{describe(action.command, self.lattice)} was asked and done {times} times within minutes"
        if action.again:
            error = f"Providers must be told this again and again: {done}. A provider of the link may be restarting."
        else:
            error = (
                f"Somebody undoes this again and again: {done}. Another wadm, or a person, may be at work in this "
                "lattice."
            )
        return replace(begin(action, None, self.now), held=True, retry_at=until, error=error)

    def mark_satisfied(self, key: Key) -> None:
        """Note that a thing is as wanted."""
        self.commands.considered.add(key)
        if self.in_flight.get(key) is not None:
            self.commands.resolved.add(key)

    def status(
        self,
        scaler: Scaler,
        type_: StatusType,
        message: str = "",
        explanation: Explanation = Explanation(),  # noqa: B008 - immutable
    ) -> ScalerStatus:
        """Return a scaler's status."""
        return ScalerStatus(scaler.id, scaler.kind, scaler.name, type_, message, explanation)

    def look_again(self, at: float) -> None:
        """Have the application planned again at a time, whatever is heard until then."""
        self.due = at if self.due is None else min(self.due, at)

    @cached_property
    def left_over(self) -> list[tuple[EntityKind, str, Entity]]:
        """What runs of the application that it does not want any more, as kind, host and entity."""
        owned = self.lattice.owned_by(self.desired.application)
        kept = self.desired.things.keys() | self.desired.trials
        return [one for one in owned if (one[0], one[2].id) not in kept]

    @property
    def trials_over(self) -> list[tuple[EntityKind, str, Entity]]:
        """The trials that are not needed any more, as kind, host and entity."""
        trials = {thing for thing in self.desired.trials if self.lattice.where(*thing)}
        owned = self.lattice.owned_by(self.desired.application) if trials else ()
        return [
            one for one in owned if (one[0], one[2].id) in trials and (one[1], one[2].id) not in self.workloads.on_trial
        ]

    @cached_property
    def left_over_components(self) -> frozenset[str]:
        """The ids of the components among them."""
        return frozenset(entity.id for kind, _, entity in self.left_over if kind == "component")

    @cached_property
    def wanted(self) -> OwnedResources:
        """The links and configurations that must be on record."""
        return links_and_configs(self.desired)

    @cached_property
    def outlived_links(self) -> dict[str, list[LinkAt]]:
        """The links on record that are not wanted any more, by their source."""
        found: dict[str, list[LinkAt]] = {}
        for at in sorted(self.record.links - self.wanted.links):
            found.setdefault(at[0][0], []).append(at)
        return found

    @cached_property
    def led_to_before(self) -> dict[str, frozenset[str]]:
        """The components of an earlier version that run, by what leads to them."""
        there = self.left_over_components
        if not there:
            return {}
        led_to = {source: frozenset(target for _, target in links) for source, links in self.outlived_links.items()}
        return {source: targets & there for source, targets in led_to.items() if not targets.isdisjoint(there)}

    def host(self, host_id: str) -> str:
        """Return what people call a host."""
        host = self.lattice.hosts.get(host_id)
        return host.called if host is not None else host_id


def _supersedes(command: Command, asked: Command) -> bool:
    """Whether a command may be sent while another for the same thing is on its way: a start with another image, where
    the host may pull the first one for ever (:func:`start_beside`)."""
    if not (isinstance(command, ScaleComponent) and isinstance(asked, ScaleComponent)):
        return False
    return command.reference != asked.reference and command == _with_image(asked, command.reference)


def start_beside(start: ScaleComponent, before: Pending) -> ScaleComponent:
    """Return the start to ask for while a host may be at work on another start of the same component.

    Whichever of the two the host finishes first, it ignores the other if both have the same number and configuration;
    else it would run the old code under the new name (docs/protocol/lattice.md#scale-changed). So only the image
    is another; the next plans see what runs, and hand over the rest. With secrets a host never ignores a request: those
    wait. What was itself asked beside another is kept to, until it is seen what runs or why it does not.
    """
    asked = before.command
    if not isinstance(asked, ScaleComponent) or (asked.reference == start.reference and not before.beside):
        return start
    return _with_image(asked, start.reference) or start


def _with_image(asked: ScaleComponent, reference: str) -> ScaleComponent | None:
    if asked.count == 0 or any(name.startswith(SECRET_PREFIX) for name in asked.config):
        return None
    return replace(asked, reference=reference)


def errors_of(pendings: list[Pending]) -> list[str]:
    """Return the different errors among what is pending, sorted: the same errors are the same status."""
    return sorted({p.error for p in pendings if p.error})


def explain(pendings: list[Pending], waiting_for: str, wanted: int = 0, running: int = 0) -> Explanation:
    """Say what is waited for, since when and what comes next, from what is pending."""
    if not pendings:
        return Explanation(waiting_for=waiting_for, wanted=wanted, running=running)
    held = [p for p in pendings if p.held]
    failed = [p for p in pendings if p.error]
    next_try = min((p.retry_at for p in held), default=0.0)
    asked = [p for p in pendings if not p.held]
    next_step = ""
    if held:
        next_step = "asks again after a pause that grows with each failure"
    elif asked:
        next_step = "asks again if there is no sign of it"
        if any(p.delivered for p in asked):
            next_step = f"the host has taken it on, and may be fetching an image; {next_step}"
    return Explanation(
        waiting_for=waiting_for,
        since=min(p.since for p in pendings),
        next=next_step,
        next_try=next_try or min((p.deadline for p in asked), default=0.0),
        attempts=max(p.attempts for p in pendings),
        last_error=failed[0].error if failed else "",
        wanted=wanted,
        running=running,
    )


def carry_since(before: ApplicationStatus | None, after: ApplicationStatus, now: float) -> ApplicationStatus:
    """Return ``after`` with the time since when each scaler is not deployed, which only its predecessor knows.

    A status that says the same as the one before is the one before, so that nothing is published for it.
    """
    known = {s.id: s for s in before.scalers} if before is not None else {}

    def dated(scaler: ScalerStatus) -> ScalerStatus:
        old = known.get(scaler.id)
        if scaler.type == "deployed":
            since = 0.0
        elif old is not None and old.type != "deployed" and old.explanation.since:
            since = old.explanation.since
        else:
            since = scaler.explanation.since or now
        if scaler.explanation.since == since:
            return scaler
        return replace(scaler, explanation=replace(scaler.explanation, since=since))

    dated_status = replace(after, scalers=tuple(dated(s) for s in after.scalers))
    return before if before is not None and before == dated_status else dated_status


def links_and_configs(desired: Desired) -> OwnedResources:
    """Return what must be on record for an application: its links and the configurations it provides itself."""
    return OwnedResources(desired.wanted_links, desired.own_configs)
