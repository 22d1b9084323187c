"""What is ours and no scaler wants any more. It is found by looking, not remembered.

Components and providers bear the application's name. Links and configurations do not: what wadm put is on record
(:class:`~wadm.engine.plan.OwnedResources`) until it is certain to be gone. Nothing that another application wants is
touched: it stays on record, and goes when that application does not want it any more. A configuration goes only after
everything of the application that could use it has gone.

While a part of the wanted version runs nowhere yet, all that runs of earlier versions stays: it may be what that part
replaces, under another name. What a component uses that goes on in an earlier version stays with it. An earlier version
may also go on where it is not known what a host runs: until it is, links and configurations of it stay.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from wadm.engine.commands import creates, starting, stops
from wadm.engine.delivery import delivery
from wadm.engine.expectations import Pending
from wadm.engine.plan import OwnedResources, PlanBuilder
from wadm.engine.steps import Steps, is_time_to_yield
from wadm.engine.workloads import stop_component
from wadm.model.commands import DeleteConfig, DeleteLink, Key, ScaleComponent, StopProvider
from wadm.model.lattice import Component, EntityKind, Link, LinkKey
from wadm.model.swaps import joined

NOT_WANTED = "the application does not want it any more"


class Leftovers(Struct):
    """What is still to go, how many things that are, and why some of them do not."""

    record: OwnedResources
    count: int = 0
    errors: dict[str, None] = field(default_factory=dict)

    def add(self, pending: Pending | None = None) -> None:
        """Count one thing, with what is pending to remove it."""
        self.count += 1
        if pending is not None and pending.error:
            self.errors[pending.error] = None


def plan_garbage(work: PlanBuilder) -> Steps[Leftovers]:
    """Plan the removal of what is left over."""
    wanted = work.wanted
    left = Leftovers(wanted)
    yield from _workloads(work, left)
    links = yield from _links(work, wanted, left)
    yield from _under_way(work, left)
    configs = yield from _configs(work, wanted, left)
    untold = frozenset(work.links.untold & wanted.links)
    left.record = OwnedResources(
        wanted.links | links,
        wanted.configs | configs,
        untold,
        _changing(work, wanted),
        joined(*work.workloads.swaps.values()),
    )
    yield from _settle_the_rest(work)
    return left


def _changing(work: PlanBuilder, wanted: OwnedResources) -> frozenset[str]:
    """Return the configurations that get other values, and those that have them, or may have, but not everybody linked
    is told. Of one whose values are not known, as the put was not answered, nobody is known to be told."""
    told = {
        name
        for name in work.record.changing
        if name in work.lattice.configs
        and all(
            delivery(link, work.lattice).state == "delivered"
            for at in work.lattice.links_naming(name)
            if (link := work.lattice.link(at)) is not None
        )
    }
    return frozenset((work.configs.changing | (work.record.changing - told)) & wanted.configs)


def _workloads(work: PlanBuilder, left: Leftovers) -> Steps[None]:
    application, left_over = work.desired.application, work.left_over
    led_to = _led_to(work) if left_over else set()
    in_the_way = _in_the_way(work) if left_over else set()
    for kind, host, entity in left_over:
        yield
        waits = bool(work.workloads.not_serving) and not (kind == "provider" and entity.id in in_the_way)
        if waits:
            work.workloads.still_serving.add((kind, entity.id))
        if waits or (kind == "component" and entity.id in led_to):
            work.commands.considered.add((kind, host, entity.id))
            left.add()
            continue
        stop: ScaleComponent | StopProvider
        if isinstance(entity, Component):
            stop = stop_component(entity, host, application)
        else:
            stop = StopProvider(entity.id, host, application, entity.annotations)
        left.add(work.ensure(stop, "", NOT_WANTED))
    for _, host, entity in work.trials_over:
        if isinstance(entity, Component):
            left.add(work.ensure(stop_component(entity, host, application), "", "the new image has been tried"))


def _led_to(work: PlanBuilder) -> set[str]:
    """Return the targets of links of earlier versions that are still in force: a version that follows another has them
    deleted first, so that nothing calls what is gone. An application that is undeployed need not be called."""
    if work.desired.version is None:
        return set()
    return {
        target
        for key, target in work.record.links - work.wanted.links
        if any(link.target == target for link in work.lattice.links.get(key, ())) and not work.needed.link(key, target)
    }


def _in_the_way(work: PlanBuilder) -> set[str]:
    """Return the ids of providers that must go before what replaces them can serve: a provider cannot listen on an
    address on which another still does."""
    new = {s.link for s in work.desired.links if ("provider", s.link.source_id) in work.workloads.not_serving}
    addresses = {address for link in new for address in _addresses(link, work)}
    if not addresses:
        return set()
    links = (link for links in work.lattice.links.values() for link in links)
    return {link.source_id for link in links if not addresses.isdisjoint(_addresses(link, work))}


def _same_address(some: Iterable[Link], others: Iterable[Link], work: PlanBuilder) -> bool:
    addresses = {address for link in others for address in _addresses(link, work)}
    return any(address in addresses for link in some for address in _addresses(link, work))


def _serves_still(key: LinkKey, target: str, work: PlanBuilder) -> bool:
    """Whether a link serves what goes on in an earlier version: a component, as what that one calls or what leads to
    it, or a provider that may be started again. What leads to a component that the manifest still has goes at once: its
    provider can have been told another."""
    if work.lattice.certainty.unseen and work.desired.version is not None:
        work.waits_for_silent = True
        return True
    if ("component", key[0]) in work.workloads.still_serving:
        return True
    if any(provider_id == key[0] for _, provider_id in work.workloads.swaps):
        old = [link for link in work.lattice.links.get(key, ()) if link.target == target]
        new = [scaler.link for scaler in work.desired.links_at.get(key[0], ()) if scaler.link.source_id == key[0]]
        return not _same_address(old, new, work)
    return ("component", target) in work.workloads.still_serving and not (
        {("component", target), ("provider", target)} & work.desired.things.keys()
    )


def _addresses(link: Link, work: PlanBuilder) -> list[str]:
    """Return the addresses that the source of a link is told to listen on."""
    configs = [work.desired.configs.get(name) or work.lattice.configs.get(name) or {} for name in link.source_config]
    return [config["address"] for config in configs if "address" in config]


def _under_way(work: PlanBuilder, left: Leftovers) -> Steps[None]:
    """Wait for starts and puts that nothing wants any more: what they bring about is left over then, and removed."""
    for number, pending in enumerate(tuple(work.in_flight.unordered(work.desired.application))):
        if is_time_to_yield(number):
            yield
        key = pending.command.key
        if (
            key[0] != "config"
            and key not in work.commands.considered
            and creates(pending.command)
            and work.under_way(key)
        ):
            work.commands.considered.add(key)
            left.add()


def _settle_the_rest(work: PlanBuilder) -> Steps[None]:
    """Settle what is pending for things that this plan does not care for.

    A link that is being deleted is waited for all the same: others of its source must be. While it is not known whether
    a deletion was done, its failures are remembered. So is a stop that is under way, as a later plan may want it, too.
    And of what is not wanted any more it is remembered which hosts may still be at work on a start, for the case that
    it is wanted again with another image (:func:`~wadm.engine.plan.start_beside`).
    """
    for number, pending in enumerate(tuple(work.in_flight.unordered(work.desired.application))):
        if is_time_to_yield(number):
            yield
        key = pending.command.key
        if key in work.commands.considered:
            continue
        deleting = isinstance(pending.command, DeleteLink) and (
            work.under_way(key) or not work.lattice.certainty.knows_link(pending.command.link_key)
        )
        stopping = stops(pending.command) and work.under_way(key)
        at_work = pending.lingering and starting(pending.command) is not None and not _is_wanted(key, work)
        if not (deleting or stopping or at_work):
            work.commands.resolved.add(key)


def _is_wanted(key: Key, work: PlanBuilder) -> bool:
    kind: EntityKind = "provider" if key[0] == "provider" else "component"
    return (kind, key[2]) in work.desired.things


def _links(work: PlanBuilder, wanted: OwnedResources, left: Leftovers) -> Steps[frozenset[tuple[LinkKey, str]]]:
    kept = set()
    for key, target in sorted(work.record.links - wanted.links):
        yield
        known = work.lattice.certainty.knows_link(key)
        coming = work.under_way(("link", *key, target))
        there = any(one.target == target for one in work.lattice.links.get(key, ()))
        if known and not there and not coming:
            if work.lattice.certainty.of_link(key) == "unsettled":
                kept.add((key, target))  # Most likely it is gone: the application need not wait to be undeployed.
            continue
        kept.add((key, target))
        if work.needed.link(key, target):
            continue
        if known and _serves_still(key, target, work):
            work.commands.considered.add(("link", *key, target))
            left.add()
            continue
        work.commands.considered.add(("link", *key, target))
        delete = DeleteLink(*key[:3], key[3], work.desired.application)
        if known and not coming and key not in work.links.open and not work.must_wait(delete):
            # Under an identity with several targets a host deletes the first: wanted ones that are not in force yet
            # are put before, those that this takes along are put again.
            left.add(work.ensure(delete, "", NOT_WANTED))
        else:
            left.add(work.pending(delete.key))
            work.questions.links = work.questions.links or not known
    return frozenset(kept)


def _is_named(config: str, work: PlanBuilder) -> bool:
    """Whether a link of the application that is in the lattice refers to a configuration still."""
    ours = work.record.links | work.wanted.links
    return any(at in ours for at in work.lattice.links_naming(config))


def _configs(work: PlanBuilder, wanted: OwnedResources, left: Leftovers) -> Steps[frozenset[str]]:
    kept = set()
    wait = left.count > 0 or bool(
        work.workloads.still_serving or work.workloads.leaving or work.workloads.swaps or work.lattice.certainty.unseen
    )
    for name in sorted(work.record.configs - wanted.configs):
        yield
        key = ("config", name)
        gone = work.lattice.configs.get(name, "") is None
        if gone and not work.under_way(key):
            if work.lattice.certainty.of_config(name, name in work.lattice.configs) == "unsettled":
                kept.add(name)
            continue
        kept.add(name)
        if work.needed.config(name) or name in work.desired.configs:
            continue
        work.commands.considered.add(key)
        known = name in work.lattice.configs
        if not known and not work.under_way(key):
            work.questions.configs.add(name)
        if wait or not known or _is_named(name, work):
            left.add()
        else:
            left.add(work.ensure(DeleteConfig(name, work.desired.application), "", "nothing uses it now"))
    return frozenset(kept)
