"""A small client of the Kubernetes API: what the operator asks of it, and no more.

Why not one of the big clients: theirs cost more memory than the whole operator, for classes of kinds that it never
meets. Objects are plain ``dict``, as JSON has them. How to log in is taken from kopf.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final, Generic, TypeAlias, TypeVar

import aiohttp
import msgspec

from wadm.errors import WadmError
from wadm.operator.names import KINDS, Key, Kind, key_of

Object: TypeAlias = dict[str, Any]
"""An object of Kubernetes, as JSON has it."""

T = TypeVar("T")

REQUEST_TIMEOUT: Final = 30.0
WATCH_TIMEOUT: Final = 240
"""Seconds after which a watch is opened anew, so that a connection that died unheard is not waited on for long."""
PAGE: Final = 500
"""Objects that are listed at a time."""

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"


class KubeError(WadmError):
    """The API server said no, or nothing. ``status`` is HTTP's (0: no answer), ``reason`` Kubernetes' own word."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason

    @property
    def missing(self) -> bool:
        """Whether the object is not there."""
        return self.status == 404

    @property
    def conflict(self) -> bool:
        """Whether somebody else was first, or the name is taken."""
        return self.status == 409

    @property
    def refused(self) -> bool:
        """Whether the object itself is wrong, so that trying again does not help.

        Of values that it cannot read at all, such as quantities, the server says 500.
        """
        return self.status in (400, 413, 422, 500) or (self.status == 403 and self.reason == "Forbidden")


class Access(msgspec.Struct, frozen=True):
    """Where the API server is and what to show it. ``ssl`` goes to aiohttp as it is."""

    server: str
    headers: Mapping[str, str]
    ssl: Any


