"""A small client of the Kubernetes API: what the operator asks of it, and no more.

Why not one of the big clients: theirs cost more memory than the whole operator, for classes of kinds that it never
meets. Objects are plain ``dict``, as JSON has them. :mod:`.login` says what to show the server, :mod:`.reflector`
keeps in step with what is there.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import aiohttp
import msgspec

from wadm import __version__
from wadm.errors import Misconfigured, WadmError
from wadm.operator import names
from wadm.operator.login import Access, Login
from wadm.operator.metrics import Metrics
from wadm.operator.names import KINDS, Kind

Object: TypeAlias = dict[str, Any]
"""An object of Kubernetes, as JSON has it."""

Body: TypeAlias = Object | Sequence[Object]
"""What is sent: an object, a part of one, or the steps of a patch."""

REQUEST_TIMEOUT: Final = 30.0
WATCH_TIMEOUT: Final = 240
"""Seconds after which a watch is opened anew, so that a connection that died unheard is not waited on for long."""
PAGE: Final = 500
"""Objects that are listed at a time."""

USER_AGENT: Final = f"{names.OPERATOR}/{__version__}"

UNREADABLE: Final = ("failed to convert", "failed to create typed")
"""How the API server begins to say that it cannot read a value."""

APPLY: Final = "application/apply-patch+yaml"
MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"


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

        Of values that it cannot read at all, such as quantities, the server says 500, as it does of its own troubles.
        """
        if self.status == 500:
            return str(self).startswith(UNREADABLE)
        return self.status in (400, 413, 422) or (self.status == 403 and self.reason == "Forbidden")


class Kube:
    """Requests to one API server. ``login`` is asked anew when the server does not know us any more."""

    def __init__(self, login: Login, metrics: Metrics | None = None) -> None:
        self._login = login
        self._metrics = metrics or Metrics()
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

    async def create(self, body: Object, manager: str = names.OPERATOR) -> Object:
        """Create an object. Raises KubeError (``AlreadyExists``) where it is there."""
        path = kind_of(body).path(body["metadata"].get("namespace"))
        return await self._request("POST", path, body, {"fieldManager": manager})

    async def replace(self, body: Object) -> Object:
        """Write an object over the one read before. Raises KubeError (``conflict``) where that has changed."""
        metadata = body["metadata"]
        path = kind_of(body).path(metadata.get("namespace"), metadata["name"])
        return await self._request("PUT", path, body, {"fieldManager": names.OPERATOR})

    async def apply(self, body: Object, manager: str, *, force: bool = True, dry_run: bool = False) -> Object:
        """Have the object's fields be so; fields that we set before and now leave out go.

        With ``force``, whoever set them before. A ``uid`` in the object's metadata has the write fail (``conflict``)
        where another object of that name is there.
        """
        metadata = body["metadata"]
        path = kind_of(body).path(metadata.get("namespace"), metadata["name"])
        parameters = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            parameters["dryRun"] = "All"
        return await self._request("PATCH", path, body, parameters, APPLY)

    async def merge(
        self, kind: Kind, namespace: str | None, name: str, patch: Object, subresource: str | None = None
    ) -> Object:
        """Change the fields that the patch names; ``None`` removes one."""
        path = kind.path(namespace, name, subresource)
        return await self._request("PATCH", path, patch, {"fieldManager": names.OPERATOR}, MERGE)

    async def json_patch(
        self, kind: Kind, namespace: str | None, name: str, changes: Sequence[Object], manager: str
    ) -> Object:
        """Change an object step by step (RFC 6902). Replacing ``/metadata/resourceVersion`` makes it a condition."""
        return await self._request("PATCH", kind.path(namespace, name), changes, {"fieldManager": manager}, JSON_PATCH)

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, uid: str | None = None, version: str | None = None
    ) -> None:
        """Delete an object, only the one of that uid in that state if given; it may be gone already.

        Raises KubeError (``conflict``) where it is there in another state.
        """
        given = {"uid": uid, "resourceVersion": version}
        preconditions = {name: value for name, value in given.items() if value}
        body = {"preconditions": preconditions} if preconditions else None
        try:
            await self._request("DELETE", kind.path(namespace, name), body)
        except KubeError as error:
            if not (error.missing or (uid and not version and error.conflict)):
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
        access = await self._access()
        opened = self._open(access, "GET", kind.path(namespace), None, parameters, None, timeout)
        async with opened as response:
            if response.status == 401:
                await self._access(refused=access)
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
        body: Body | None = None,
        parameters: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Object:
        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT)
        access, begun, code = await self._access(), time.monotonic(), "none"
        try:
            async with self._open(access, method, path, body, parameters, content_type, timeout) as response:
                code = str(response.status)
                if response.status != 401:
                    await _check(response)
                    return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]
            access = await self._access(refused=access)
            async with self._open(access, method, path, body, parameters, content_type, timeout) as response:
                code = str(response.status)
                await _check(response)
                return msgspec.json.decode(await response.read())  # type: ignore[no-any-return]
        except (aiohttp.ClientError, TimeoutError, msgspec.DecodeError) as error:
            raise KubeError(0, "NoAnswer", f"the API server does not answer: {error or 'timed out'}") from error
        finally:
            self._metrics.requests[method, code] += 1
            self._metrics.request_seconds.observe(time.monotonic() - begun)

    async def _access(self, refused: Access | None = None) -> Access:
        try:
            return await self._login.access(refused)
        except Misconfigured as error:
            raise KubeError(0, "NoLogin", str(error)) from error

    def _open(
        self,
        access: Access,
        method: str,
        path: str,
        body: Body | None,
        parameters: Mapping[str, str] | None,
        content_type: str | None,
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        headers = {**access.headers, "Accept": "application/json", "User-Agent": USER_AGENT}
        if body is not None:
            headers["Content-Type"] = content_type or "application/json"
        return self._session.request(
            method,
            access.server.rstrip("/") + path,
            data=None if body is None else msgspec.json.encode(body),
            params=parameters,
            headers=headers,
            ssl=access.ssl,
            proxy=access.proxy,
            server_hostname=access.server_name,
            timeout=timeout,
        )


def merge_patch(before: Mapping[str, Any], after: Mapping[str, Any]) -> Object:
    """Return the merge patch that makes ``after`` of ``before``: what differs, and ``None`` for what is left out.

    >>> merge_patch({"a": 1, "b": {"c": 1, "d": 2}}, {"a": 1, "b": {"d": 3}})
    {'b': {'c': None, 'd': 3}}
    """
    patch: Object = dict.fromkeys(before.keys() - after.keys())
    for field, value in after.items():
        there = before.get(field)
        if isinstance(there, Mapping) and isinstance(value, Mapping):
            if inner := merge_patch(there, value):
                patch[field] = inner
        elif field not in before or there != value:
            patch[field] = value
    return patch


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
