"""Which providers have a link as it is wanted, and what is to be done for those that have not: the table of rules.

    a provider that                              has the link if it was so in the lattice, or was put,
    -------------------------------------------  -----------------------------------------------------------
    runs nowhere                                 (nothing is to be done: it gets all links when it starts)
    this server, or somebody else, has started   before its start was asked for, or is known to have been asked
      built into the host                        or since it started
      a process                                  or since its first health report, or its first answer to a
                                                 question: it listens some time after its host says that it started
    was found running by a new owner             in any case, unless the record of the application says that
                                                 telling it was under way
    has come back with its lost host             before that host was last heard, or since it is back

    what has happened                            is                 so it is
    -------------------------------------------  -----------------  ----------------------------------------
    the link was put over another of its         outdated           deleted, then put: a host tells of a link
    identity and target, or a configuration                         only where it is new, and a provider
    that it names has other values                                  ignores a put of a link that it has
    it was put while a provider started          unconfirmed        waited for: it may have been heard or not
    the same, and now the provider listens       outdated           deleted, then put
    every provider has it                        delivered          in force
    the same, for all that can be known: its     delivered          in force; deleted and put once the provider
    host was at work on a component                                 listens, as its list may lack it

Values are those that this owner has seen. With no report for 40 s what is put counts as heard: more cannot be known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Literal

from msgspec import Struct

from wadm.model.lattice import Lattice, Link
from wadm.model.provider_starts import ProviderStart

State = Literal["delivered", "unconfirmed", "outdated"]

_FOUND = ProviderStart(None, -math.inf, -math.inf)


class Delivery(Struct, frozen=True):
    """How far a link in the lattice has come to the providers at its ends, and those that lack it, as host and id."""

    state: State
    lacking: tuple[tuple[str, str], ...] = ()


DELIVERED = Delivery("delivered")


def delivery(link: Link, lattice: Lattice) -> Delivery:
    """Return how far a link that the lattice holds has come to the providers that are its source or target."""
    puts = lattice.link_puts
    put, ends = puts.get(link.at), list(running_ends(link, lattice))
    in_vain = [at for at, start in ends if at[1] == link.source_id and puts.in_vain(link.at, start)]
    if in_vain:
        return Delivery("outdated", tuple(in_vain))
    if put is None:
        return DELIVERED
    lacking = [(at, start) for at, start in ends if not put.reached(start)]
    if not lacking:
        return DELIVERED
    who = tuple(at for at, _ in lacking)
    # What was put for one that is not known to listen is waited for: it may have heard it.
    due = [start for _, start in lacking if start.listens is not None or put.put is None]
    if not due:
        likely = all(put.since <= start.likely for _, start in lacking)
        return Delivery("delivered" if likely else "unconfirmed", who)
    return Delivery("outdated", who)


def running_ends(link: Link, lattice: Lattice) -> Iterator[tuple[tuple[str, str], ProviderStart]]:
    """Yield the running providers that are source or target of a link, as host and id, each with its start."""
    for provider_id in dict.fromkeys((link.source_id, link.target)):
        for host_id in lattice.where("provider", provider_id):
            yield (host_id, provider_id), lattice.provider_starts.get(host_id, provider_id) or _FOUND


def starting(lacking: Iterable[tuple[str, str]], lattice: Lattice) -> dict[str, int]:
    """Return the providers, given as host and id, of which it is to be asked whether they listen by now, each with the
    number of hosts that have it."""
    found = {}
    for host_id, provider_id in lacking:
        start = lattice.provider_starts.get(host_id, provider_id)
        if start is not None and start.listens is None:
            found[provider_id] = lattice.answering("provider", provider_id)
    return found
