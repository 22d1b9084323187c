"""What the shell offers while a command is typed: names as the lattice has them at that moment.

Nothing may be said and nothing may take long here: where something is in the way, nothing is offered.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

from wadm.cli.options import session_of

if TYPE_CHECKING:
    from wadm.client.client import Client

PATIENCE = 1.0
"""Seconds for which the server is waited for."""

Ask = Callable[["Client"], Awaitable[Iterable[tuple[str, str]]]]
"""Asks for values with a word of help each."""


def applications(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of stored applications."""

    async def ask(client: Client) -> Iterable[tuple[str, str]]:
        return [(one.name, one.description or one.status.type) for one in await client.list()]

    taken = ctx.params.get(parameter.name or "") or ()
    return [item for item in _offer(ctx, incomplete, ask) if item.value not in taken]


def applications_and_files(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of stored applications, and files."""
    if "/" in incomplete or incomplete.startswith("."):
        return [CompletionItem(incomplete, type="file")]
    return [*applications(ctx, parameter, incomplete), CompletionItem(incomplete, type="file")]


def versions(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the versions of the application that is named on the line already."""
    # A line that ends in an option without its value is not parsed: the words stand in `args` then.
    named = ctx.params.get("name") or ctx.params.get("target")
    named = named or next(iter(ctx.params.get("targets") or ctx.args), None)
    if not named:
        return []

    async def ask(client: Client) -> Iterable[tuple[str, str]]:
        found = await client.versions(named)
        return [(one.version, "deployed" if one.deployed else "") for one in reversed(found)]

    return _offer(ctx, incomplete, ask)


def scalers(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the scalers of the application that is named on the line already."""
    named = ctx.params.get("name") or next(iter(ctx.args), None)
    if not named:
        return []

    async def ask(client: Client) -> Iterable[tuple[str, str]]:
        from wadm.cli.views import names
        from wadm.model.status import SEVERITY, StatusType

        current = await client.status(named)
        worst: dict[str, StatusType] = {}  # a provider and its link may begin with one word
        for one in current.scalers:
            word = names.scaler(one.name, named).partition(" ")[0]
            worst[word] = min(worst.get(word, one.type), one.type, key=SEVERITY.index)
        return worst.items()

    return _offer(ctx, incomplete, ask)


def configurations(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of configurations that deployed applications and links refer to."""

    async def ask(client: Client) -> Iterable[tuple[str, str]]:
        from wadm.cli.config_uses import config_uses

        return [(one.name, one.application or "") for one in await config_uses(client)]

    return _offer(ctx, incomplete, ask)


def hosts(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer hosts by name, and by id to those who began with one."""

    async def ask(client: Client) -> Iterable[tuple[str, str]]:
        found = await client.hosts()
        if incomplete.startswith("N"):
            return [(host.host_id, host.friendly_name) for host in found]
        return [(host.friendly_name or host.host_id, host.host_id) for host in found]

    return _offer(ctx, incomplete, ask)


def contexts(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the contexts of wash and nats."""
    import os

    from wadm.client.contexts import ContextStore

    found = {one.name: f"of {one.kind}" for one in ContextStore(os.environ).all()}
    return _starting(incomplete, found.items())


def _offer(ctx: click.Context, incomplete: str, ask: Ask) -> list[CompletionItem]:
    try:
        session = session_of(ctx.params, timeout=f"{PATIENCE:g}s")
        return _starting(incomplete, session.run(ask, patience=PATIENCE))
    except Exception:  # noqa: BLE001  (an error text in the middle of a command line helps nobody)
        return []


def _starting(incomplete: str, values: Iterable[tuple[str, str]]) -> list[CompletionItem]:
    return [CompletionItem(value, help=text or None) for value, text in values if value.startswith(incomplete)]
