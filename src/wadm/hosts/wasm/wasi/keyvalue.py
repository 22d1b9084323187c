"""``wasi:keyvalue``: on whatever store the link of the component leads to."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from wadm.errors import WadmError
from wadm.hosts.wasm.context import Bucket, Pairs, Unlinked
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err, Ok
from wadm.hosts.wasm.wasi.wasmcloud import link_name


async def _outcome(work: Awaitable[Any]) -> Any:
    try:
        return Ok(await work)
    except WadmError as error:
        return Err(("other", str(error)))


class Store:
    """``wasi:keyvalue/store``."""

    @staticmethod
    async def open(guest: Guest, identifier: str) -> Any:
        try:
            return guest.push(await guest.component.open_bucket(link_name(guest, "wasi", "keyvalue"), identifier))
        except (Unlinked, WadmError) as error:
            return Err(("other", str(error)))

    @staticmethod
    async def bucket_get(guest: Guest, bucket: int, key: str) -> Any:
        return await _outcome(guest.table[bucket].get(key))

    @staticmethod
    async def bucket_set(guest: Guest, bucket: int, key: str, value: bytes) -> Any:
        return await _outcome(guest.table[bucket].set(key, value))

    @staticmethod
    async def bucket_delete(guest: Guest, bucket: int, key: str) -> Any:
        return await _outcome(guest.table[bucket].delete(key))

    @staticmethod
    async def bucket_exists(guest: Guest, bucket: int, key: str) -> Any:
        found = await _outcome(guest.table[bucket].get(key))
        return found if isinstance(found, Err) else found.value is not None

    @staticmethod
    async def bucket_list_keys(guest: Guest, bucket: int, cursor: Any) -> Any:
        """All keys come at once, so that there is never a cursor to go on from."""
        found = await _outcome(guest.table[bucket].keys())
        return found if isinstance(found, Err) else (found.value, None)


class Atomics:
    """``wasi:keyvalue/atomics``."""

    @staticmethod
    async def increment(guest: Guest, bucket: int, key: str, delta: int) -> Any:
        return await _outcome(guest.table[bucket].increment(key, delta))


class Batch:
    """``wasi:keyvalue/batch``: one after the other, in their order."""

    @staticmethod
    async def get_many(guest: Guest, bucket: int, keys: list[str]) -> Any:
        return await _outcome(_get_many(guest.table[bucket], keys))

    @staticmethod
    async def set_many(guest: Guest, bucket: int, pairs: Pairs) -> Any:
        return await _outcome(_set_many(guest.table[bucket], pairs))

    @staticmethod
    async def delete_many(guest: Guest, bucket: int, keys: list[str]) -> Any:
        return await _outcome(_delete_many(guest.table[bucket], keys))


async def _get_many(bucket: Bucket, keys: list[str]) -> list[tuple[str, bytes] | None]:
    found = [(key, await bucket.get(key)) for key in keys]
    return [None if value is None else (key, value) for key, value in found]


async def _set_many(bucket: Bucket, pairs: Pairs) -> None:
    for key, value in pairs:
        await bucket.set(key, value)


async def _delete_many(bucket: Bucket, keys: list[str]) -> None:
    for key in keys:
        await bucket.delete(key)
