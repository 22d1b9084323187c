"""How much one client may ask for, so that nobody takes the gateway away from everybody else.

Whoever comes with a token is counted by token and address together, and by the token alone; whoever comes without one
by the address. Behind a proxy all clients have its address: then it is the token that tells them apart.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable
from time import monotonic
from typing import Final, TypeVar

from msgspec import Struct

K = TypeVar("K")

MOST_KNOWN: Final = 10_000
"""Clients whose buckets are remembered; the one that has asked for nothing for longest is forgotten first."""


class Allowance(Struct, frozen=True, kw_only=True):
    """What is allowed. Requests are counted by a token bucket: ``burst`` at once, ``rate`` a second for good."""

    rate: float = 200.0
    burst: int = 1000
    wrong_rate: float = 2.0
    """Requests a second with a token that does not count, for one address."""
    wrong_burst: int = 40
    streams: int = 500
    """Streams in all; each is one connection."""
    streams_of_token: int = 200
    streams_of_client: int = 40
    """Streams of one token from one address, or of one address without a token. A browser needs one."""


class Client(Struct, frozen=True):
    """Who asks. ``token`` is the digest of what counts, ``b""`` without one."""

    token: bytes
    address: str


class Bucket:
    """Holds up to ``burst``, and gets ``rate`` a second."""

    __slots__ = ("_at", "_level")

    def __init__(self, burst: float, now: float) -> None:
        self._level = burst
        self._at = now

    def take(self, rate: float, burst: float, now: float) -> float:
        """Take one; return 0, or the seconds until there is one."""
        self._level = min(burst, self._level + (now - self._at) * rate)
        self._at = now
        if self._level >= 1:
            self._level -= 1
            return 0.0
        return (1 - self._level) / rate


class Limits:
    """Counts what each client asks for."""

    def __init__(self, allowance: Allowance, clock: Callable[[], float] = monotonic) -> None:
        self._allowed = allowance
        self._clock = clock
        self._requests: OrderedDict[Client, Bucket] = OrderedDict()
        self._wrong: OrderedDict[str, Bucket] = OrderedDict()
        self._streams: Counter[Client] = Counter()

    def request(self, client: Client) -> float:
        """Count a request; return 0, or the seconds after which the client may ask again."""
        allowed = self._allowed
        bucket = _bucket(self._requests, client, allowed.burst, self._clock)
        return bucket.take(allowed.rate, allowed.burst, self._clock())

    def wrong_token(self, address: str) -> float:
        """Count a token that does not count; return 0, or the seconds after which another may be tried."""
        allowed = self._allowed
        bucket = _bucket(self._wrong, address, allowed.wrong_burst, self._clock)
        return bucket.take(allowed.wrong_rate, allowed.wrong_burst, self._clock())

    def too_many_streams(self, client: Client) -> str:
        """Return why a client may not open another stream, ``""`` where it may."""
        allowed = self._allowed
        if self._streams[client] >= allowed.streams_of_client:
            return f"{allowed.streams_of_client} streams of this client are open, which is the most that one may have"
        of_token = sum(count for one, count in self._streams.items() if one.token == client.token)
        if client.token and of_token >= allowed.streams_of_token:
            return f"{allowed.streams_of_token} streams of this token are open, which is the most that one may have"
        if self._streams.total() >= allowed.streams:
            return f"{allowed.streams} streams are open, which is the most that this server keeps"
        return ""

    def stream_opened(self, client: Client) -> None:
        """Count a stream."""
        self._streams[client] += 1

    def stream_closed(self, client: Client) -> None:
        """Count it no more."""
        self._streams[client] -= 1
        if self._streams[client] <= 0:
            del self._streams[client]

    @property
    def streams(self) -> int:
        """Streams that are open."""
        return self._streams.total()


def _bucket(known: OrderedDict[K, Bucket], key: K, burst: float, clock: Callable[[], float]) -> Bucket:
    bucket = known.get(key)
    if bucket is None:
        bucket = known[key] = Bucket(burst, clock())
        while len(known) > MOST_KNOWN:
            known.popitem(last=False)
    known.move_to_end(key)
    return bucket
