"""What tests of the server share: virtual time, a server in memory, somebody who asks it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from functools import wraps
from itertools import count
from typing import Any, ParamSpec

from wadm.server.app import Server
from wadm.server.fencing import Tenure
from wadm.server.lattice_manager import MakeOwner
from wadm.server.settings import Settings
from wadm.server.view import LatticeRef
from wadm.transport import virtual_time
from wadm.transport.memory import MemoryBroker, MemoryTransport

P = ParamSpec("P")
LATTICE = "default"


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run an async test on a loop whose time jumps."""

    @wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        virtual_time.run(test(*args, **kwargs))

    return run


class Idle:
    """An owner that only notes what it is told."""

    def __init__(self) -> None:
        self.noticed: list[str] = []

    async def run(self) -> None:
        await asyncio.Event().wait()

    def notice(self, name: str) -> None:
        self.noticed.append(name)


class Lab:
    """A broker, servers on it, and a client."""

    def __init__(self, settings: Settings | None = None, broker: MemoryBroker | None = None) -> None:
        self.settings = settings or Settings()
        self.broker = broker or MemoryBroker()
        self.client = MemoryTransport(self.broker, "client")
        self.owners: dict[tuple[str, str], Idle] = {}
        self._numbers = count(1)

    async def server(self, name: str = "", make_owner: MakeOwner | None = None) -> Server:
        """Start a server whose owners do nothing, unless told otherwise."""
        name = name or f"server-{next(self._numbers)}"

        def idle(place: LatticeRef, tenure: Tenure) -> Idle:
            return self.owners.setdefault((name, place.scope), Idle())

        server = Server(MemoryTransport(self.broker, name), self.settings, name, make_owner or idle)
        await server.start()
        return server

    async def raw(self, operation: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
        """Ask for an operation of a lattice, e.g. ``default.model.get``; return the answer."""
        return (await self.client.request(f"wadm.api.{operation}", body, 10, headers)).data

    async def ask(self, operation: str, body: Any = None, lattice: str = LATTICE) -> Any:
        """Ask for an operation on models; return the answer as plain data."""
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        return json.loads(await self.raw(f"{lattice}.model.{operation}", data))

    async def put(self, name: str, version: str | None = "v1", lattice: str = LATTICE, **kwargs: Any) -> Any:
        """Put a manifest of :func:`manifest`."""
        return await self.ask("put", manifest(name, version, **kwargs), lattice)

    async def stored(self, key: str) -> Any:
        """Return what the manifest bucket has under a key."""
        entry = await self.client.bucket("wadm_manifests").get(key)
        return None if entry is None or entry.value is None else json.loads(entry.value)


def manifest(
    name: str,
    version: str | None = "v1",
    components: list[dict[str, Any]] | None = None,
    annotations: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a small manifest as plain data."""
    said = dict(annotations or {}) | ({} if version is None else {"version": version})
    return {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {"name": name, "annotations": said},
        "spec": {"components": [component("api")] if components is None else components},
    }


def component(name: str, image: str = "registry.example/api:1", **properties: Any) -> dict[str, Any]:
    """Return a component with one instance."""
    return {
        "name": name,
        "type": "component",
        "properties": {"image": image, **properties},
        "traits": [{"type": "spreadscaler", "properties": {"instances": 1}}],
    }


async def settle(seconds: float = 0.1) -> None:
    """Let everything happen that is about to."""
    await asyncio.sleep(seconds)


async def until(condition: Callable[[], bool], patience: float = 20.0) -> None:
    """Wait until something holds; fail where it never does."""
    deadline = asyncio.get_running_loop().time() + patience
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, "it did not come to pass"
        await asyncio.sleep(0.01)
