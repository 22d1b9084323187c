"""What to do about an error, where that takes another look at the lattice: which name was meant, why nobody answers."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from wadm.cli.place import start_a_host, start_a_server
from wadm.errors import Misconfigured, NoResponders, NotFound, Rejected, TimedOut, Unavailable, WadmError

if TYPE_CHECKING:
    from wadm.client.client import Client
    from wadm.client.settings import Settings

T = TypeVar("T")

STORAGE_ERROR = "Internal storage error"
"""What the server says, in the original's words, where it cannot read or write what is stored."""

PATIENCE = 1.5
"""Seconds that looking again may take: the error itself is known already."""
_APPLICATION = re.compile(r"Application with the name '?([^' ]+)'?(?: not found| does not have a version '?([^' ]*)'?)")
_VERSION = re.compile(r"Application (\S+) with version (\S+) doesn't exist")
_HOST = re.compile(r"no host called '([^']+)'")


def with_remedies(work: Callable[[Client], Awaitable[T]]) -> Callable[[Client], Awaitable[T]]:
    """Return the same work, whose errors bear a ``hint`` where there is something to be said."""

    async def run(client: Client) -> T:
        try:
            return await work(client)
        except (NotFound, NoResponders, TimedOut, Unavailable, Rejected) as error:
            try:
                async with asyncio.timeout(PATIENCE):
                    await _advise(client, error)
            except (TimeoutError, WadmError):
                pass
            raise

    return run


def hint_of(error: BaseException) -> str:
    """Return the hint that an error bears."""
    return str(getattr(error, "hint", ""))


def _bear(error: WadmError, hint: str) -> None:
    if hint:
        error.hint = hint  # type: ignore[attr-defined]


async def _advise(client: Client, error: WadmError) -> None:
    text = str(error)
    if isinstance(error, NotFound):
        _bear(error, await _meant(client, text))
    elif isinstance(error, Rejected):
        if text.startswith(STORAGE_ERROR):
            from wadm.cli.standing import unreadable

            _bear(error, "; ".join(one.sentence for one in await unreadable(client)))
    elif isinstance(error, NoResponders) and "no wadm server" in text:
        _bear(error, await _why_no_server(client))
    elif isinstance(error, NoResponders) and "no host" in text:
        _bear(error, start_a_host(client.settings))
    elif "where answers are awaited" in text:
        inbox = f"{client.settings.inbox_prefix or '_INBOX'}.>"
        _bear(
            error,
            f"permit this identity to subscribe to {inbox} (`wadm context show` tells which it is), or name a prefix "
            "that it may subscribe to with --inbox-prefix",
        )
    elif isinstance(error, TimedOut) and _is_odd(client.settings.inbox_prefix):
        prefix = client.settings.inbox_prefix
        _bear(error, f"the server answers below {prefix} only if it is started with --reply-prefix {prefix}")


def _is_odd(prefix: str) -> bool:
    return bool(prefix) and prefix != "_INBOX" and not prefix.startswith("_INBOX.")


async def _meant(client: Client, text: str) -> str:
    if found := _APPLICATION.search(text) or _VERSION.search(text):
        name, version = found.groups()
        if version:
            return closest(version, [one.version for one in await client.versions(name)], f"wadm history {name}")
        return await _application(client, name)
    if found := _HOST.search(text):
        names = [one.friendly_name or one.host_id for one in await client.hosts()]
        return closest(found[1], names, "wadm hosts")
    return ""


async def _application(client: Client, name: str) -> str:
    if _is_directory(name):
        return f"to take the manifests of the directory {name}, write {name}/ with a slash"
    stored = [one.name for one in await client.list()]
    if not stored:
        return f"nothing is stored in lattice {client.lattice}; name another lattice with --lattice"
    return closest(name, stored, "wadm list")


def _is_directory(name: str) -> bool:
    from pathlib import Path

    return Path(name).is_dir()


def closest(word: str, known: Iterable[str], listing: str = "") -> str:
    """Return what may have been meant by a word, and where to look; empty where nothing is like it.

    >>> closest("helo", ["hello", "shop"], "wadm list")
    'did you mean `hello`? (`wadm list` shows what there is)'
    """
    from difflib import get_close_matches

    found = get_close_matches(word, list(known), 3, 0.6)
    if not found:
        return ""
    meant = " or ".join(f"`{one}`" for one in found)
    return f"did you mean {meant}?" + (f" (`{listing}` shows what there is)" if listing else "")


async def _why_no_server(client: Client) -> str:
    """Return what to do where no server answers: it may run and wait, because JetStream is off."""
    from wadm.client import jetstream

    try:
        await jetstream.account(client)
    except NoResponders:
        domain = f" in domain {client.settings.js_domain}" if client.settings.js_domain else ""
        return (
            f"JetStream is off{domain}, so a server that runs waits for it: start nats-server with -js, or name the "
            "domain that has it with --js-domain"
        )
    except WadmError:
        pass
    elsewhere = "" if client.lattice == "default" else ", or name another lattice with --lattice"
    return f"{start_a_server(client.settings)}{elsewhere}"


def unreachable(error: WadmError, settings: Settings) -> WadmError:
    """Return an error of connecting, with a hint."""
    if isinstance(error, Misconfigured) and "uthorization" in str(error) and settings.password.endswith(("\n", "\r")):
        _bear(error, "the password ends with the end of a line: cut that off (printf instead of echo)")
    elif isinstance(error, Unavailable):
        local = settings.servers[0].rpartition("//")[2].startswith(("127.0.0.1", "localhost"))
        start = ", or start NATS and a server here with `wadm up`" if local else ""
        _bear(error, f"check the address (`wadm context show` tells where it comes from){start}")
    return error
