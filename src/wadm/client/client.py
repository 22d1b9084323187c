"""The client: what can be asked of a wadm server, ours or the original's, and of the lattice itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from pathlib import Path

from msgspec import json
from msgspec.structs import replace

from wadm.client import replies
from wadm.client.lattice import PING_PATIENT, LatticeReader
from wadm.client.replies import DeleteResult, DeployResult, Events, Explained, PutResult, Summary
from wadm.client.settings import Settings
from wadm.client.sources import load_file
from wadm.client.watch import SETTLE, Goal, NotReached, StatusWatch
from wadm.errors import NoResponders, TimedOut
from wadm.model.cordons import CordonStanding
from wadm.model.insight import Missing, Planned
from wadm.model.lattice import Inventory, Link, owner
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus
from wadm.model.timeline import Revision
from wadm.transport.base import Transport
from wadm.wire import subjects
from wadm.wire.api import Version, encode_version
from wadm.wire.control import HostPing
from wadm.wire.insight import REPLACE, Ask, encode_ask, signed

_LOOK_AGAIN = 1.0
_PAGE = 250
"""Applications that are asked for at once: a list of all might not fit into a message, and then tells less of each.
The original ignores this and tells all at once, or nothing."""


class Client:
    """The applications of one lattice, over one connection. Made by :func:`connect`.

    Methods may be called side by side. All of them raise :class:`~wadm.errors.NoResponders` where no server serves the
    lattice, :class:`~wadm.errors.TimedOut` where none answered in time, :class:`~wadm.errors.Rejected` with the
    server's own words where it said no, and :class:`~wadm.errors.Malformed` for answers nobody can read.
    """

    def __init__(self, transport: Transport, settings: Settings) -> None:
        self.transport = transport
        self.settings = settings
        self._reader = LatticeReader(transport, settings.lattice, settings.ctl_prefix, settings.timeout)

    @property
    def lattice(self) -> str:
        """The name of the lattice."""
        return self.settings.lattice

    def at(self, lattice: str) -> Client:
        """Return a client for another lattice over the same connection, which is closed for both at once."""
        if not subjects.is_token(lattice):
            raise ValueError(f"{lattice!r} cannot be the name of a lattice: letters, digits, - and _ only")
        return Client(self.transport, replace(self.settings, lattice=lattice))

    async def close(self) -> None:
        """Flush and close the connection."""
        await self.transport.close()

    # -- manifests ---------------------------------------------------------------------------

    async def put(self, manifest: Manifest | bytes | Path, *, replace: bool = False, author: str = "") -> PutResult:
        """Store a manifest as the newest version of its application; nothing is deployed by it.

        Takes a :class:`~wadm.model.manifest.Manifest`, the bytes of a YAML or JSON one, or the path of a file (whose
        relative ``file://`` images are made absolute). A manifest without a version is given one.

        ``replace``: put it in the place of that version if it is there. If that is deployed, what runs of it is
        changed as by a new version (the original refuses). ``author`` is who does it, for the events.

        Raises ManifestInvalid with what is wrong, AlreadyExists where the application has that version.
        """
        data, headers = await _written(manifest)
        if replace:
            headers = {**(headers or {}), REPLACE: "true"}
        headers = {**(headers or {}), **signed(author)}
        return replies.read_put(await self._request("put", data=data, headers=headers))

    async def get(self, name: str, version: str | None = None) -> Manifest:
        """Return the newest manifest of an application, or the one of ``version``. Raises NotFound."""
        return replies.read_get(await self._request("get", name, encode_version(version)))

    async def list(self) -> tuple[Summary, ...]:
        """Return all applications of the lattice, sorted by name."""
        found: dict[str, Summary] = {}
        after: str | None = ""
        while after is not None:
            body = json.encode({"limit": _PAGE, "after": after} if after else {"limit": _PAGE})
            page, following = replies.read_list(await self._request("get", data=body))
            found |= {one.name: one for one in page}
            after = following if following != after else None
        return tuple(found[name] for name in sorted(found))

    async def versions(self, name: str) -> tuple[Version, ...]:
        """Return an application's stored versions, oldest first. Raises NotFound."""
        return replies.read_versions(await self._request("versions", name))

    async def delete(self, name: str, version: str | None = None, *, author: str = "") -> DeleteResult:
        """Delete an application with all its versions, or one version. What is deployed of it is taken down.

        Deleting what is not there is no error; the result tells. ``author`` is who does it, for the events.
        """
        body = encode_version(version)
        return replies.read_delete(name, await self._request("del", name, body, signed(author)))

    # -- what should run ---------------------------------------------------------------------

    async def deploy(
        self,
        name: str,
        version: str | None = None,
        *,
        plan: str | None = None,
        retry: bool = False,
        author: str = "",
        message: str = "",
    ) -> DeployResult:
        """Have the newest version run, or the one named. Returns when this is noted; see :meth:`wait_for`.

        ``plan`` is the id of a plan that must still hold (:meth:`plan`). ``retry``: the version that is deployed, once
        more; what was given up of it is tried again. ``author`` and ``message`` are kept with the revision. The
        original ignores all four, and deploys the newest version.

        Raises NotFound, and Rejected where the plan does not hold any more or there is nothing to try again.
        """
        body = encode_ask(Ask(version=version, plan=plan, retry=retry, author=author, message=message))
        return replies.read_deploy(await self._request("deploy", name, body))

    async def undeploy(self, name: str, *, author: str = "", message: str = "") -> DeployResult:
        """Have nothing of the application run; its versions stay stored. Raises NotFound."""
        body = encode_ask(Ask(author=author, message=message))
        return replies.read_deploy(await self._request("undeploy", name, body))

    async def rollback(
        self, name: str, version: str | None = None, *, author: str = "", message: str = ""
    ) -> DeployResult:
        """Have the version run that ran before the current one, or the one named.

        Raises NotFound, Rejected where there is nothing to go back to, and NotSupported with the original.
        """
        body = encode_ask(Ask(version=version, author=author, message=message))
        return replies.read_deploy(await self._request("rollback", name, body))

    async def resume(self) -> tuple[str, ...]:
        """End the pause in which nothing of the lattice is moved because most hosts fell silent: what ran on hosts that
        still do not answer is started elsewhere.

        Return the names of those hosts; none where nothing was paused. Raises Unavailable where nobody looks after the
        lattice, and NotSupported with the original.
        """
        return replies.read_resumed(await self._request("resume"))

    async def cordon(
        self, host: str = "", *, label: str = "", author: str = "", message: str = ""
    ) -> tuple[CordonStanding, ...]:
        """Have nothing new placed on a host (by id or name), or on the hosts with a label (``key=value``); what runs
        there stays. A drain of the same becomes a cordon.

        Return the cordon with its hosts. Raises Rejected for a host that is not known, Unavailable where nobody looks
        after the lattice, and NotSupported with the original.
        """
        body = encode_ask(Ask(host=host, label=label, author=author, message=message))
        return replies.read_cordons(await self._request("cordon", data=body))

    async def drain(
        self,
        host: str = "",
        *,
        label: str = "",
        deadline: float = 0.0,
        force: bool = False,
        author: str = "",
        message: str = "",
    ) -> tuple[CordonStanding, ...]:
        """Have what runs on a host, or on the hosts with a label, run elsewhere, as :meth:`cordon`.

        ``deadline`` are the seconds after which it is to be over; with ``force`` what is left then is stopped.
        :meth:`cordons` tells how far it is.
        """
        ask = Ask(host=host, label=label, deadline=deadline, force=force, author=author, message=message)
        return replies.read_cordons(await self._request("drain", data=encode_ask(ask)))

    async def uncordon(self, host: str = "", *, label: str = "", author: str = "") -> tuple[CordonStanding, ...]:
        """Take a cordon or a drain back. Return those that are left. Raises as :meth:`cordon`."""
        body = encode_ask(Ask(host=host, label=label, author=author))
        return replies.read_cordons(await self._request("uncordon", data=body))

    async def cordons(self) -> tuple[CordonStanding, ...]:
        """Return which hosts are cordoned or drained, and how far each is. Raises as :meth:`cordon`."""
        return replies.read_cordons(await self._request("cordons"))

    async def missing(self) -> tuple[Missing, ...]:
        """Return the applications that the server's bucket has lost though nobody deleted them, as far as servers
        remember them. Raises NotSupported with the original."""
        return replies.read_missing(await self._request("missing"))

    async def restore_from_server(self) -> tuple[str, ...]:
        """Have the servers store again what they remember of those; return the names. Nothing is written over.

        Raises NotSupported with the original.
        """
        return replies.read_restored(await self._request("restore"))

    async def plan(
        self, what: str | Manifest | bytes | Path, version: str | None = None, *, undeploy: bool = False
    ) -> Planned:
        """Return what deploying would do, without doing it: a stored application by name (and ``version``), or a
        manifest that need not be stored. ``undeploy``: what undeploying it would do.

        Raises NotFound, ManifestInvalid, Unavailable where nobody looks after the lattice, and NotSupported with the
        original.
        """
        if isinstance(what, str):
            body = encode_ask(Ask(version=version, undeploy=undeploy))
            return replies.read_plan(await self._request("plan", what, body))
        data, headers = await _written(what)
        return replies.read_plan(await self._request("plan", data=data, headers=headers))

    # -- how it is ---------------------------------------------------------------------------

    async def status(self, name: str) -> ApplicationStatus:
        """Return an application's status; for one that the server does not know it is ``undeployed``."""
        return replies.read_status(await self._request("status", name))

    async def explain(self, name: str) -> Explained:
        """Return why an application is as it is: what is wanted, which hosts match and which do not, what is waited
        for; and the last of what happened. Raises NotFound, Unavailable, and NotSupported with the original."""
        return replies.read_explanation(await self._request("explain", name))

    async def events(self, name: str | None = None, since: float = 0, until: float = 0, limit: int = 200) -> Events:
        """Return what happened to an application, or to all of the lattice: the newest ``limit`` entries between
        ``since`` and ``until`` (seconds since 1970), oldest first. Raises NotSupported with the original."""
        body = encode_ask(Ask(since=since, until=until, limit=limit))
        return replies.read_events(await self._request("events", name, body))

    async def history(self, name: str) -> tuple[Revision, ...]:
        """Return every change of what is deployed of an application, oldest first, with who and what became of it.

        Empty where nothing was ever deployed, and with the original, which keeps none.
        """
        return replies.read_history(await self._request("history", name))

    def watching(self, name: str) -> StatusWatch:
        """Return a watch of the application's status, to be entered with ``async with``."""
        return StatusWatch(self.transport, subjects.status(self.lattice, name), lambda: self.status(name))

    async def watch_status(self, name: str) -> AsyncGenerator[ApplicationStatus, None]:
        """Yield the status now, then each that differs from the one before, for as long as the caller likes."""
        async with self.watching(name) as watch:
            async for status in watch.changes():
                yield status

    async def wait_for(
        self, name: str, until: Goal = "deployed", timeout: float = 60.0, settle: float = SETTLE
    ) -> ApplicationStatus:
        """Wait until the status is ``until``, or until ``until(status)`` is true; return it.

        A status that was there before the call counts once it has held for ``settle`` seconds: right after a deploy
        the last one published may still be about the version before. For ``undeployed``, wait on until the hosts run
        nothing of the application any more. Raises NotReached after ``timeout`` seconds, with the status then.
        """
        deadline = self.transport.now() + timeout
        async with self.watching(name) as watch:
            status = [status async for status in watch.until(until, timeout, settle)][-1]
        if until == "undeployed":
            await self.wait_gone(name, deadline - self.transport.now())
        return status

    async def wait_gone(self, name: str, timeout: float) -> None:
        """Wait until no host runs anything that wadm started for the application. Raises NotReached."""
        deadline = self.transport.now() + timeout
        while rest := _running(await self._all_inventories(), name):
            if self.transport.now() >= deadline:
                raise NotReached(f"{rest} of {name} still running after {timeout:.0f} s", None)
            await self.transport.sleep(_LOOK_AGAIN)

    async def _all_inventories(self) -> tuple[Inventory, ...]:
        hosts = await self._reader.hosts(PING_PATIENT)
        return await self.inventories(host.host_id for host in hosts)

    # -- what the lattice holds --------------------------------------------------------------

    async def hosts(self) -> tuple[HostPing, ...]:
        """Return the hosts that answer, sorted by name; none where the lattice has none."""
        return await self._reader.hosts()

    async def inventory(self, host_id: str) -> Inventory:
        """Return what runs on a host, in its own words. Raises NotFound for a host that nobody answers for."""
        return await self._reader.inventory(host_id)

    async def inventories(self, host_ids: Iterable[str] | None = None) -> tuple[Inventory, ...]:
        """Return what runs on each of these hosts, or of all; hosts that do not answer are left out."""
        return await self._reader.inventories(host_ids)

    async def links(self) -> tuple[Link, ...]:
        """Return all links of the lattice, whoever put them. Raises NoResponders where there is no host to ask."""
        return await self._reader.links()

    async def config(self, name: str) -> dict[str, str]:
        """Return a named configuration of the lattice. Raises NotFound."""
        return await self._reader.config(name)

    # -- requests ----------------------------------------------------------------------------

    async def carry(
        self, request: str, data: bytes = b"", headers: dict[str, str] | None = None, author: str = ""
    ) -> bytes:
        """Send a request of the API as it is, and return the reply as it is: for programs that only pass it on.

        ``request`` is what follows the lattice in the subject: ``model.status.shop``. ``Content-Type`` of ``headers``
        says what a manifest is, ``traceparent`` which trace the request belongs to. ``author`` is who asks, where that
        is not in the body.
        """
        if not all(map(subjects.is_token, request.split("."))):
            raise ValueError(f"{request!r} cannot be part of a subject")
        subject = f"{self.settings.api_prefix}.{self.lattice}.{request}"
        return await self._send(subject, request, data, {**(headers or {}), **signed(author)})

    async def _request(
        self, operation: str, name: str | None = None, data: bytes = b"", headers: dict[str, str] | None = None
    ) -> bytes:
        if name is not None and not subjects.is_token(name):
            raise ValueError(f"{name!r} cannot be the name of an application: letters, digits, - and _ only")
        subject = subjects.api(self.lattice, operation, name, prefix=self.settings.api_prefix)
        return await self._send(subject, operation, data, headers)

    async def _send(self, subject: str, operation: str, data: bytes, headers: dict[str, str] | None) -> bytes:
        timeout = self.settings.timeout
        try:
            return (await self.transport.request(subject, data, timeout, headers or None)).data
        except NoResponders:
            raise NoResponders(
                f"no wadm server serves lattice {self.lattice!r} (nobody listens on {subject})"
            ) from None
        except TimedOut:
            raise TimedOut(
                f"the wadm server did not answer {operation} within {timeout:g} s (it may still act on it)"
            ) from None


async def _written(manifest: Manifest | bytes | Path) -> tuple[bytes, dict[str, str] | None]:
    """Return a manifest's bytes and headers. What people wrote goes without a type: the server finds out."""
    match manifest:
        case bytes():
            return manifest, None
        case Path():
            return (await asyncio.to_thread(load_file, manifest)).data, None
        case Manifest():
            from wadm.wire.manifests import encode_manifest  # most requests do without

            return encode_manifest(manifest), {"Content-Type": "application/json"}
    raise TypeError(f"a manifest is a Manifest, bytes or a Path, not {type(manifest).__name__}")


def _running(inventories: tuple[Inventory, ...], name: str) -> str:
    """Return in words how much of the application runs, empty for nothing."""
    components = sum(owner(one) == name for inventory in inventories for one in inventory.components)
    providers = sum(owner(one) == name for inventory in inventories for one in inventory.providers)
    parts = [f"{n} {word}{'s' * (n != 1)}" for n, word in ((components, "component"), (providers, "provider")) if n]
    return " and ".join(parts)
