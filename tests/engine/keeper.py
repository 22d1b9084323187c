"""The engine driven as the server drives it, without a server: what is heard is folded, what is touched is planned.

    keeper = Keeper(world)
    keeper.deploy(an_app("shop", a_component("web")))
    keeper.calm_down()

After every turn it checks what must hold at any time, apart from the code it judges:

*restraint*   what is under way is not asked again;
*ownership*   no command names what is not ours;
*honesty*     ``deployed`` is said only of what is so, as far as one can see, and of nothing under way;
*no neglect*  planning also the applications that were not touched would ask for nothing and say nothing else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from tests.engine.model_lattice import ModelLattice
from wadm.engine.compile import Desired, compile_manifest, nothing
from wadm.engine.in_flight import InFlight, creates, patience
from wadm.engine.interests import Interests
from wadm.engine.observe import (
    News,
    Touched,
    observe,
    observe_config,
    observe_desired,
    observe_due,
    observe_inventory,
    observe_links,
    observe_no_effect,
    observe_outcome,
    remove_host,
)
from wadm.engine.plan import Plan, Questions, carry_since
from wadm.engine.reconcile import reconcile
from wadm.engine.workloads import HOSTS_GATHER
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
from wadm.model.status import UNDEPLOYED, ApplicationStatus

STORED = (PutLink, DeleteLink, PutConfig, DeleteConfig)
TOLD_OF_THE_STORE = (LinkSet, LinkDeleted, ConfigSet, ConfigDeleted)
Said = tuple[str, str, list[tuple[str, str]]]


class Keeper:
    """Keeps the applications of a model lattice. What it sends is carried out by :meth:`carry`, when the test says."""

    def __init__(self, world: ModelLattice) -> None:
        self.world = world
        self.now = 1000.0
        self.lattice = Lattice()
        self.in_flight = InFlight()
        self.interests = Interests()
        self.touched = Touched()
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
        self.asking_links = False
        self._log: deque[tuple[float, str, object]] = deque(maxlen=80)
        self._gathered = 0.0
        self._due: dict[str, float] = {}
        self._unheard: dict[Key, tuple[Command, float]] = {}
        self._put: dict[str, set[LinkKey | str]] = {}

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
        self.interests.try_again(manifest.name)
        self._changed(manifest.name)

    def undeploy(self, name: str) -> None:
        del self.manifests[name]
        self._changed(name)

    def _changed(self, name: str) -> None:
        news = News()
        for application in [name, *self.interests.dependents(name)]:
            if application == name or application in self.manifests:
                desired = self._desired(application)
                observe_desired(self.interests.desired(application), desired, news, self.lattice)
                self.interests.put(desired)
                self._forget(lambda key, command: True)
        self._turn(news)

    def _desired(self, name: str) -> Desired:
        manifest = self.manifests.get(name)
        return nothing(name) if manifest is None else compile_manifest(manifest, self.manifests.get)

    # -- what comes in ---------------------------------------------------------------------------

    def deliver(self) -> None:
        """Hear the next event on the wire."""
        self.hear(self.world.wire.pop(0))

    def hear(self, event: Event) -> None:
        self._note("heard", event)
        news = News()
        host = getattr(event, "host_id", None) or getattr(getattr(event, "inventory", None), "host_id", "")
        self._forget(lambda key, _: host in key or key[0] in ("link", "config"))
        observe(event, self.lattice, self.in_flight, news, self.touched, self.now)
        self._turn(news)

    def carry(self, number: int = 0, *, answered: bool = True) -> None:
        """Have a command carried out, as long as it is waited for. Without an answer it is done all the same."""
        command = self.sent.pop(number)
        # A call takes its way there and back: what was told before has come by then, or is lost.
        about = TOLD_OF_THE_STORE if isinstance(command, STORED) else HostStarted
        for event in [event for event in self.world.wire if isinstance(event, about)]:
            self.world.wire.remove(event)
            self.hear(event)
        pending = self.in_flight.get(command.key)
        if pending is None or pending.held or pending.command != command:
            return
        outcome = self.world.call(command)
        if not answered:
            outcome = Outcome(command, "unanswered")
        self._note("carried out", outcome)
        if outcome.result != "accepted" or isinstance(command, STORED):
            self._forget(lambda key, _: key == command.key)
        news = News()
        observe_outcome(outcome, self.lattice, self.in_flight, news, self.touched, self.now)
        self._turn(news)

    def answer(self) -> None:
        """Answer all questions. A host that does not answer is lost."""
        hosts, self.asking = self.asking, {}
        configs, self.asking_configs = self.asking_configs, set()
        links, self.asking_links = self.asking_links, False
        news = News()
        for host_id, asked in sorted(hosts.items()):
            self._forget(lambda key, _, host_id=host_id: host_id in key)  # type: ignore[misc]
            if (host := self.world.hosts.get(host_id)) is None:
                remove_host(host_id, self.lattice, self.in_flight, news)
            else:
                observe_inventory(host.inventory(), self.lattice, self.in_flight, news, self.now, self.touched, asked)
                observe_no_effect(host_id, self.lattice, self.in_flight, news, self.now)
        if self.world.hosts:
            self._forget(lambda key, _: key[0] in ("link", "config"))
            for name in sorted(configs):
                observe_config(name, self.world.configs.get(name), self.lattice, news)
            if links:
                observe_links(self.world.links, self.lattice, news)
        else:
            self.asking_configs, self.asking_links = configs, links
        self._turn(news)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking whenever something is due."""
        end = self.now + seconds
        while (due := self.next_due()) is not None and due <= end:
            self.now = max(self.now, due)
            news = News()
            observe_due(self.lattice, self.in_flight, news, self.now)
            for name in [name for name, at in self._due.items() if at <= self.now]:
                del self._due[name]
                news.applications.add(name)
            if self._gathered < self.lattice.last_joined <= self.now - HOSTS_GATHER:
                self._gathered = self.lattice.last_joined
                news.applications |= self.interests.wanting()
            self._turn(news)
        self.now = end

    def next_due(self) -> float | None:
        """Return when something is to be done although nothing is heard."""
        planned = min(self._due.values(), default=None)
        gathered = self.lattice.last_joined + HOSTS_GATHER if self._gathered < self.lattice.last_joined else None
        return min((at for at in (planned, gathered, self.in_flight.next_due()) if at is not None), default=None)

    # -- a turn ----------------------------------------------------------------------------------

    def _turn(self, news: News) -> None:
        touched = self.interests.touched(news, self.lattice) & self.known
        plans = [self._plan(name) for name in sorted(touched)]
        self._question(news.questions)
        rivals: set[str] = set()
        for plan in plans:
            self._note("planned", plan)
            self._question(plan.questions)
            self._carry_out(plan)
            rivals |= self.interests.rivals(plan)
        if rivals:
            self._turn(News(applications=rivals))
        else:
            self.check()

    def _plan(self, name: str) -> Plan:
        desired = self.interests.desired(name) or nothing(name)
        record, others = self.interests.record(name), self.interests.needed_by_others(name)
        return reconcile(desired, record, self.lattice, self.in_flight, self.now, others)

    def _question(self, questions: Questions) -> None:
        for host_id in questions.hosts:
            self.asking.setdefault(host_id, self.now)
        self.asking_configs |= questions.configs
        self.asking_links = self.asking_links or questions.links

    def _carry_out(self, plan: Plan) -> None:
        name = plan.application
        self.in_flight.settle(plan.settled, name)
        self.interests.wants_hosts(name, plan.wants_hosts)
        self._due.pop(name, None)
        if plan.due is not None:
            self._due[name] = plan.due
        self.interests.put_record(name, plan.record)
        self.said[name] = carry_since(self.said.get(name), plan.status, self.now)
        for action in plan.actions:
            if self.in_flight.ask(action, self.now):
                self._check_restraint(action.command)
                self._check_ownership(action)
                self.sent.append(action.command)
                self.everything_sent.append(action.command)
        for pending in plan.put_off:
            self.in_flight.keep(pending)
        if plan.status == UNDEPLOYED and not plan.record:
            self.interests.remove(name)

    # -- calm ------------------------------------------------------------------------------------

    def calm_down(self, rounds: int = 120) -> int:
        """Carry out, end and deliver everything, in order, until nothing happens any more; return the rounds it took.

        Time passes whenever nothing else happens, so that what was lost is looked for. What is refused again and again,
        with growing pauses, while nothing changes, is as calm as it gets.
        """
        last, same = "", 0
        for number in range(rounds):
            if not self.work() and not self._wait():
                return number
            state = f"{[_say(status) for status in self.said.values()]} {self.world}"
            last, same = state, same + 1 if state == last else 0
            if same == 20:
                return number
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

    def _wait(self) -> bool:
        """Let time pass until something is due; once nothing is, let all hosts say what they are and look again."""
        due = self.next_due()
        if due is not None and self.world.hosts:
            self.advance(max(0.0, due - self.now))
            return True
        before = dict(self.said)
        for host_id in list(self.lattice.hosts):
            self.asking.setdefault(host_id, self.now)
        for host_id in self.world.hosts:
            self.asking.setdefault(host_id, self.now)
        self.asking_configs |= self.lattice.configs.keys()
        self.asking_links = True
        if self.world.hosts or self.asking:
            self.answer()
        return bool(self.sent) or before != self.said

    # -- checks ----------------------------------------------------------------------------------

    def check(self) -> None:
        """Check what must hold at any time."""
        names = {*self.interests, *self.interests.recorded(), *self.lattice.owners()} & self.said.keys()
        for name in sorted(names):
            self._check_neglect(name)
            self._check_honesty(name)

    def _check_neglect(self, name: str) -> None:
        plan = self._plan(name)
        undone = [action for action in plan.actions if self._would_be_sent(action)]
        assert not undone, f"something was left undone:\n{plan}\n{self.story}"
        assert _say(plan.status) == _say(self.said[name]), (
            f"something else should be said than {self.said[name].message}:\n{plan}\n{self.story}"
        )

    def _would_be_sent(self, action: Action) -> bool:
        """Whether this is more than what another application has asked for in the same breath."""
        pending = self.in_flight.get(action.command.key)
        return pending is None or pending.held or pending.command != action.command

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

    def _forget(self, told: object) -> None:
        """Forget what was asked about that which has just been told of."""
        assert callable(told)
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
                if share is not None and host.known and foreign is None:
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
