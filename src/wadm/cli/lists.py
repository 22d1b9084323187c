"""What `wadm list` shows: applications of one lattice or of all, and what is wrong with the lattice."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from wadm.cli.facts import scaler_facts, timed
from wadm.cli.output import Output, terminal
from wadm.cli.remedies import closest
from wadm.cli.selectors import Term, selected
from wadm.cli.situation import of_lattice
from wadm.cli.standing import lattices_with_hosts, quietly
from wadm.cli.views import states
from wadm.client.client import Client
from wadm.client.replies import Summary
from wadm.errors import NoResponders, NotFound

if TYPE_CHECKING:
    from rich.console import RenderableType

REFRESH = 5.0
"""Seconds after which the list is asked for anew though nothing was heard."""
TOGETHER = 0.2
"""Seconds for which changes are gathered before the list is asked for anew."""


class Listed(Struct, frozen=True):
    """The applications with their lattices; ``one`` is the lattice where only one is meant."""

    rows: tuple[tuple[str, Summary], ...]
    one: str | None
    now: float
    hints: tuple[str, ...] = ()

    def as_data(self) -> list[dict[str, object]]:
        """Return what programs read: every field of a summary, and beside them ``state`` (the column STATUS),
        ``lattice``, and of each scaler the words of the text."""
        data = []
        for lattice, one in self.rows:
            facts = msgspec.to_builtins(one) | {
                "status": scaler_facts(one.status, one.name),
                "state": states.effective(one.status, one.deployed_version),
                "lattice": lattice,
            }
            data.append(dict(timed(facts, self.now)))
        return data

    def view(self, wide: bool) -> RenderableType:
        """Return what people read."""
        from wadm.cli.views.applications import applications, everywhere

        if self.one is None:
            return everywhere(self.rows, wide)
        return applications([one for _, one in self.rows], self.one, wide)


async def listed(
    client: Client, names: Sequence[str], selector: tuple[Term, ...], all_lattices: bool, hints: bool = True
) -> Listed:
    """Return what a command line means. Raises NotFound for a name that is not there."""
    if all_lattices:
        rows = await _everywhere(client, names, selector)
        return Listed(tuple(rows), None, client.transport.now())
    everything = await client.list()
    found = [one for one in everything if one.name in names] if names else list(everything)
    missing = [name for name in names if all(one.name != name for one in found)]
    if missing:
        error = NotFound(f"{', '.join(missing)}: not in lattice {client.lattice}")
        error.hint = closest(missing[0], [one.name for one in everything], "wadm list")  # type: ignore[attr-defined]
        raise error
    found = await selected(client, found, selector)
    said = await of_lattice(client, everything) if hints else []
    if hints and not everything and (elsewhere := await _elsewhere(client)):
        said.append(elsewhere)
    return Listed(tuple((client.lattice, one) for one in found), client.lattice, client.transport.now(), tuple(said))


async def _elsewhere(client: Client) -> str:
    """Return where hosts are, for somebody who looks at a lattice that holds nothing."""
    there = await quietly(lattices_with_hosts(client), set[str]())
    if not there or client.lattice in there:
        return ""
    return f"hosts are heard in {', '.join(sorted(there)[:5])}: name the lattice that is meant with --lattice"


async def lattices(client: Client) -> list[str]:
    """Return the lattices in which a host has been heard or an application is stored, as far as it shows."""
    heard, kept = await asyncio.gather(
        quietly(lattices_with_hosts(client), set[str]()), quietly(_lattices_stored(client), set[str]())
    )
    return sorted({client.lattice} | heard | kept)


async def _lattices_stored(client: Client) -> set[str]:
    """Return the lattices of which the bucket of manifests holds a list of applications: its key is the lattice, and
    those of the applications begin with it."""
    from wadm.server.resources import names as resource_names
    from wadm.server.settings import Settings
    from wadm.wire.application_header import is_list

    bucket = client.transport.bucket(resource_names(Settings()).manifests)
    keys = set(await bucket.keys())
    first = {key[:at] for key in keys for at, sign in enumerate(key) if sign in "-/"}
    found = set()
    for key in keys & first:
        entry = await bucket.get(key)
        if entry is not None and entry.value is not None and is_list(entry.value):
            found.add(key)
    return found


async def _everywhere(client: Client, names: Sequence[str], selector: tuple[Term, ...]) -> list[tuple[str, Summary]]:
    rows: list[tuple[str, Summary]] = []
    for lattice in await lattices(client):
        there = client.at(lattice)
        try:
            found = await there.list()
        except NoResponders:
            continue
        wanted = [one for one in found if not names or one.name in names]
        rows += [(lattice, one) for one in await selected(there, wanted, selector)]
    return rows


async def watch_list(
    client: Client, names: Sequence[str], selector: tuple[Term, ...], all_lattices: bool, output: Output
) -> None:
    """Show the list, and show it anew whenever something changes, until interrupted.

    On a terminal it is redrawn; elsewhere, and for programs, only the lines that changed are printed.
    """
    from wadm.client.live import follow_all_statuses, follow_manifests

    changed = asyncio.Event()
    await follow_all_statuses(client, lambda lattice, name, status: changed.set())
    await follow_manifests(client, changed.set)
    await client.transport.flush()
    said: dict[tuple[str, str], object] = {}
    live = None
    if sys.stdout.isatty() and not output.structured:
        from rich.live import Live

        live = Live(console=terminal(sys.stdout), auto_refresh=False)
        live.start()
    try:
        while True:
            changed.clear()
            found = await listed(client, names, selector, all_lattices, hints=False)
            if live is not None:
                live.update(found.view(output.wide), refresh=True)
            else:
                _print_changes(found, said, output)
            try:
                async with asyncio.timeout(REFRESH):
                    await changed.wait()
            except TimeoutError:
                continue
            await client.transport.sleep(TOGETHER)
    finally:
        if live is not None:
            live.stop()


def _print_changes(found: Listed, said: dict[tuple[str, str], object], output: Output) -> None:
    """Print what is not as it was printed last; of what is gone, that it is gone."""
    from wadm.cli.output import echo
    from wadm.cli.views import progress, times

    there = {(lattice, one.name): one for lattice, one in found.rows}
    for place, data in zip(there, found.as_data(), strict=True):
        one = there[place]
        if said.get(place) == one:
            continue
        said[place] = one
        if output.structured:
            output.line(data)
        else:
            line = progress.line(one.name, one.status, one.deployed_version)
            echo(f"{times.clock(found.now)}  {line}" + (f"  [{place[0]}]" if found.one is None else ""))
    for place in [place for place in said if place not in there]:
        del said[place]
        if output.structured:
            output.line({"name": place[1], "lattice": place[0], "deleted": True})
        else:
            echo(f"{times.clock(found.now)}  {place[1]}  deleted")
    sys.stdout.flush()
