"""Who may do what: bearer tokens with a role each.

The file has one token a line, ``ROLE TOKEN [NAME]``, the role being ``read`` or ``full``; what begins with ``#`` is a
comment. Only digests are kept, so that no log, dump or error can show a token. A file is read again when it changes: a
token that is taken out of it stops counting within seconds.
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
    """Somebody who came with a token. ``name`` is the author of what is deployed; ``digest`` is the token's."""

    role: Role
    name: str = ""
    digest: bytes = b""


class Tokens:
    """The tokens that count. ``path`` is the file that they are from, where there is one."""

    def __init__(self, tokens: Iterable[tuple[str, Bearer]] = (), path: Path | None = None) -> None:
        self._path = path
        self._bearers: dict[bytes, Bearer] = {}
        self._stamp = _stamp(path)
        self.replace(tokens)

    def __bool__(self) -> bool:
        return bool(self._bearers)

    def replace(self, tokens: Iterable[tuple[str, Bearer]]) -> None:
        """Have these tokens count, and no others."""
        named = [(_digest(token), bearer) for token, bearer in tokens]
        self._bearers = {digest: Bearer(bearer.role, bearer.name, digest) for digest, bearer in named}

    def bearer(self, authorization: str) -> Bearer | None:
        """Return who an ``Authorization`` header is of; ``None`` for nobody."""
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Looking a digest up tells an attacker's clock nothing of the token itself.
        return self._bearers.get(_digest(token.strip()))

    def counts(self, bearer: Bearer) -> bool:
        """Whether the token of somebody who came earlier still counts, for the same."""
        return not bearer.digest or bearer.digest in self._bearers

    def read_again(self) -> bool:
        """Read the file again where it has changed; return whether it has.

        Raises :class:`~wadm.errors.Misconfigured` for a file that cannot be read: the tokens stay what they were.
        """
        if self._path is None or (stamp := _stamp(self._path)) == self._stamp:
            return False
        self._stamp = stamp
        self.replace(_read(self._path))
        return True


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Return what tells one content of a file from the next; a Kubernetes secret is another file each time."""
    try:
        found = path.stat() if path is not None else None
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino) if found is not None else None


def generated(name: str = "") -> tuple[str, Tokens]:
    """Return a new token that may do everything, and the tokens that are just this one."""
    token = secrets.token_urlsafe(24)
    return token, Tokens([(token, Bearer("full", name))])


def read_tokens(path: Path) -> Tokens:
    """Read a file of tokens; raise :class:`~wadm.errors.Misconfigured`, which never says a token."""
    return Tokens(_read(path), path)


def _read(path: Path) -> list[tuple[str, Bearer]]:
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
    return found
