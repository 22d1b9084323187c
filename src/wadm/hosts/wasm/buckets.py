"""``wasi:keyvalue`` on the key-value buckets of NATS."""

from __future__ import annotations

from typing import Final

from wadm.errors import Malformed, StaleRevision, Unavailable
from wadm.transport.base import Bucket

_ATTEMPTS: Final = 50
"""How often an increment is tried where others write the same key."""
_LARGEST: Final = (1 << 64) - 1


class NatsBucket:
    """A bucket of NATS as components see it. A number is kept as text, as the provider of wasmCloud keeps it."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def get(self, key: str) -> bytes | None:
        """Return what is under a key."""
        entry = await self._bucket.get(key)
        return None if entry is None else entry.value

    async def set(self, key: str, value: bytes) -> None:
        """Put something under a key."""
        await self._bucket.put(key, value)

    async def delete(self, key: str) -> None:
        """Have nothing under a key any more."""
        await self._bucket.purge(key)

    async def keys(self) -> list[str]:
        """Return all keys."""
        return await self._bucket.keys()

    async def increment(self, key: str, delta: int) -> int:
        """Add to a number by compare-and-set; return the sum."""
        for _ in range(_ATTEMPTS):
            entry = await self._bucket.get(key)
            value = b"0" if entry is None or entry.value is None else entry.value
            if not value.isdigit():
                raise Malformed(f"what is under {key} is no number")
            total = int(value) + delta
            if total > _LARGEST:
                raise Malformed(f"the number under {key} would grow beyond 64 bits")
            try:
                await self._bucket.put(key, b"%d" % total, 0 if entry is None else entry.revision)
            except StaleRevision:
                continue
            return total
        raise Unavailable(f"{key} is written by so many that an increment found no gap")
