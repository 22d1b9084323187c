"""The bodies of the control interface and of events, as a host reads and writes them
(docs/protocol/lattice.md#bodies, docs/protocol/lattice.md#event-types).

What a field without a default is named, a request must have. Unknown fields are ignored.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

Count = Annotated[int, Meta(ge=0, le=4_294_967_295)]
Labels = dict[str, str]

# -- requests --------------------------------------------------------------------------------


class ScaleComponent(Struct, frozen=True):
    """``component.scale``. The number is called ``count`` on the wire; left out, it is 0 and stops the component."""

    component_id: str
    component_ref: str = ""
    annotations: Labels | None = None
    count: Count = 0
    component_limits: Labels | None = None
    host_id: str = ""
    config: tuple[str, ...] = ()
    allow_update: bool = False


class UpdateComponent(Struct, frozen=True):
    """``component.update``."""

    component_id: str = ""
    new_component_ref: str = ""
    annotations: Labels | None = None
    host_id: str = ""


class StartProvider(Struct, frozen=True):
    """``provider.start``."""

    provider_id: str
    provider_ref: str = ""
    annotations: Labels | None = None
    host_id: str = ""
    config: tuple[str, ...] = ()


class StopProvider(Struct, frozen=True):
    """``provider.stop``; older clients call the id ``provider_ref``."""

    host_id: str = ""
    provider_id: str | UnsetType = UNSET
    provider_ref: str | UnsetType = UNSET


class ComponentAuction(Struct, frozen=True):
    """``component.auction``."""

    component_id: str
    constraints: Labels
    component_ref: str = ""


class ProviderAuction(Struct, frozen=True):
    """``provider.auction``."""

    provider_id: str
    constraints: Labels
    provider_ref: str = ""


class DeleteLink(Struct, frozen=True):
    """``link.del``."""

    source_id: str
    wit_namespace: str
    wit_package: str
    name: str = "default"


class PutLabel(Struct, frozen=True):
    """``label.put``."""

    key: str
    value: str


class DeleteLabel(Struct, frozen=True):
    """``label.del``."""

    key: str


class StopHost(Struct, frozen=True):
    """``host.stop``; ``timeout`` in milliseconds."""

    host_id: str = ""
    timeout: int | None = None


Registries = dict[str, dict[str, Any]]
Configuration = dict[str, str]

# -- what goes both ways ---------------------------------------------------------------------


class Link(Struct, frozen=True, kw_only=True):
    """A link as it is put, kept, told and published."""

    source_id: str
    target: str
    name: str = "default"
    wit_namespace: str
    wit_package: str
    interfaces: tuple[str, ...]
    source_config: tuple[str, ...] = ()
    target_config: tuple[str, ...] = ()


class Spec(Struct, frozen=True):
    """What the lattice keeps of a component or provider: where it first came from, and the links that begin there."""

    url: str = ""
    links: tuple[Link, ...] = ()


# -- replies and the data of events ----------------------------------------------------------


class Reply(Struct, frozen=True):
    """The envelope of every answer; ``response`` is left out where there is none."""

    success: bool
    message: str
    response: Any | UnsetType = UNSET


class Limits(Struct, frozen=True, omit_defaults=True):
    """What one instance of a component may use."""

    max_memory_limit: str | None = None
    max_execution_time: str | None = None


class ComponentEntry(Struct, frozen=True, kw_only=True):
    """A component in an inventory. Only signed images have a name, or a revision other than 0."""

    id: str
    image_ref: str
    annotations: Labels
    revision: int = 0
    max_instances: int
    limits: Limits | None


class ProviderEntry(Struct, frozen=True, kw_only=True):
    """A provider in an inventory."""

    id: str
    image_ref: str
    revision: int = 0
    annotations: Labels


class Inventory(Struct, frozen=True):
    """What ``host.get`` answers and a heartbeat carries."""

    components: tuple[ComponentEntry, ...]
    providers: tuple[ProviderEntry, ...]
    host_id: str
    friendly_name: str
    labels: Labels
    version: str
    uptime_human: str
    uptime_seconds: int


class Greeting(Struct, frozen=True):
    """What ``host.ping`` answers."""

    rpc_host: str
    ctl_host: str
    friendly_name: str
    id: str
    labels: Labels
    lattice: str
    uptime_human: str
    uptime_seconds: int
    version: str


class ComponentBid(Struct, frozen=True):
    """What a host bids in a ``component.auction``."""

    component_ref: str
    component_id: str
    host_id: str
    constraints: Labels


class ProviderBid(Struct, frozen=True):
    """What a host bids in a ``provider.auction``."""

    host_id: str
    provider_ref: str
    provider_id: str
    constraints: Labels


class Event(Struct, frozen=True, kw_only=True):
    """The envelope of every event."""

    specversion: str = "1.0"
    id: str
    type: str
    source: str
    datacontenttype: str = "application/json"
    time: str
    data: Raw


_replies = msgspec.json.Encoder(order="deterministic")
_data = msgspec.json.Encoder(order="sorted")
_envelopes = msgspec.json.Encoder()


def encode_reply(reply: Reply) -> bytes:
    """Return an answer as bytes."""
    return _replies.encode(reply)


def encode_event(kind: str, source: str, event_id: str, time: str, data: Any) -> bytes:
    """Return an event as bytes; the keys of its data are in the order of the alphabet."""
    envelope = Event(
        id=event_id, type=f"com.wasmcloud.lattice.{kind}", source=source, time=time, data=Raw(_data.encode(data))
    )
    return _envelopes.encode(envelope)
