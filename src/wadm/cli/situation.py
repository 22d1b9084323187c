"""What concerns a lattice as a whole and keeps an application from being as wanted: said on top of its status."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from wadm.cli import exits
from wadm.cli.dependents import uses
from wadm.client.client import Client
from wadm.errors import NotSupported, Unavailable, WadmError
from wadm.wire.insight import STARTING

PATIENCE = 1.5
"""Seconds that the owner of the lattice has to answer; one that is there does at once."""
SLOW = 0.5
"""Seconds for an answer of the API that are remarked upon."""
BOTH = "the original wadm and this one serve the same lattices, and work against each other"
ASKED = 8
"""Requests by which a second kind of server behind the same API is found: each is answered by any of them."""


async def situation(client: Client, name: str, took: float) -> list[str]:
    """Return what there is to say. ``took`` is how many seconds the API needed to answer."""
    if took > SLOW:  # then silence means nothing
        return [f"NATS or the server is slow: one answer took {took:.1f} s; `wadm doctor` tells which"]
    return [*await _another_manager(client), *[hint async for hint in _owner(client, name)]]


async def in_the_way(client: Client, name: str) -> list[str]:
    """Return why an application that is not deployed could not be: the server refuses to plan what it would refuse to
    deploy (a shared application that is missing, an id that another one uses)."""
    try:
        async with asyncio.timeout(PATIENCE):
            await client.plan(name)
    except (NotSupported, Unavailable, TimeoutError):
        return []
    except WadmError as error:
        failure = exits.failure(error)
        why = str(failure).rstrip(".")
        return [f"it cannot be deployed as it is: {why}" + (f"; to do: {failure.hint}" if failure.hint else "")]
    return []


async def missing_shared(client: Client, name: str, version: str) -> list[str]:
    """Return which applications are not deployed whose components this one uses: its links lead nowhere."""
    try:
        used = uses(await client.get(name, version))
    except WadmError:
        return []
    said = []
    for other, component in used:
        try:
            there = any(one.deployed for one in await client.versions(other))
        except WadmError:
            there = False
        if not there:
            what = f"application {other}, whose component {component} this one uses, is not deployed"
            said.append(f"{what}: wadm deploy {other}")
    return said


async def _another_manager(client: Client) -> list[str]:
    """Return who else manages the lattice, as far as that shows: the original does not know of this server, and
    answers some of the requests."""
    try:
        async with asyncio.timeout(PATIENCE):
            kinds = await serving(client)
    except (TimeoutError, WadmError):
        return []
    return [f"{BOTH}: stop one of the two (`wadm doctor` tells more)"] if len(kinds) == 2 else []


async def serving(client: Client) -> set[str]:
    """Return which kinds of server answer for the lattice: ``ours``, ``original``. Raises what a request raises."""

    async def kind() -> str:
        try:
            await client.events(limit=1)
        except NotSupported:
            return "original"
        return "ours"

    return set(await asyncio.gather(*(kind() for _ in range(ASKED))))


async def _owner(client: Client, name: str) -> AsyncIterator[str]:
    try:
        async with asyncio.timeout(PATIENCE):
            view = (await client.explain(name)).view
    except NotSupported:
        return
    except Unavailable as error:
        if str(error).startswith(STARTING):
            yield str(error)
        elif hint := await _no_host(client):
            yield hint
        else:
            yield _NOBODY
    except TimeoutError:
        yield await _no_host(client) or _NOBODY
    except WadmError:
        return
    else:
        if not view.hosts and (hint := await _no_host(client)):
            yield hint
        superseded = await _superseded(client, name)
        if superseded:
            yield superseded


_NOBODY = (
    "no server looks after this lattice at the moment: another takes over within seconds; `wadm doctor` tells more"
)


async def _no_host(client: Client) -> str:
    """Return what to say where the lattice has no host at all."""
    if await client.hosts():
        return ""
    return (
        f"no host is in lattice {client.lattice}, so nothing can run: start a wasmCloud host there "
        "(`wadm up --hosts 1` simulates one), or name the lattice that is meant with --lattice"
    )


async def _superseded(client: Client, name: str) -> str:
    """Return what the revision under way has replaced before that had come up."""
    revisions = await client.history(name)
    if len(revisions) < 2 or revisions[-1].outcome or revisions[-2].outcome != "superseded":
        return ""
    now, before = revisions[-1], revisions[-2]
    if now.version == before.version:
        return ""  # deployed again: nothing else is wanted
    who = f" by {now.author}" if now.author else ""
    return (
        f"version {before.version} was superseded by {now.version}{who} while it was being deployed; "
        f"`wadm history {name}` shows when"
    )
