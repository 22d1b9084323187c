"""Scripts: a world in which one thing happens after another, told in verbs.

    @played
    async def test_a_killed_owner_is_succeeded(play: Scenario) -> None:
        await play.start(servers=2, hosts=3)
        await play.deploy(application("shop", component("api", 6)))
        await play.until_whole(within=5)
        play.owner().kill()
        ...

What a simulation judges at the moment of a call is judged here too; at the end of a script nothing may have failed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from wadm.hosts.behaviour import HEALTHY, HostBehaviour
from wadm.server import logging
from wadm.sim import checks, early_stops
from wadm.sim.manifests import Manifest
from wadm.sim.world import SimulatedHost, SimulatedServer, TimelineHandler, World
from wadm.transport import virtual_time

ATTEMPTS: Final = 6
KEPT: Final = (
    *("KV_wadm_manifests", "KV_wadm_state", "KV_wadm_leases"),
    *("wadm_commands", "wadm_status", "wadm_timeline", "wadm_revisions"),
)
"""The buckets and streams that servers write."""


class Scenario:
    """A script being played."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._seen = 0
        self._written: dict[str, int] = {}

    async def start(self, servers: int = 1, hosts: int = 0, habits: HostBehaviour = HEALTHY) -> None:
        """Have servers, and hosts without labels, and a moment in which they find each other."""
        self.world.habits = habits
        await self.world.lattice_buckets()
        for _ in range(servers):
            self.world.add_server()
        await asyncio.sleep(1)
        for _ in range(hosts):
            await self.world.add_host()
        await asyncio.sleep(5)

    async def wait(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)

    def host(self, number: int) -> SimulatedHost:
        """Return a host; the first has number 1."""
        return self.world.hosts[number - 1]

    def owner(self) -> SimulatedServer:
        """Return the server that holds the lattice, whether it lives or has died with it."""
        owner = self._owner()
        assert owner is not None
        return owner

    async def until_owned(self, within: float, by_another_than: SimulatedServer | None = None) -> SimulatedServer:
        """Wait until a living server holds the lattice."""

        def is_owned() -> bool:
            owner = self._owner()
            return owner is not None and owner.lives and owner is not by_another_than

        await self.until(is_owned, within)
        return self.owner()

    def _owner(self) -> SimulatedServer | None:
        holder = self.world.holder("default")
        lives = ((server, server.life) for server in self.world.servers)
        return next((s for s, life in lives if life is not None and holder.startswith(f"{life.name}-")), None)

    async def deploy(self, manifest: Manifest) -> None:
        """Put and deploy a manifest. As people do, ask again where nobody answers."""
        user, name, version = (
            self.world.user,
            manifest["metadata"]["name"],
            manifest["metadata"]["annotations"]["version"],
        )
        for _ in range(ATTEMPTS):
            if await user.put(manifest) or any(version in one.versions for one in user.ledger(name).may_be()):
                break
            await asyncio.sleep(1)
        for _ in range(ATTEMPTS):
            if await user.deploy(name, version):
                return
            await asyncio.sleep(1)
        raise AssertionError(f"{name} {version} could not be deployed")

    def where(self, entity_id: str) -> dict[str, int]:
        """Return how often something runs on which host."""
        found = {}
        for host in self.world.alive():
            assert host.host is not None
            if entity_id in host.host.components:
                found[host.name] = host.host.components[entity_id].max_instances
            if entity_id in host.host.providers:
                found[host.name] = 1
        return found

    def asked(self) -> list[str]:
        """Return what servers have asked for since one last looked."""
        new = self.world.calls.all[self._seen :]
        self._seen = len(self.world.calls.all)
        return [self.world.readable(str(call)) for call in new]

    def written(self) -> dict[str, int]:
        """Return how much servers have written since one last looked, by bucket or stream; nothing is left out."""
        now = {name: self.world.broker.stream(name).sequence for name in KEPT}
        new = {name: sequence - self._written.get(name, 0) for name, sequence in now.items()}
        self._written = now
        return {name: count for name, count in new.items() if count}

    def status(self, application: str) -> str:
        """Return what is said of an application."""
        status = self.world.status(application)
        return "" if status is None else status["status"]["type"]

    def link_targets(self, source: str) -> list[str]:
        """Return the targets of the links of a component or provider."""
        return sorted(link.target for link in checks.look(self.world).links if link.source == source)

    async def until_whole(self, within: float) -> float:
        """Wait until everything is as it is declared and said to be so; return how long that took."""
        return await self.until(
            lambda: not checks.unfinished(self.world), within, lambda: checks.unfinished(self.world)
        )

    async def until(
        self, condition: Callable[[], bool], within: float, why_not: Callable[[], object] = lambda: ""
    ) -> float:
        """Wait until something holds; fail where it does not in time."""
        began = self.world.now()
        while not condition():
            if self.world.now() - began >= within:
                raise AssertionError(f"not within {within:g} s {why_not()}")
            await asyncio.sleep(0.1)
        return self.world.now() - began


def play(script: Callable[[Scenario], Awaitable[None]], seed: int = 0) -> World:
    """Play a script in virtual time, and see that no check has failed."""
    state = random.getstate()
    random.seed(f"script {seed}")
    put_back = logging.divert(None)
    try:
        return virtual_time.run(_play(script, seed))
    finally:
        put_back()
        random.setstate(state)


async def _play(script: Callable[[Scenario], Awaitable[None]], seed: int) -> World:
    world = World(seed)
    world.judge_stop = partial(early_stops.judge, world)
    logging.divert(TimelineHandler(world))
    try:
        await script(Scenario(world))
        if world.failures:
            raise world.failures[0]
    except Exception as error:
        error.add_note("\n".join(map(str, world.timeline.lines[-200:])))
        raise
    finally:
        await world.end()
    return world


# -- manifests for scripts -------------------------------------------------------------------


def application(name: str, *components: Any, version: str = "v1") -> Manifest:
    """Return a manifest."""
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": {"version": version}},
        "spec": {"components": list(components)},
    }


def component(name: str, instances: int, image: str = "", spread: Any = None, links: tuple[Any, ...] = ()) -> Any:
    """Return a component."""
    return _part("component", name, instances, image, spread, links)


def provider(name: str, instances: int = 1, image: str = "", spread: Any = None, links: tuple[Any, ...] = ()) -> Any:
    """Return a provider."""
    return _part("capability", name, instances, image, spread, links)


def link(target: str, interface: str = "incoming-handler", config: dict[str, str] | None = None) -> Any:
    """Return a link to another part of the application."""
    to: dict[str, Any] = {"name": target}
    if config is not None:
        to["config"] = [{"name": f"for-{target}", "properties": config}]
    properties = {"namespace": "wasi", "package": interface, "interfaces": [interface], "target": to}
    return {"type": "link", "properties": properties}


def zones(**weights: int) -> list[dict[str, Any]]:
    """Return a spread over zones: ``zones(a=80, b=20)``."""
    return [{"name": zone, "requirements": {"zone": zone}, "weight": weight} for zone, weight in weights.items()]


def _part(kind: str, name: str, instances: int, image: str, spread: Any, links: tuple[Any, ...]) -> Any:
    scaler = {"instances": instances} | ({"spread": spread} if spread else {})
    return {
        "name": name,
        "type": kind,
        "properties": {"image": image or f"registry.example/{name}:1"},
        "traits": [{"type": "spreadscaler", "properties": scaler}, *links],
    }
