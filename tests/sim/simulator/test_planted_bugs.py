"""Bugs planted on purpose, one at a time: the simulator must find each, or its checks do not bite."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from wadm.engine import (
    delivery,
    expectations,
    failure_detector,
    garbage,
    links,
    liveness,
    observe,
    plan,
    reconcile,
    status_reports,
    swaps,
    workloads,
)
from wadm.engine.traits import spreadscaler
from wadm.errors import WadmError
from wadm.model import lattice as observed
from wadm.model.names import APPSPEC
from wadm.model.status import ApplicationStatus
from wadm.server import lattice_manager, ownership, records, roster, store
from wadm.sim.manifests import Manifest
from wadm.sim.scenario import Scenario, application, component, link, play, provider
from wadm.sim.simulation import simulate
from wadm.sim.world import Failure, SimulatedServer, Trap
from wadm.transport.memory import MemoryTransport

Plant = Callable[[pytest.MonkeyPatch], None]

MOST_SEEDS = 60
"""Simulations in which a planted bug must have shown."""


def no_fencing(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner acts without asking whether the lattice is still its own."""
    monkeypatch.setattr(ownership.Leases, "holds", lambda *_: True)

    async def not_lost(*_: Any) -> None:
        pass

    monkeypatch.setattr(lattice_manager.LatticeManager, "lost", not_lost)


def nothing_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was asked for is forgotten at once."""
    monkeypatch.setattr(plan.PlanBuilder, "pending", lambda *_: None)


def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """What failed is tried again at once, for ever."""
    monkeypatch.setattr(expectations, "backoff", lambda *_: 0.0)


def timers_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was refused or not answered is never looked at again."""
    monkeypatch.setattr(expectations.Expectations, "next_due", lambda _: None)


def odd_last_event_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The event with 0 at the end of a live update is taken to mean that the component has stopped."""
    before = observe._component_scaled

    def believe(event: Any, lattice: Any, pending: Any, news: Any, now: float) -> None:
        if event.component.count == 0:
            observe.drop_entity("component", event.host_id, event.component.id, lattice, news)
        else:
            before(event, lattice, pending, news, now)

    monkeypatch.setattr(observe, "_component_scaled", believe)


def stopped_hosts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a host has stopped is not heard."""
    monkeypatch.setattr(observe, "remove_host", lambda *_: None)


def silent_hosts_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has fallen silent counts as living."""
    monkeypatch.setattr(failure_detector.FailureDetector, "check", lambda *_: ([], []))


def garbage_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an application does not want any more stays."""
    monkeypatch.setattr(garbage, "_workloads", lambda *_: iter(()))


def nothing_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is about to be put is not written down first."""

    async def not_saved(_self: Any, _application: str, record: plan.OwnedResources) -> plan.OwnedResources:
        return record

    monkeypatch.setattr(records.Records, "save", not_saved)


def rest_to_the_lightest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left over when instances are divided goes to the lightest spread in place of the heaviest."""
    before = spreadscaler.allocate

    def allocate(spread: Any) -> Any:
        shares = before(spread)
        targets = sorted(share.target for share in shares)
        if len(shares) < 2 or targets[0] == targets[-1]:
            return shares
        first, *rest, last = shares
        changed = type(first)(first.name, first.requirements, first.target - 1)
        return (changed, *rest, type(last)(last.name, last.requirements, last.target + 1))

    monkeypatch.setattr(spreadscaler, "allocate", allocate)


