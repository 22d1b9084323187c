"""The lattice as the original keeps it in the state bucket, for an original that is started next
(docs/protocol/api.md#lattice-state).

We do not work with these values. But an original that finds those of its last run would take what has changed since
for gone or missing, and act on that until every host has sent a heartbeat.
"""

from __future__ import annotations

from typing import Any

from msgspec import json

from wadm.model.lattice import Component, Host, Lattice, Provider
from wadm.wire.events import timestamp

_HEALTH = {"pending": "Pending", "running": "Running", "failed": "Failed", "silent": "Failed"}


def encode_state(lattice: Lattice) -> dict[str, bytes]:
    """Return the values by key: ``host_<lattice>``, ``component_<lattice>``, ``provider_<lattice>``."""
    components: dict[str, Any] = {}
    providers: dict[str, Any] = {}
    for host in lattice.hosts.values():
        for component in host.components.values():
            _add_component(components, host.id, component)
        for provider in host.providers.values():
            _add_provider(providers, host.id, provider)
    hosts = {host.id: _host(host) for host in lattice.hosts.values()}
    values = {"host": hosts, "component": components, "provider": providers}
    return {f"{kind}_{lattice.name}": json.encode(value) for kind, value in values.items()}


def _host(host: Host) -> dict[str, Any]:
    return {
        "components": {component.id: component.count for component in host.components.values()},
        "friendly_name": host.friendly_name,
        "labels": host.labels,
        "providers": [
            {"provider_id": p.id, "provider_ref": p.image, "annotations": p.annotations}
            for p in host.providers.values()
        ],
        "uptime_seconds": 0,
        "version": host.version or None,
        "id": host.id,
        "last_seen": timestamp(host.last_heard),
    }


def _add_component(components: dict[str, Any], host_id: str, component: Component) -> None:
    new = {"id": component.id, "name": "", "issuer": "", "instances": {}, "reference": component.image}
    instances = components.setdefault(component.id, new)["instances"]
    instances[host_id] = [{"annotations": component.annotations, "count": component.count}]


def _add_provider(providers: dict[str, Any], host_id: str, provider: Provider) -> None:
    new = {"id": provider.id, "name": "", "issuer": "", "reference": provider.image, "hosts": {}}
    providers.setdefault(provider.id, new)["hosts"][host_id] = _HEALTH[provider.health]
