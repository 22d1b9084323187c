"""What holds for any applications, hosts and histories: convergence, stability, restraint, ownership, honesty.

The world attacks, then demands calm. ``WADM_EXAMPLES=500`` runs longer than the few seconds of every day;
``WADM_SHRINK=1`` looks for the shortest history that fails.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from random import Random
from typing import Any

from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from msgspec.structs import replace

from tests.engine.builders import (
    a_component,
    a_config,
    a_host,
    a_lattice,
    a_link,
    a_provider,
    a_reference,
    a_spread,
    an_app,
    an_external_config,
    compiled,
    owned,
    plan,
)
from tests.engine.keeper import Keeper, shortcomings
from tests.engine.model_lattice import ModelLattice, RunningComponent
from wadm.engine.placing.strategies import place_component, place_daemon, place_provider
from wadm.engine.steps import finish
from wadm.model.events import ComponentScaled, ConfigDeleted, HostStarted, ProviderStopped
from wadm.model.lattice import owner
from wadm.model.manifest import Component, ConfigProperty, Manifest, Spread

EXAMPLES = int(os.environ.get("WADM_EXAMPLES", "15"))
STEPS = int(os.environ.get("WADM_STEPS", "40"))

# -- what people may want -----------------------------------------------------------------------------

HOSTS = ["h1", "h2", "h3", "h4"]
labels = st.sampled_from([{}, {"zone": "a"}, {"zone": "b"}, {"zone": "a", "disk": "fast"}])

ANY, IN_A, IN_B, FAST = (
    a_spread("any", 50),
    a_spread("a", 50, zone="a"),
    a_spread("b", 50, zone="b"),
    a_spread("fast", 20, disk="fast"),
)
spreads: st.SearchStrategy[tuple[Spread, ...]] = st.sampled_from(
    [(), (), (), (IN_A,), (IN_A, IN_B), (ANY, IN_A), (ANY, IN_A, FAST)]
)
images = st.sampled_from(["1", "1", "2"])
LINKS: list[list[tuple[str, str]]] = [
    [],
    [("kv", "store")],
    [("kv", "store batch")],
    [("kv", "store"), ("kv", "batch")],
    [("kv", "store"), ("api", "batch")],
    [("api", "store")],
]


def some_configs(other: str) -> st.SearchStrategy[list[ConfigProperty]]:
    """At most one configuration: of its own, of the other application, or of somebody else."""
    own = [a_config("c", k="1"), a_config("c", k="2"), a_config("d", k="1")]
    return st.lists(st.sampled_from([*own, an_external_config(f"{other}-c"), an_external_config("theirs")]), max_size=1)


@st.composite
def apps(draw: st.DrawFn, name: str, other: str) -> Manifest:
    """An application of up to three things and their links; it may refer to the provider of the other one."""
    configs = some_configs(other)

    def some(kind: Any, thing: str, **more: Any) -> Component:
        return kind(  # type: ignore[no-any-return]
            thing,
            draw(st.integers(0, 3)),
            *draw(spreads),
            image=f"x/{thing}:{draw(images)}",
            daemon=draw(st.sampled_from([False, False, True])),
            config=draw(configs),
            **more,
        )

    provider = a_reference("kv", other, "kv") if draw(st.booleans()) else some(a_provider, "kv")
    components, targets = [provider], ["kv"]
    if draw(st.booleans()):
        components.append(some(a_component, "api", id=draw(st.sampled_from([None, None, None, "common"]))))
        targets.append("api")
    if draw(st.integers(0, 3)):
        links = [
            a_link(target, of, config=draw(configs)) for target, of in draw(st.sampled_from(LINKS)) if target in targets
        ]
        components.append(some(a_component, "web", links=links))
    return an_app(name, *components, version=str(draw(st.integers(1, 9))))


manifests = st.one_of(apps("one", "two"), apps("two", "one"))
hosts = st.sampled_from(HOSTS)
numbers = st.integers(0, 5)


# -- in a world without faults ------------------------------------------------------------------------

hosts_of_some = st.lists(labels, min_size=1, max_size=4)
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def a_keeper_of(some_labels: Iterable[dict[str, str]]) -> Keeper:
    world = ModelLattice()
    world.configs["theirs"] = {"k": "v"}
    for host_id, its_labels in zip(HOSTS, some_labels, strict=False):
        world.join(host_id, dict(its_labels))
    keeper = Keeper(world)
    keeper.work()
    keeper.advance(60.0)
    return keeper


@quick
@given(hosts_of_some, apps("one", "two"))
def test_what_is_deployed_comes_about_with_no_command_too_many(where: list[dict[str, str]], app: Manifest) -> None:
    keeper = a_keeper_of(where)
    keeper.deploy(app)
    keeper.calm_down()
    keys = [command.key for command in keeper.everything_sent]
    assert len(keys) == len(set(keys)), f"asked twice\n{keeper.story}"
    if keeper.said["one"].type == "deployed":
        assert not list(shortcomings(app, keeper.world.snapshot(), keeper.manifests))


@quick
@given(hosts_of_some, apps("one", "two"))
def test_what_is_right_stays_as_it_is(where: list[dict[str, str]], app: Manifest) -> None:
    keeper = a_keeper_of(where)
    keeper.deploy(app)
    keeper.calm_down()
    sent, said = len(keeper.everything_sent), keeper.said["one"]
    for host_id in keeper.world.hosts:
        keeper.world.heartbeat(host_id)
    keeper.deploy(app)
    keeper.work()
    keeper.advance(600.0)
    assert len(keeper.everything_sent) == sent, keeper.story
    assert keeper.said["one"] is said, "not even a word is said anew"


@quick
@given(hosts_of_some, apps("one", "two"), st.randoms(use_true_random=False))
def test_in_which_order_hosts_are_known_does_not_matter(
    where: list[dict[str, str]], app: Manifest, random: Random
) -> None:
    hosts_there = [a_host(host_id, **its_labels) for host_id, its_labels in zip(HOSTS, where, strict=False)]
    before = str(plan(app, a_lattice(*hosts_there), now=60.0))
    random.shuffle(hosts_there)
    assert str(plan(app, a_lattice(*hosts_there), now=60.0)) == before


@quick
@given(hosts_of_some, apps("one", "two"), apps("two", "one"))
def test_an_upgrade_leaves_no_gap(where: list[dict[str, str]], before: Manifest, after: Manifest) -> None:
    """From one version to any other: of what both want there is never less than what either wants. One host at a time
    may be without a provider, or without a component that gets another image and is called over the lattice, which is
    stopped and started anew (:mod:`wadm.engine.trial`)."""
    after = replace(after, metadata=before.metadata)
    keeper = a_keeper_of(where)
    keeper.deploy(before)
    keeper.calm_down()
    assume(keeper.said["one"].type == "deployed")
    least = _in_both(keeper.world, before, after)
    keeper.deploy(after)
    for _ in range(60):
        for entity, count in least.items():
            there = _running(keeper.world).get(entity, 0)
            assert there >= count, f"{there} of {entity} run, {count} are wanted\n{keeper.story}"
        if keeper.sent:
            keeper.carry()
        elif busy := next((host for host in keeper.world.hosts.values() if host.tasks), None):
            keeper.world.end(busy.id)
        elif keeper.world.wire:
            keeper.deliver()
        else:
            keeper.answer()
            keeper.advance(1.0)


def _running(world: ModelLattice) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for host in world.hosts.values():
        for name, component in host.components.items():
            found["component", name] = found.get(("component", name), 0) + component.count
        for name in host.providers:
            found["provider", name] = found.get(("provider", name), 0) + 1
    return found


def _in_both(world: ModelLattice, *versions: Manifest) -> dict[tuple[str, str], int]:
    """How many of what both versions want there must be at any time."""
    lattice, wanted, restarted = world.snapshot(), [], _restarted(*versions)
    for version in versions:
        counts: dict[tuple[str, str], int] = {}
        for workload in compiled(version).workloads:
            kind = workload.entity_kind
            place = place_daemon if workload.daemon else place_component if kind == "component" else place_provider
            places = finish(place(workload.entity_id, workload.shares, lattice, {})).places
            numbers = [1 if kind == "provider" else there.count for there in places.values()]
            away = max(numbers, default=0) if kind == "provider" or workload.entity_id in restarted else 0
            counts[kind, workload.entity_id] = sum(numbers) - away
        wanted.append(counts)
    return {key: min(wanted[0][key], wanted[1][key]) for key in wanted[0].keys() & wanted[1].keys()}


def _restarted(before: Manifest, after: Manifest) -> set[str]:
    """The components that get another image while something that a link starts from may call them over the lattice."""
    images = [{w.entity_id: w.image for w in compiled(version).workloads} for version in (before, after)]
    called = {scaler.link.target for version in (before, after) for scaler in compiled(version).links}
    return {name for name in called & images[0].keys() & images[1].keys() if images[0][name] != images[1][name]}


steps = st.one_of(
    st.tuples(st.just("deploy"), apps("one", "two")),
    st.tuples(st.sampled_from(["carry", "end", "end"]), numbers),
    st.tuples(st.sampled_from(["undeploy", "deliver", "answer"]), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([1.0, 7.0, 61.0])),
)


@quick
@given(hosts_of_some, st.lists(steps, min_size=5, max_size=40))
def test_what_is_shown_is_what_runs_however_fast_versions_follow_each_other(
    where: list[dict[str, str]], story: list[tuple[str, Any]]
) -> None:
    """Starts may take for ever, and end in any order; a host must never run old code under a new name."""
    keeper = a_keeper_of(where)
    for what, how in story:
        busy = [host for host in keeper.world.hosts.values() if host.tasks]
        match what:
            case "deploy":
                keeper.deploy(how)
            case "undeploy" if keeper.manifests:
                keeper.undeploy("one")
            case "carry" if keeper.sent:
                keeper.carry(how % len(keeper.sent))
            case "end" if busy:
                host = _one_of(busy, how)
                keeper.world.end(host.id, how % len(host.tasks))
            case "deliver" if keeper.world.wire:
                keeper.deliver()
            case "answer":
                keeper.answer()
            case "wait":
                keeper.advance(how)
    keeper.calm_down()
    for host in keeper.world.hosts.values():
        for name, component in host.components.items():
            assert component.code == component.image, f"{component.code} runs as {name} {component}\n{keeper.story}"


# -- the machine --------------------------------------------------------------------------------------

PARDONABLE = (
    "Could not satisfy",
    "Spread requirement conflict",
    "was given up on",  # an image that replaces another in place; not tried again
    "does not exist",  # a configuration of the other application
    "link already exists with different target",  # the old one stays as long as the new one waits for a configuration
)


class History(RuleBasedStateMachine):
    """Anything may happen, in any order; then there is calm. The keeper checks its promises after every turn."""

    def __init__(self) -> None:
        super().__init__()
        self.world = ModelLattice()
        self.world.configs["theirs"] = {"k": "v"}
        self.keeper = Keeper(self.world)

    # -- people --

    @rule(manifest=manifests)
    def deploy(self, manifest: Manifest) -> None:
        self.keeper.deploy(manifest)

    @rule(manifest=manifests)
    def deploy_at_leisure(self, manifest: Manifest) -> None:
        self.keeper.deploy(manifest)
        self.keeper.work()

    @precondition(lambda self: self.keeper.manifests)
    @rule(number=numbers)
    def undeploy(self, number: int) -> None:
        self.keeper.undeploy(_one_of(sorted(self.keeper.manifests), number))

    # -- hosts --

    @rule(host=hosts, its_labels=labels)
    def join_or_change_labels(self, host: str, its_labels: dict[str, str]) -> None:
        if host in self.world.hosts:
            self.world.relabel(host, its_labels)
        else:
            self.world.join(host, its_labels)

    @precondition(lambda self: self.world.hosts)
    @rule(number=numbers, politely=st.booleans())
    def leave(self, number: int, politely: bool) -> None:
        self.world.leave(_one_of(sorted(self.world.hosts), number), politely)

    @precondition(lambda self: self.world.hosts)
    @rule(number=numbers)
    def start_again_under_the_same_id(self, number: int) -> None:
        host = self.world.hosts[_one_of(sorted(self.world.hosts), number)]
        self.world.leave(host.id, politely=False)
        self.world.join(host.id, host.labels)

    @precondition(lambda self: self.world.hosts)
    @rule(number=numbers)
    def heartbeat(self, number: int) -> None:
        self.world.heartbeat(_one_of(sorted(self.world.hosts), number))

    # -- the course of things --

    @rule()
    def work(self) -> None:
        self.keeper.work()

    @precondition(lambda self: self.keeper.sent)
    @rule(number=numbers, answered=st.sampled_from([True, True, True, False]))
    def carry_out(self, number: int, answered: bool) -> None:
        self.keeper.carry(number % len(self.keeper.sent), answered=answered)

    @precondition(lambda self: any(host.tasks for host in self.world.hosts.values()))
    @rule(number=numbers, which=numbers)
    def end_a_task(self, number: int, which: int) -> None:
        host = _one_of([h for h in self.world.hosts.values() if h.tasks], number)
        self.world.end(host.id, which % len(host.tasks))

    @precondition(lambda self: self.world.wire)
    @rule()
    def deliver(self) -> None:
        self.keeper.deliver()

    @precondition(lambda self: self.world.wire)
    @rule()
    def lose(self) -> None:
        self.world.wire.pop(0)

    @precondition(lambda self: self.world.wire and not isinstance(self.world.wire[0], HostStarted))
    @rule()
    def double(self) -> None:
        self.world.wire.insert(0, self.world.wire[0])

    @rule()
    def answer(self) -> None:
        self.keeper.answer()

    @rule(seconds=st.sampled_from([0.5, 2.0, 7.0, 30.0]))
    def let_time_pass(self, seconds: float) -> None:
        self.keeper.advance(seconds)

    # -- trouble --

    @rule(image=st.sampled_from(["x/web:1", "x/web:2", "x/kv:1", "x/kv:2", "x/api:1"]))
    def break_or_mend_an_image(self, image: str) -> None:
        self.world.broken ^= {image}

    @rule()
    def refuse_or_accept_links(self) -> None:
        self.world.refuses_links = not self.world.refuses_links

    @precondition(lambda self: self.world.hosts)
    @rule(number=numbers, thing=st.sampled_from(["one-web", "two-web", "common"]), whose=st.sampled_from(["", "other"]))
    def somebody_else_starts_a_component(self, number: int, thing: str, whose: str) -> None:
        host = self.world.hosts[_one_of(sorted(self.world.hosts), number)]
        annotations = owned(whose) if whose else {}
        host.components.setdefault(thing, RunningComponent("x/web:1", "x/web:1", 1, annotations, ()))
        self.world.wire.append(ComponentScaled(host.id, host.components[thing].shown(thing)))

    @precondition(lambda self: any(host.components for host in self.world.hosts.values()))
    @rule(number=numbers, how=st.sampled_from(["stopped", "changed"]))
    def somebody_else_meddles_with_a_component(self, number: int, how: str) -> None:
        host = _one_of([h for h in self.world.hosts.values() if h.components], number)
        name = sorted(host.components)[0]
        if how == "stopped":
            gone = host.components.pop(name)
            self.world.wire.append(ComponentScaled(host.id, gone.shown(name, 0)))
        else:
            host.components[name].annotations = {}
            host.components[name].count = 7
            self.world.wire.append(ComponentScaled(host.id, host.components[name].shown(name)))

    @precondition(lambda self: any(host.providers for host in self.world.hosts.values()))
    @rule(number=numbers)
    def somebody_else_stops_a_provider(self, number: int) -> None:
        host = _one_of([h for h in self.world.hosts.values() if h.providers], number)
        name = sorted(host.providers)[0]
        del host.providers[name]
        self.world.wire.append(ProviderStopped(host.id, name))

    @precondition(lambda self: self.world.links)
    @rule(number=numbers)
    def somebody_else_deletes_a_link(self, number: int) -> None:
        self.world.delete_link(_one_of(self.world.links, number).key)

    @precondition(lambda self: self.world.configs.keys() - {"theirs"})
    @rule(number=numbers, content=st.sampled_from([None, {"k": "meddled"}]))
    def somebody_else_meddles_with_a_configuration(self, number: int, content: dict[str, str] | None) -> None:
        name = _one_of(sorted(self.world.configs.keys() - {"theirs"}), number)
        if content is not None:
            self.world.set_config(name, content)
        else:
            del self.world.configs[name]
            self.world.wire.append(ConfigDeleted(name))

    # -- calm --

    def teardown(self) -> None:
        self.world.broken.clear()
        self.world.refuses_links = False
        for host in self.world.hosts.values():
            for name in [n for n, c in host.components.items() if owner(c.shown(n)) == "other"]:
                del host.components[name]
        if not self.world.hosts:
            self.world.join("h1", {"zone": "a"})
        self.keeper.calm_down()
        self._everything_is_as_wanted()
        for name in sorted(self.keeper.manifests):
            self.keeper.undeploy(name)
        self.keeper.calm_down()
        self._nothing_of_ours_is_left()

    def _everything_is_as_wanted(self) -> None:
        keeper, story = self.keeper, self.keeper.story
        for name, manifest in keeper.manifests.items():
            assert name in keeper.said, f"nothing is said of {name}\n{story}"
            status = keeper.said[name]
            wrong = list(shortcomings(manifest, self.world.snapshot(), keeper.manifests))
            if status.type == "deployed":
                assert not wrong, f"deployed is said, but {wrong}\n{story}"
            else:
                assert status.type == "failed", f"{name} is {status.type}: {status.message}\n{story}"
                failed = [s.message for s in status.scalers if s.type == "failed"]
                assert all(any(text in message for text in PARDONABLE) for message in failed), f"{failed}\n{story}"

    def _nothing_of_ours_is_left(self) -> None:
        keeper, snapshot = self.keeper, self.world.snapshot()
        left = [entity for name in ("one", "two") for *_, entity in snapshot.owned_by(name)]
        left += [*self.world.links, *sorted(self.world.configs.keys() - {"theirs"})]
        left += [pending for pending in keeper.in_flight if not pending.lingering]
        left += [*keeper.interests.recorded(), *keeper.interests]
        left += [f"{name} is {status.type}" for name, status in keeper.said.items() if status.type != "undeployed"]
        assert not left, f"{left} is left\n{keeper.story}"


def _one_of(things: list[Any], number: int) -> Any:
    return things[number % len(things)]


TestHistory = History.TestCase
# Making a long history shorter takes minutes; the story that comes with a failure is mostly enough.
phases = [Phase.explicit, Phase.reuse, Phase.generate] + [Phase.shrink] * ("WADM_SHRINK" in os.environ)
TestHistory.settings = settings(
    phases=phases,
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
