"""What concerns a lattice as a whole and keeps an application from being as wanted: said on top of its status."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from wadm.cli import exits
from wadm.cli.dependents import uses
from wadm.cli.place import start_a_host, start_a_server
from wadm.cli.standing import (
    SKEW,
    Heard,
    Trouble,
    heartbeats,
    lattices_with_hosts,
    quietly,
    skewed,
    store_troubles,
    two_at_work,
    unreadable,
)
from wadm.client.client import Client
from wadm.client.replies import Summary
from wadm.errors import NotSupported, Unavailable, WadmError
from wadm.model.insight import ApplicationView
from wadm.model.manifest import Manifest
from wadm.wire.control import HostPing
from wadm.wire.insight import STARTING

PATIENCE = 1.5
"""Seconds that the owner of the lattice has to answer; one that is there does at once."""
ASKED_ALONE = 8
"""Hosts, at most, that did not answer with the others and are asked once more, each by itself."""
SLOW = 0.5
"""Seconds for an answer of the API that are remarked upon."""


class Situation(Struct, frozen=True):
    """What is to be said, and what the owner of the lattice says of the application, if it does."""

    hints: tuple[str, ...] = ()
    view: ApplicationView | None = None


async def situation(client: Client, name: str, took: float, deployed: bool = False) -> Situation:
    """Return what there is to say of an application that should run. ``took`` is how many seconds the API needed to
    answer; ``deployed``: it is as wanted, so that only what will harm it later is said."""
    if took > SLOW:  # then silence means nothing
        return Situation((f"NATS or the server is slow: one answer took {took:.1f} s; `wadm doctor` tells which",))
    beats = asyncio.ensure_future(quietly(heartbeats(client), {}, 0.5))
    answering = asyncio.ensure_future(quietly(client.hosts(), None))
    store, two, owner, clocks = await asyncio.gather(
        store_troubles(client),
        quietly(two_at_work(client), None),
        _owner(client, name, deployed),
        _clocks(client, await beats),
    )
    if owner.view is not None and not owner.view.paused:  # else the status tells
        silent = await _silent(client, owner.view, await answering, await beats)
        owner = Situation((*owner.hints, *silent), owner.view)
    troubles = [*store, *([two] if two else []), *clocks]
    return Situation((*(trouble.sentence for trouble in troubles), *owner.hints), owner.view)


async def of_lattice(client: Client, summaries: Sequence[Summary]) -> list[str]:
    """Return what there is to say of a lattice as a whole, for a list of its applications."""
    garbled = await quietly(unreadable(client, {one.name for one in summaries}), [])
    return [*(trouble.sentence for trouble in garbled), *await _of_lattice(client, summaries)]


async def _of_lattice(client: Client, summaries: Sequence[Summary]) -> list[str]:
    some = next((one for one in summaries if one.deployed_version is not None), None)
    if some is None:
        return [trouble.sentence for trouble in await store_troubles(client)]
    found = await situation(client, some.name, 0, all(one.status.type == "deployed" for one in summaries))
    return [hint for hint in found.hints if not hint.startswith("version ")]


async def _clocks(client: Client, beats: Mapping[str, Heard]) -> list[Trouble]:
    if not any(abs(heard.ahead) > SKEW for heard in beats.values()):
        return []
    names = {host.host_id: host.friendly_name for host in await quietly(client.hosts(), ())}
    return skewed(beats, lambda host_id: names.get(host_id) or host_id[:8])


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


async def missing_shared(client: Client, manifest: Manifest | None) -> list[str]:
    """Return which applications are not deployed whose components this one uses: its links lead nowhere."""
    said = []
    for other, component in uses(manifest) if manifest is not None else ():
        try:
            there = any(one.deployed for one in await client.versions(other))
        except WadmError:
            there = False
        if not there:
            what = f"application {other}, whose component {component} this one uses, is not deployed"
            said.append(f"{what}: wadm deploy {other}")
    return said


async def _owner(client: Client, name: str, deployed: bool) -> Situation:
    """Return what the owner of the lattice says, or that there is none."""
    try:
        async with asyncio.timeout(PATIENCE):
            view = (await client.explain(name)).view
    except NotSupported:
        return Situation()
    except Unavailable as error:
        if str(error).startswith(STARTING):
            return Situation((str(error),))
        return Situation((await _no_host(client) or nobody(client),))
    except TimeoutError:
        return Situation((await _no_host(client) or _unanswered(client),))
    except WadmError:
        return Situation()
    hints = []
    if not view.hosts and not deployed and (hint := await _no_host(client)):
        hints.append(hint)
    hints += _gone(view)
    if not deployed and (superseded := await quietly(_superseded(client, name), "")):
        hints.append(superseded)
    return Situation(tuple(hints), view)


def _unanswered(client: Client) -> str:
    """Return what is said where no answer came in time: it cannot be told which of the two it is."""
    just_begun = "Or one has just taken it, and is still asking its hosts what they run. Try again in a few seconds"
    return f"{nobody(client)}. {just_begun}"


async def _silent(
    client: Client, view: ApplicationView, answering: Sequence[HostPing] | None, beats: Mapping[str, Heard]
) -> list[str]:
    """Return which of the hosts that run something of it do not answer; each is asked once more by itself."""
    ours = {one.host_id: one.host for scaler in view.scalers for one in scaler.running}
    quiet = sorted(ours.keys() - {host.host_id for host in answering or ()}) if answering is not None else []
    asked = await asyncio.gather(*(quietly(client.inventory(host), None) for host in quiet[:ASKED_ALONE]))
    silent = [host for host, answer in zip(quiet, asked, strict=False) if answer is None]
    if not silent:
        return []
    now = client.transport.now()
    heard = [f"{ours[host]} (heard {now - beats[host].at:.0f} s ago)" for host in silent if host in beats]
    names = heard if len(heard) == len(silent) else [ours[host] for host in silent]
    verb = "does" if len(silent) == 1 else "do"
    return [
        f"{_some(names)} {verb} not answer: what runs there is moved within half a minute if that goes on; see whether "
        "the host and its network are up, and its log"
    ]


def _gone(view: ApplicationView) -> Iterator[str]:
    if view.lost:
        verb = "is" if len(view.lost) == 1 else "are"
        yield (
            f"{_some(view.lost)} fell silent and {verb} taken for lost: what ran there is placed elsewhere where that "
            "is possible; see whether the host and its network are up"
        )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"host{'s' * (len(names) > 1)} {', '.join(names[:3])}{more}"


def nobody(client: Client) -> str:
    """Return what is said of a lattice that has no owner."""
    return (
        f"no server looks after lattice {client.lattice} at the moment, so nothing is decided: another takes over "
        f"within ten seconds; if not, {start_a_server(client.settings)} (`wadm doctor` tells more)"
    )


async def _no_host(client: Client) -> str:
    """Return what to say where the lattice has no host at all."""
    if await client.hosts():
        return ""
    elsewhere = await quietly(lattices_with_hosts(client), set[str]())
    there = sorted(elsewhere - {client.lattice})[:5]
    if there:
        return (
            f"no host is in lattice {client.lattice}, so nothing can run; hosts are heard in {', '.join(there)}: name "
            "that with --lattice, or start a host here"
        )
    return f"no host is in lattice {client.lattice}, so nothing can run: {start_a_host(client.settings)}"


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
