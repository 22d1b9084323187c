"""What happened, in words: each event of a host and each answer as one sentence for the timeline."""

from __future__ import annotations

from msgspec import Struct

from wadm.engine.commands import describe
from wadm.model.commands import Outcome
from wadm.model.events import (
    ComponentScaled,
    ComponentScaleFailed,
    ConfigDeleted,
    ConfigSet,
    Event,
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
from wadm.model.lattice import EntityKind, Health, Lattice, LinkKey, Provider


class Told(Struct, frozen=True):
    """A sentence, the host that it comes from, and what it is about: an entity, a link or a configuration."""

    text: str
    host_id: str = ""
    about: str = ""
    entity: tuple[EntityKind, str] | None = None
    link: LinkKey | None = None
    config: str | None = None


def tell(event: Event, lattice: Lattice) -> Told | None:
    """Return an event in words, ``None`` for one that is nobody's news. Asked before the event is folded."""
    match event:
        case ComponentScaled():
            component = event.component
            text = f"{component.id} runs up to {component.count}" if component.count else f"{component.id} scaled to 0"
            return _entity("component", component.id, event.host_id, f"{text} ({component.image})")
        case ComponentScaleFailed():
            text = f"{event.component_id} could not be scaled ({event.image}): {event.error}"
            return _entity("component", event.component_id, event.host_id, text)
        case ProviderStarted():
            provider = event.provider
            return _entity("provider", provider.id, event.host_id, f"{provider.id} started ({provider.image})")
        case ProviderStartFailed():
            text = f"{event.provider_id} could not be started ({event.image}): {event.error}"
            return _entity("provider", event.provider_id, event.host_id, text)
        case ProviderStopped():
            return _entity("provider", event.provider_id, event.host_id, f"{event.provider_id} stopped")
        case ProviderHealth():
            return _health(event, lattice)
        case LinkSet():
            return _link(event.link.key, f"the link to {event.link.target} is in force")
        case LinkSetFailed():
            return _link(event.link.key, f"the link to {event.link.target} was refused: {event.error}")
        case LinkDeleted() if event.target is not None:
            return _link(event.key, f"the link to {event.target} is gone")
        case ConfigSet():
            return Told(f"configuration {event.name} was set", about=event.name, config=event.name)
        case ConfigDeleted():
            return Told(f"configuration {event.name} was deleted", about=event.name, config=event.name)
        case _:
            return None


def tell_host(event: Event) -> str | None:
    """Return what an event says of its host as a whole, which concerns all that runs there."""
    match event:
        case HostStarted():
            return "the host started"
        case HostStopped():
            return "the host stopped"
        case LabelsChanged():
            return "the labels of the host changed"
        case _:
            return None


def tell_outcome(outcome: Outcome, lattice: Lattice) -> str:
    """Return what became of a command."""
    what = describe(outcome.command, lattice)
    message = f": {outcome.message}" if outcome.message else ""
    match outcome.result:
        case "accepted":
            return f"accepted: {what}"
        case "refused":
            return f"refused: {what}{message}"
        case "unanswered":
            return f"not answered in time: {what}{message}"
        case _:
            return f"nobody there to answer: {what}{message}"


_HEALTH: dict[Health, str] = {
    "pending": "has not told of its health",
    "running": "is healthy",
    "failed": "is not healthy",
    "silent": "does not tell of its health any more: it may have crashed, or hang",
}


def _health(event: ProviderHealth, lattice: Lattice) -> Told | None:
    known = lattice.find("provider", event.host_id, event.provider_id)
    if not isinstance(known, Provider) or known.health == event.health:
        return None
    if event.unchanged and known.health != "silent":
        return None
    return _entity("provider", event.provider_id, event.host_id, f"{event.provider_id} {_HEALTH[event.health]}")


def _entity(kind: EntityKind, entity_id: str, host_id: str, text: str) -> Told:
    return Told(text, host_id, entity_id, entity=(kind, entity_id))


def _link(key: LinkKey, text: str) -> Told:
    source, namespace, package, name = key
    return Told(f"{source} ({namespace}:{package}, {name}): {text}", about=source, link=key)
