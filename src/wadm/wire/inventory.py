"""What a host says of itself, in a heartbeat and when asked (docs/protocol/lattice.md#bodies)."""

from __future__ import annotations

from msgspec import Raw, Struct, json

from wadm.errors import Malformed
from wadm.model.lattice import Component, Inventory, Provider
from wadm.wire.reading import Count, read, read_response

# -- reading -----------------------------------------------------------------------------------


class InventoryDescription(Struct, frozen=True, kw_only=True):
    """An inventory, its parts still bytes: most heartbeats need only be compared with the one before."""

    components: Raw
    providers: Raw
    host_id: str = ""
    friendly_name: str | None = None
    labels: Raw = Raw(b"{}")
    version: str | None = None
    uptime_seconds: int = 0


class _Component(Struct, frozen=True):
    id: str = ""
    image_ref: str | None = None
    annotations: dict[str, str] | None = None
    max_instances: Count = 0


class _Provider(Struct, frozen=True):
    id: str = ""
    image_ref: str | None = None
    annotations: dict[str, str] | None = None


_components = json.Decoder(tuple[_Component, ...])
_providers = json.Decoder(tuple[_Provider, ...])
_labels = json.Decoder(dict[str, str] | None)
_inventory = json.Decoder(InventoryDescription)


def inventory_of(host_id: str, description: InventoryDescription) -> Inventory:
    """Decode the parts. Entries without an id, about which nothing could be done, are left out."""
    components = read(_components, description.components, "components of an inventory")
    providers = read(_providers, description.providers, "providers of an inventory")
    return Inventory(
        host_id=host_id,
        friendly_name=description.friendly_name or "",
        labels=read(_labels, description.labels, "labels of an inventory") or {},
        version=description.version or "",
        uptime_seconds=description.uptime_seconds,
        components=tuple(
            Component(c.id, c.image_ref or "", c.max_instances, c.annotations or {}) for c in components if c.id
        ),
        providers=tuple(Provider(p.id, p.image_ref or "", p.annotations or {}) for p in providers if p.id),
    )


def decode_inventory(response: Raw | None) -> Inventory:
    """Read the reply of ``host.get``; raise :class:`~wadm.errors.Malformed` where it is none."""
    description = read_response(_inventory, response, "inventory")
    if not description.host_id:
        raise Malformed("inventory: it does not say of which host")
    return inventory_of(description.host_id, description)


# -- writing, as a host 1.9.2 does whose images are unsigned ------------------------------------


class ComponentReport(Struct, frozen=True, kw_only=True):
    """A component in an inventory. No image has a revision here, and no limits are kept."""

    id: str
    image_ref: str
    annotations: dict[str, str]
    revision: int = 0
    max_instances: int
    limits: None = None


class ProviderReport(Struct, frozen=True, kw_only=True):
    """A provider in an inventory."""

    id: str
    image_ref: str
    revision: int = 0
    annotations: dict[str, str]


class InventoryReport(Struct, frozen=True, kw_only=True):
    """An inventory, in the field order of the reply; heartbeats sort it."""

    components: list[ComponentReport]
    providers: list[ProviderReport]
    host_id: str
    friendly_name: str
    labels: dict[str, str]
    version: str
    uptime_human: str
    uptime_seconds: int


_encoder = json.Encoder(order="deterministic")


def report(inventory: Inventory) -> InventoryReport:
    """Return the inventory as its host would tell it."""
    return InventoryReport(
        components=[
            ComponentReport(id=c.id, image_ref=c.image, annotations=c.annotations, max_instances=c.count)
            for c in inventory.components
        ],
        providers=[ProviderReport(id=p.id, image_ref=p.image, annotations=p.annotations) for p in inventory.providers],
        host_id=inventory.host_id,
        friendly_name=inventory.friendly_name,
        labels=inventory.labels,
        version=inventory.version,
        uptime_human=uptime_human(inventory.uptime_seconds),
        uptime_seconds=inventory.uptime_seconds,
    )


def encode_inventory(inventory: Inventory) -> bytes:
    """Return the ``response`` with which a host answers ``host.get``."""
    return _encoder.encode(report(inventory))


def uptime_human(seconds: int) -> str:
    """Return whole seconds as hosts write them.

    >>> uptime_human(65), uptime_human(93_600), uptime_human(0)
    ('1m 5s', '1day 2h', '0s')
    """
    days, seconds = divmod(seconds, 86_400)
    hours, seconds = divmod(seconds, 3_600)
    minutes, seconds = divmod(seconds, 60)
    parts = [f"{days}day{'s' if days > 1 else ''}"] if days else []
    parts += [f"{number}{unit}" for number, unit in ((hours, "h"), (minutes, "m"), (seconds, "s")) if number]
    return " ".join(parts) or "0s"
