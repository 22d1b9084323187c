"""Which configurations a lattice needs, who for, and whether they are there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from wadm.cli.dependents import deployed_manifests
from wadm.cli.views.configs import ConfigUse
from wadm.client.client import Client
from wadm.errors import NoResponders, NotFound
from wadm.model.manifest import ConfigProperty, LinkProperties, Manifest, SecretProperty
from wadm.model.names import config_name, secret_name

_AT_ONCE = 16


async def config_uses(client: Client) -> list[ConfigUse]:
    """Return every configuration and secret reference of deployed applications and of links, sorted by name."""
    manifests = await deployed_manifests(client, await client.list())
    users: dict[str, list[str]] = {}
    managed: dict[str, str] = {}
    for application, manifest in manifests.items():
        for name, user, ours in _of_manifest(manifest):
            users.setdefault(name, []).append(f"{application}/{user}")
            if ours:
                managed[name] = application
    for name, user in await _of_links(client):
        users.setdefault(name, [user])
    gate = asyncio.Semaphore(_AT_ONCE)

    async def use(name: str) -> ConfigUse:
        async with gate:
            return ConfigUse(name, managed.get(name), tuple(dict.fromkeys(users[name])), await _present(client, name))

    return list(await asyncio.gather(*(use(name) for name in sorted(users))))


def _of_manifest(manifest: Manifest) -> Iterator[tuple[str, str, bool]]:
    """Yield the name in the lattice, the component that uses it, and whether wadm manages it."""
    for component in manifest.spec.components:
        wanted: list[ConfigProperty | SecretProperty] = [*component.properties.config, *component.properties.secrets]
        for trait in component.traits or ():
            if isinstance(trait.properties, LinkProperties):
                for end in (trait.properties.source, trait.properties.target):
                    if end is not None:
                        wanted += [*end.config, *end.secrets]
        for one in wanted:
            if isinstance(one, SecretProperty):
                yield secret_name(manifest.name, one.name), component.name, True
            elif one.properties is None:
                yield one.name, component.name, False
            else:
                yield config_name(manifest.name, one.name), component.name, True


async def _of_links(client: Client) -> list[tuple[str, str]]:
    try:
        links = await client.links()
    except NoResponders:
        return []
    return [
        (name, f"link {link.source_id} → {link.target}")
        for link in links
        for name in (*link.source_config, *link.target_config)
    ]


async def _present(client: Client, name: str) -> bool | None:
    try:
        await client.config(name)
    except NotFound:
        return False
    except NoResponders:
        return None
    return True
