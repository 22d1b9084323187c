"""Where the API server is and what to show it: the service account of a pod, or a kubeconfig.

``KUBECONFIG`` counts first, then the service account, then ``~/.kube/config``. What expires is read again: the token of
a service account, which Kubernetes changes every hour, and what a kubeconfig's ``exec`` plugin prints.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import tempfile
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from wadm.errors import Misconfigured

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
TOKEN_AGE: Final = 60.0
"""Seconds after which a token is read from its file again."""
EXPIRES_SOON: Final = 60.0
"""Seconds before its end from which a credential is not used any more."""
PLUGIN_TIMEOUT: Final = 60.0

Config = Mapping[str, Any]


class Access(msgspec.Struct, frozen=True):
    """Where the API server is and what to show it. ``ssl`` and ``proxy`` go to aiohttp as they are."""

    server: str
    headers: Mapping[str, str]
    ssl: Any
    proxy: str | None = None
    server_name: str | None = None
    """The name that the server's certificate bears, where that is not the one in ``server``."""


class Login:
    """Says what to show the API server now. Raises Misconfigured where nothing says how to log in."""

    def __init__(self, source: ServiceAccount | Kubeconfig | None = None) -> None:
        self._source = source or find_source()
        self._access: Access | None = None
        self._until = 0.0
        self._asking = asyncio.Lock()

    async def access(self, refused: Access | None = None) -> Access:
        """Return what to show. ``refused`` is what the server did not take: it is not returned again unread."""
        async with self._asking:
            if self._access is None or time.monotonic() > self._until or self._access is refused:
                self._access, lasts = await self._source.read()
                self._until = time.monotonic() + lasts
            return self._access


def find_source() -> ServiceAccount | Kubeconfig:
    """Return what says how to log in. Raises Misconfigured where nothing does."""
    if os.environ.get("KUBECONFIG"):
        return Kubeconfig(os.environ["KUBECONFIG"].split(os.pathsep))
    if os.environ.get("KUBERNETES_SERVICE_HOST") and (SERVICE_ACCOUNT / "token").exists():
        return ServiceAccount(SERVICE_ACCOUNT, os.environ)
    return Kubeconfig([str(Path.home() / ".kube" / "config")])


class ServiceAccount:
    """The account that Kubernetes mounts into a pod."""

    def __init__(self, directory: Path, environment: Mapping[str, str]) -> None:
        self._directory = directory
        host, port = environment["KUBERNETES_SERVICE_HOST"], environment.get("KUBERNETES_SERVICE_PORT", "443")
        self._server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"

    async def read(self) -> tuple[Access, float]:
        """Return what to show, and for how many seconds that may be used."""
        try:
            token = (self._directory / "token").read_text("utf-8").strip()
            context = ssl.create_default_context(cafile=str(self._directory / "ca.crt"))
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(f"Cannot log in to Kubernetes with the service account of the pod: {error}") from error
        return Access(self._server, {"Authorization": f"Bearer {token}"}, context), TOKEN_AGE


class Kubeconfig:
    """The current context of kubeconfig files. Of what several define, the first definition counts, as for kubectl."""

    def __init__(self, paths: list[str]) -> None:
        files = [(Path(path), _load(Path(path))) for path in paths if path and Path(path).exists()]
        if not files:
            raise Misconfigured(
                "Cannot log in to Kubernetes: there is neither a service account nor a kubeconfig "
                f"({', '.join(filter(None, paths))})"
            )
        current = next((config["current-context"] for _, config in files if config.get("current-context")), "")
        context = _find(files, "contexts", "context", current)[1]
        self._cluster_at, self._cluster = _find(files, "clusters", "cluster", context.get("cluster", ""))
        nobody: tuple[Path, Config] = (Path(), {})
        found = _find(files, "users", "user", context["user"]) if context.get("user") else nobody
        self._user_at, self._user = found
        if not self._cluster.get("server"):
            raise Misconfigured(f"Cannot log in to Kubernetes: cluster {context.get('cluster')} has no server")
        if "auth-provider" in self._user and "exec" not in self._user:
            raise Misconfigured("Cannot log in to Kubernetes: auth-provider is not supported any more, use exec")

    async def read(self) -> tuple[Access, float]:
        """Return what to show, and for how many seconds that may be used."""
        user, lasts = self._user, float("inf")
        if "exec" in user:
            given, lasts = await _run_plugin(user["exec"], self._user_at.parent)
            user = {**user, **given}
        headers, text = {}, _token(user, self._user_at.parent)
        if text:
            headers["Authorization"] = f"Bearer {text}"
        elif user.get("username"):
            pair = f"{user['username']}:{user.get('password', '')}".encode()
            headers["Authorization"] = f"Basic {b64encode(pair).decode()}"
        try:
            context = self._context(user)
        except (OSError, ValueError, ssl.SSLError) as error:
            raise Misconfigured(f"Cannot log in to Kubernetes: the certificates of the kubeconfig: {error}") from error
        access = Access(
            self._cluster["server"],
            headers,
            context,
            self._cluster.get("proxy-url"),
            self._cluster.get("tls-server-name"),
        )
        return access, min(lasts, TOKEN_AGE if user.get("tokenFile") else lasts)

    def _context(self, user: Config) -> ssl.SSLContext | bool:
        if not self._cluster["server"].startswith("https"):
            return True
        authority = _content(self._cluster, "certificate-authority", self._cluster_at.parent)
        context = ssl.create_default_context(cadata=authority.decode() if authority else None)
        if self._cluster.get("insecure-skip-tls-verify"):
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        certificate = _content(user, "client-certificate", self._user_at.parent)
        key = _content(user, "client-key", self._user_at.parent)
        if certificate and key:
            # The library of Python reads them from a file only.
            with tempfile.NamedTemporaryFile() as both:
                both.write(certificate + b"\n" + key)
                both.flush()
                context.load_cert_chain(both.name)
        return context