def said_too_early(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status says deployed as soon as everything has been asked for."""
    before = reconcile._status

    def status(*arguments: Any) -> ApplicationStatus:
        said = before(*arguments)
        return ApplicationStatus("deployed", "", said.scalers) if said.type == "reconciling" else said

    monkeypatch.setattr(reconcile, "_status", status)


def annotations_misread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names an application counts as wadm's, whoever started it."""
    monkeypatch.setattr(observed, "owner", lambda entity: entity.annotations.get(APPSPEC))


def links_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links of one source are put and deleted at the same time."""
    monkeypatch.setattr(plan.PlanBuilder, "must_wait", lambda *_: False)


def confirmed_before_it_is_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A write that failed is confirmed all the same."""
    before = store.Store._write

    async def write(self: Any, place: Any, name: str, record: Any, application: Any) -> Any:
        try:
            return await before(self, place, name, record, application)
        except WadmError:
            if record is None:
                raise
            return record

    monkeypatch.setattr(store.Store, "_write", write)


def statuses_unsaid(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status once said is never said to have changed."""
    before = status_reports.StatusReports.report

    def report(self: Any, name: str, status: ApplicationStatus, now: float) -> None:
        if not self.has_published(name):
            before(self, name, status, now)

    monkeypatch.setattr(status_reports.StatusReports, "report", report)


def moved_though_most_are_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hosts that fall silent together are lost one by one, as each alone would be."""
    monkeypatch.setattr(failure_detector.FailureDetector, "_is_majority", lambda *_: False)


def silent_under_the_former_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new owner takes the hosts that answer for all there are."""

    async def nobody(*_: Any) -> liveness.Remembered:
        return liveness.Remembered({})

    monkeypatch.setattr(roster.Roster, "load", nobody)


def links_after_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link is put while its provider starts, and counts as told."""
    monkeypatch.setattr(reconcile, "goes_first", lambda *_: False)
    monkeypatch.setattr(workloads, "awaited", lambda *_: None)
    monkeypatch.setattr(links, "delivery", lambda *_: delivery.DELIVERED)


def links_put_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed link is put over the one that providers have."""
    monkeypatch.setattr(links, "delivery", lambda *_: delivery.DELIVERED)
    monkeypatch.setattr(links, "running_ends", lambda *_: iter(()))


def values_untold(monkeypatch: pytest.MonkeyPatch) -> None:
    """That a configuration has other values concerns nobody who is linked with it."""
    before = observed.Lattice.set_config
    monkeypatch.setattr(
        observed.Lattice, "set_config", lambda self, name, properties, _now=None: before(self, name, properties)
    )


def telling_not_on_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner does not write down which links it is telling providers of."""
    before = records.encode_record
    monkeypatch.setattr(
        records, "encode_record", lambda record: before(plan.OwnedResources(record.links, record.configs))
    )


def surplus_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs where it is not wanted any more is stopped whether its replacement runs or not."""
    monkeypatch.setattr(workloads, "may_stop", lambda outside, *_: frozenset(outside))


def leftovers_stopped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an earlier version left is stopped though nothing runs yet of what may replace it."""
    monkeypatch.setattr(workloads.Progress, "note_what_serves", lambda _: None)


def hosts_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is stopped for another image on all its hosts at once."""
    monkeypatch.setattr(workloads.Progress, "restarting", property(lambda _: False, lambda *_: None), raising=False)


def given_up_too_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider is given up before its host has asked for its health."""
    monkeypatch.setattr(swaps, "REPORTS_WITHIN", 2.0)


def not_purged_at_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the former owner left in the command stream stays there."""

    async def not_purged(*_: Any) -> None:
        pass

    monkeypatch.setattr(MemoryTransport, "purge_stream", not_purged)


PLANTED: tuple[tuple[Plant, set[str]], ...] = (
    (no_fencing, {"ownership"}),
    (nothing_in_flight, {"restraint"}),
    (no_pauses, {"restraint"}),
    (timers_forgotten, {"convergence"}),
    (odd_last_event_believed, {"restraint"}),
    (stopped_hosts_kept, {"convergence"}),
    (silent_hosts_kept, {"convergence"}),
    (garbage_forgotten, {"convergence"}),
    (nothing_on_record, {"order"}),
    (rest_to_the_lightest, {"convergence"}),
    (said_too_early, {"honesty"}),
    (annotations_misread, {"ownership"}),
    (confirmed_before_it_is_stored, {"durability"}),
    (statuses_unsaid, {"convergence"}),
    (moved_though_most_are_silent, {"composure"}),
    (silent_under_the_former_owner, {"composure"}),
    (links_after_the_start, {"convergence"}),
    (links_put_over, {"convergence"}),
    (surplus_stopped_at_once, {"replacement"}),
    (leftovers_stopped_at_once, {"replacement"}),
    (hosts_side_by_side, {"replacement"}),
    (given_up_too_soon, {"honesty"}),
)


FIRST_SEED = {stopped_hosts_kept: 50, links_put_over: 50, hosts_side_by_side: 50}
"""Where simulations begin that draw what shows a bug; 0 for all others."""


@pytest.mark.parametrize(("plant", "checks"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_bug_is_found(plant: Plant, checks: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = _failed_checks(FIRST_SEED.get(plant, 0))
    assert any(check in checks for check in found), f"{plant.__doc__} Nobody noticed."


def _failed_checks(first: int) -> Iterator[str]:
    for seed in range(first, first + MOST_SEEDS):
        yield from (failure.check for failure in simulate(seed).failures)


# -- what seldom comes about by itself is played ---------------------------------------------------


def listening(address: str, version: str) -> Manifest:
    """An application whose provider is told where to listen by the configuration of its link."""
    to = link("api")
    to["properties"]["source"] = {"config": [{"name": "addr", "properties": {"address": address}}]}
    return application("shop", component("api", 1), provider("http", links=(to,)), version=version)


async def other_values(scene: Scenario) -> None:
    """A configuration of a link gets other values."""
    await scene.start(servers=1, hosts=1)
    await scene.deploy(listening(":80", "v1"))
    await scene.until_whole(within=10)
    await scene.deploy(listening(":81", "v2"))
    await scene.until_whole(within=10)


async def an_owner_dies_while_it_tells(scene: Scenario) -> None:
    """The values have been put, and the owner dies as it is about to tell the provider of them."""
    await scene.start(servers=2, hosts=1)
    await scene.deploy(listening(":80", "v1"))
    await scene.until_whole(within=10)
    former = scene.owner()
    scene.world.traps.append(Trap(("wasmbus.ctl.v1.default.link.del",), False, SimulatedServer.kill))
    await scene.deploy(listening(":81", "v2"))
    await scene.until_owned(within=15, by_another_than=former)
    await scene.until_whole(within=20)


async def many_links_of_one_source(scene: Scenario) -> None:
    """A component gets links to six providers, and has them taken away."""
    await scene.start(servers=1, hosts=4)
    names = [f"p{number}" for number in range(6)]
    links = tuple(link(name, name) for name in names)
    await scene.deploy(application("shop", component("api", 1, links=links), *map(provider, names)))
    await scene.until_whole(within=2)
    await scene.deploy(application("shop", component("api", 1), version="v2"))
    await scene.until_whole(within=2)


async def an_owner_dies_with_commands_in_the_stream(scene: Scenario) -> None:
    """The stream has taken its commands, and it has carried out none."""
    await scene.start(servers=2, hosts=2)
    await scene.deploy(application("first", component("api", 1)))
    await scene.until_whole(within=10)
    former = scene.owner()
    scene.world.traps.append(Trap(("wadm.cmd.default",), True, SimulatedServer.kill))
    await scene.deploy(application("shop", component("api", 6), provider("kv"), component("web", 2)))
    await scene.until_owned(within=15, by_another_than=former)
    await scene.until_whole(within=20)


Script = Callable[[Scenario], Awaitable[None]]
PLAYED: tuple[tuple[Plant, Script, str], ...] = (
    (values_untold, other_values, "shop-http on host-1 has another link"),
    (telling_not_on_record, an_owner_dies_while_it_tells, "shop-http on host-1 has another link"),
    (links_side_by_side, many_links_of_one_source, "link shop-api wasi p0 default shop-p0 is missing"),
    (not_purged_at_take_over, an_owner_dies_with_commands_in_the_stream, "take-over: .* left in the stream"),
)


@pytest.mark.parametrize(("plant", "script", "said"), PLAYED, ids=[plant.__name__ for plant, _, _ in PLAYED])
def test_a_planted_bug_is_found_by_a_script(
    plant: Plant, script: Script, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(script)  # nothing is found where nothing is planted
    plant(monkeypatch)
    with pytest.raises((AssertionError, Failure), match=said):
        play(script)