class Kube:
    """Requests to one API server. ``login`` is asked anew when the server does not know us any more."""

    def __init__(self, login: Callable[[], Access]) -> None:
        self._login = login
        self._access = login()
        self._session = aiohttp.ClientSession(json_serialize=lambda value: msgspec.json.encode(value).decode())

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    # -- one object --------------------------------------------------------------------------

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Object | None:
        """Return an object, ``None`` where there is none."""
        try:
            return await self._request("GET", kind.path(namespace, name))
        except KubeError as error:
            if error.missing:
                return None
            raise

    async def create(self, body: Object) -> Object:
        """Create an object. Raises KubeError (``conflict``) where it is there."""
        kind = kind_of(body)
        return await self._request("POST", kind.path(body["metadata"].get("namespace")), body)

    async def replace(self, body: Object) -> Object:
        """Write an object over the one read before. Raises KubeError (``conflict``) where that has changed."""
        metadata = body["metadata"]
        return await self._request("PUT", kind_of(body).path(metadata.get("namespace"), metadata["name"]), body)

    async def apply(self, body: Object, manager: str, *, dry_run: bool = False) -> Object:
        """Have the object's fields be so, whoever set them before; fields that we set before and now leave out go."""
        metadata = body["metadata"]
        path = kind_of(body).path(metadata.get("namespace"), metadata["name"])
        parameters = {"fieldManager": manager, "force": "true"} | ({"dryRun": "All"} if dry_run else {})
        return await self._request("PATCH", path, body, parameters, APPLY)

    async def merge(
        self, kind: Kind, namespace: str | None, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        """Change the fields that the patch names; ``None`` removes one."""
        return await self._request("PATCH", kind.path(namespace, name, subresource), patch, None, MERGE)

    async def delete(self, kind: Kind, namespace: str | None, name: str, uid: str | None = None) -> None:
        """Delete an object, only the one of that uid if given; it may be gone already."""
        body = {"preconditions": {"uid": uid}} if uid else None
        try:
            await self._request("DELETE", kind.path(namespace, name), body)
        except KubeError as error:
            if not (error.missing or (uid and error.conflict)):
                raise

    # -- many --------------------------------------------------------------------------------

    async def list(self, kind: Kind, namespace: str | None = None, selector: str = "") -> tuple[list[Object], str]:
        """Return all objects with these labels, and the version to watch from."""
        parameters = {"limit": str(PAGE)} | ({"labelSelector": selector} if selector else {})
        objects: list[Object] = []
        while True:
            page = await self._request("GET", kind.path(namespace), None, parameters)
            objects += page.get("items", ())
            token = page["metadata"].get("continue")
            if not token:
                return objects, page["metadata"]["resourceVersion"]
            parameters["continue"] = token

    async def check_served(self, kind: Kind, namespace: str | None) -> None:
        """Raise KubeError (``missing``) where the server does not know the kind."""
        await self._request("GET", kind.path(namespace), None, {"limit": "1"})

    async def watch(
        self, kind: Kind, namespace: str | None, selector: str, since: str
    ) -> AsyncIterator[tuple[str, Object]]:
        """Yield type and object of each change, until the server ends it. Raises KubeError where it is too late."""
        parameters = {"watch": "true", "resourceVersion": since, "allowWatchBookmarks": "true"}
        parameters["timeoutSeconds"] = str(WATCH_TIMEOUT)
        if selector:
            parameters["labelSelector"] = selector
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=REQUEST_TIMEOUT, sock_read=WATCH_TIMEOUT + REQUEST_TIMEOUT
        )
        async with self._open("GET", kind.path(namespace), None, parameters, None, timeout) as response:
            await _check(response)
            async for line in _lines(response):
                event = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    raise _error(event["object"], 500)
                yield event["type"], event["object"]

    # -- requests ----------------------------------------------------------------------------

    async def _request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        parameters: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        for last in (False, True):
            try:
                async with self._open(method, path, body, parameters, content_type, timeout) as response:
                    if response.status == 401 and not last:
                        self._access = self._login()
                        continue
                    await _check(response)
                    return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]
            except (aiohttp.ClientError, TimeoutError) as error:
                raise KubeError(0, "NoAnswer", f"the API server does not answer: {error or 'timed out'}") from error
        raise AssertionError("unreachable")

    def _open(
        self,
        method: str,
        path: str,
        body: Object | None,
        parameters: Mapping[str, str] | None,
        content_type: str | None,
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        access = self._access
        headers = {**access.headers, "Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type or "application/json"
        return self._session.request(
            method,
            access.server.rstrip("/") + path,
            data=None if body is None else msgspec.json.encode(body),
            params=parameters,
            headers=headers,
            ssl=access.ssl,
            timeout=timeout,
        )


def kind_of(body: Object) -> Kind:
    """Return the kind of an object that says its own."""
    return KINDS[body["apiVersion"], body["kind"]]


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status < 400:
        return
    text = await response.read()
    try:
        status = msgspec.json.decode(text)
    except msgspec.DecodeError:
        status = {"message": text.decode(errors="replace")[:500]}
    raise _error(status, response.status)


def _error(status: Object, code: int) -> KubeError:
    return KubeError(status.get("code", code), status.get("reason", ""), status.get("message", "no reason given"))


async def _lines(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield the lines of an answer that goes on, however long they are."""
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line.strip():
                yield line


_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 10.0


class Follower(Generic[T]):
    """Keeps what ``keep`` makes of all objects of a kind, with the labels wished, and tells of every change of that.

    kopf watches the operator's own kinds. It is not used for this because it does not say what went away while the
    watch was broken, and a pod that is thought to be there gets requests that nobody answers.
    """

    def __init__(
        self,
        kube: Kube,
        kind: Kind,
        namespace: str | None,
        selector: str,
        changed: Callable[[Key], None],
        keep: Callable[[Object], T],
    ) -> None:
        self._kube = kube
        self._where = (kind, namespace, selector)
        self._changed = changed
        self._keep = keep
        self.objects: dict[Key, T] = {}
        """What was kept, by namespace and name."""
        self.synced = asyncio.Event()
        """Set once everything that was there has been seen."""

    async def run(self) -> None:
        """Follow until cancelled. May be called again after that."""
        self.synced.clear()
        pause = _FIRST_PAUSE
        while True:
            try:
                since = await self._take_all()
                pause = _FIRST_PAUSE
                while True:
                    since = await self._take_changes(since)
            except (KubeError, aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
                if not isinstance(error, KubeError) or error.status != 410:
                    logging.getLogger(__name__).info("Watching %s broke off: %s", self._where[0].plural, error)
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _take_all(self) -> str:
        found, version = await self._kube.list(*self._where)
        now = {key_of(body): self._keep(body) for body in found}
        before, self.objects = self.objects, now
        for key in before.keys() | now.keys():
            if before.get(key) != now.get(key):
                self._changed(key)
        self.synced.set()
        return version

    async def _take_changes(self, since: str) -> str:
        async for what, body in self._kube.watch(*self._where, since):
            since = body["metadata"]["resourceVersion"]
            if what == "BOOKMARK":
                continue
            key, kept = key_of(body), self._keep(body)
            before = self.objects.pop(key, None)
            if what != "DELETED":
                self.objects[key] = kept
            if what == "DELETED" or kept != before:
                self._changed(key)
        return since
