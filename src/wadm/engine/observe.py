"""Folding what hosts say into the lattice, and finding out which applications care.

Functions change the lattice and what is in flight, and note in :class:`~wadm.engine.changes.ChangeSet` what was
touched, so that a batch of events is folded first and each touched application planned once after it. What an event
leaves open (did this stop, or was it the odd last event of an update?) is not guessed: the host is asked for its
inventory.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping

from msgspec.structs import replace

from wadm.engine.changes import ChangeSet, LastEventTimes, drop_entity
from wadm.engine.commands import ALREADY_RUNNING, when_put
from wadm.engine.expectations import Expectations, Pending
from wadm.engine.outcomes import failed, note_no_answer
from wadm.engine.scalers import Desired
from wadm.model.commands import Key, ScaleComponent, StartProvider
from wadm.model.events import (
    ComponentScaled,
    ComponentScaleFailed,
    ConfigDeleted,
    ConfigSet,
    Event,
    HostHeartbeat,
    HostStarted,
    HostStopped,
    LabelsChanged,
    LinkDeleted,
    LinkSet,
    LinkSetFailed,
    ProviderHealth,
    ProviderStarted,
    ProviderStartFailed,
    ProviderStopped,
)
from wadm.model.lattice import Component, EntityKind, Inventory, Lattice, Link, LinkKey, Provider
from wadm.model.names import strip_reference
from wadm.model.provider_starts import HEARD_WITHIN

STANDS_STILL = 300.0
"""Seconds after which nothing comes of a put that got no answer: by default a NATS server lets go of a client that has
not answered it for four minutes."""


def observe(
    event: Event, lattice: Lattice, in_flight: Expectations, news: ChangeSet, touched: LastEventTimes, now: float
) -> None:
    """Fold one event into the lattice."""
    match event:
        case HostHeartbeat():
            observe_inventory(event.inventory, lattice, in_flight, news, now)
        case ComponentScaled():
            touched[(event.host_id, "component", event.component.id)] = now
            _component_scaled(event, lattice, in_flight, news, now)
        case ComponentScaleFailed():
            key = ("component", event.host_id, event.component_id)
            _failed_start(key, event.image, event.error, in_flight, news, now)
        case ProviderStarted():
            touched[(event.host_id, "provider", event.provider.id)] = now
            _provider_started(event, lattice, in_flight, news, now)
        case ProviderStartFailed():
            key = ("provider", event.host_id, event.provider_id)
            if event.error in ALREADY_RUNNING:
                news.questions.hosts.add(event.host_id)
            else:
                _failed_start(key, event.image, event.error, in_flight, news, now)
        case ProviderStopped():
            touched[(event.host_id, "provider", event.provider_id)] = now
            drop_entity("provider", event.host_id, event.provider_id, lattice, news)
        case ProviderHealth():
            _health(event, lattice, news, now)
        case LinkSet():
            lattice.certainty.changed_sources[event.link.source_id] = now
            # What others have put, they have put some time before the event came.
            put = when_put(event.link, in_flight.get(("link", *event.link.key, event.link.target)))
            if lattice.put_link(event.link, now, now - HEARD_WITHIN if put is None else put):
                news.links.add(event.link.key)
        case LinkDeleted():
            lattice.certainty.changed_sources[event.key[0]] = now
            if event.target is None:
                # The host found no such link. If one is known here, one of the two is behind.
                news.questions.links = news.questions.links or event.key in lattice.links
            else:
                in_flight.answer(("link", *event.key))
                first = next(iter(lattice.links.get(event.key, ())), None)
                if lattice.drop_link(event.key, event.target):
                    news.links.add(event.key)
                if first is not None and first.target != event.target:
                    # The first of several goes (docs/protocol/lattice.md#link-delete): which there are is not known.
                    lattice.certainty.doubtful.add(event.key)
                    news.questions.links = True
        case ConfigSet() | ConfigDeleted():
            _config(event, lattice, in_flight, news)
        case HostStarted():
            _host_started(event, lattice, in_flight, news, now)
        case HostStopped():
            remove_host(event.host_id, lattice, in_flight, news)
        case LabelsChanged():
            if event.host_id not in lattice.hosts:
                news.questions.hosts.add(event.host_id)
            elif lattice.set_labels(event.host_id, event.labels):
                _host_changed(event.host_id, lattice, news, relabelled=True)
        case LinkSetFailed():
            pass  # The reply to whoever put it says the same, and is heard by the one concerned.


def observe_desired(before: Desired | None, after: Desired, news: ChangeSet, lattice: Lattice) -> None:
    """Note that an application wants something else than before. It is to be planned, and with it those that want the
    same (an id, a link), and those that have put what it uses: they keep it as long as it does. What its configurations
    hold must be known for that."""
    news.applications.add(after.application)
    news.questions.configs |= after.configs.keys() - lattice.configs.keys()
    for desired in (before, after):
        if desired is not None:
            news.entities |= {(workload.entity_kind, workload.entity_id) for workload in desired.workloads}
            news.links |= {scaler.link.key for scaler in desired.links}
            news.configs |= desired.configs.keys()


def observe_due(lattice: Lattice, in_flight: Expectations, news: ChangeSet, now: float) -> None:
    """Note that time has passed: who must be planned again, and what must be looked at.

    What shows no sign by its deadline is as uncertain as what got no answer: it may wait to be sent, and be done yet.
    """
    applications, looks = in_flight.due(now, lattice)
    news.applications |= applications
    for key in looks:
        news.request_verification(key)
        pending = in_flight.get(key)
        if pending is not None and pending.lingering:
            note_no_answer(pending.command, lattice, now)


def observe_outlived(outlived: Iterable[tuple[str, str]], lattice: Lattice, now: float) -> None:
    """Note what an earlier owner has left on record that is not wanted any more: perhaps it has put it a moment ago and
    got no answer, so that a host that stands still may put it yet."""
    for thing in outlived:
        lattice.certainty.late_puts[thing] = now


def observe_given_up(lattice: Lattice, news: ChangeSet, now: float) -> None:
    """Note that time has passed: of which puts that got no answer nothing can come any more."""
    for kind, name in lattice.certainty.end_late_puts(now - STANDS_STILL):
        (news.sources if kind == "link" else news.configs).add(name)


def observe_inventory(
    inventory: Inventory,
    lattice: Lattice,
    in_flight: Expectations,
    news: ChangeSet,
    now: float,
    touched: Mapping[tuple[str, EntityKind, str], float] | None = None,
    asked: float = 0.0,
) -> None:
    """Fold a host's whole truth about itself: what it does not list does not run there.

    For an inventory that was asked for, ``asked`` is when: things that an event has told of since are left as they are.
    An event of the very same moment is taken for what led to the question.
    """
    host_id = inventory.host_id
    new = host_id not in lattice.hosts
    if lattice.put_host(host_id, inventory.friendly_name, inventory.labels, inventory.version, now):
        _host_changed(host_id, lattice, news, relabelled=not new)
    host = lattice.hosts[host_id]
    found = not host.known
    if found:
        host.known = True
        news.hosts.add(host_id)
        news.applications.update(lattice.owners_on(host_id))

    def is_newer(kind: EntityKind, entity_id: str) -> bool:
        return touched is not None and touched.get((host_id, kind, entity_id), asked) > asked

    components = {c.id: c for c in inventory.components}
    providers = {p.id: p for p in inventory.providers}
    for entity_id in [i for i in host.components if i not in components and not is_newer("component", i)]:
        drop_entity("component", host_id, entity_id, lattice, news)
    for entity_id in [i for i in host.providers if i not in providers and not is_newer("provider", i)]:
        drop_entity("provider", host_id, entity_id, lattice, news)
    for component in components.values():
        known, pending = host.components.get(component.id), in_flight.get(("component", host_id, component.id))
        told = component if known is None else _with_code(component, known, pending)
        if known != told and not is_newer("component", component.id):
            _put(host_id, told, lattice, news)
    for provider in providers.values():
        before = host.providers.get(provider.id)
        listed = provider if before is None else replace(provider, health=before.health)
        if before != listed and not is_newer("provider", provider.id):
            if before is None:
                starts = lattice.provider_starts
                if found:
                    starts.found(host_id, provider.id, provider.image, now)
                else:
                    since, as_of = _when_asked(host_id, provider, in_flight)
                    starts.missed(host_id, provider.id, provider.image, now, since, as_of)
            _put(host_id, listed, lattice, news)


def observe_no_effect(
    host_id: str,
    lattice: Lattice,
    in_flight: Expectations,
    news: ChangeSet,
    now: float,
    touched: Mapping[tuple[str, EntityKind, str], float] | None = None,
    asked: float = 0.0,
) -> None:
    """After a host's inventory: find re-scales that it has answered and that changed nothing, and try another way.

    A host drops annotations of a request whose number and configuration it has already
    (docs/protocol/lattice.md#scale-unchanged). An inventory that was ``asked`` for before the answer came says nothing.
    """
    for entity_id in lattice.hosts[host_id].components if host_id in lattice.hosts else ():
        if touched is not None and touched.get((host_id, "component", entity_id), -math.inf) > asked:
            continue
        pending = in_flight.get(("component", host_id, entity_id))
        if pending is not None and pending.answered and not pending.held:
            in_flight.retry(pending.command.key, now)
            news.applications.add(pending.application)


def observe_links(
    links: Iterable[Link],
    lattice: Lattice,
    news: ChangeSet,
    newer: Collection[LinkKey] = frozenset(),
    as_of: float = math.inf,
    now: float | None = None,
) -> None:
    """Fold the list of all links of the lattice, except under keys of which something ``newer`` has been heard. What
    happened before ``as_of`` is certain to be in it.

    A host answers from its own copy, which may lag behind a link that was just put or deleted. If it has one that was
    not known and is in doubt, that is certain; what it has as it was known, or lacks, is not.
    """
    certainty, told = lattice.certainty, list(links)
    first = not certainty.links_read
    newer = set(newer) - {link.key for link in told if link.key in certainty.doubtful and lattice.link(link.at) != link}
    kept = [link for key in newer for link in lattice.links.get(key, ())]
    news.links |= lattice.set_links([*(link for link in told if link.key not in newer), *kept], now)
    resolved, settled = certainty.note_reading(as_of, newer)
    news.links |= resolved
    news.sources |= settled
    if first:
        news.links |= lattice.links.keys()
        news.all_links = True


def observe_config(
    name: str, properties: dict[str, str] | None, lattice: Lattice, news: ChangeSet, now: float | None = None
) -> None:
    """Fold the content of a configuration; ``None``: there is none of that name."""
    if lattice.set_config(name, properties, now):
        news.configs.add(name)


def remove_host(host_id: str, lattice: Lattice, in_flight: Expectations, news: ChangeSet) -> None:
    """Forget a host that has stopped or is lost, what ran there and what was asked of it."""
    if host_id not in lattice.hosts:
        return
    _host_changed(host_id, lattice, news)
    news.applications |= in_flight.drop_host(host_id)
    lattice.remove_host(host_id)


# -- single events ----------------------------------------------------------------------------


def _component_scaled(
    event: ComponentScaled, lattice: Lattice, in_flight: Expectations, news: ChangeSet, now: float
) -> None:
    """Fold a scale event, minding a host's habits (docs/protocol/lattice.md#components).

    A re-scale tells the annotations and image from before, an update ends with an event that says 0 while all runs.
    Where that leaves a doubt, the host is asked. An image from before that is not the one asked for is the one whose
    code still runs.
    """
    host_id, told = event.host_id, event.component
    key = ("component", host_id, told.id)
    known = lattice.find("component", host_id, told.id)
    pending = in_flight.get(key)
    asked = pending.command if pending is not None else None
    if told.count == 0:
        echo = in_flight.echo(key)
        if known is None:
            return
        if isinstance(asked, ScaleComponent) and asked.count == 0 and not echo:
            drop_entity("component", host_id, told.id, lattice, news)
            return
        news.questions.hosts.add(host_id)
        if isinstance(asked, ScaleComponent) and isinstance(known, Component) and not echo:
            # A stop from before what is asked now, or an event that comes late. What is known counts for nothing until
            # the host has answered: it accepts the start of what has ended as well as of what runs.
            _put(host_id, replace(known, perhaps_gone=True), lattice, news)
    elif isinstance(known, Component) and known.code and (told.count, told.image) == (known.count, known.code):
        pass  # It tells of the re-scale that gave it another name, which has been heard of already.
    elif isinstance(known, Component) and isinstance(asked, ScaleComponent):
        wanted = Component(asked.component_id, asked.reference, asked.count, asked.annotations)
        if told.count == asked.count != known.count:
            before = known if known.image == told.image else told
            told = replace(wanted, code=_other_code(before, wanted.image))
        elif told != wanted:
            if told.count == asked.count:
                in_flight.answer(key)
                if pending is not None and pending.lingering:
                    in_flight.deliver(key, now)  # The host has taken it on, though its reply was lost or late.
            told = _in_doubt(told, known)
            news.questions.hosts.add(host_id)
        _put(host_id, told, lattice, news)
    elif isinstance(known, Component):
        if told.image == known.image and told.annotations != known.annotations:
            # The event of a re-scale, which may be late or come twice, tells those from before.
            told = replace(told, annotations=known.annotations)
            news.questions.hosts.add(host_id)
        _put(host_id, _in_doubt(told, known), lattice, news)
    else:
        _put(host_id, told, lattice, news)


def _in_doubt(told: Component, known: Component) -> Component:
    """Return a component as told, marked where its number is another than before and wadm has not asked for that."""
    return replace(told, rescaled=known.rescaled or told.count != known.count)


def _with_code(listed: Component, known: Component, pending: Pending | None) -> Component:
    """Return a component as a host lists it, with the image whose code runs, if that is known to be another."""
    asked = pending.command if pending is not None else None
    if not isinstance(asked, ScaleComponent) or asked.count != listed.count:
        listed = _in_doubt(listed, known)
    elif known.rescaled:
        listed = replace(listed, rescaled=known.count == listed.count)  # no event has told yet that it was carried out
    if known.image == listed.image:
        return replace(listed, code=known.code) if known.code else listed
    # What gets the name of another image because of a re-scale keeps its code.
    if isinstance(asked, ScaleComponent) and (asked.reference, asked.count) == (listed.image, listed.count):
        return replace(listed, code=_other_code(known, listed.image))
    return listed


def _other_code(before: Component, name: str) -> str:
    """Return the image whose code runs after a re-scale that named another, or nothing if that is its own."""
    code = before.code or before.image
    return code if code != name else ""


def _failed_start(key: Key, reference: str, error: str, in_flight: Expectations, news: ChangeSet, now: float) -> None:
    """Note that a host could not do something, unless it speaks of an earlier try with another image."""
    pending = in_flight.get(key)
    asked = getattr(pending.command, "reference", reference) if pending is not None else reference
    if not reference or strip_reference(asked) == strip_reference(reference):
        failed(key, error, in_flight, news, now)


def _provider_started(
    event: ProviderStarted, lattice: Lattice, in_flight: Expectations, news: ChangeSet, now: float
) -> None:
    provider = event.provider
    known = lattice.find("provider", event.host_id, provider.id)
    if not isinstance(known, Provider) or (known.image, known.annotations) != (provider.image, provider.annotations):
        # Else it is an event that came twice, or after an inventory that told the same.
        asked, as_of = _when_asked(event.host_id, provider, in_flight)
        lattice.provider_starts.started(event.host_id, provider.id, provider.image, now, asked, as_of)
    _put(event.host_id, provider, lattice, news)


def _when_asked(host_id: str, provider: Provider, in_flight: Expectations) -> tuple[float | None, float | None]:
    """Return when this server asked a host for the start of a provider that the host tells of, and as of when links are
    certain to be in the list that it is started with; ``None`` where it did not ask."""
    pending = in_flight.get(("provider", host_id, provider.id))
    if pending is None or not isinstance(pending.command, StartProvider):
        return None, None
    same = strip_reference(pending.command.reference) == strip_reference(provider.image)
    return (pending.since, pending.links_as_of) if same else (None, None)


def _health(event: ProviderHealth, lattice: Lattice, news: ChangeSet, now: float) -> None:
    known = lattice.find("provider", event.host_id, event.provider_id)
    if event.health != "silent" and isinstance(known, Provider):
        passed = event.health == "running" and not event.unchanged
        alone = lattice.answering("provider", event.provider_id) <= 1
        if lattice.provider_starts.reported(event.host_id, event.provider_id, now, passed, alone):
            news.mark_entity("provider", known)
    if not isinstance(known, Provider) or (event.unchanged and known.health == "failed"):
        return
    if lattice.set_health(event.host_id, event.provider_id, event.health):
        news.mark_entity("provider", known)


def _config(event: ConfigSet | ConfigDeleted, lattice: Lattice, in_flight: Expectations, news: ChangeSet) -> None:
    """Our own put or delete is confirmed by its reply; what anybody else did must be looked at.

    That is so of a deletion too: the event may be late or come twice, and what was put since would be forgotten.
    """
    pending = in_flight.get(("config", event.name))
    if pending is not None and not pending.held:
        return
    if lattice.forget_config(event.name):
        news.configs.add(event.name)


def _host_started(event: HostStarted, lattice: Lattice, in_flight: Expectations, news: ChangeSet, now: float) -> None:
    known = lattice.hosts.get(event.host_id)
    changed = lattice.put_host(event.host_id, event.friendly_name, event.labels, event.version, now)
    if known is None:
        lattice.hosts[event.host_id].known = True
    else:
        # Started again under the same id, or a late event: its inventory tells which. Until then it may be empty.
        known.known = False
        news.questions.hosts.add(event.host_id)
        news.applications |= in_flight.drop_host(event.host_id)
    _host_changed(event.host_id, lattice, news, relabelled=changed and known is not None)


def _host_changed(host_id: str, lattice: Lattice, news: ChangeSet, relabelled: bool = False) -> None:
    """Note a host that changed: it concerns those who want hosts, and those whose things run there."""
    news.hosts.add(host_id)
    if relabelled:
        news.relabelled.add(host_id)
    host = lattice.hosts[host_id]
    for component in host.components.values():
        news.mark_entity("component", component)
    for provider in host.providers.values():
        news.mark_entity("provider", provider)


def _put(host_id: str, entity: Component | Provider, lattice: Lattice, news: ChangeSet) -> None:
    kind: EntityKind = "component" if isinstance(entity, Component) else "provider"
    before = lattice.find(kind, host_id, entity.id)
    new_host = host_id not in lattice.hosts
    if not lattice.put(host_id, entity):
        return
    if new_host:
        news.questions.hosts.add(host_id)
        news.hosts.add(host_id)
    if before is not None:
        news.mark_entity(kind, before)
    news.mark_entity(kind, entity)
