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
    for one in connection_data(settings):
        result.add_row(one["setting"].replace("_", " "), one["value"], one["from"])
    return result


def connection_data(settings: Settings) -> list[dict[str, str]]:
    """Return every setting that has a value, with its place of origin; no secrets."""
    values = {field: _text(getattr(settings, field)) for field in _SHOWN}
    rows = [(field, value, field) for field, value in values.items() if value]
    identity = next((field for field in ("jwt", "creds", "seed", "user", "token") if getattr(settings, field)), "")
    rows.append(("authentication", settings.authentication, identity))
    return [
        {"setting": name, "value": value, "from": settings.sources.get(field, "default")} for name, value, field in rows
    ]


def _text(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_without_password(str(server)) for server in value)
    return f"{value:g}s" if isinstance(value, float) else str(value)


def _without_password(url: str) -> str:
    scheme, mark, rest = url.rpartition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
