"""A controller driven against a model lattice: the very object that the server ships, without a server.

    keeper = Keeper(world)
    keeper.deploy(an_app("shop", a_component("web")))
    keeper.calm_down()

It feeds what happens, performs what is decided, and decides nothing. Signs of life (probes, pings, health) are answered
as they are asked; commands and questions wait until the test says. Whenever applications were planned it checks what
must hold at any time, apart from the code it judges:

*restraint*   what is under way is not asked again;
*ownership*   no command names what is not ours;
*honesty*     ``deployed`` is said only of what is so, as far as one can see, and of nothing under way;
*no neglect*  planning also the applications that were not touched would ask for nothing and say nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from tests.engine.model_lattice import ModelLattice
from wadm.engine.commands import creates, patience
from wadm.engine.compile import compile_manifest
from wadm.engine.controller import LatticeController
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.effects import (
    Effect,
    NotPlanned,
    PingHosts,
    Planned,
    ProbeHost,
    PublishStatus,
    QueryHealth,
    QueryHosts,
    ReadApplications,
    RememberHosts,
    SendCommands,
    StoreRecords,
)
from wadm.engine.expectations import Expectations
from wadm.engine.inputs import (
    ApplicationRead,
    ApplicationsListed,
    ConfigReply,
    DesiredChanged,
    HostEvent,
    HostsStored,
    Input,
    InventoryReply,
    Lifecycle,
    LinksReply,
    ListeningReply,
    PingSweep,
    RecordStored,
    TakeOver,
)
from wadm.engine.liveness import Remembered
from wadm.engine.plan import Plan
from wadm.model.commands import (
    Action,
    Command,
    DeleteConfig,
    DeleteLink,
    Key,
    Outcome,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.events import ConfigDeleted, ConfigSet, Event, HostStarted, LinkDeleted, LinkSet
from wadm.model.lattice import Component, Lattice, LinkKey, owner, scaler_of, spread_of
from wadm.model.manifest import Manifest
from wadm.model.names import strip_reference
from wadm.model.status import ApplicationStatus

STORED = (PutLink, DeleteLink, PutConfig, DeleteConfig)
TOLD_OF_THE_STORE = (LinkSet, LinkDeleted, ConfigSet, ConfigDeleted)
Said = tuple[str, str, list[tuple[str, str]]]
CALM = 150.0
"""Seconds without a change after which none will come: the longest pause between two tries, twice, and readings."""
HEARTBEAT = 30.0
"""Seconds between two heartbeats of a host."""
LONGEST = 3600.0
"""Seconds within which there is calm."""


class Keeper:
    """Keeps the applications of a model lattice. What it sends is carried out by :meth:`carry`, when the test says."""

    def __init__(self, world: ModelLattice) -> None:
        self.world = world
        self.now = 1000.0
        self.controller = LatticeController("default")
        self.manifests: dict[str, Manifest] = {}
        self.known: set[str] = set()
        """Applications that have been deployed at some time; what bears the name of others is not ours."""
        self.said: dict[str, ApplicationStatus] = {}
        self.sent: list[Command] = []
        """What is on its way to the hosts."""
        self.everything_sent: list[Command] = []
        self.asking: dict[str, float] = {}
        """Hosts that are being asked for their inventory, and since when."""
        self.asking_configs: set[str] = set()
        self.asking_links: float | None = None
        self._log: deque[tuple[float, str, object]] = deque(maxlen=80)
        self._unheard: dict[Key, tuple[Command, float]] = {}
        self._put: dict[str, set[LinkKey | str]] = {}
        self._feed(TakeOver(self.now, {}, Remembered({}), {}), ApplicationsListed())

    @property
    def lattice(self) -> Lattice:
        return self.controller.lattice

    @property
    def in_flight(self) -> Expectations:
        return self.controller.in_flight

    @property
    def interests(self) -> DependencyIndex:
        return self.controller.interests

    def _note(self, what: str, of: object) -> None:
        self._log.append((self.now, what, of))

    @property
    def story(self) -> str:
        """What happened last, for people."""
        return "\n".join(f"{at:g} {what} {of}" for at, what, of in self._log)

    # -- applications ----------------------------------------------------------------------------

    def deploy(self, manifest: Manifest) -> None:
        self.manifests[manifest.name] = manifest
        self.known.add(manifest.name)
        self._changed(manifest.name)

    def undeploy(self, name: str) -> None:
        del self.manifests[name]
        self._changed(name)

    def _changed(self, name: str) -> None:
        self._forget(lambda key, command: True)
        manifest, related = self.manifests.get(name), {k: m for k, m in self.manifests.items() if k != name}
        self._feed(DesiredChanged(name, manifest, self._lifecycle(name), related=related))

    def _lifecycle(self, name: str) -> Lifecycle:
        return "deployed" if name in self.manifests else "undeployed" if name in self.known else "unknown"

    # -- what comes in ---------------------------------------------------------------------------

    def deliver(self) -> None:
        """Hear the next event on the wire."""
        self.hear(self.world.wire.pop(0))

    def hear(self, event: Event) -> None:
        self._note("heard", event)
        host = getattr(event, "host_id", None) or getattr(getattr(event, "inventory", None), "host_id", "")
        self._forget(lambda key, _: host in key or key[0] in ("link", "config"))
        self._feed(HostEvent(event))

    def carry(self, number: int = 0, *, answered: bool = True) -> None:
        """Have a command carried out, as long as it is waited for. Without an answer it is done all the same."""
        command = self.sent.pop(number)
        # A call takes its way there and back: what was told before has come by then, or is lost.
        about = TOLD_OF_THE_STORE if isinstance(command, STORED) else HostStarted
        for event in [event for event in self.world.wire if isinstance(event, about)]:
            self.world.wire.remove(event)
            self.hear(event)
        if not self.controller.is_wanted(command):
            return
        outcome = self.world.call(command)
        if not answered:
            outcome = Outcome(command, "unanswered")
        self._note("carried out", outcome)
        if outcome.result != "accepted" or isinstance(command, STORED):
            self._forget(lambda key, _: key == command.key)
        self._feed(outcome)

    def answer(self) -> None:
        """Answer all questions."""
        hosts, self.asking = self.asking, {}
        configs, self.asking_configs = self.asking_configs, set()
        links, self.asking_links = self.asking_links, None
        inputs: list[Input] = [self._inventory(host_id, asked) for host_id, asked in sorted(hosts.items())]
        if self.world.hosts:
            self._forget(lambda key, _: key[0] in ("link", "config"))
            inputs += [ConfigReply(name, self.world.configs.get(name)) for name in sorted(configs)]
            inputs += [] if links is None else [LinksReply(list(self.world.links), links)]
        else:
            self.asking_configs, self.asking_links = configs, links
        self._feed(*inputs)

    def _inventory(self, host_id: str, asked: float) -> InventoryReply:
        host = self.world.hosts.get(host_id)
        if host is not None:
            self._forget(lambda key, _: host_id in key)
        return InventoryReply(host_id, None if host is None else host.inventory(), asked)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking whenever something is due."""
        end = self.now + seconds
        while (due := self.controller.next_deadline()) <= end:
            self.now = max(self.now, due)
            self._decide()
        self.now = end

    # -- what is decided -------------------------------------------------------------------------

    def _feed(self, *inputs: Input) -> None:
        for one in inputs:
            self.controller.feed(one, self.now)
        self._decide()
        while self.controller.next_deadline() <= self.now:
            self._decide()

    def _decide(self) -> None:
        effects = self.controller.decide(self.now)
        answers = [answer for effect in effects for answer in self._perform(effect)]
        if answers:
            self._feed(*answers)
        elif any(isinstance(effect, Planned) for effect in effects):
            self.check()

    def _perform(self, effect: Effect) -> Iterator[Input]:
        """Perform an effect; yield what comes of it at once."""
        match effect:
            case SendCommands():
                self._send(effect.actions)
            case StoreRecords():
                yield from (RecordStored(name, record) for name, record in effect.records.items())
                self._send(effect.then)
            case PublishStatus():
                self.said[effect.application] = effect.status
            case QueryHosts(questions=questions):
                for host_id in questions.hosts:
                    self.asking.setdefault(host_id, self.now)
                self.asking_configs |= questions.configs
                if questions.links and self.asking_links is None:
                    self.asking_links = self.now
                for provider_id in questions.listening:
                    yield self._listening(provider_id)
            case ProbeHost():
                yield self._inventory(effect.host_id, self.now)
            case PingHosts():
                yield PingSweep(frozenset(effect.called), frozenset(self.world.hosts), self.now)
            case QueryHealth():
                yield self._listening(effect.provider_id)
            case ReadApplications():
                yield from (ApplicationRead(name, self._lifecycle(name)) for name in effect.names)
            case NotPlanned():
                raise effect.error
            case RememberHosts():
                yield HostsStored(True)
            case _:
                self._note("decided", effect)

    def _listening(self, provider_id: str) -> ListeningReply:
        return ListeningReply(provider_id, sum(provider_id in host.providers for host in self.world.hosts.values()))

    def _send(self, actions: tuple[Action, ...]) -> None:
        for action in actions:
            self._note("sent", action)
            self._check_restraint(action.command)
            self._check_ownership(action)
            self.sent.append(action.command)
            self.everything_sent.append(action.command)

    # -- calm ------------------------------------------------------------------------------------

    def calm_down(self) -> None:
        """Carry out, end and deliver everything, in order, and let time pass, until nothing changes any more.

        Hosts send heartbeats meanwhile, so that one of which nothing else was heard is known by then. What is refused
        again and again, with growing pauses, while nothing changes, is as calm as it gets.
        """
        last, since, began, heartbeat = "", self.now, self.now, self.now
        while self.now < began + LONGEST:
            busy = self.work()
            state = f"{[_say(status) for status in self.said.values()]} {self.world} {sorted(self.lattice.hosts)}"
            certainty = self.lattice.certainty
            waits = certainty.silent or certainty.late_puts  # which may be put yet, and is on record until then
            if state != last or waits or self.lattice.pause is not None:
                last, since = state, self.now
            elif self.now - since >= CALM:
                return
            if not busy and self.now - heartbeat >= HEARTBEAT:
                heartbeat = self.now
                for host_id in self.world.hosts:
                    self.world.heartbeat(host_id)
            elif not busy:
                self.advance(max(0.0, self.controller.next_deadline() - self.now))
        raise AssertionError(f"no calm\n{self.story}")

    def work(self) -> bool:
        """Carry out, end and deliver everything there is, once; return whether there was anything."""
        busy = bool(self.sent or self.asking or self.asking_configs or self.asking_links or self.world.wire)
        for _ in range(len(self.sent)):
            self.carry()
        for host in list(self.world.hosts.values()):
            while host.tasks:
                self.world.end(host.id)
                busy = True
        while self.world.wire:
            self.deliver()
        if self.world.hosts or self.asking:
            self.answer()
        return busy

    # -- checks ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Check what must hold at any time."""
        interests = self.interests
        names = {*interests, *interests.recorded(), *self.lattice.owners()} & self.said.keys()
        for name in sorted(name for name in names if not self.controller.is_to_be_planned(name)):
            self._check_neglect(name)
            self._check_honesty(name)

    def _plan(self, name: str) -> Plan | None:
        planning = self.controller.plan(ApplicationRead(name, self._lifecycle(name)), self.now)
        while planning is not None and not planning.done:
            planning.advance(1000, self.now)
        return planning.plan if planning is not None else None

    def _check_neglect(self, name: str) -> None:
        plan = self._plan(name)
        if plan is None:
            return
        undone = [action for action in plan.actions if self._would_be_sent(action)]
        assert not undone, f"something was left undone:\n{plan}\n{self.story}"
        assert _say(plan.status) == _say(self.said[name]), (
            f"something else should be said than {self.said[name].message}:\n{plan}\n{self.story}"
        )

    def _would_be_sent(self, action: Action) -> bool:
        """Whether this is more than what another application has asked for in the same breath."""
        pending = self.in_flight.get(action.command.key)
        if pending is None or pending.held or pending.command != action.command:
            return True
        return pending.application == action.application

    def _check_honesty(self, name: str) -> None:
        if name in self.manifests and self.said[name].type == "deployed":
            wrong = list(shortcomings(self.manifests[name], self.lattice, self.manifests))
            wrong += [f"under way: {p.command}" for p in self.in_flight.of(name) if not p.held and creates(p.command)]
            assert not wrong, f"deployed is said, but {wrong}\n{self.story}"

    def _check_restraint(self, command: Command) -> None:
        before = self._unheard.get(command.key)
        if before is not None and before[0] == command:
            assert self.now >= before[1] + patience(command), f"{command} was asked again\n{self.story}"
        self._unheard[command.key] = (command, self.now)

    def _forget(self, told: Callable[[Key, Command], bool]) -> None:
        """Forget what was asked about that which has just been told of."""
        self._unheard = {key: sent for key, sent in self._unheard.items() if not told(key, sent[0])}

    def _check_ownership(self, action: Action) -> None:
        name = action.application
        assert self._is_ours(action.command, name), f"{action.command} for {name}\n{self.story}"
        match action.command:
            case PutConfig() as put:
                self._put.setdefault(name, set()).add(put.config_name)
            case PutLink() as put_link:
                self._put.setdefault(name, set()).add(put_link.link_key)

    def _is_ours(self, command: Command, name: str) -> bool:
        match command:
            case ScaleComponent(count=0) | StopProvider():
                kind, host_id, entity_id = command.key
                there = self.lattice.find("provider" if kind == "provider" else "component", host_id, entity_id)
                return there is not None and owner(there) == name
            case ScaleComponent() | UpdateComponent():
                there = self.lattice.find("component", command.host_id, command.component_id)
                return there is None or owner(there) in (name, None)
            case StartProvider():
                return self.lattice.find("provider", command.host_id, command.provider_id) is None
            case DeleteLink():
                return command.link_key in self._put.get(name, ())
            case DeleteConfig():
                return command.config_name in self._put.get(name, ())
            case _:
                return True


