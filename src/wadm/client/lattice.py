"""What a lattice holds, as its hosts tell it over the control interface
(docs/protocol/lattice.md#control-interface).

Only read, never changed: changing a lattice is the server's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TypeVar

from msgspec import Raw

from wadm.errors import Malformed, NoResponders, NotFound, Refused, TimedOut, Unavailable
from wadm.model.lattice import Inventory, Link
from wadm.transport.base import Transport
from wadm.wire.control import (
    GET_LINKS,
    PING,
    HostPing,
    decode_config,
    decode_host,
    decode_inventory,
    decode_links,
    decode_reply,
    get_config,
    get_inventory,
)

PING_TIMEOUT = 2.0
PING_QUIET = 0.15
"""Seconds without a further answer after which all hosts are taken to have answered a ping: people wait for it."""
PING_PATIENT = 0.4
"""The same where nobody looks on, and a host that is left out would be taken for one that runs nothing."""

AT_ONCE = 64
"""Hosts that are asked for their inventory side by side."""

T = TypeVar("T")


class LatticeReader:
    """Asks the hosts of one lattice."""

    def __init__(self, transport: Transport, lattice: str, prefix: str, timeout: float) -> None:
        self._transport = transport
        self._lattice = lattice
        self._prefix = f"{prefix}.v1.{lattice}"
        self._timeout = timeout

    async def hosts(self, quiet: float = PING_QUIET) -> tuple[HostPing, ...]:
        """Return the hosts that answer, sorted by name and id; none where nobody does."""
        answers = await self._transport.gather(f"{self._prefix}.{PING}", b"", PING_TIMEOUT, quiet)
        hosts = []
        for answer in answers:
            with suppress(Malformed):  # one host that says nonsense does not hide the others
                hosts.append(decode_host(decode_reply(answer.data).response))
        return tuple(sorted(hosts, key=lambda host: (host.friendly_name, host.host_id)))

    async def inventory(self, host_id: str) -> Inventory:
        """Return what one host says of itself. Raises NotFound for a host that nobody answers for."""
        try:
            return await self._ask(get_inventory(host_id), decode_inventory)
        except NoResponders:
            raise NotFound(f"no host {host_id} answers in lattice {self._lattice!r}") from None

    async def inventories(self, host_ids: Iterable[str] | None = None) -> tuple[Inventory, ...]:
        """Return the inventories of these hosts, or of all, in that order; without those that do not make sense."""
        ids = [host.host_id for host in await self.hosts()] if host_ids is None else list(host_ids)
        gate = asyncio.Semaphore(AT_ONCE)

        async def ask(host_id: str) -> Inventory | None:
            async with gate:
                try:
                    return await self.inventory(host_id)
                except (Unavailable, NotFound, Refused, Malformed):
                    return None

        answers = await asyncio.gather(*(ask(host_id) for host_id in ids))
        return tuple(inventory for inventory in answers if inventory is not None)

    async def links(self) -> tuple[Link, ...]:
        """Return all links, sorted. Raises NoResponders where the lattice has no host to ask."""
        links = await self._ask(GET_LINKS, decode_links)
        return tuple(sorted(links, key=lambda link: (*link.key, link.target)))

    async def config(self, name: str) -> dict[str, str]:
        """Return a named configuration. Raises NotFound, and NoResponders where there is no host to ask."""
        config = await self._ask(get_config(name), decode_config)
        if config is None:
            raise NotFound(f"there is no configuration {name!r} in lattice {self._lattice!r}")
        return config

    async def _ask(self, call: str, decode: Callable[[Raw | None], T]) -> T:
        try:
            answer = await self._transport.request(f"{self._prefix}.{call}", b"", self._timeout)
        except NoResponders:
            raise NoResponders(f"no host answers in lattice {self._lattice!r}") from None
        except TimedOut:
            raise TimedOut(f"no host answered {call} in lattice {self._lattice!r} within {self._timeout:g} s") from None
        reply = decode_reply(answer.data)
        if not reply.success:
            raise Refused(reply.message)
        return decode(reply.response)
