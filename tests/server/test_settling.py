"""How often an application is planned until it is as declared: what comes together is planned together."""

from __future__ import annotations

from tests.server.lab import Lab, in_virtual_time, until
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.server.app import Server
from wadm.server.owner import LatticeRunner
from wadm.transport.memory import MemoryTransport

NAMES = [f"shop-{number}" for number in range(10)]
MOST = 4
"""Configurations, links, what is started with them, and what is said of it: each is planned once."""


def an_application(name: str, version: str) -> dict[str, object]:
    """Return three components of two spreads each, linked with a provider by a configuration of their own."""

    def component(number: int) -> dict[str, object]:
        spread = [{"name": zone, "weight": 50, "requirements": {"zone": zone}} for zone in ("east", "west")]
        link = {
            "target": {"name": "kv", "config": [{"name": f"c{number}", "properties": {"number": str(number)}}]},
            "namespace": "wasi",
            "package": "keyvalue",
            "interfaces": ["store"],
        }
        return {
            "name": f"web{number}",
            "type": "component",
            "properties": {"image": f"registry.example/web:{version}"},
            "traits": [
                {"type": "spreadscaler", "properties": {"instances": 4, "spread": spread}},
                {"type": "link", "properties": link},
            ],
        }

    provider = {"name": "kv", "type": "capability", "properties": {"image": f"registry.example/kv:{version}"}}
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": version}},
        "spec": {"components": [*(component(number) for number in range(3)), provider]},
    }


class Counting:
    """A server with ten hosts whose plans are counted."""

    def __init__(self, lab: Lab, server: Server) -> None:
        self._lab = lab
        self._server = server

    @property
    def owner(self) -> LatticeRunner:
        return self._server.lattices.owners()["default"]

    def _are(self, status: str, version: str) -> bool:
        return all(
            (said := self.owner.controller.last_status(name)) is not None and said.type == status for name in NAMES
        ) and self._runs() == ({version} if version else set())

    def _runs(self) -> set[str]:
        """Return the versions of components that run, as far as the server knows."""
        hosts = self.owner.lattice.hosts.values()
        there = [component for host in hosts for component in host.components.values()]
        return {one.image.rpartition(":")[2] for one in there if one.id.startswith("shop")}

    async def plans_until(self, status: str, version: str = "") -> float:
        """Return how often an application was planned until all have a status and their components that version."""
        before = self.owner.metrics.plans
        for name in NAMES:
            if version:
                await self._lab.ask("put", an_application(name, version))
            await self._lab.ask(f"deploy.{name}" if version else f"undeploy.{name}", {} if version else None)
        await until(lambda: self._are(status, version))
        return (self.owner.metrics.plans - before) / len(NAMES)


@in_virtual_time
async def test_an_application_is_planned_a_few_times_while_it_settles() -> None:
    lab = Lab()
    transport = MemoryTransport(lab.broker, "hosts")
    fleet = Fleet(transport, "default", [HostSpec(f"h{n}", {"zone": ("east", "west")[n % 2]}) for n in range(10)])
    await fleet.start()
    server = Server(MemoryTransport(lab.broker, "one"), lab.settings, "one")
    await server.start()
    await lab.put("another")
    await lab.ask("deploy.another")  # from now on somebody looks after the lattice
    owners = server.lattices.owners
    await until(lambda: "default" in owners() and owners()["default"].controller.taken_over)
    here = Counting(lab, server)
    assert await here.plans_until("deployed", "1") <= MOST
    assert await here.plans_until("deployed", "2") <= MOST
    assert await here.plans_until("undeployed") <= MOST
    await fleet.stop()
