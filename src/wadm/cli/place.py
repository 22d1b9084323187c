"""The place a command was about, as options of another command: what is advised must be about the same lattice."""

from __future__ import annotations

import os
import re
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from wadm.client.settings import choose_context
from wadm.client.urls import safe_url
from wadm.errors import WadmError

if TYPE_CHECKING:
    from wadm.client.settings import Settings

_OPTIONS = {
    "servers": "--server",
    "lattice": "--lattice",
    "creds": "--creds",
    "tls_ca": "--tls-ca",
    "tls_cert": "--tls-cert",
    "tls_key": "--tls-key",
    "js_domain": "--js-domain",
    "inbox_prefix": "--inbox-prefix",
}
_CONTEXT = re.compile(r"(?:wash|nats) context '([^']*)'")


def same_place(settings: Settings) -> str:
    """Return the options by which another command reaches the same lattice, each with a blank before it; secrets are
    left out, and what comes from the environment, which the other command reads too.

    >>> from wadm.client.settings import Settings
    >>> same_place(Settings(lattice="staging", sources={"lattice": "given"}))
    ' --lattice staging'
    """
    parts = []
    contexts = sorted({found[1] for text in settings.sources.values() if (found := _CONTEXT.fullmatch(text))})
    if contexts and contexts[0] != _unasked_context():
        parts += ["--context", contexts[0]]
    for field, option in _OPTIONS.items():
        if settings.sources.get(field) == "given":
            value = getattr(settings, field)
            parts += [option, ",".join(map(safe_url, value)) if field == "servers" else value]
    return "".join(f" {shlex.quote(part)}" for part in parts)


def _unasked_context() -> str:
    """Return the context that a command uses without being told, which need not be named to another."""
    try:
        used = choose_context(None, os.environ)
    except WadmError:
        return ""
    return used.name if used is not None else ""


def host_and_port(settings: Settings) -> tuple[str, int]:
    """Return where the first NATS server is."""
    parts = urlsplit(settings.servers[0])
    try:
        return parts.hostname or "127.0.0.1", parts.port or 4222
    except ValueError:
        return "127.0.0.1", 4222


def start_a_host(settings: Settings) -> str:
    """Return how to have a host in this lattice: a real one, or a simulated one."""
    host, port = host_and_port(settings)
    real = f"wash up --nats-connect-only --disable-wadm --nats-host {host} --nats-port {port}"
    lattice = "" if settings.lattice == "default" else f" --lattice {settings.lattice}"
    return f"start a wasmCloud host in it (`{real}{lattice}`), or simulate one (`wadm simulate{same_place(settings)}`)"


def start_a_server(settings: Settings) -> str:
    """Return how to have a wadm server on this NATS."""
    where = ",".join(safe_url(server) for server in settings.servers)
    domain = f" -d {settings.js_domain}" if settings.js_domain else ""
    return f"start one with `wadm serve --nats-server {where}{domain}`"
