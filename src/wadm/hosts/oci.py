"""Fetches images from OCI registries, with the standard library alone (blocking: call it in a thread).

A registry is asked over HTTPS, but for those that are said to be insecure. Credentials are sent to the registry they
are for, by token (the realm that the registry names) or basic authentication. What comes is checked against its digest.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

MAX_IMAGE: Final = 200 << 20
"""Bytes of one image; larger ones are refused."""
_MAX_MANIFEST: Final = 4 << 20
_TIMEOUT: Final = 60.0
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


def _parameters(challenge: str) -> dict[str, str]:
    """Return what a challenge asks for; nothing where it makes no sense."""
    try:
        return dict(urllib.request.parse_keqv_list(urllib.request.parse_http_list(challenge)))
    except (ValueError, IndexError):
        return {}


class PullFailed(Exception):
    """The image could not be had; the text says why."""


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
    found = _REFERENCE.fullmatch(reference)
    if found is None:
        raise PullFailed("not the name of an image, as in registry.example/name:1.0.0")
    registry = _Registry(found["registry"], registries)
    try:
        return registry.image(found["repository"], found["digest"] or found["tag"] or "latest")
    except urllib.error.HTTPError as error:
        raise PullFailed(_http_error(error, found["registry"])) from error
    except (urllib.error.URLError, HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        raise PullFailed(f"{found['registry']} cannot be reached: {reason}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise PullFailed(f"{found['registry']} answered with what is no manifest") from error


def _http_error(error: urllib.error.HTTPError, registry: str) -> str:
    if error.code in (401, 403):
        return (
            f"{registry} does not permit it (HTTP {error.code}): log in with `docker login`, or set OCI_REGISTRY_USER"
        )
    if error.code == 404:
        return f"{registry} has no such image"
    return f"{registry} answered with HTTP {error.code}"


class _Registry:
    def __init__(self, name: str, known: Registries) -> None:
        host = "registry-1.docker.io" if name == "docker.io" else name
        self._base = f"{'http' if name in known.insecure else 'https'}://{host}/v2/"
        self._credentials = known.credentials.get(name)
        self._authorization: str | None = None

    def image(self, repository: str, version: str) -> bytes:
        """Return the layer of an image that is WebAssembly."""
        body = self._get(f"{repository}/manifests/{version}", _MAX_MANIFEST, _MANIFESTS)
        if version.startswith("sha256:"):
            _check(body, version)
        manifest: dict[str, Any] = json.loads(body)
        if "layers" not in manifest:
            raise PullFailed("the image is a list of images for several platforms, and no component")
        layer = next((one for one in manifest["layers"] if one["mediaType"] in _WASM_LAYERS), None)
        if layer is None:
            kinds = ", ".join(sorted({str(one["mediaType"]) for one in manifest["layers"]})) or "nothing"
            raise PullFailed(f"the image holds no WebAssembly, but {kinds}")
        if not isinstance(layer["size"], int) or layer["size"] > MAX_IMAGE:
            raise PullFailed(f"the image has {layer['size']} bytes, and {MAX_IMAGE} are the most")
        digest = str(layer["digest"])
        data = self._get(f"{repository}/blobs/{digest}", layer["size"] + 1)
        _check(data, digest)
        return data

    def _get(self, path: str, limit: int, accept: str = "*/*") -> bytes:
        try:
            return _read(self._ask(path, accept), limit)
        except urllib.error.HTTPError as error:
            if error.code != 401 or self._authorization is not None:
                raise
            self._authorization = self._authorize(error.headers.get("www-authenticate", ""))
        return _read(self._ask(path, accept), limit)

    def _ask(self, path: str, accept: str) -> HTTPResponse:
        request = urllib.request.Request(self._base + path, headers={"Accept": accept})  # noqa: S310 - http(s) by its making
        if self._authorization is not None:
            # urllib drops it where a registry sends on to its store, which must not see it
            request.add_unredirected_header("Authorization", self._authorization)
        return _open(request)

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
        answer = json.loads(_read(_open(request), _MAX_MANIFEST))
        return f"Bearer {answer.get('token') or answer['access_token']}"

    def _basic(self) -> str | None:
        if self._credentials is None:
            return None
        pair = f"{self._credentials.user}:{self._credentials.password}"
        return "Basic " + base64.b64encode(pair.encode()).decode()


def _open(request: urllib.request.Request) -> HTTPResponse:
    response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT)  # noqa: S310 - as above
    return response


def _read(response: HTTPResponse, limit: int) -> bytes:
    with response:
        data = response.read(limit + 1)
    if len(data) > limit:
        raise PullFailed("the registry sends more than it said")
    return data


def _check(data: bytes, digest: str) -> None:
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise PullFailed(f"what the registry sent is not what {digest} names")
