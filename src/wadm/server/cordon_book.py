"""What people want cordoned or drained in a lattice, kept in the state bucket: one record for each lattice.

Only the lattice's owner writes it, before it acts. Whoever owns the lattice next reads it on taking over.
"""

from __future__ import annotations

from typing import Final

import msgspec

from wadm.errors import Malformed, StaleRevision
from wadm.model.cordons import Cordon
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Bucket

PREFIX: Final = "cordons"
_decoder = msgspec.json.Decoder(tuple[Cordon, ...])


class CordonBook:
    """The stored cordons of one lattice."""

    def __init__(self, bucket: Bucket, scope: str, log: Logger) -> None:
        self._bucket = bucket
        self._key = f"{PREFIX}.{scope}"
        self._limited = Limited(log)
        self._revision = 0
        self._unreadable = ""
        self.cordons: tuple[Cordon, ...] = ()
        """As they were read or stored last."""

    async def load(self) -> tuple[Cordon, ...]:
        """Return what is stored; nothing where that makes no sense. Raises what the bucket raises."""
        entry = await self._bucket.get(self._key)
        self._revision = 0 if entry is None else entry.revision
        self.cordons, self._unreadable = (), ""
        if entry is not None and entry.value is not None:
            try:
                self.cordons = _decoder.decode(entry.value)
            except (ValueError, RecursionError) as error:
                self._unreadable = str(error)
                self._limited.warning("cordons", "cannot read which hosts are cordoned", error=str(error))
        return self.cordons

    async def save(self, cordons: tuple[Cordon, ...]) -> None:
        """Store them. Raises what the bucket raises, and Malformed where what is stored cannot be read: it is not
        overwritten."""
        if self._unreadable:
            raise Malformed(
                f"What is stored under {self._key} in bucket {self._bucket.name} cannot be read ({self._unreadable}), "
                "and is not overwritten. Delete that key, and have the servers started anew."
            )
        value = msgspec.json.encode(cordons)
        try:
            self._revision = await self._bucket.put(self._key, value, self._revision)
        except StaleRevision:  # an owner before us has written last, or a write of ours that seemed to fail
            entry = await self._bucket.get(self._key)
            self._revision = await self._bucket.put(self._key, value, 0 if entry is None else entry.revision)
        self.cordons = cordons

    async def store_again(self) -> None:
        """Store what is known in a bucket that is a new one, and empty."""
        self._revision = 0
        if self.cordons:
            await self.save(self.cordons)
