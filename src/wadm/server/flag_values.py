"""What the texts of options mean: each function reads one kind of value and raises ``ValueError`` with the reason."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from wadm.engine.limits import Limits
from wadm.wire import subjects
from wadm.wire.reply_subjects import reply_prefix


def text(given: str) -> str:
    """Take any text."""
    return given


def integer(lowest: int, highest: int) -> Callable[[str], int]:
    """Return a reader of whole numbers, spelled in digits with at most a sign."""

    def read(given: str) -> int:
        if not given:
            raise ValueError("cannot parse integer from empty string")
        if not re.fullmatch(r"[+-]?[0-9]{1,40}" if lowest < 0 else r"\+?[0-9]{1,40}", given):
            raise ValueError("invalid digit found in string")
        number = int(given)
        if number > highest:
            raise ValueError("number too large to fit in target type")
        if number < lowest:
            raise ValueError("number too small to fit in target type")
        return number

    return read


def duration(given: str) -> float:
    """Read ``3s``, ``500ms``, ``2m``, ``1h`` or plain seconds; more than nothing."""
    found = re.fullmatch(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)(ms|s|m|h)?", given)
    seconds = float(found[1]) * {"ms": 0.001, "s": 1, "m": 60, "h": 3600}[found[2] or "s"] if found else 0.0
    if not seconds:
        raise ValueError("expected a duration such as 3s, 500ms or 1m")
    return seconds


def socket_address(given: str) -> tuple[str, int]:
    """Read ``ip:port``, an IPv6 address in brackets."""
    host, colon, port = given.rpartition(":")
    bracketed = host.startswith("[") and host.endswith("]")
    try:
        address = ipaddress.ip_address(host[1:-1] if bracketed else host)
        if not colon or bracketed is not (address.version == 6) or not re.fullmatch(r"[0-9]{1,5}", port):
            raise ValueError
        if int(port) > 65535:
            raise ValueError
    except ValueError:
        raise ValueError("invalid socket address syntax") from None
    return str(address), int(port)


def server_urls(given: str) -> tuple[str, ...]:
    """Read NATS URLs, separated by commas; without a scheme it is ``nats``, without a port 4222."""
    return tuple(_server_url(part.strip()) for part in given.split(","))


def _server_url(given: str) -> str:
    url = given if "://" in given else f"nats://{given}"
    parts = urlsplit(url)
    if parts.scheme not in ("nats", "tls", "ws", "wss"):
        raise ValueError(f"invalid scheme for NATS server URL: {parts.scheme}")
    try:
        port = parts.port
    except ValueError:
        raise ValueError("invalid port number") from None
    if not parts.hostname or re.search(r"[\s<>\"]", url):
        raise ValueError("NATS server URL is invalid")
    return (
        url
        if port or parts.scheme in ("ws", "wss")
        else parts._replace(netloc=f"{parts.netloc.rstrip(':')}:4222").geturl()
    )


def stream_prefix(given: str) -> str:
    """Trim what cannot end a stream's name and add the separator: ``mine.>`` becomes ``mine_``."""
    prefix = subjects.trim_stream_prefix(given.strip())
    if not prefix:
        return ""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", prefix):
        raise ValueError("a stream name may only contain letters, digits, dashes and underscores")
    return f"{prefix}_"


def bucket_name(given: str) -> str:
    """Take a legal bucket name."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+", given):
        raise ValueError("a bucket name may only contain letters, digits, dashes and underscores")
    return given


def jetstream_domain(given: str) -> str:
    """Take one subject token."""
    if not given or re.search(r"[\s.*>]", given):
        raise ValueError("a JetStream domain is one word without dots and wildcards")
    return given


def reply_prefixes(given: str) -> tuple[str, ...]:
    """Read prefixes for answers, separated by commas."""
    return tuple(map(reply_prefix, given.split(",")))


def planning_limits(given: str) -> Limits:
    """Read limits as ``links=4000,spreads=20000``; what is not named stays at its default.

    >>> planning_limits("links=4000").links
    4000
    """
    found: dict[str, int] = {}
    for part in given.split(","):
        kind, _, number = part.strip().partition("=")
        if kind not in Limits.__struct_fields__ or not number.isascii() or not number.isdigit() or int(number) < 1:
            kinds = ", ".join(Limits.__struct_fields__)
            raise ValueError(f"limits are written as links=4000,spreads=20000; there are {kinds}")
        found[kind] = int(number)
    return Limits(**found)


def origins(given: str) -> tuple[str, ...]:
    """Read origins of web pages, separated by commas."""
    found = tuple(part.strip() for part in given.split(","))
    if not all(re.fullmatch(r"https?://[^/*\s]+", origin) for origin in found):
        raise ValueError("an origin is written as https://example.com, without a path")
    return found


def persistence(given: str) -> str:
    """Read ``memory``; every other text means file, as in the original."""
    return "memory" if given == "memory" else "file"
