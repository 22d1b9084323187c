"""The credentials for NATS that a Secret holds, in a file as ``nsc`` writes it, and the account that they are of."""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64decode
from binascii import Error as NotBase64

import msgspec
from msgspec import Struct

from wadm.errors import Misconfigured
from wadm.operator.kube import Object

_BLOCK = re.compile(r"(?<!-)-+BEGIN (?:NATS USER JWT|USER NKEY SEED)-+\s+(\S+)\s+-+END [A-Z ]+-+")


class _Nats(Struct, frozen=True):
    issuer_account: str = ""


class _Claims(Struct, frozen=True):
    iss: str = ""
    nats: _Nats = _Nats()


def credentials_in(secret: Object, name: str) -> str:
    """Return the content of ``nats.creds`` of a Secret, empty where it has no such key. Raises Misconfigured."""
    data = (secret.get("data") or {}).get("nats.creds")
    if data is None:
        return ""  # as with the original: a Secret that is to come, or that holds other things
    try:
        return b64decode(data).decode()
    except (NotBase64, UnicodeDecodeError):
        raise Misconfigured(f"the key nats.creds of Secret {name} does not hold credentials") from None


def split_credentials(text: str) -> tuple[str, str]:
    """Return JWT and seed of a credentials file. Raises Misconfigured where it holds no such pair."""
    found = _BLOCK.findall(text)
    if len(found) != 2:
        raise Misconfigured("the key nats.creds does not hold a JWT and a seed")
    return found[0], found[1]


def account_of(credentials: str) -> str:
    """Return the NATS account that a credentials file is of, empty where it does not say."""
    try:
        payload = split_credentials(credentials)[0].split(".")[1]
        claims = msgspec.json.decode(urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), type=_Claims)
    except (Misconfigured, IndexError, NotBase64, msgspec.DecodeError):
        return ""
    return claims.nats.issuer_account or claims.iss  # who signs is a key of the account, or the account itself