def _say(status: ApplicationStatus) -> Said:
    return status.type, status.message, [(s.type, s.message) for s in status.scalers]


def shortcomings(manifest: Manifest, lattice: Lattice, shared: dict[str, Manifest]) -> Iterator[str]:
    """Say in what the lattice is not as a manifest wants it, by rules apart from how that is brought about."""
    desired = compile_manifest(manifest, shared.get)
    wanted = {(w.entity_kind, w.entity_id) for w in desired.workloads}
    for kind, host, entity in lattice.owned_by(manifest.name):
        if (kind, entity.id) not in wanted:
            yield f"{entity.id} is left over on {host}"
    for workload in desired.workloads:
        name = workload.entity_id
        present = {
            host: entity
            for host, entity in lattice.where(workload.entity_kind, name).items()
            if owner(entity) in (manifest.name, None)
        }
        mine = {host: entity for host, entity in present.items() if owner(entity) is not None}
        same_kind = workload.entity_kind == "component"
        ids = {workload.id} if same_kind else {workload.id, workload.id_for(workload.image, daemon=not workload.daemon)}
        for host, entity in mine.items():
            if (
                not any(lattice.hosts[host].meets(s.requirements) for s in workload.shares)
                and lattice.hosts[host].known
            ):
                yield f"{name} runs on {host}, which no spread matches"
            image = workload.image if same_kind else strip_reference(workload.image)
            if entity.image != image or scaler_of(entity) not in ids:
                yield f"{name} on {host} is of another version: {entity}"
        if workload.daemon:
            for host in lattice.hosts.values():
                share = next((s for s in workload.shares if host.meets(s.requirements) and s.target), None)
                foreign = lattice.find(workload.entity_kind, host.id, name)
                known = host.known and host.id not in lattice.certainty.silent
                if share is not None and known and foreign is None:
                    yield f"{name} does not run on {host.id}"
                there = mine.get(host.id)
                if share is not None and isinstance(there, Component) and there.count != share.target:
                    yield f"{name} runs {there.count} times on {host.id}"
            continue
        found = {s.name: 0 for s in workload.shares}
        for entity in present.values() if not same_kind else mine.values():
            count = entity.count if isinstance(entity, Component) else 1
            found[spread_of(entity)] = found.get(spread_of(entity), 0) + count
        target = sum(s.target for s in workload.shares)
        if sum(found.values()) != target and (same_kind or len(present) < target or len(mine) > target):
            yield f"{found} of {name} run, {target} are wanted"
        if same_kind and len(mine) >= sum(s.target > 0 for s in workload.shares):
            for share in workload.shares:
                if found[share.name] != share.target:
                    yield f"{found} of {name} run, {share} is wanted"
    for scaler in desired.links:
        there_links = lattice.links.get(scaler.link.key, ())
        if not any(one.target == scaler.link.target and one.same_as(scaler.link) for one in there_links):
            yield f"{scaler.link} is not in force"
    for name, properties in desired.configs.items():
        there_config = lattice.configs.get(name, {})
        known = name in lattice.configs
        if there_config is None or (known and properties is not None and there_config != properties):
            yield f"configuration {name} is {there_config}"
