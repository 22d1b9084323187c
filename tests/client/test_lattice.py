"""What hosts say of themselves and of their lattice."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from wadm.client import Client, NotReached, connect
from wadm.errors import NotFound, Refused
from wadm.model.lattice import Component, Inventory, Link, Provider
from wadm.model.names import APPSPEC, MANAGED_BY, MANAGER
from wadm.transport.base import Message, Transport
from wadm.wire.control import HostPing, encode_host, encode_inventory, encode_links, encode_reply

SHOP = {MANAGED_BY: MANAGER, APPSPEC: "shop"}
LINK = Link("web", "kv", "default", "wasi", "keyvalue", ("store",))


def an_inventory(host_id: str, running: bool = True) -> Inventory:
    components = (Component("web", "file:///web.wasm", 3, SHOP),) if running else ()
    providers = (Provider("kv", "file:///kv", {}),)
    return Inventory(host_id, f"host {host_id}", {"zone": "a"}, "1.9.2", 65, components, providers)


class Hosts:
    """Two hosts; ``mute`` does not tell its inventory."""

    def __init__(self, transport: Transport, lattice: str) -> None:
        self.transport = transport
        self.prefix = f"wasmbus.ctl.v1.{lattice}"
        self.lattice = lattice
        self.running = True

    async def start(self) -> None:
        await self.on("host.ping", self.ping)
        await self.on("host.get.NA", lambda: encode_reply(True, "", encode_inventory(an_inventory("NA", self.running))))
        await self.on("link.get", lambda: encode_reply(True, "", encode_links([LINK])))
        await self.on("config.get.there", lambda: encode_reply(True, "", b'{"url":"redis://"}'))
        await self.on("config.get.missing", lambda: encode_reply(True, "Configuration not found"))
        await self.on("config.get.broken", lambda: encode_reply(False, "the store is down"))
        await self.transport.flush()

    async def on(self, call: str, answer: Callable[[], bytes | None]) -> None:
        def receive(message: Message) -> None:
            data = answer()
            if data is not None:
                self.transport.publish(message.reply, data)

        await self.transport.subscribe(f"{self.prefix}.{call}", receive)
        if call == "host.ping":
            await self.transport.subscribe(f"{self.prefix}.{call}", lambda m: self.transport.publish(m.reply, b"?"))

    def ping(self) -> bytes:
        return encode_reply(True, "", encode_host(HostPing("NA", "one", {}, "1.9.2", self.lattice, 65), "nats://"))


@pytest.fixture
async def hosts(nats_url: str, lattice: str) -> AsyncIterator[Hosts]:
    async with connect(nats_url) as client:
        hosts = Hosts(client.transport, lattice)
        await hosts.start()
        yield hosts


@pytest.mark.usefixtures("hosts")
async def test_a_host_that_says_nonsense_does_not_hide_the_others(client: Client) -> None:
    assert [host.host_id for host in await client.hosts()] == ["NA"]
    assert await client.inventories() == (an_inventory("NA"),)


async def test_a_host_without_a_sensible_inventory_does_not_hide_the_others(hosts: Hosts, client: Client) -> None:
    await hosts.on("host.get.NB", lambda: b"nonsense")
    await hosts.on("host.get.NC", lambda: encode_reply(False, "it is busy"))
    await hosts.transport.flush()
    assert await client.inventories(["NB", "NA", "NC"]) == (an_inventory("NA"),)


@pytest.mark.usefixtures("hosts")
async def test_a_host_that_is_not_there(client: Client) -> None:
    with pytest.raises(NotFound, match="no host NB answers"):
        await client.inventory("NB")


@pytest.mark.usefixtures("hosts")
async def test_links_and_configurations(client: Client) -> None:
    assert await client.links() == (LINK,)
    assert await client.config("there") == {"url": "redis://"}
    with pytest.raises(NotFound, match="there is no configuration 'missing'"):
        await client.config("missing")
    with pytest.raises(Refused, match="the store is down"):
        await client.config("broken")


async def test_waiting_until_nothing_of_an_application_runs(client: Client, hosts: Hosts) -> None:
    with pytest.raises(NotReached, match="1 component of shop still running"):
        await client.wait_gone("shop", timeout=0)
    hosts.running = False
    await client.wait_gone("shop", timeout=0)
