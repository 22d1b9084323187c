"""The streams and buckets on NATS that the server works with, and what it clears away
(docs/protocol/api.md#nats-resources).

Names, subjects and retention are public: ``wash``, the Kubernetes operator and the original itself look for them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.errors import Unavailable
from wadm.server.logging import Limited, get_logger
from wadm.server.settings import Settings
from wadm.transport.base import BucketSpec, StreamSpec, Transport
from wadm.wire import subjects

LEASES: Final = "wadm_leases"
"""The bucket that says which instance looks after which lattice. Ours alone."""

MAX_AGE: Final = 70.0
"""Seconds that events and commands are kept: twice the hosts' heartbeat, and some slack."""

STATUSES_KEPT: Final = 10
"""Messages that the status stream keeps of each application."""

TIMELINE_AGE: Final = 7 * 24 * 3600.0
TIMELINE_KEPT: Final = 500
"""Seconds, and messages of each application, that timelines go back."""
TIMELINE_BYTES: Final = 256 * 1024 * 1024
REVISIONS_KEPT: Final = 200
"""Messages kept of each application's revisions; a revision is two."""

REVISIONS_BYTES: Final = 64 * 1024 * 1024
EVENTS_BYTES: Final = 32 * 1024 * 1024
"""What the stream of deployments may grow to unless somebody says otherwise: each holds a whole manifest, and for those
of the last minute this is plenty."""
BOUNDS: Final = (8 * 1024 * 1024, 1024 * 1024)
"""Bytes to which a stream is bounded where the account requires a bound, or has less room than was asked for."""

BUCKET_BOUND: Final = 16 * 1024 * 1024

COPIES_IN_CLUSTER: Final = 3
"""Copies of streams and buckets in a cluster where nothing else is asked for: one server may fail."""

LEFT_BEHIND: Final = {
    "wadm_mirror": "a mirror of older releases, whose subjects overlap with those of wasmbus_events",
    "wadm_multitenant_mirror": "a mirror of older releases, whose subjects overlap with those of wasmbus_events",
    "wadm_event_consumer": "a work queue of the original that nobody reads here and that would only fill up",
}
"""Streams that are deleted where they are met, and why."""

log = get_logger("wadm.server.resources")
_limited = Limited(log, interval=3600.0)


class Names(Struct, frozen=True):
    """What the streams and buckets are called under these settings."""

    events: str
    commands: str
    status: str
    host_events: str
    notify: str
    timeline: str
    revisions: str
    recording: str
    state: str
    manifests: str
    leases: str


def names(settings: Settings) -> Names:
    """Return the names; the stream prefix concerns wadm's own three streams, as in the original."""
    prefix = settings.streams.prefix
    return Names(
        events=f"{prefix}wadm_events",
        commands=f"{prefix}wadm_commands",
        status=f"{prefix}wadm_status",
        host_events="wasmbus_events",
        notify="wadm_notify",
        timeline=f"{prefix}wadm_timeline",
        revisions=f"{prefix}wadm_revisions",
        recording=f"{prefix}wadm_recording",
        state=settings.streams.state_bucket,
        manifests=settings.streams.manifest_bucket,
        leases=LEASES,
    )