def _load(path: Path) -> Config:
    try:
        config = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Misconfigured(f"Cannot log in to Kubernetes: kubeconfig {path}: {error}") from error
    if not isinstance(config, Mapping):
        raise Misconfigured(f"Cannot log in to Kubernetes: kubeconfig {path} holds no configuration")
    return config


def _find(files: list[tuple[Path, Config]], plural: str, singular: str, name: str) -> tuple[Path, Config]:
    for path, config in files:
        for entry in config.get(plural) or ():
            if entry.get("name") == name:
                return path, entry.get(singular) or {}
    raise Misconfigured(f"Cannot log in to Kubernetes: the kubeconfig has no {singular} {name!r}")


def _content(config: Config, field: str, directory: Path) -> bytes | None:
    """Return what a field holds or names: ``field-data`` in base64, or a path that may be relative to the file."""
    if config.get(f"{field}-data"):
        return b64decode(config[f"{field}-data"])
    return (directory / config[field]).read_bytes() if config.get(field) else None


def _token(user: Config, directory: Path) -> str:
    if user.get("token"):
        return str(user["token"])
    if not user.get("tokenFile"):
        return ""
    try:
        return (directory / str(user["tokenFile"])).read_text("utf-8").strip()
    except OSError as error:
        raise Misconfigured(f"Cannot log in to Kubernetes: tokenFile: {error}") from error


async def _run_plugin(plugin: Config, directory: Path) -> tuple[Config, float]:
    """Return what an ``exec`` plugin says of the user, and for how many seconds that holds."""
    command = plugin["command"]
    program = str(directory / command) if "/" in command and not command.startswith("/") else command
    request = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    environment = {one["name"]: one["value"] for one in plugin.get("env") or ()}
    environment["KUBERNETES_EXEC_INFO"] = msgspec.json.encode(request).decode()
    try:
        process = await asyncio.create_subprocess_exec(
            program,
            *(plugin.get("args") or ()),
            env={**os.environ, **environment},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(PLUGIN_TIMEOUT):
            answer, complaint = await process.communicate()
    except (OSError, TimeoutError) as error:
        raise Misconfigured(f"Cannot log in to Kubernetes: {command}: {error or 'no answer'}") from error
    if process.returncode:
        words = complaint.decode(errors="replace").strip()[-500:]
        raise Misconfigured(f"Cannot log in to Kubernetes: {command} ended with {process.returncode}: {words}")
    try:
        status = msgspec.json.decode(answer)["status"]
        expires = status.get("expirationTimestamp")
        lasts = datetime.fromisoformat(expires).timestamp() - time.time() - EXPIRES_SOON if expires else float("inf")
    except (KeyError, TypeError, ValueError, AttributeError, msgspec.DecodeError) as error:
        raise Misconfigured(f"Cannot log in to Kubernetes: {command} printed no ExecCredential") from error
    data = {
        "token": status.get("token"),
        "client-certificate-data": _encoded(status.get("clientCertificateData")),
        "client-key-data": _encoded(status.get("clientKeyData")),
    }
    return {key: text for key, text in data.items() if text}, lasts


def _encoded(text: str | None) -> str | None:
    return b64encode(text.encode()).decode() if text else None
