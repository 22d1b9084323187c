"""Somebody who uses the API, and a ledger of what must be stored after all that was asked and answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from msgspec import Struct

from wadm.errors import WadmError
from wadm.sim.manifests import Manifest
from wadm.transport.base import Transport

PATIENCE: Final = 10.0
"""Seconds that a user waits for an answer."""
UNSURE: Final = 40.0
"""Seconds after which what was asked and not answered has happened, or never will."""


class Stored(Struct, frozen=True):
    """What may be stored of an application: its versions, and which is deployed."""

    versions: frozenset[str] = frozenset()
    deployed: str | None = None

    def put(self, version: str) -> Stored:
        """Return what is stored after a put."""
        return Stored(self.versions | {version}, self.deployed)

    def deploy(self, version: str) -> Stored:
        """Return what is stored after a deploy."""
        return Stored(self.versions, version if version in self.versions else self.deployed)

    def undeploy(self) -> Stored:
        """Return what is stored after an undeploy."""
        return Stored(self.versions)

    def delete(self) -> Stored:
        """Return what is stored after all versions have been deleted."""
        return Stored()


class User:
    """Asks the API for one thing after another. An answer is believed; without one, both may be."""

    def __init__(self, transport: Transport, lattice: str) -> None:
        self.may_be: dict[str, set[Stored]] = {}
        """What may be stored, by application."""
        self.manifests: dict[tuple[str, str], Manifest] = {}
        """All manifests that were ever put, by application and version."""
        self.newest: dict[str, Manifest] = {}
        self._transport = transport
        self._lattice = lattice
        self._unsure_until: dict[str, float] = {}
        self._asking: set[str] = set()

    def is_sure(self, application: str) -> bool:
        """Whether nothing that was asked about an application can still come to pass."""
        return self._transport.now() >= self._unsure_until.get(application, 0.0)

    def is_free(self, application: str) -> bool:
        """Whether something can be asked about an application, so that the ledger can follow it."""
        return application not in self._asking and self.is_sure(application)

    async def put(self, manifest: Manifest) -> bool:
        """Put a manifest under the version it names; return whether that was confirmed."""
        name, version = manifest["metadata"]["name"], manifest["metadata"]["annotations"]["version"]
        self.manifests[name, version] = manifest
        self.newest[name] = manifest
        return await self._ask(name, "put", manifest, ("created", "newversion"), lambda stored: stored.put(version))

    async def deploy(self, application: str, version: str) -> bool:
        """Deploy a version."""
        operation, body = f"deploy.{application}", {"version": version}
        return await self._ask(application, operation, body, ("acknowledged",), lambda stored: stored.deploy(version))

    async def undeploy(self, application: str) -> bool:
        """Undeploy an application."""
        return await self._ask(application, f"undeploy.{application}", {}, ("acknowledged",), Stored.undeploy)

    async def delete(self, application: str) -> bool:
        """Delete an application."""
        return await self._ask(application, f"del.{application}", {}, ("deleted",), Stored.delete)

    async def _ask(
        self, application: str, operation: str, body: Any, done: tuple[str, ...], change: Callable[[Stored], Stored]
    ) -> bool:
        before = self.may_be.get(application, {Stored()})
        after = {change(stored) for stored in before}
        self.may_be[application] = before | after  # until it is answered, and for ever if it is not
        self._asking.add(application)
        self._unsure_until[application] = self._transport.now() + UNSURE
        try:
            subject = f"wadm.api.{self._lattice}.model.{operation}"
            answer = await self._transport.request(subject, json.dumps(body).encode(), PATIENCE)
        except WadmError:
            return False
        finally:
            self._asking.discard(application)
        del self._unsure_until[application]
        if json.loads(answer.data)["result"] not in done:
            return False
        self.may_be[application] = after
        return True
