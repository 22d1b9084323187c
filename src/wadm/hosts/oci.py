"""Fetches images from OCI registries, with the standard library alone (blocking: call it in a thread).

A registry is asked over HTTPS, but for those that are said to be insecure. Credentials are sent to the registry they
are for, by token (the realm that the registry names) or basic authentication. What comes is checked against its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct

MAX_IMAGE: Final = 200 << 20
"""Bytes of one image; larger ones are refused."""
_MAX_MANIFEST: Final = 4 << 20
_TIMEOUT: Final = 60.0
_PART: Final = 64 << 10
_MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, "
    "application/vnd.oci.image.index.v1+json"
)
_WASM_LAYERS: Final = (
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
)
_REFERENCE: Final = re.compile(
    r"(?:oci://)?(?P<registry>[^/\s]+)/(?P<repository>[a-z0-9][a-z0-9._/-]*)"
    r"(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)

T = TypeVar("T")


def _parameters(challenge: str) -> dict[str, str]:
    """Return what a challenge asks for; nothing where it makes no sense."""
    try:
        return dict(urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge)))
    except (ValueError, IndexError):
        return {}


class PullFailed(Exception):
    """The image could not be had; the text says why."""


class Unreached(PullFailed):
    """The registry could not be reached, or said nothing in time."""


class Credentials(Struct, frozen=True):
    """Who one is for a registry."""

    user: str
    password: str


class Registries(Struct, frozen=True):
    """What is known of registries, by their name (with port): which are asked over HTTP, and as whom."""

    insecure: frozenset[str] = frozenset()
    credentials: Mapping[str, Credentials] = {}


def known_credentials(environment: Mapping[str, str], home: Path) -> dict[str, Credentials]:
    """Return the credentials that a user has: those of ``docker login``, and those that hosts of wasmCloud read from
    the environment (``OCI_REGISTRY``, ``OCI_REGISTRY_USER``, ``OCI_REGISTRY_PASSWORD``)."""
    found = {}
    configured = environment.get("DOCKER_CONFIG")
    path = (Path(configured) if configured else home / ".docker") / "config.json"
    try:
        stored = json.loads(path.read_text())["auths"]
        for name, entry in stored.items():
            user, colon, password = base64.b64decode(entry.get("auth", "")).decode().partition(":")
            if colon:
                found[name] = Credentials(user, password)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        pass  # nobody logged in, or not in this way
    if (own := environment.get("OCI_REGISTRY")) and (name := environment.get("OCI_REGISTRY_USER")):
        found[own] = Credentials(name, environment.get("OCI_REGISTRY_PASSWORD", ""))
    return found


def fetch(reference: str, registries: Registries) -> bytes:
    """Return the WebAssembly of an image. Raises PullFailed."""
    return ask(reference, registries, Registry.image)


def ask(
    reference: str,
    registries: Registries,
    question: Callable[[Registry, str, str], T],
    allowance: Allowance | None = None,
) -> T:
    """Return what ``question`` returns, which is given the registry, the repository and the tag or digest of an image.

    Raises PullFailed, whatever goes wrong, and for what is beyond the ``allowance``.
    """
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise PullFailed("not the name of an image, as in registry.example/name:1.0.0")
    registry = Registry(found["registry"], registries, allowance)
    try:
        return question(registry, found["repository"], found["digest"] or found["tag"] or "latest")
    except urllib.error.HTTPError as error:
        raise PullFailed(_http_error(error, found["registry"])) from error
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise Unreached(f"{found['registry']} cannot be reached: {reason}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PullFailed(f"{found['registry']} answered with what is no manifest") from error


def _http_error(error: urllib.error.HTTPError, registry: str) -> str:
    if error.code in (401, 403):
        return (
            f"{registry} does not permit it (HTTP {error.code}): log in with `docker login`, or set OCI_REGISTRY_USER"
        )
    if error.code == 404:
        return f"{registry} has no such image"
    return f"{registry} answered with HTTP {error.code}"


class Allowance:
    """What may be spent on looking at images: seconds from now on, and bytes, by all threads together."""

    def __init__(self, seconds: float, size: int) -> None:
        self._until = time.monotonic() + seconds
        self._size = size
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """How many seconds are left. Raises PullFailed where there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise PullFailed("no answer in time")
        return left

    def expect(self, size: int) -> None:
        """Raise PullFailed where fewer bytes are left than are to come."""
        if size > self._size:
            raise PullFailed(f"too large to be looked at ({size} bytes)")

    def take(self, size: int) -> None:
        """Spend bytes. Raises PullFailed where fewer are left."""
        with self._lock:
            self.expect(size)
            self._size -= size


