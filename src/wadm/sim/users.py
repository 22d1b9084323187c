"""Somebody who uses the API, several requests at a time, and a ledger of what must be stored after all the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, Final

from wadm.errors import WadmError
from wadm.sim.ledger import Change, Contradiction, Ledger, Stored
from wadm.sim.manifests import Manifest
from wadm.transport.base import Transport

PATIENCE: Final = 10.0
"""Seconds that a user waits for an answer."""
SETTLED: Final = 20.0
"""Seconds after which what was answered has got about, whatever the network does."""
AT_A_TIME: Final = 3
"""Requests about one application that may be unanswered at a time, so that few states are possible."""
_REFUSED: Final = ("already exists", "does not have a version")
"""What errors say that are due to what is stored, not to a passing trouble."""
_OF_OTHERS: Final = ("shared", "too large to be stored", "Duplicate")
"""What errors say that are due to other things than what is stored of the application."""
REGISTRY: Final = "registry.example"
"""Where images come from."""
_FORGOTTEN: Final = re.compile(r"dropping the oldest versions for lack of space: (\[[^\]]*\])")


def marked(manifest: Manifest, registry: str) -> Manifest:
    """Return a manifest that bears the mark of a registry in all images and in the values of all configurations: where
    there are several lattices, nothing with the mark of one may be found in another."""
    if registry == REGISTRY:
        return manifest
    text = json.dumps(manifest).replace(f'"{REGISTRY}/', f'"{registry}/')
    found: Manifest = json.loads(re.sub(r'"level": "(\d+)"', rf'"level": "{registry}/\1"', text))
    return found


class User:
    """Asks the API for one thing after another. An answer is believed; without one, both may be."""

    def __init__(
        self, transport: Transport, lattice: str, failed: Callable[[str, str], None], registry: str = REGISTRY
    ) -> None:
        self.manifests: dict[tuple[str, str], Manifest] = {}
        """All manifests that were ever put, by application and version."""
        self.newest: dict[str, Manifest] = {}
        self.deploys: dict[str, int] = {}
        """How often somebody has asked for a deploy, by application."""
        self.quiet = False
        """Whether nothing goes wrong at the moment, so that nothing may be refused without a reason."""
        self._transport = transport
        self._lattice = lattice
        self._failed = failed
        self._registry = registry
        self._ledgers: dict[str, Ledger] = {}
        self._asked_at: dict[str, float] = {}

    def ledger(self, application: str) -> Ledger:
        """Return what may be stored of an application."""
        if application not in self._ledgers:
            self._ledgers[application] = Ledger(self._transport.now)
        return self._ledgers[application]

    @property
    def may_be(self) -> dict[str, set[Stored]]:
        """What may be stored, by application."""
        return {name: ledger.may_be() for name, ledger in self._ledgers.items()}

    def is_sure(self, application: str) -> bool:
        """Whether nothing that was asked about an application can still come to pass."""
        return self.ledger(application).is_sure

    def is_free(self, application: str) -> bool:
        """Whether something more can be asked about an application."""
        return self.ledger(application).waiting < (1 if self.quiet else AT_A_TIME)

    def is_settled(self, application: str) -> bool:
        """Whether what was asked last about an application was answered long ago."""
        return self.is_sure(application) and self._transport.now() - self._asked_at.get(application, 0.0) > SETTLED

    async def put(self, manifest: Manifest) -> bool:
        """Put a manifest under the version it names; return whether that was confirmed."""
        manifest = marked(manifest, self._registry)
        name, version = manifest["metadata"]["name"], manifest["metadata"]["annotations"]["version"]
        self.manifests[name, version] = manifest
        self.newest[name] = manifest
        return await self._ask(name, "put", manifest, ("created", "newversion"), lambda stored: stored.put(version))

    async def deploy(self, application: str, version: str) -> bool:
        """Deploy a version."""
        operation, body = f"deploy.{application}", {"version": version}
        done = await self._ask(application, operation, body, ("acknowledged",), lambda stored: stored.deploy(version))
        self.deploys[application] = self.deploys.get(application, 0) + done
        return done

    async def undeploy(self, application: str) -> bool:
        """Undeploy an application."""
        return await self._ask(application, f"undeploy.{application}", {}, ("acknowledged",), Stored.undeploy)

    async def delete(self, application: str) -> bool:
        """Delete an application."""
        return await self._ask(application, f"del.{application}", {}, ("deleted",), Stored.delete)

    async def delete_version(self, application: str, version: str) -> bool:
        """Delete a version of an application."""
        operation, body = f"del.{application}", {"version": version}
        return await self._ask(application, operation, body, ("deleted",), lambda one: one.delete_version(version))

    async def read(self, operation: str) -> Any:
        """Ask for something that changes nothing; return the answer."""
        subject = f"wadm.api.{self._lattice}.model.{operation}"
        return json.loads((await self._transport.request(subject, b"", PATIENCE)).data)

    async def _ask(self, application: str, operation: str, body: Any, done: tuple[str, ...], change: Change) -> bool:
        ledger = self.ledger(application)
        self._asked_at[application] = self._transport.now() + PATIENCE
        number = ledger.asks(f"{operation} {body.get('version', '')}".strip(), change, may_forget=operation == "put")
        try:
            subject = f"wadm.api.{self._lattice}.model.{operation}"
            answer = await self._transport.request(subject, json.dumps(body).encode(), PATIENCE)
        except WadmError as error:
            ledger.gives_up(number)
            if self.quiet:
                self._failed("answers", f"{operation} of {application} was not answered: {error!r}")
            return False
        reply = json.loads(answer.data)
        try:
            return self._take_in(ledger, number, reply, done)
        except Contradiction as contradiction:
            self._failed("linearizability", f"{application}: {contradiction}")
            return reply["result"] in done

    def _take_in(self, ledger: Ledger, number: int, reply: Any, done: tuple[str, ...]) -> bool:
        if reply["result"] in done:
            dropped = _FORGOTTEN.search(reply.get("message", ""))
            ledger.done(number, len(json.loads(dropped[1])) if dropped else 0)
            return True
        message = reply.get("message", "")
        if any(why in message for why in _OF_OTHERS):
            ledger.refused(number)
        elif self.quiet:
            ledger.refused(number, rightly=True)
        elif reply["result"] in ("noop", "notfound") or any(why in message for why in _REFUSED):
            ledger.refused(number)
        else:
            ledger.gives_up(number)  # what was refused for a passing reason may have been stored all the same
        return False
