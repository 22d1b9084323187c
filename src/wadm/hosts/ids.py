"""Names and numbers that a host makes up: its id, its friendly name, event ids, times, uptimes."""

from __future__ import annotations

import base64
import binascii
import hashlib
import random
import time

_SERVER_PREFIX = 13 << 3
"""The first byte of an nkey for a server; it makes the text begin with ``N``."""

_ADJECTIVES = (
    "amber", "brisk", "calm", "dusty", "early", "faint", "gentle", "hollow", "idle", "jolly", "keen", "lively",
    "mellow", "narrow", "olive", "patient", "quiet", "rustic", "silent", "tidy", "upper", "vivid", "warm", "young",
)  # fmt: skip
_NOUNS = (
    "acorn", "brook", "cloud", "dune", "ember", "fjord", "glade", "harbor", "island", "jetty", "kelp", "lagoon",
    "meadow", "nectar", "orchard", "pebble", "quarry", "ridge", "shore", "thicket", "valley", "willow", "yarrow",
)  # fmt: skip
_UNITS = (
    ("year", 31_557_600, True),
    ("month", 2_630_016, True),
    ("day", 86_400, True),
    ("h", 3_600, False),
    ("m", 60, False),
    ("s", 1, False),
)


def host_id(seed: str) -> str:
    """Return the id that belongs to ``seed``: a server's public nkey, 56 characters beginning with ``N``."""
    key = bytes([_SERVER_PREFIX]) + hashlib.sha256(seed.encode()).digest()
    return base64.b32encode(key + binascii.crc_hqx(key, 0).to_bytes(2, "little")).decode()


def friendly_name(rng: random.Random) -> str:
    """Return a name such as ``quiet-willow-0815``."""
    return f"{rng.choice(_ADJECTIVES)}-{rng.choice(_NOUNS)}-{rng.randrange(10_000):04}"


def event_id(now: float, rng: random.Random) -> str:
    """Return a ULID written as a UUID, as hosts do: 48 bits of milliseconds since 1970, then 80 random bits."""
    digits = f"{int(now * 1000) & 0xFFFF_FFFF_FFFF:012x}{rng.getrandbits(80):020x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def timestamp(now: float) -> str:
    """Return seconds since 1970 as an RFC 3339 time in UTC with nine digits of fraction."""
    seconds = int(now)
    nanoseconds = int((now - seconds) * 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{nanoseconds:09}Z"


def uptime_human(seconds: int) -> str:
    """Return a duration in the words of a host.

    >>> uptime_human(0), uptime_human(65), uptime_human(93_600)
    ('0s', '1m 5s', '1day 2h')
    """
    parts = []
    for unit, length, has_plural in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count}{unit}{'s' if has_plural and count > 1 else ''}")
    return " ".join(parts) or "0s"
