"""URLs as they may be shown. Apart from fetching, which takes long to load."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, urlencode

from wadm.errors import WadmError

MAX_BYTES: Final = 8 * 1024 * 1024
"""The most that is read of a manifest: far beyond what NATS could carry, so more is a mistake."""
_HIDDEN: Final = "***"


class SourceError(WadmError):
    """What should hold a manifest cannot be read."""


def safe_url(url: str) -> str:
    """Return a URL as it may be shown: without user and password, with the values of its query hidden.

    >>> safe_url("https://ann:secret@example.com/wadm.yaml?ref=main&token=abc")
    'https://example.com/wadm.yaml?ref=***&token=***'
    """
    scheme, mark, rest = url.partition("://")
    place, question, query = rest.partition("?")
    host, slash, path = place.partition("/")
    if "@" in path and "@" not in host:  # a password with a slash in it: the real host comes after the last @
        host, slash, path = place.rpartition("@")[2].partition("/")
    shown = f"{scheme}{mark}{host.rpartition('@')[2]}{slash}{path}"
    if not question:
        return shown.partition("#")[0]
    pairs = parse_qsl(query.partition("#")[0], keep_blank_values=True)
    return f"{shown}?{urlencode([(key, _HIDDEN) for key, _ in pairs], safe='*')}"
