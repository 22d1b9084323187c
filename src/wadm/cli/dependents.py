"""Who would suffer: deployed applications that use components of a shared one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence

from wadm.cli import exits
from wadm.client.client import Client
from wadm.client.replies import Summary
from wadm.errors import NotFound
from wadm.model.manifest import Manifest

_AT_ONCE = 16


async def refuse_if_needed(client: Client, names: Sequence[str]) -> None:
    """Raise a failure that names the deployed applications which need one of ``names`` and are not among them."""
    summaries = {one.name: one for one in await client.list()}
    doomed = await deployed_manifests(client, (summaries[name] for name in names if name in summaries))
    shared = {name for name, manifest in doomed.items() if manifest.shared}
    if not shared:
        return
    others = await deployed_manifests(client, (one for one in summaries.values() if one.name not in names))
    needed = [
        f"{user} uses {component} of {name}"
        for user, manifest in others.items()
        for name, component in uses(manifest)
        if name in shared
    ]
    if needed:
        raise exits.Failure(
            f"other applications need this: {'; '.join(needed)}",
            exits.FAILED,
            "undeploy those first, or use --force",
        )


def uses(manifest: Manifest) -> list[tuple[str, str]]:
    """Return the shared applications and components of them that a manifest refers to."""
    references = (component.properties.application for component in manifest.spec.components)
    return [(one.name, one.component) for one in references if one is not None]


async def deployed_manifests(client: Client, summaries: Iterable[Summary]) -> Mapping[str, Manifest]:
    """Return the deployed manifests of those that are deployed, by name."""
    gate = asyncio.Semaphore(_AT_ONCE)

    async def get(one: Summary) -> Manifest | None:
        async with gate:
            try:
                return await client.get(one.name, one.deployed_version)
            except NotFound:  # deleted since it was listed
                return None

    wanted = [one for one in summaries if one.deployed_version is not None]
    manifests = await asyncio.gather(*(get(one) for one in wanted))
    return {one.name: manifest for one, manifest in zip(wanted, manifests, strict=True) if manifest is not None}
