"""Who we are to NATS: credentials files, JWTs and seeds, as values that may be files or the thing itself.

Text that comes from files is trimmed: editors and secret stores end files with a newline, which is no part of a key.
"""

from __future__ import annotations

import base64
import binascii
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from wadm.errors import Misconfigured

if TYPE_CHECKING:
    from nkeys import KeyPair  # type: ignore[import-untyped]

_SEED_LENGTH = 58
_SEED_BYTES = 36
"""Two of prefix, 32 of key, two of checksum."""


class Identity(Struct, frozen=True):
    """What a connection signs in with: a user JWT with its seed, or a bare seed (NKEY authentication)."""

    seed: str
    jwt: str | None = None

    def __repr__(self) -> str:
        """Name the public key only; the seed is a secret."""
        return f"Identity({self.public_key})"

    @property
    def public_key(self) -> str:
        """The public half of the seed."""
        pair = _key_pair(self.seed)
        return str(pair.public_key.decode())

    def sign(self, nonce: str) -> bytes:
        """Sign the server's challenge; base64, as the CONNECT line wants it."""
        return base64.b64encode(_key_pair(self.seed).sign(nonce.encode()))


def read_identity(creds_file: str | None, jwt: str | None, seed: str | None) -> Identity | None:
    """Return the identity that the options name, or ``None`` for none.

    ``seed`` is literal if it is 58 characters long and begins with ``S``, else a path; ``jwt`` is a path if such a file
    exists, else literal. Raises :class:`~wadm.errors.Misconfigured` with one sentence for whoever set it.
    """
    if creds_file and (jwt or seed):
        raise Misconfigured("Give NATS either a credentials file or a JWT with its seed, not both")
    if creds_file:
        return _checked(_read_credentials(creds_file))
    if jwt and not seed:
        raise Misconfigured("A NATS JWT needs the seed that belongs to it")
    if seed:
        return _checked(Identity(seed=_read_seed(seed), jwt=_read_jwt(jwt) if jwt else None))
    return None


def _read_credentials(path: str) -> Identity:
    text = _read_file(path, "NATS credentials file")
    jwt, seed = _block(text, "NATS USER JWT"), _block(text, "USER NKEY SEED")
    if not jwt or not seed:
        raise Misconfigured(f"NATS credentials file {path} does not hold a user JWT and a seed")
    return Identity(seed=seed, jwt=jwt)


def _block(text: str, title: str) -> str:
    """Return what stands between ``-----BEGIN title-----`` and the next line of dashes, in one piece."""
    lines = iter(text.splitlines())
    for line in lines:
        if f"BEGIN {title}" in line:
            break
    found = []
    for line in lines:
        if line.startswith("---"):
            break
        found.append(line.strip())
    return "".join(found)


def _read_seed(value: str) -> str:
    value = value.strip()
    if len(value) == _SEED_LENGTH and value.startswith("S"):
        return value
    return _read_file(value, "NATS seed")


def _read_jwt(value: str) -> str:
    value = value.strip()
    try:
        there = Path(value).is_file()
    except (OSError, ValueError):  # a JWT is too long to be a file name
        there = False
    return _read_file(value, "NATS JWT") if there else value


def _read_file(path: str, what: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        # A value that is no path may be a mistyped secret: it is not repeated.
        shown = path if Path(path).is_absolute() or len(path) < _SEED_LENGTH - 2 else "given"
        raise Misconfigured(f"Cannot read the {what} {shown}: {reason}") from None


def _checked(identity: Identity) -> Identity:
    """Refuse a seed with a slip in it, which a server would only call an authorization violation."""
    try:
        raw = base64.b32decode(identity.seed + "=" * (-len(identity.seed) % 8))
    except ValueError:
        raw = b""
    if len(raw) != _SEED_BYTES or binascii.crc_hqx(raw[:-2], 0).to_bytes(2, "little") != raw[-2:]:
        raise Misconfigured("The NATS seed is not a valid seed: it is cut off or mistyped")
    return identity


def _key_pair(seed: str) -> KeyPair:
    import nkeys  # loads a cryptography library: only for those who sign in with a key

    return nkeys.from_seed(bytearray(seed.encode()))
