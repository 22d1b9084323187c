"""What hosts say happened, after decoding. An event only says *look again*; the lattice is what counts."""

from __future__ import annotations

from msgspec import Struct

from wadm.model.lattice import Component, Health, Inventory, Link, LinkKey, Provider


class HostStarted(Struct, frozen=True):
    """A host came up, empty."""

    host_id: str
    friendly_name: str
    labels: dict[str, str]
    version: str


class HostStopped(Struct, frozen=True):
    """A host left in an orderly way, and all that ran on it."""

    host_id: str


class HostHeartbeat(Struct, frozen=True):
    """A host's inventory of itself, sent every 30 s or as it was configured."""

    inventory: Inventory


class Unchanged(Struct, frozen=True):
    """A heartbeat that says of its host what the one before said: the host is alive, and that is all."""

    host_id: str


class LabelsChanged(Struct, frozen=True):
    """A host's labels are now these, all of them."""

    host_id: str
    labels: dict[str, str]


class ComponentScaled(Struct, frozen=True):
    """A host runs so many of a component; ``component.count`` of 0: none any more."""

    host_id: str
    component: Component


class ComponentScaleFailed(Struct, frozen=True):
    """A host could not start or scale a component; ``error`` in the host's words."""

    host_id: str
    component_id: str
    image: str
    error: str


class ProviderStarted(Struct, frozen=True):
    """A host spawned a provider; whether it is healthy comes later."""

    host_id: str
    provider: Provider


class ProviderStartFailed(Struct, frozen=True):
    """A host could not start a provider; ``error`` in the host's words."""

    host_id: str
    provider_id: str
    image: str
    error: str


class ProviderStopped(Struct, frozen=True):
    """A host stopped a provider because it was asked to."""

    host_id: str
    provider_id: str


class ProviderHealth(Struct, frozen=True):
    """A provider's health. ``unchanged``: a report that says only that it was asked (does not clear a failure)."""

    host_id: str
    provider_id: str
    health: Health
    unchanged: bool = False


class LinkSet(Struct, frozen=True):
    """A link is in force, as a whole."""

    link: Link


class LinkSetFailed(Struct, frozen=True):
    """A link was refused; ``error`` in the host's words."""

    link: Link
    error: str


class LinkDeleted(Struct, frozen=True):
    """A link is gone. ``target`` is ``None`` where the host says none: then no link was there."""

    key: LinkKey
    target: str | None


class ConfigSet(Struct, frozen=True):
    """A configuration has a new content, which the event does not tell."""

    name: str


class ConfigDeleted(Struct, frozen=True):
    """A configuration is gone."""

    name: str


Event = (
    HostStarted
    | HostStopped
    | HostHeartbeat
    | LabelsChanged
    | ComponentScaled
    | ComponentScaleFailed
    | ProviderStarted
    | ProviderStartFailed
    | ProviderStopped
    | ProviderHealth
    | LinkSet
    | LinkSetFailed
    | LinkDeleted
    | ConfigSet
    | ConfigDeleted
)
