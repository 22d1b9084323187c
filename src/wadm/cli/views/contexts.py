"""Contexts, and what a connection is made of."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views.table import or_nothing, table
from wadm.client.contexts import Context
from wadm.client.settings import Settings

_SHOWN = ("servers", "lattice", "api_prefix", "ctl_prefix", "js_domain", "tls_ca", "tls_cert", "timeout")


def contexts(found: Sequence[Context], used: Context | None) -> RenderableType:
    """Return the contexts there are; ``used`` is the one that counts now."""
    if not found:
        return Text("There are no contexts. `wash ctx new` and `nats context add` make them.")
    result = table("NAME", "OF", "USED", "DESCRIPTION", "FILE", flexible="FILE")
    for context in found:
        now = Text("✓", style="green") if used is not None and context.path == used.path else or_nothing("")
        result.add_row(context.name, context.kind, now, or_nothing(context.description), str(context.path))
    return result


def connection(settings: Settings) -> RenderableType:
    """Return what the flags, the environment and the contexts add up to, and where each value comes from."""
    result = table("SETTING", "VALUE", "FROM", flexible="VALUE")
    for field in _SHOWN:
        value = getattr(settings, field)
        text = f"{value:g}s" if field == "timeout" else shown_servers(settings) if field == "servers" else str(value)
        if text:
            result.add_row(field.replace("_", " "), text, settings.sources.get(field, "default"))
    identity = next((field for field in ("jwt", "creds", "seed", "user", "token") if getattr(settings, field)), "")
    result.add_row("authentication", settings.authentication, settings.sources.get(identity, "default"))
    return result


def shown_servers(settings: Settings) -> str:
    """Return the servers without passwords."""
    return ", ".join(_without_password(server) for server in settings.servers)


def _without_password(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
