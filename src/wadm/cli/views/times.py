"""Times and durations as people say them."""

from __future__ import annotations

from datetime import UTC, datetime

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units.

    >>> duration(5), duration(65), duration(7_260), duration(200_000)
    ('5s', '1m5s', '2h1m', '2d7h')
    """
    seconds = max(0, int(seconds))
    for unit, size, below, below_size in (("d", 86_400, "h", 3_600), ("h", 3_600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // below_size
            return f"{seconds // size}{unit}" + (f"{rest}{below}" if rest else "")
    return f"{seconds}s"


def moment(time: float) -> str:
    """Return a time (seconds since 1970) as date and time of day, in UTC.

    >>> moment(0)
    '1970-01-01 00:00:00Z'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def clock(time: float) -> str:
    """Return the time of day, in UTC.

    >>> clock(3_661)
    '01:01:01Z'
    """
    return datetime.fromtimestamp(time, UTC).strftime("%H:%M:%SZ")


def ulid_time(text: str) -> float | None:
    """Return when a ULID was made (seconds since 1970), ``None`` for text that is none.

    Versions that the server gave itself are ULIDs, so their age is known.

    >>> ulid_time("01ARYZ6S41TSV4RRFFQ69G5FAV")
    1469918176.385
    >>> ulid_time("v1.2.0")
    """
    if len(text) != 26 or any(character not in _CROCKFORD for character in text):
        return None
    milliseconds = 0
    for character in text[:10]:
        milliseconds = milliseconds * 32 + _CROCKFORD.index(character)
    return milliseconds / 1000