def streams(settings: Settings, replicas: int) -> tuple[StreamSpec, ...]:
    """Return the streams as the server wants them.

    All that grows with time is bounded by age, statuses by their number per application. In multi-tenant mode
    the subjects of the host events cover those of NATS' own API, which it allows only to a stream that does not
    acknowledge.
    """
    called, storage = names(settings), settings.streams.persistence
    recording = StreamSpec(
        name=called.recording,
        subjects=(subjects.recording("*"),),
        storage=storage,
        max_bytes=settings.recording.max_bytes,
        replicas=replicas,
        description="What owners of lattices were told and decided, for wadm replay",
    )
    return (
        StreamSpec(
            name=called.events,
            subjects=(subjects.manifest_events_filter(),),
            storage=storage,
            max_age=MAX_AGE,
            max_bytes=EVENTS_BYTES
            if settings.streams.event_stream_max_bytes < 0
            else settings.streams.event_stream_max_bytes,
            replicas=replicas,
            description="A stream that stores all events coming in on the wadm.evt subject in a cluster",
        ),
        StreamSpec(
            name=called.commands,
            subjects=(subjects.command("*"),),
            retention="workqueue",
            storage=storage,
            max_age=MAX_AGE,
            max_bytes=settings.streams.command_stream_max_bytes,
            replicas=replicas,
            description="A stream that stores all commands for wadm",
        ),
        StreamSpec(
            name=called.status,
            subjects=(subjects.status("*", "*"),),
            storage=storage,
            max_bytes=settings.streams.status_stream_max_bytes,
            max_msgs_per_subject=STATUSES_KEPT,
            replicas=replicas,
            allow_direct=True,
            description="A stream that stores all status updates for wadm applications",
        ),
        StreamSpec(
            name=called.host_events,
            subjects=(subjects.host_events_filter(settings.api.multitenant),),
            storage=storage,
            max_age=MAX_AGE,
            max_bytes=settings.streams.wasmbus_event_stream_max_bytes,
            replicas=replicas,
            no_ack=settings.api.multitenant,
            description="A stream that stores all events coming in on the wasmbus.evt subject in a cluster",
        ),
        StreamSpec(
            name=called.notify,
            subjects=(subjects.notify("*"),),
            retention="interest",
            storage=storage,
            max_age=MAX_AGE,
            max_bytes=settings.streams.notify_stream_max_bytes,
            replicas=replicas,
            description="A stream for capturing all notification events for wadm",
        ),
        StreamSpec(
            name=called.timeline,
            subjects=(subjects.timeline("*", "*"),),
            storage=storage,
            max_age=TIMELINE_AGE,
            max_bytes=TIMELINE_BYTES,
            max_msgs_per_subject=TIMELINE_KEPT,
            replicas=replicas,
            allow_direct=True,
            description="What has happened to wadm applications, for people to read",
        ),
        StreamSpec(
            name=called.revisions,
            subjects=(subjects.revision("*", "*"),),
            storage=storage,
            max_bytes=REVISIONS_BYTES,
            max_msgs_per_subject=REVISIONS_KEPT,
            replicas=replicas,
            allow_direct=True,
            description="Every change of what is deployed of wadm applications, and what became of it",
        ),
        *((recording,) if settings.recording.enabled else ()),
    )


def buckets(settings: Settings, replicas: int) -> tuple[BucketSpec, ...]:
    """Return the buckets as the server wants them, the manifests' last: who finds it finds all that is needed."""
    called, storage = names(settings), settings.streams.persistence
    return (
        BucketSpec(called.leases, storage, replicas=replicas),
        BucketSpec(called.state, storage, settings.streams.state_bucket_max_bytes, replicas),
        BucketSpec(called.manifests, storage, settings.streams.manifest_bucket_max_bytes, replicas),
    )


async def clear_away(transport: Transport) -> None:
    """Delete what others left behind and nobody reads any more. Raises :class:`~wadm.errors.Unavailable`."""
    for name, reason in LEFT_BEHIND.items():
        if await transport.delete_stream(name):
            log.info("Deleted a stream", stream=name, reason=reason)


async def ensure(
    transport: Transport,
    settings: Settings,
    made: set[str],
    left_out: set[str] | None = None,
    not_made: frozenset[str] = frozenset(),
) -> None:
    """Have all streams and buckets, but for the buckets that are ``not_made``; add the names of those that were not
    there before to ``made``, also where it fails, and of those that cannot be had and are done without to ``left_out``.

    Called at the start and after every return of the connection: a NATS server that keeps things in memory has
    lost them all when it was started again. Raises :class:`~wadm.errors.Unavailable`.
    """
    copies = (
        [settings.streams.replicas]
        if settings.streams.replicas
        else [COPIES_IN_CLUSTER, 1]
        if transport.clustered
        else [1]
    )
    for number in copies:
        try:
            left_out = set() if left_out is None else left_out
            return await _ensure(transport, settings, number, made, left_out, not_made)
        except Unavailable as error:
            if number == copies[-1] or not _lacks_servers(error):
                raise
            log.info("The cluster cannot keep as many copies", copies=number, reason=error)
    raise AssertionError("there is always a number to try")


