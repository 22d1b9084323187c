"""The contract, key-value buckets: who writes first wins, and who watches sees it all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.transport.worlds import World, until
from wadm.errors import Malformed, NoRoom, NotFound, StaleRevision, TooLarge, WadmError
from wadm.transport.base import Bucket, BucketSpec, Entry, Transport


@pytest.fixture
async def bucket(client: Transport, name: str) -> Bucket:
    await client.ensure_bucket(BucketSpec(name, storage="memory"))
    return client.bucket(name)


async def test_a_bucket_is_created_once_and_kept(client: Transport, name: str) -> None:
    assert await client.ensure_bucket(BucketSpec(name, storage="memory")) == "created"
    await client.bucket(name).put("key", b"value")
    assert await client.ensure_bucket(BucketSpec(name, storage="file", max_bytes=5)) == "kept"
    assert await client.bucket(name).get("key") == Entry("key", b"value", 1)


async def test_several_may_ensure_the_same_bucket_at_once(world: World, name: str) -> None:
    clients = [await world.client() for _ in range(5)]
    outcomes = await asyncio.gather(*(client.ensure_bucket(BucketSpec(name, storage="memory")) for client in clients))
    assert set(outcomes) <= {"created", "kept"}


async def test_a_key_has_its_last_value(bucket: Bucket) -> None:
    assert await bucket.get("key") is None
    await bucket.put("key", b"old")
    revision = await bucket.put("key", b"new")
    await bucket.put("other", b"")
    assert await bucket.get("key") == Entry("key", b"new", revision)


async def test_keys_may_have_dots_and_signs(bucket: Bucket) -> None:
    keys = ["a.b", "a-b_c/d=e", "Z9"]
    for key in keys:
        await bucket.put(key, key.encode())
    assert await bucket.keys() == sorted(keys)
    assert [(await bucket.get(key)).value for key in keys] == [key.encode() for key in keys]  # type: ignore[union-attr]


@pytest.mark.parametrize("key", ["", ".a", "a.", "a b", "a*", "a>", "ä", "a\n"])
async def test_what_cannot_be_a_key_is_refused(bucket: Bucket, key: str) -> None:
    with pytest.raises(Malformed):
        await bucket.get(key)
    with pytest.raises(Malformed):
        await bucket.put(key, b"")
    with pytest.raises(Malformed):
        await bucket.purge(key)


async def test_creating_what_is_there_is_stale(bucket: Bucket) -> None:
    await bucket.put("key", b"first", revision=0)
    with pytest.raises(StaleRevision):
        await bucket.put("key", b"second", revision=0)


async def test_writing_over_what_was_not_read_is_stale(bucket: Bucket) -> None:
    read = await bucket.put("key", b"1")
    await bucket.put("key", b"2", revision=read)
    with pytest.raises(StaleRevision):
        await bucket.put("key", b"3", revision=read)
    with pytest.raises(StaleRevision):
        await bucket.purge("key", revision=read)
    assert (await bucket.get("key")).value == b"2"  # type: ignore[union-attr]


async def test_of_many_who_write_over_the_same_revision_one_wins(bucket: Bucket) -> None:
    outcomes = await asyncio.gather(
        *(bucket.put("key", b"%d" % n, revision=0) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(outcome, int) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, StaleRevision) for outcome in outcomes) == 19


async def test_purging_leaves_a_marker_that_the_next_create_must_name(bucket: Bucket) -> None:
    revision = await bucket.put("key", b"value")
    marker = await bucket.purge("key", revision=revision)
    assert await bucket.get("key") == Entry("key", None, marker)
    assert await bucket.keys() == []
    with pytest.raises(StaleRevision):
        await bucket.put("key", b"again", revision=0)
    assert await bucket.put("key", b"again", revision=marker) > marker
    assert await bucket.keys() == ["key"]


async def test_a_value_of_a_mebibyte_comes_back(bucket: Bucket, client: Transport) -> None:
    value = bytes(range(256)) * (client.max_payload // 256)
    await bucket.put("key", value)
    assert (await bucket.get("key")).value == value  # type: ignore[union-attr]
    with pytest.raises(TooLarge):
        await bucket.put("key", value + b"x")


async def test_a_full_bucket_refuses_and_says_why(client: Transport, name: str) -> None:
    await client.ensure_bucket(BucketSpec(name, storage="memory", max_bytes=2000))
    bucket = client.bucket(name)
    await bucket.put("first", b"x" * 1500)
    with pytest.raises(NoRoom, match="maximum bytes exceeded"):
        await bucket.put("second", b"x" * 1500)


async def test_a_bucket_that_is_not_there(client: Transport, name: str) -> None:
    bucket = client.bucket(name)
    with pytest.raises(NotFound):
        await bucket.get("key")
    with pytest.raises(NotFound):
        await bucket.keys()
    with pytest.raises(NotFound):
        await bucket.watch(lambda entry: None)
    with pytest.raises(WadmError):
        await bucket.put("key", b"")


async def test_a_watch_hands_over_what_there_is_before_it_returns(bucket: Bucket) -> None:
    first = await bucket.put("a", b"1")
    second = await bucket.put("b", b"2")
    third = await bucket.put("a", b"3")
    marker = await bucket.purge("b", revision=second)
    seen: list[Entry] = []
    await bucket.watch(seen.append)
    assert seen == [Entry("a", b"3", third), Entry("b", None, marker)]
    assert first < second


async def test_a_watch_of_an_empty_bucket_returns_at_once(bucket: Bucket) -> None:
    seen: list[Entry] = []
    async with asyncio.timeout(2):
        await bucket.watch(seen.append)
    assert seen == []


async def test_a_watch_goes_on_with_what_changes(world: World, name: str) -> None:
    here, there = await world.client(), await world.client()
    await here.ensure_bucket(BucketSpec(name, storage="memory"))
    seen: list[Entry] = []
    await here.bucket(name).watch(seen.append)
    bucket = there.bucket(name)
    value = await bucket.put("a", b"1")
    marker = await bucket.purge("a")
    await until(lambda: len(seen) == 2)
    assert seen == [Entry("a", b"1", value), Entry("a", None, marker)]


async def test_a_watch_of_many_keys(bucket: Bucket) -> None:
    await asyncio.gather(*(bucket.put(f"key.{number}", b"%d" % number) for number in range(2000)))
    seen: list[Entry] = []
    await bucket.watch(seen.append)
    assert {entry.key for entry in seen} == {f"key.{number}" for number in range(2000)}


@pytest.mark.parametrize(("pattern", "keys"), [("a.*", ["a.b", "a.c"]), ("a.>", ["a.b", "a.c", "a.c.d"]), ("e", ["e"])])
async def test_a_watch_of_a_pattern(bucket: Bucket, pattern: str, keys: list[str]) -> None:
    seen: list[str] = []
    for key in ("a.b", "e"):
        await bucket.put(key, b"")
    await bucket.watch(lambda entry: seen.append(entry.key), pattern)
    for key in ("a.c", "a.c.d", "b.c"):
        await bucket.put(key, b"")
    await bucket.put("a.b", b"done")
    await bucket.put("e", b"done")
    await until(lambda: len(seen) > len(keys))
    await asyncio.sleep(0.05)
    assert sorted(set(seen)) == keys


async def test_a_watch_whose_handler_raises_goes_on(bucket: Bucket, unexpected_errors: list[dict[str, Any]]) -> None:
    seen: list[str] = []

    def handler(entry: Entry) -> None:
        seen.append(entry.key)
        raise ValueError("no good")

    await bucket.put("a", b"")
    await bucket.watch(handler)
    await bucket.put("b", b"")
    await until(lambda: seen == ["a", "b"])
    assert [type(error["exception"]) for error in unexpected_errors] == [ValueError, ValueError]
    unexpected_errors.clear()


async def test_a_watch_that_was_stopped_is_silent(bucket: Bucket) -> None:
    seen: list[Entry] = []
    watch = await bucket.watch(seen.append)
    await watch.stop()
    await bucket.put("a", b"")
    await asyncio.sleep(0.1)
    assert seen == []
