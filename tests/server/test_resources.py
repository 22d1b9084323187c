"""The streams and buckets: the original's names and shapes, and as many copies as there can be."""

from __future__ import annotations

import pytest

from wadm.errors import Unavailable
from wadm.server.resources import LEASES, buckets, ensure, names, streams
from wadm.server.settings import ApiSettings, Settings, StreamSettings
from wadm.transport.base import BucketSpec, StreamSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport


@pytest.mark.parametrize(
    ("name", "subjects", "retention", "max_age"),
    [
        ("wadm_events", ("wadm.evt.*.>",), "limits", 70),
        ("wadm_commands", ("wadm.cmd.*",), "workqueue", 70),
        ("wadm_status", ("wadm.status.*.*",), "limits", 0),
        ("wasmbus_events", ("wasmbus.evt.*.>",), "limits", 70),
        ("wadm_notify", ("wadm.notify.*",), "interest", 70),
    ],
)
def test_streams_are_the_originals(name: str, subjects: tuple[str, ...], retention: str, max_age: float) -> None:
    spec = {one.name: one for one in streams(Settings(), 1)}[name]
    assert (spec.subjects, spec.retention, spec.max_age) == (subjects, retention, max_age)
    assert spec.storage == "file"
    assert not spec.no_ack


def test_every_stream_has_a_bound() -> None:
    for spec in streams(Settings(), 1):
        assert spec.max_age > 0 or spec.max_msgs_per_subject > 0


def test_the_prefix_concerns_wadms_own_streams() -> None:
    called = names(Settings(streams=StreamSettings(prefix="mine_")))
    assert (called.events, called.commands, called.status) == (
        "mine_wadm_events",
        "mine_wadm_commands",
        "mine_wadm_status",
    )
    assert (called.host_events, called.notify, called.manifests) == ("wasmbus_events", "wadm_notify", "wadm_manifests")


def test_in_multi_tenant_mode_host_events_of_all_accounts_are_kept_without_acknowledgement() -> None:
    spec = {one.name: one for one in streams(Settings(api=ApiSettings(multitenant=True)), 1)}["wasmbus_events"]
    assert spec.subjects == ("*.wasmbus.evt.*.>",)
    assert spec.no_ack


def test_buckets_are_named_and_bounded_by_their_settings() -> None:
    settings = Settings(
        streams=StreamSettings(state_bucket="s", manifest_bucket="m", state_bucket_max_bytes=7, persistence="memory")
    )
    assert buckets(settings, 3) == (
        BucketSpec(LEASES, "memory", replicas=3),
        BucketSpec("s", "memory", 7, 3),
        BucketSpec("m", "memory", -1, 3),
    )


class Cluster(MemoryTransport):
    """A server that can keep so many copies."""

    def __init__(self, servers: int, most: int) -> None:
        super().__init__(MemoryBroker())
        self._servers, self._most = servers, most
        self.asked: list[int] = []

    @property
    def clustered(self) -> bool:
        return self._servers > 1

    async def ensure_stream(self, spec: StreamSpec) -> str:  # type: ignore[override]
        self.asked.append(spec.replicas)
        if spec.replicas > self._most:
            raise Unavailable("STREAM.CREATE: no suitable peers for placement")
        return await super().ensure_stream(spec)


@pytest.mark.parametrize(
    ("servers", "most", "wanted", "asked"),
    [(1, 1, None, {1}), (3, 3, None, {3}), (2, 1, None, {3, 1}), (3, 3, 2, {2}), (1, 5, 5, {5})],
)
async def test_as_many_copies_as_there_can_be(servers: int, most: int, wanted: int | None, asked: set[int]) -> None:
    transport = Cluster(servers, most)
    await ensure(transport, Settings(streams=StreamSettings(replicas=wanted)), set())
    assert set(transport.asked) == asked


async def test_copies_that_were_asked_for_and_cannot_be_had_are_an_error() -> None:
    with pytest.raises(Unavailable, match="no suitable peers"):
        await ensure(Cluster(3, 1), Settings(streams=StreamSettings(replicas=3)), set())


class SmallAccount(MemoryTransport):
    """An account that may not have set aside as much as the timeline may grow to."""

    async def ensure_stream(self, spec: StreamSpec) -> str:  # type: ignore[override]
        if spec.max_bytes > 2**20:
            raise Unavailable(f"STREAM.CREATE.{spec.name}: insufficient storage resources available")
        return await super().ensure_stream(spec)


async def test_a_small_account_is_no_reason_not_to_start() -> None:
    made: set[str] = set()
    await ensure(SmallAccount(MemoryBroker()), Settings(), made)
    assert "wadm_timeline" in made


async def test_a_bound_that_was_asked_for_is_kept_to() -> None:
    with pytest.raises(Unavailable, match="insufficient storage"):
        await ensure(
            SmallAccount(MemoryBroker()), Settings(streams=StreamSettings(command_stream_max_bytes=2**21)), set()
        )


async def test_a_stream_that_others_read_is_left_out_where_there_is_no_room_for_it() -> None:
    made: set[str] = set()
    left_out: set[str] = set()
    await ensure(
        SmallAccount(MemoryBroker()), Settings(streams=StreamSettings(event_stream_max_bytes=2**21)), made, left_out
    )
    assert left_out == {"wadm_events"}
    assert {"wadm_manifests", "wadm_timeline"} <= made


async def test_what_is_there_is_not_made_again() -> None:
    transport = MemoryTransport(MemoryBroker())
    made: set[str] = set()
    await ensure(transport, Settings(), made)
    assert {"wadm_events", "wadm_manifests"} <= made
    again: set[str] = set()
    await ensure(transport, Settings(), again)
    assert not again


async def test_what_was_made_before_it_failed_is_known() -> None:
    made: set[str] = set()
    with pytest.raises(Unavailable):
        await ensure(
            SmallAccount(MemoryBroker()), Settings(streams=StreamSettings(status_stream_max_bytes=2**21)), made
        )
    assert made == {"wadm_commands"}
