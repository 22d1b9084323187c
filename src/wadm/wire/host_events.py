"""The events of hosts as they look on the wire, one class each (docs/protocol/lattice.md#event-types).

The original drops an event for any missing field. Here only what an event cannot do without is required: who and
what it is about. Fields that nothing is made of are not declared, so whatever they hold does no harm.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from wadm.errors import Malformed
from wadm.model import events
from wadm.model.lattice import Component, Provider
from wadm.model.names import DEFAULT_LINK_NAME, MANAGER
from wadm.wire.inventory import InventoryDescription, inventory_of
from wadm.wire.links import LinkDescription
from wadm.wire.reading import Count, Id

PREFIX = "com.wasmcloud.lattice."
"""What the type of every host event begins with."""

SpecVersion = Literal["1.0", "0.3"]
_Annotations = dict[str, str] | None


class _Message(Struct, frozen=True, tag_field="type"):
    """The envelope. Of the other attributes (id, time, …) nothing is made."""

    specversion: SpecVersion
    source: str

    def host(self, told: str) -> str:
        """Return the id of the host it is about.

        The source is the host, whatever the data says (hosts echo there what a request said). Events that the
        original passes on between its processes have its own name as their source: then the data counts.
        """
        host_id = told if self.source in (MANAGER, "") else self.source
        if not host_id:
            raise Malformed("event: no host id")
        return host_id


# -- hosts -------------------------------------------------------------------------------------


class _Host(Struct, frozen=True):
    id: str = ""
    friendly_name: str | None = None
    labels: dict[str, str] | None = None
    version: str | None = None


class _HostStarted(_Message, frozen=True, tag=PREFIX + "host_started"):
    data: _Host

    def event(self) -> events.HostStarted:
        host = self.data
        return events.HostStarted(self.host(host.id), host.friendly_name or "", host.labels or {}, host.version or "")


class _HostStopped(_Message, frozen=True, tag=PREFIX + "host_stopped"):
    """``host_stopped``, of whose data nothing is needed where the source names the host."""

    data: _Host = _Host()

    def event(self) -> events.HostStopped:
        return events.HostStopped(self.host(self.data.id))


class _Heartbeat(InventoryDescription, frozen=True, kw_only=True):
    id: str = ""


class HostHeartbeat(_Message, frozen=True, tag=PREFIX + "host_heartbeat"):
    """``host_heartbeat``."""

    data: _Heartbeat

    @property
    def host_id(self) -> str:
        """Whose heartbeat it is."""
        return self.host(self.data.host_id or self.data.id)

    def event(self) -> events.HostHeartbeat:
        """Decode all of it."""
        return events.HostHeartbeat(inventory_of(self.host_id, self.data))


class _Labels(Struct, frozen=True):
    labels: dict[str, str]
    host_id: str = ""


class _LabelsChanged(_Message, frozen=True, tag=PREFIX + "labels_changed"):
    """``labels_changed``: all labels that the host now has."""

    data: _Labels

    def event(self) -> events.LabelsChanged:
        return events.LabelsChanged(self.host(self.data.host_id), self.data.labels)


# -- components --------------------------------------------------------------------------------


class _Scaled(Struct, frozen=True):
    component_id: Id
    image_ref: str
    max_instances: Count
    annotations: _Annotations = None
    host_id: str = ""


class _ComponentScaled(_Message, frozen=True, tag=PREFIX + "component_scaled"):
    data: _Scaled

    def event(self) -> events.ComponentScaled:
        data = self.data
        component = Component(data.component_id, data.image_ref, data.max_instances, data.annotations or {})
        return events.ComponentScaled(self.host(data.host_id), component)


class _ScaleFailed(Struct, frozen=True):
    component_id: Id
    image_ref: str | None = None
    error: str | None = None
    host_id: str = ""


class _ComponentScaleFailed(_Message, frozen=True, tag=PREFIX + "component_scale_failed"):
    data: _ScaleFailed

    def event(self) -> events.ComponentScaleFailed:
        data = self.data
        host_id = self.host(data.host_id)
        return events.ComponentScaleFailed(host_id, data.component_id, data.image_ref or "", data.error or "")


# -- providers ---------------------------------------------------------------------------------


class _Started(Struct, frozen=True):
    provider_id: Id
    image_ref: str
    annotations: _Annotations = None
    host_id: str = ""


class _ProviderStarted(_Message, frozen=True, tag=PREFIX + "provider_started"):
    """``provider_started``. Its image reference has lost its scheme (docs/protocol/lattice.md#provider-references)."""

    data: _Started

    def event(self) -> events.ProviderStarted:
        data = self.data
        provider = Provider(data.provider_id, data.image_ref, data.annotations or {})
        return events.ProviderStarted(self.host(data.host_id), provider)


class _StartFailed(Struct, frozen=True):
    provider_id: Id
    provider_ref: str | None = None
    error: str | None = None
    host_id: str = ""


class _ProviderStartFailed(_Message, frozen=True, tag=PREFIX + "provider_start_failed"):
    """``provider_start_failed``. Its image reference is the one asked for, scheme and all."""

    data: _StartFailed

    def event(self) -> events.ProviderStartFailed:
        data = self.data
        host_id = self.host(data.host_id)
        return events.ProviderStartFailed(host_id, data.provider_id, data.provider_ref or "", data.error or "")


class _OfProvider(Struct, frozen=True):
    provider_id: Id
    host_id: str = ""


class _ProviderStopped(_Message, frozen=True, tag=PREFIX + "provider_stopped"):
    data: _OfProvider

    def event(self) -> events.ProviderStopped:
        return events.ProviderStopped(self.host(self.data.host_id), self.data.provider_id)


class _Health(_Message, frozen=True):
    """A health event, the one kind in which the data, not the source, says the host."""

    data: _OfProvider

    def of_host(self) -> str:
        return self.data.host_id or self.host("")


class _HealthCheckPassed(_Health, frozen=True, tag=PREFIX + "health_check_passed"):
    def event(self) -> events.ProviderHealth:
        return events.ProviderHealth(self.of_host(), self.data.provider_id, "running")


class _HealthCheckFailed(_Health, frozen=True, tag=PREFIX + "health_check_failed"):
    def event(self) -> events.ProviderHealth:
        return events.ProviderHealth(self.of_host(), self.data.provider_id, "failed")


class _HealthCheckStatus(_Health, frozen=True, tag=PREFIX + "health_check_status"):
    """``health_check_status``: health is what it was, good or bad."""

    def event(self) -> events.ProviderHealth:
        return events.ProviderHealth(self.of_host(), self.data.provider_id, "running", unchanged=True)


# -- links and configurations ------------------------------------------------------------------


class _LinkSet(_Message, frozen=True, tag=PREFIX + "linkdef_set"):
    data: LinkDescription

    def event(self) -> events.LinkSet:
        return events.LinkSet(self.data.link())


class _FailedLink(LinkDescription, frozen=True, kw_only=True):
    error: str | None = None


class _LinkSetFailed(_Message, frozen=True, tag=PREFIX + "linkdef_set_failed"):
    data: _FailedLink

    def event(self) -> events.LinkSetFailed:
        return events.LinkSetFailed(self.data.link(), self.data.error or "")


class _DeletedLink(Struct, frozen=True, kw_only=True):
    source_id: Id
    name: str | None = DEFAULT_LINK_NAME
    wit_namespace: str
    wit_package: str
    target: str | None = None


class _LinkDeleted(_Message, frozen=True, tag=PREFIX + "linkdef_deleted"):
    data: _DeletedLink

    def event(self) -> events.LinkDeleted:
        link = self.data
        key = (link.source_id, link.wit_namespace, link.wit_package, link.name or DEFAULT_LINK_NAME)
        return events.LinkDeleted(key, link.target)


class _Config(Struct, frozen=True):
    config_name: Id


class _ConfigSet(_Message, frozen=True, tag=PREFIX + "config_set"):
    data: _Config

    def event(self) -> events.ConfigSet:
        return events.ConfigSet(self.data.config_name)


class _ConfigDeleted(_Message, frozen=True, tag=PREFIX + "config_deleted"):
    data: _Config

    def event(self) -> events.ConfigDeleted:
        return events.ConfigDeleted(self.data.config_name)


HostMessage = (
    _HostStarted
    | _HostStopped
    | HostHeartbeat
    | _LabelsChanged
    | _ComponentScaled
    | _ComponentScaleFailed
    | _ProviderStarted
    | _ProviderStartFailed
    | _ProviderStopped
    | _HealthCheckPassed
    | _HealthCheckFailed
    | _HealthCheckStatus
    | _LinkSet
    | _LinkSetFailed
    | _LinkDeleted
    | _ConfigSet
    | _ConfigDeleted
)
"""Told apart by ``type``, never by the subject (docs/protocol/reconciliation.md#reading-an-event)."""
