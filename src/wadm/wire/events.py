"""CloudEvents: what hosts say, and what wadm says of manifests.

Reading is the busiest place of the server (a lattice of thousands of hosts speaks all the time), so an event is
decoded and checked in one step by its ``type``, and a heartbeat that tells nothing new is only compared.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Mapping
from time import gmtime, strftime
from typing import Any, assert_never, get_args

from msgspec import Raw, Struct, json, structs

from wadm.errors import Malformed
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
    Unchanged,
)
from wadm.model.names import DEFAULT_LINK_NAME, MANAGER
from wadm.wire import host_events
from wadm.wire.host_events import HostMessage, SpecVersion
from wadm.wire.inventory import report
from wadm.wire.reading import UNREADABLE, read

MANIFEST_PUBLISHED = "manifest_published"
MANIFEST_UNPUBLISHED = "manifest_unpublished"

# -- reading -----------------------------------------------------------------------------------


class _Attributes(Struct, frozen=True):
    """What makes a CloudEvent of an object, and where its data may be besides ``data``."""

    specversion: SpecVersion
    type: str
    source: str
    data_base64: str | None = None


_message: json.Decoder[HostMessage] = json.Decoder(HostMessage)
_attributes = json.Decoder(_Attributes)
_fields = json.Decoder(dict[str, Raw])
_value = json.Decoder(Raw)
_TYPES = frozenset(kind.__struct_config__.tag for kind in get_args(HostMessage))


def decode_event(data: bytes) -> Event | None:
    """Return what a host says, ``None`` for an event of a type that nothing is made of.

    Raises :class:`~wadm.errors.Malformed` for what is no CloudEvent or lacks what its type cannot do without.
    """
    message = _decode(data)
    return None if message is None else message.event()


def _decode(data: bytes) -> HostMessage | None:
    try:
        return _message.decode(data)
    except UNREADABLE as error:
        return _decode_unusual(data, error)


def _decode_unusual(data: bytes, error: Exception) -> HostMessage | None:
    """Decode what did not decode at once: foreign types, and data in base64
    (docs/protocol/reconciliation.md#reading-an-event)."""
    attributes = read(_attributes, data, "event")
    if attributes.type not in _TYPES:
        return None
    if attributes.data_base64 is None:
        raise Malformed(f"event {attributes.type}: {error}") from error
    try:
        fields = _fields.decode(data)
        fields["data"] = _value.decode(b64decode(attributes.data_base64))
        return _message.decode(json.encode(fields))
    except UNREADABLE as inner:
        raise Malformed(f"event {attributes.type}: {inner}") from inner


class HeartbeatFilter:
    """Reads events, and spares the reader heartbeats that tell nothing new.

    Of each host the last heartbeat is remembered as it came, as bytes: hosts write an unchanged inventory in the same
    order, and where one does not, the heartbeat is merely read as news.
    """

    def __init__(self) -> None:
        self._last: dict[str, tuple[Raw | str | None, ...]] = {}

    def news(self, data: bytes) -> Event | Unchanged | None:
        """Return what :func:`decode_event` does, but :class:`Unchanged` for a heartbeat like the last of its host.

        What else a host says of what runs on it changes how the lattice is seen; so its next heartbeat is news,
        even if equal to the last: it may set right what the event got wrong (a live update ends in a
        ``component_scaled`` of 0 although the component runs).
        """
        message = _decode(data)
        if message is None:
            return None
        if isinstance(message, host_events.HostHeartbeat):
            return self._heartbeat(message)
        event = message.event()
        if not isinstance(event, ProviderHealth):
            self.forget(getattr(event, "host_id", ""))
        return event

    def forget(self, host_id: str) -> None:
        """Take the host's next heartbeat as news: the lattice's view of it was changed by something else."""
        self._last.pop(host_id, None)

    def _heartbeat(self, message: host_events.HostHeartbeat) -> HostHeartbeat | Unchanged:
        host_id, told = message.host_id, message.data
        says = (told.components, told.providers, told.labels, told.version, told.friendly_name)
        if self._last.get(host_id) == says:
            return Unchanged(host_id)
        event = message.event()
        self._last[host_id] = says
        return event


# -- writing -----------------------------------------------------------------------------------


class _Envelope(Struct, frozen=True, kw_only=True):
    specversion: SpecVersion = "1.0"
    id: str
    type: str
    source: str
    datacontenttype: str = "application/json"
    time: str
    data: Raw


_sorted = json.Encoder(order="sorted")


def encode_event(event: Event, source: str, now: float, event_id: str, **more: Any) -> tuple[str, bytes]:
    """Return the last token of the subject, and the event as host ``source`` publishes it
    (docs/protocol/lattice.md#event-envelope).

    ``more`` is data that hosts send and nothing is made of here (``labels`` of a stopped host, ``annotations`` of a
    stopped provider, ``claims``), or that is to differ (``host_id``, in which hosts echo what a request said).
    ``now`` is in seconds since 1970.
    """
    name, data = _spell(event, source)
    return name, _encode(host_events.PREFIX + name, source, now, event_id, data | more)


def manifest_published(manifest: Mapping[str, Any], now: float, event_id: str) -> bytes:
    """Return the event that says what is to be deployed; ``manifest`` as plain data
    (docs/protocol/api.md#manifest-events)."""
    return _encode(f"com.wadm.{MANIFEST_PUBLISHED}", MANAGER, now, event_id, manifest)


def manifest_unpublished(name: str, now: float, event_id: str) -> bytes:
    """Return the event that says that an application is not deployed any more."""
    return _encode(f"com.wadm.{MANIFEST_UNPUBLISHED}", MANAGER, now, event_id, {"name": name})


def timestamp(now: float) -> str:
    """Return seconds since 1970 as the ``time`` of an event, with as many groups of three digits as are needed.

    >>> timestamp(1_700_000_000.5), timestamp(0)
    ('2023-11-14T22:13:20.500Z', '1970-01-01T00:00:00Z')
    """
    seconds, nanoseconds = divmod(int(now * 1_000_000_000), 1_000_000_000)
    fraction = f".{nanoseconds:09}" if nanoseconds else ""
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{strftime('%Y-%m-%dT%H:%M:%S', gmtime(seconds))}{fraction}Z"


def _encode(kind: str, source: str, now: float, event_id: str, data: Mapping[str, Any]) -> bytes:
    """Encode the envelope in its own order, and the data sorted at every depth, as hosts and the original do."""
    envelope = _Envelope(id=event_id, type=kind, source=source, time=timestamp(now), data=Raw(_sorted.encode(data)))
    return json.encode(envelope)


def _spell(event: Event, source: str) -> tuple[str, dict[str, Any]]:
    """Return an event's name and data, as much of it as the original needs, which drops what lacks a field."""
    match event:
        case HostStarted():
            own = {"friendly_name": event.friendly_name, "labels": event.labels, "version": event.version}
            return "host_started", {**own, "uptime_seconds": 0}
        case HostStopped():
            return "host_stopped", {"labels": {}}
        case HostHeartbeat():
            return "host_heartbeat", structs.asdict(report(event.inventory))
        case LabelsChanged():
            return "labels_changed", {"host_id": source, "labels": event.labels}
        case ComponentScaled(component=component):
            data = _of_component(component.id, component.image, source, component.annotations, component.count)
            return "component_scaled", data
        case ComponentScaleFailed():
            data = _of_component(event.component_id, event.image, source, {}, 0)
            return "component_scale_failed", {**data, "error": event.error}
        case ProviderStarted(provider=provider):
            data = {"annotations": provider.annotations, "image_ref": provider.image}
            return "provider_started", {**data, "host_id": source, "provider_id": provider.id}
        case ProviderStartFailed():
            data = {"error": event.error, "link_name": DEFAULT_LINK_NAME, "provider_ref": event.image}
            return "provider_start_failed", {**data, "host_id": source, "provider_id": event.provider_id}
        case ProviderStopped(provider_id=provider_id):
            named = {"provider_id": provider_id, "instance_id": provider_id, "public_key": provider_id}
            data = {"annotations": {}, "link_name": DEFAULT_LINK_NAME, "reason": "stop"}
            return "provider_stopped", {**data, **named, "host_id": source}
        case ProviderHealth():
            found = "status" if event.unchanged else "failed" if event.health == "failed" else "passed"
            return f"health_check_{found}", {"host_id": event.host_id, "provider_id": event.provider_id}
        case LinkSet():
            return "linkdef_set", structs.asdict(event.link)
        case LinkSetFailed():
            return "linkdef_set_failed", {**structs.asdict(event.link), "error": event.error}
        case LinkDeleted(key=(source_id, namespace, package, name), target=target):
            data = {"source_id": source_id, "wit_namespace": namespace, "wit_package": package, "name": name}
            return "linkdef_deleted", data if target is None else {**data, "target": target}
        case ConfigSet():
            return "config_set", {"config_name": event.name}
        case ConfigDeleted():
            return "config_deleted", {"config_name": event.name}
        case _:
            assert_never(event)


def _of_component(
    component_id: str, image: str, host_id: str, annotations: Mapping[str, str], count: int
) -> dict[str, Any]:
    return {
        "annotations": annotations,
        "component_id": component_id,
        "host_id": host_id,
        "image_ref": image,
        "max_instances": count,
    }