class Registry:
    """One registry, asked as whoever has logged in there."""

    def __init__(self, name: str, known: Registries, allowance: Allowance | None = None) -> None:
        host = "registry-1.docker.io" if name == "docker.io" else name
        self._base = f"{'http' if name in known.insecure else 'https'}://{host}/v2/"
        self._credentials = known.credentials.get(name)
        self._authorization: str | None = None
        self._allowance = allowance

    def image(self, repository: str, version: str) -> bytes:
        """Return the layer of an image that is WebAssembly."""
        layer = wasm_layer(self.manifest(repository, version))
        if layer["size"] > MAX_IMAGE:
            raise PullFailed(f"the image has {layer['size']} bytes, and {MAX_IMAGE} are the most")
        return self.blob(repository, layer)

    def manifest(self, repository: str, version: str) -> dict[str, Any]:
        """Return the manifest of an image."""
        body = self._get(f"{repository}/manifests/{version}", _MAX_MANIFEST, _MANIFESTS)
        if version.startswith("sha256:"):
            _check(body, version)
        manifest: dict[str, Any] = json.loads(body)
        if "layers" not in manifest:
            raise PullFailed("the image is a list of images for several platforms, and no component")
        return manifest

    def blob(self, repository: str, described: Mapping[str, Any]) -> bytes:
        """Return a part of an image as its manifest describes it."""
        digest = str(described["digest"])
        data = self._get(f"{repository}/blobs/{digest}", described["size"] + 1)
        _check(data, digest)
        return data

    def expect(self, size: int) -> None:
        """Raise PullFailed where so many bytes may not be fetched."""
        if self._allowance is not None:
            self._allowance.expect(size)

    def _get(self, path: str, limit: int, accept: str = "*/*") -> bytes:
        try:
            return self._read(self._ask(path, accept), limit)
        except urllib.error.HTTPError as error:
            if error.code != 401 or self._authorization is not None:
                raise
            self._authorization = self._authorize(error.headers.get("www-authenticate", ""))
        return self._read(self._ask(path, accept), limit)

    def _ask(self, path: str, accept: str) -> HTTPResponse:
        request = urllib.request.Request(self._base + path, headers={"Accept": accept})  # noqa: S310 - http(s) by its making
        if self._authorization is not None:
            # urllib drops it where a registry sends on to its store, which must not see it
            request.add_unredirected_header("Authorization", self._authorization)
        return self._open(request)

    def _authorize(self, challenge: str) -> str | None:
        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            return self._basic()
        asked = _parameters(rest)
        realm = asked.pop("realm", "")
        if not realm.startswith(("https://", "http://")):
            raise PullFailed("the registry asks for an authentication that is not known here")
        request = urllib.request.Request(f"{realm}?{urllib.parse.urlencode(asked)}")  # noqa: S310 - checked above
        if (basic := self._basic()) is not None:
            request.add_unredirected_header("Authorization", basic)
        answer = json.loads(self._read(self._open(request), _MAX_MANIFEST))
        return f"Bearer {answer.get('token') or answer['access_token']}"

    def _basic(self) -> str | None:
        if self._credentials is None:
            return None
        pair = f"{self._credentials.user}:{self._credentials.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()

    def _open(self, request: urllib.request.Request) -> HTTPResponse:
        seconds = _TIMEOUT if self._allowance is None else self._allowance.seconds
        response: HTTPResponse = urllib.request.urlopen(request, timeout=seconds)  # noqa: S310 - as above
        return response

    def _read(self, response: HTTPResponse, limit: int) -> bytes:
        data = bytearray()
        with response:
            while part := response.read1(min(_PART, limit + 1 - len(data))):
                data += part
                if len(data) > limit:
                    raise PullFailed("the registry sends more than it said")
                if self._allowance is not None:
                    self._allowance.take(len(part))
                    _ = self._allowance.seconds  # a registry may send for ever, little by little
        return bytes(data)


def wasm_layer(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return the layer of an image that is WebAssembly. Raises PullFailed."""
    layer: dict[str, Any] | None = next((one for one in manifest["layers"] if one["mediaType"] in _WASM_LAYERS), None)
    if layer is None:
        kinds = ", ".join(sorted({str(one["mediaType"]) for one in manifest["layers"]})) or "nothing"
        raise PullFailed(f"the image holds no WebAssembly, but {kinds}")
    if not isinstance(layer["size"], int):
        raise PullFailed(f"the image has {layer['size']} bytes, and {MAX_IMAGE} are the most")
    return layer


def _check(data: bytes, digest: str) -> None:
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise PullFailed(f"what the registry sent is not what {digest} names")
