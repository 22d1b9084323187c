"""Who may do what: bearer tokens with a role each.

The file has one token a line, ``ROLE TOKEN [NAME]``, the role being ``read`` or ``full``; what begins with ``#`` is a
comment. Kept are only digests, so that no log, dump or error can show a token.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct

from wadm.errors import Misconfigured

Role = Literal["read", "full"]

SHORTEST: Final = 16
"""Characters of a token; a shorter one could be guessed."""


class Bearer(Struct, frozen=True):
    """Somebody who came with a token. ``name`` is the author of what is deployed, where the request names none."""

    role: Role
    name: str = ""


class Tokens:
    """The tokens that count."""

    def __init__(self, tokens: Iterable[tuple[str, Bearer]] = ()) -> None:
        self._bearers = {_digest(token): bearer for token, bearer in tokens}

    def __bool__(self) -> bool:
        return bool(self._bearers)

    def bearer(self, authorization: str) -> Bearer | None:
        """Return who an ``Authorization`` header is of; ``None`` for nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Looking a digest up tells an attacker's clock nothing of the token itself.
        return self._bearers.get(_digest(token.strip()))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def generated(name: str = "") -> tuple[str, Tokens]:
    """Return a new token that may do everything, and the tokens that are just this one."""
    token = secrets.token_urlsafe(24)
    return token, Tokens([(token, Bearer("full", name))])


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens; raise :class:`~wadm.errors.Misconfigured`, which never says a token."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise Misconfigured(f"cannot read the tokens in {path}: {error}") from error
    found = []
    for number, line in enumerate(lines, 1):
        words = line.split(None, 2)
        if not words or words[0].startswith("#"):
            continue
        role = words[0]
        if role not in ("read", "full") or len(words) < 2:
            raise Misconfigured(f"{path}, line {number}: expected `read TOKEN [NAME]` or `full TOKEN [NAME]`")
        if len(words[1]) < SHORTEST:
            raise Misconfigured(f"{path}, line {number}: a token needs at least {SHORTEST} characters")
        found.append((words[1], Bearer("full" if role == "full" else "read", words[2] if len(words) > 2 else "")))
    if not found:
        raise Misconfigured(f"there is no token in {path}")
    return Tokens(found)
