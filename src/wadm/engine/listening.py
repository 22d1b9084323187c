"""Whether a provider could listen where a link tells it to, or another one does there already.

A provider that serves HTTP begins to listen when it is told of a link, and only then. Where another listens on that
address of its host, it says so in the log of its host and does not try again. Nothing on the wire tells of that, but
what both were told, and when:

    the other one                                   then
    ----------------------------------------------  ---------------------------------------------------------------
    was told of its address later                   this one listens
    was told earlier, or nobody knows which was     this one is unhealthy, with the other as the reason
    goes, or is told of another address             this one is told once more: a provider of the host by its link,
                                                    which is deleted and put anew; a process by a new start, as it
                                                    takes no link again at which it failed

A process that serves by other links meanwhile is not started anew for one of them. Only links over ``wasi:http`` are
judged: what else calls itself an address may be one to connect to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from msgspec import Struct

from wadm.model.addresses import addresses, clash, port
from wadm.model.lattice import Lattice, Link


class Taken(Struct, frozen=True):
    """An address that another provider listens on: which, on which host, because of which link."""

    address: str
    host_id: str
    other: Link


def taken(link: Link, lattice: Lattice) -> Taken | None:
    """Return who listens where the source of a link in the lattice was told to listen, if anybody does."""
    if not _serves_http(link):
        return None
    for host_id in lattice.where("provider", link.source_id):
        mine = _told(link, host_id, lattice)
        for address in _addresses(link, lattice):
            for other in _others(link, address, host_id, lattice):
                if _told(other, host_id, lattice) <= mine:
                    return Taken(address, host_id, other)
    return None


def idles(provider_id: str, host_id: str, lattice: Lattice) -> bool:
    """Whether a provider process could not listen for any of its links, and can now: a new start is what it needs."""
    start = lattice.provider_starts.get(host_id, provider_id)
    if start is None or start.builtin or not lattice.link_puts.any_in_vain(provider_id):
        return False
    links = [link for key, there in lattice.links.items() if key[0] == provider_id for link in there]
    return all(lattice.link_puts.in_vain(link.at, start) and taken(link, lattice) is None for link in links)


def _serves_http(link: Link) -> bool:
    return (link.wit_namespace, link.wit_package) == ("wasi", "http")


def _others(link: Link, address: str, host_id: str, lattice: Lattice) -> Iterator[Link]:
    there = lattice.hosts[host_id].providers
    for config in lattice.address_configs.with_port(port(address)):
        for at in lattice.links_naming(config):
            other = lattice.link(at)
            if other is None or other.at == link.at or not _serves_http(other) or other.source_id not in there:
                continue
            if config in other.source_config and any(clash(address, one) for one in _addresses(other, lattice)):
                yield other


def _addresses(link: Link, lattice: Lattice) -> Iterator[str]:
    for name in link.source_config:
        properties: Mapping[str, str] = lattice.configs.get(name) or {}
        yield from addresses(properties)


def _told(link: Link, host_id: str, lattice: Lattice) -> float:
    """Return when a provider was told of a link on a host, minus infinity where it was found so."""
    put, start = lattice.link_puts.get(link.at), lattice.provider_starts.get(host_id, link.source_id)
    started = start.started if start is not None else None
    return max(-math.inf if put is None else put.last, -math.inf if started is None else started)
