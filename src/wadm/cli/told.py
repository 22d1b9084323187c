"""What providers were told: a status says that a link is in the lattice, not that anything listens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence

from msgspec import Struct

from wadm.cli.dependents import deployed_manifests
from wadm.cli.views.times import clock, moment
from wadm.client.client import Client
from wadm.errors import WadmError
from wadm.model.lattice import Inventory
from wadm.model.manifest import LinkProperties, Manifest
from wadm.model.names import config_name, entity_id
from wadm.model.timeline import Entry

_MOST = 200
"""Applications whose addresses are compared."""
_KEYS = ("address", "listen", "port")
_DAY = 20 * 3600.0


class Told(Struct, frozen=True):
    """A link from a provider that was told where to listen. ``address`` is the value, ``config`` where it stands."""

    component: str
    provider_id: str
    target: str
    config: str
    key: str
    address: str


async def told(
    client: Client, manifest: Manifest, at_work: Collection[str], inventories: Sequence[Inventory] | None = None
) -> tuple[list[str], list[str]]:
    """Return what is to be known of addresses (a line each), and what is wrong with them. ``at_work`` names the
    components that run: a provider that runs nowhere was told nothing."""
    ours = [one async for one in _told(client, manifest)]
    if not ours:
        return [], []
    entries = await _events(client, manifest.name)
    lines = [
        _line(one, _when(entries, one.provider_id), client.transport.now()) for one in ours if one.component in at_work
    ]
    return lines, await _taken(client, manifest, ours, inventories)


async def _told(client: Client, manifest: Manifest) -> AsyncIterator[Told]:
    for one in _declared(manifest):
        values: Mapping[str, str] | None = one[3]
        if values is None:
            try:
                values = await client.config(one[2])
            except WadmError:
                continue
        for key, value in values.items():
            if any(word in key.lower() for word in _KEYS):
                component, target, config, _ = one
                yield Told(component, _id(manifest, component), target, config, key, value)


def _declared(manifest: Manifest) -> Iterator[tuple[str, str, str, Mapping[str, str] | None]]:
    """Yield component, target, configuration in the lattice and its declared values, of links from providers."""
    for component in manifest.spec.components:
        if component.kind != "capability":
            continue
        for trait in component.traits or ():
            link = trait.properties
            if not (trait.is_link and isinstance(link, LinkProperties) and link.source):
                continue
            for config in link.source.config:
                name = config.name if config.properties is None else config_name(manifest.name, config.name)
                yield component.name, link.target.name, name, config.properties


def _id(manifest: Manifest, name: str) -> str:
    component = next(one for one in manifest.spec.components if one.name == name)
    return component.properties.id or entity_id(manifest.name, name)


async def _events(client: Client, name: str) -> tuple[Entry, ...]:
    try:
        return (await client.events(name, limit=300)).entries
    except WadmError:
        return ()


def _when(entries: Sequence[Entry], provider: str) -> float:
    """Return when a link of the provider was last put (seconds since 1970), 0 where nobody knows."""
    times = [one.time for one in entries if one.kind in ("answer", "command") and f"put link {provider} " in one.text]
    return max(times, default=0.0)


def _line(one: Told, when: float, now: float) -> str:
    at = "" if not when else f" at {clock(when) if now - when < _DAY else moment(when)}"
    return (
        f"{one.component} was told of the link to {one.target} with {one.config} ({one.key} {one.address}){at}. "
        f"Whether it listens, only its host knows: see its log there, or try `curl http://{_url(one.address)}` on it"
    )


def _url(address: str) -> str:
    return f"127.0.0.1:{address}" if address.isdecimal() else address.replace("0.0.0.0:", "127.0.0.1:")


async def _taken(
    client: Client, manifest: Manifest, ours: Sequence[Told], inventories: Sequence[Inventory] | None
) -> list[str]:
    """Return which addresses another provider on the same host was told as well."""
    summaries = [one for one in await client.list() if one.deployed_version is not None]
    others = await deployed_manifests(client, summaries[:_MOST])
    taken: dict[str, list[tuple[str, Told]]] = {}
    for name, other in others.items():
        if name != manifest.name:
            for one in [one async for one in _told(client, other)]:
                taken.setdefault(_port(one.address), []).append((name, one))
    mine: dict[str, Told] = {}
    said = []
    for one in ours:
        port = _port(one.address)
        same = mine.setdefault(port, one)
        if same is not one and same.provider_id != one.provider_id:
            said.append(_conflict(one, f"{same.component} of this application", ""))
        for name, other_told in taken.get(port, ()):
            hosts = await _shared_hosts(client, one.provider_id, other_told.provider_id, inventories)
            if hosts:
                said.append(_conflict(one, f"{other_told.component} of {name}", f" on {', '.join(hosts[:3])}"))
    return said


def _conflict(one: Told, who: str, where: str) -> str:
    return (
        f"{one.key} {one.address} of {one.component} is taken: {who} listens there{where}, and one of the two cannot; "
        f"give one of them another port in {one.config}"
    )


def _port(address: str) -> str:
    return address.rpartition(":")[2]


async def _shared_hosts(client: Client, one: str, other: str, inventories: Sequence[Inventory] | None) -> list[str]:
    if inventories is None:
        try:
            async with asyncio.timeout(3):
                inventories = await client.inventories()
        except (TimeoutError, WadmError):
            return []
    return [
        inventory.friendly_name or inventory.host_id[:8]
        for inventory in inventories
        if {one, other} <= {provider.id for provider in inventory.providers}
    ]
