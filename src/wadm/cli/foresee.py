"""A plan without a server that can plan: the engine itself, on what the hosts tell of themselves.

For lattices that the original looks after, or nobody. What the server knows besides is not known here: what is under
way at this moment, and which links and configurations it has put for earlier versions.
"""

from __future__ import annotations

import asyncio

from wadm.cli.dependents import deployed_manifests
from wadm.client.client import Client
from wadm.engine.compile import compile_manifest
from wadm.engine.conflicts import conflicts
from wadm.engine.scalers import Desired, nothing
from wadm.errors import NoResponders, NotFound, Unavailable
from wadm.model.insight import Planned, PlannedStep
from wadm.model.lattice import Entity, EntityKind, Lattice
from wadm.model.link_puts import LinkAt
from wadm.model.manifest import Manifest


async def foresee(client: Client, name: str, manifest: Manifest | None) -> Planned:
    """Return what deploying a manifest (``None``: undeploying the application) would do."""
    from wadm.engine.dependency_index import DependencyIndex
    from wadm.engine.forecast import forecast, to_plan  # a fifth of a command, which conflicts do without
    from wadm.engine.plan import links_and_configs
    from wadm.engine.steps import finish

    deployed = await _deployed(client)

    def shared(other: str) -> Manifest | None:
        found = deployed.get(other)
        return found if found is not None and found.shared else None

    desired = nothing(name) if manifest is None else compile_manifest(to_plan(manifest), shared)
    interests = DependencyIndex()
    for other in deployed.values():
        interests.put(compile_manifest(other, shared))
    current = interests.desired(name)
    if current is not None:
        interests.put_record(name, links_and_configs(current))
    lattice = await _lattice(client, desired)
    told = finish(forecast(desired, interests, lattice, client.transport.now()))
    steps = tuple(PlannedStep(s.round, s.effect, s.what, s.host, s.reason) for s in told.steps)
    return Planned(told.application, told.version, told.id, steps, told.status, told.consequences, told.warnings)


async def conflicts_of_all(client: Client) -> list[str]:
    """Return what deployed applications take from each other: ids, and addresses on one host."""
    manifests = await _deployed(client)
    wanted = [compile_manifest(one, manifests.get) for one in manifests.values()]
    lattice = Lattice(client.lattice)
    for inventory in await client.inventories():
        lattice.put_host(inventory.host_id, inventory.friendly_name, inventory.labels, inventory.version, 0.0)
        for provider in inventory.providers:
            lattice.put(inventory.host_id, provider)

    def where(kind: EntityKind, entity_id: str) -> list[str]:
        return [lattice.hosts[host].called for host in lattice.where(kind, entity_id)]

    return sorted({text for n, one in enumerate(wanted) for text in conflicts(one, wanted[n + 1 :], where)})


async def declared_links(client: Client) -> dict[LinkAt, str]:
    """Return the application of every link that a deployed application declares. Raises NoResponders where no server
    says what is deployed."""
    manifests = await deployed_manifests(client, await client.list())
    return {
        scaler.link.at: name
        for name, manifest in manifests.items()
        for scaler in compile_manifest(manifest, manifests.get).links
    }


async def _deployed(client: Client) -> dict[str, Manifest]:
    """Return what is deployed, nothing where no server says."""
    try:
        return dict(await deployed_manifests(client, await client.list()))
    except NoResponders:
        return {}


async def _lattice(client: Client, desired: Desired) -> Lattice:
    lattice = Lattice(client.lattice)
    now = client.transport.now()
    for inventory in await client.inventories():
        host_id = inventory.host_id
        lattice.put_host(host_id, inventory.friendly_name, inventory.labels, inventory.version, now)
        lattice.hosts[host_id].known = True
        entities: tuple[Entity, ...] = (*inventory.components, *inventory.providers)
        for entity in entities:
            lattice.put(host_id, entity)
    if not lattice.hosts:
        return lattice
    lattice.set_links(await client.links())
    names = list(desired.configs)
    for name, there in zip(names, await asyncio.gather(*(_config(client, name) for name in names)), strict=True):
        lattice.set_config(name, there)
    return lattice


async def _config(client: Client, name: str) -> dict[str, str] | None:
    try:
        return await client.config(name)
    except (NotFound, Unavailable):
        return None