async def _ensure(
    transport: Transport,
    settings: Settings,
    replicas: int,
    made: set[str],
    left_out: set[str],
    not_made: frozenset[str],
) -> None:
    """Have what is needed first. What an account has no room for after that is left out, if it can be."""
    spare = spare_streams(settings)
    wanted = streams(settings, replicas)
    for stream in wanted:
        if stream.name not in spare:
            _note(stream.name, "Stream", await _ensure_stream(transport, stream), made)
    for bucket in buckets(settings, replicas):
        if bucket.name in not_made:
            continue
        _note(bucket.name, "Bucket", await _ensure_bucket(transport, bucket), made)
    for stream in wanted:
        if stream.name in spare:
            try:
                _note(stream.name, "Stream", await _ensure_stream(transport, stream), made)
                left_out.discard(stream.name)
            except Unavailable as error:
                if not _is_refused(error):
                    raise
                left_out.add(stream.name)
                without = {"without": spare[stream.name], "reason": error}
                _limited.warning(stream.name, "Going on without a stream", stream=stream.name, **without)


def _note(name: str, kind: str, done: str, made: set[str]) -> None:
    if done != "kept":
        log.info(f"{kind} {done}", **{kind.lower(): name})
    if done in ("created", "replaced"):
        made.add(name)


def spare_streams(settings: Settings) -> dict[str, str]:
    """Return the streams that the server can do without, with what is missing then."""
    called = names(settings)
    return {
        called.host_events: "nothing of ours: only the original reads it",
        called.notify: "nothing of ours: only the original reads it",
        called.events: "other programs cannot read later what was deployed",
        called.timeline: "`wadm events` has nothing to show",
        called.revisions: "`wadm history` has nothing to show, and `wadm rollback` goes by the order of versions",
    }


async def _ensure_stream(transport: Transport, stream: StreamSpec) -> str:
    """Have a stream, with the bound that the account allows; one that was asked for is kept to.

    NATS sets aside what a stream may grow to, which a small account may not have; and an account may require a bound.
    """
    if stream.max_bytes >= 0 and stream.max_bytes not in (EVENTS_BYTES, TIMELINE_BYTES, REVISIONS_BYTES):
        return await transport.ensure_stream(stream)
    refused: Unavailable | None = None
    for bound in (stream.max_bytes, *(b for b in BOUNDS if stream.max_bytes < 0 or b < stream.max_bytes), -1):
        try:
            return await transport.ensure_stream(replace(stream, max_bytes=bound))
        except Unavailable as error:
            refused = refused or error
            if not (_lacks_room(error) or _lacks_bound(error)):
                raise
    assert refused is not None
    raise refused


async def _ensure_bucket(transport: Transport, bucket: BucketSpec) -> str:
    """Have a bucket; without a bound unless the account requires one, then with the largest that there is room for."""
    try:
        return await transport.ensure_bucket(bucket)
    except Unavailable as error:
        if bucket.max_bytes >= 0 or not _lacks_bound(error):
            raise
        refused = error
    for bound in (BUCKET_BOUND, *BOUNDS):
        try:
            return await transport.ensure_bucket(replace(bucket, max_bytes=bound))
        except Unavailable as error:
            if not _lacks_room(error):
                raise
            refused = error
    raise refused


def _lacks_bound(error: Unavailable) -> bool:
    """Whether JetStream refused because the account requires that streams have a bound in bytes."""
    return "max bytes" in str(error)


def _is_refused(error: Unavailable) -> bool:
    """Whether JetStream has said no, and would say so again: to one stream more, or to subjects that another has."""
    words = ("maximum number of streams", "maximum streams", "subjects overlap", "max bytes")
    return _lacks_room(error) or any(word in str(error) for word in words)


def _lacks_room(error: Unavailable) -> bool:
    """Whether JetStream refused because there is not as much storage as was asked for."""
    return any(words in str(error) for words in ("insufficient storage", "resource limits exceeded"))


def _lacks_servers(error: Unavailable) -> bool:
    """Whether JetStream refused because it has fewer servers than copies were asked for."""
    return any(words in str(error) for words in ("replicas", "peers", "insufficient"))
