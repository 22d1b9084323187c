"""What applications stand on, as far as it shows from here: JetStream, what is kept in it, who manages the lattice.

`list` and `status` say what is wrong with it, `doctor` all that was looked at; so all three agree.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar

from msgspec import DecodeError, Struct, json

from wadm.client import jetstream
from wadm.client.client import Client
from wadm.client.jetstream import Account, StreamInfo
from wadm.errors import Malformed, NoResponders, NotFound, NotSupported, WadmError
from wadm.model.insight import Missing
from wadm.wire.insight import ServerInfo

T = TypeVar("T")

PATIENCE = 1.5
"""Seconds that looking may take where a person waits for something else."""
FULL = 0.97
NEARLY_FULL = 0.9
"""Parts of a limit from which on somebody should know."""
ASKED = 8
"""Requests by which a second kind of server behind the same API is found: each is answered by any of them."""
ORIGINALS = ("wadm_event_consumer", "wadm_commands")
"""Streams that the original reads, each by a durable consumer of a lattice."""


class Trouble(Struct, frozen=True):
    """What is wrong, and what to do."""

    text: str
    hint: str

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.text}: {self.hint}"


# -- the store ------------------------------------------------------------------------------


async def store_troubles(client: Client) -> list[Trouble]:
    """Return what keeps the server from storing anything, or will soon; nothing where this identity may not look."""
    from wadm.server.resources import names, spare_streams, streams  # not at the top: a list is there sooner
    from wadm.server.settings import Settings

    called = names(Settings())
    try:
        async with asyncio.timeout(PATIENCE):
            account, there, forgotten = await asyncio.gather(
                jetstream.account(client), jetstream.stream_names(client), quietly(client.missing(), ())
            )
            kept = [f"KV_{bucket}" for bucket in (called.manifests, called.state, called.leases)]
            wanted = [*kept, *(spec.name for spec in streams(Settings(), 1))]
            found = await asyncio.gather(*(_info(client, name) for name in wanted if name in there))
    except NoResponders:
        return [no_jetstream(client)]
    except (WadmError, TimeoutError):
        return await _lost_at_least(client)
    infos = [info for info in found if info is not None]
    spare = spare_streams(Settings())
    missing = [name for name in wanted if name not in there and name not in spare] if infos else []
    troubles = [*account_troubles(account), *(one for info in infos if (one := full_stream(info)))]
    if forgotten:
        troubles.append(lost_applications(forgotten))
        missing = [name for name in missing if name != kept[0]]
    if missing:
        troubles.append(missing_streams(missing))
    troubles += [one for info in infos if info.name == kept[0] for one in forgetful(info)]
    events = next((info for info in infos if info.name == called.host_events), None)
    return troubles or await quietly(unwritten(client, events), [])


def no_jetstream(client: Client) -> Trouble:
    """Return what is said where JetStream does not answer."""
    domain = f" in domain {client.settings.js_domain}" if client.settings.js_domain else ""
    return Trouble(
        f"JetStream is off{domain}, so a server that runs waits for it and nothing can be stored",
        "start nats-server with -js (or `jetstream {}` in its configuration), or name the domain with --js-domain",
    )


def account_troubles(account: Account) -> Iterable[Trouble]:
    """Yield what is full of an account."""
    for kind, used, most in (
        ("file storage", account.storage, account.max_storage),
        ("memory", account.memory, account.max_memory),
    ):
        if most > 0 and used >= NEARLY_FULL * most:
            word = "full" if used >= FULL * most else "nearly full"
            text = f"the JetStream {kind} of this account is {word} ({used} of {most} bytes)"
            yield Trouble(text, "raise the account's limit in the NATS configuration, or delete what is not needed")


def full_stream(info: StreamInfo, every: bool = False) -> Trouble | None:
    """Return what is said of a stream or bucket that is full. Where old messages make room it is told only where
    ``every`` is wanted: nothing is refused, but less is remembered."""
    if info.max_bytes <= 0 or info.bytes < NEARLY_FULL * info.max_bytes or not (every or info.refuses_when_full):
        return None
    word = "full" if info.bytes >= FULL * info.max_bytes else "nearly full"
    what = f"the bucket {info.name[3:]}" if info.name.startswith("KV_") else f"the stream {info.name}"
    text = f"{what} is {word} ({info.bytes} of {info.max_bytes} bytes)"
    edit = f"nats stream edit {info.name} --max-bytes={2 * info.max_bytes}"
    return Trouble(text, f"raise its limit ({edit}), or delete what is not needed")


def missing_streams(missing: Iterable[str]) -> Trouble:
    """Return what is said of streams and buckets that are gone."""
    told = ", ".join(f"the bucket {name[3:]}" if name.startswith("KV_") else f"the stream {name}" for name in missing)
    return Trouble(f"{told} is missing", "a server of ours makes it again within a minute, and when it starts")


def lost_applications(missing: Sequence[Missing]) -> Trouble:
    """Return what is said of applications that the bucket has lost and servers remember."""
    names = ", ".join(one.name for one in missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    verb = "is" if len(missing) == 1 else "are"
    text = f"{names} {verb} not stored any more, though nobody deleted that: only the servers' memory has it"
    return Trouble(text, "wadm restore --from-server (before the servers are started anew)")


async def _lost_at_least(client: Client) -> list[Trouble]:
    """Return what the server itself says is lost, for who may not look into JetStream."""
    forgotten = await quietly(client.missing(), ())
    return [lost_applications(forgotten)] if forgotten else []


SMALL = 128 * 1024
"""Bytes that a stored application should at least be able to have; one with its versions is often larger."""


def forgetful(manifests: StreamInfo) -> Iterable[Trouble]:
    """Yield what makes the bucket of manifests lose applications, or refuse them."""
    bucket = manifests.name.removeprefix("KV_")
    if manifests.max_age > 0:
        text = f"the bucket {bucket} forgets every application {manifests.max_age:.0f} s after it was last changed"
        yield Trouble(text, f"nats stream edit {manifests.name} --max-age=0")
    if 0 < manifests.max_value_bytes < SMALL:
        text = f"the bucket {bucket} takes no application of more than {manifests.max_value_bytes} bytes"
        yield Trouble(text, f"nats stream edit {manifests.name} --max-msg-size=-1")


async def unwritten(client: Client, events: StreamInfo | None) -> list[Trouble]:
    """Return that nothing is stored any more, where hosts tell of themselves and none of it is kept: the NATS server as
    a whole may be full, which it tells no account."""
    if events is None or not events.messages:
        return []
    try:
        late = datetime.fromisoformat(events.time).timestamp() - datetime.fromisoformat(events.last).timestamp()
    except ValueError:
        return []
    if late < RECENT or not any(host.uptime_seconds > late for host in await client.hosts()):
        return []
    text = f"no heartbeat of a host has been stored for {late:.0f} s: NATS takes no writes (is its disk full?)"
    return [Trouble(text, "make room on the NATS server's disk or raise max_file_store, and see its log")]


async def unreadable(client: Client, read: Collection[str] = ()) -> list[Trouble]:
    """Return which applications of the lattice are stored so that they cannot be read, beside those that were ``read``,
    and who may have written them. Raises where this identity may not look."""
    from wadm.server.resources import names
    from wadm.server.settings import Settings
    from wadm.wire.stored import decode_application, decode_names, manifest_key, names_key

    called = names(Settings()).manifests
    bucket = client.transport.bucket(called)
    listed = await bucket.get(names_key(client.lattice))
    stored = decode_names(listed.value) if listed is not None and listed.value is not None else []
    found = []
    for name in stored:
        entry = None if name in read else await bucket.get(manifest_key(client.lattice, name))
        if entry is None or entry.value is None:
            continue
        try:
            decode_application(name, entry.value)
        except Malformed as error:
            where = f"nats kv history {called} {manifest_key(client.lattice, name)}"
            what = (
                f"what is stored of {name} cannot be read ({error}): a newer wadm has written it, or somebody by hand"
            )
            found.append(Trouble(what, f"use that wadm, or put an earlier revision back ({where})"))
    return found


async def _info(client: Client, name: str) -> StreamInfo | None:
    try:
        return await jetstream.stream(client, name)
    except NotFound:
        return None


# -- who manages the lattice ------------------------------------------------------------------


ORIGINAL = ServerInfo("0.21 or older", "the original")
"""What stands for a server of the original, which tells nothing of itself."""


async def managers(client: Client) -> set[ServerInfo]:
    """Return the servers that answer for the lattice, as far as a few requests show. Raises what a request raises."""

    async def one() -> ServerInfo:
        try:
            return (await client.events(limit=1)).server
        except NotSupported:
            return ORIGINAL

    return set(await asyncio.gather(*(one() for _ in range(ASKED))))


async def two_at_work(client: Client) -> Trouble | None:
    """Return that the original manages the lattice beside this one, since when, and what to do."""
    found = await managers(client)
    if ORIGINAL not in found or len(found) < 2:
        return None
    since = await _since(client)
    at_work = f", at work since {since}" if since else ""
    text = (
        f"the original wadm (0.21 or older{at_work}) and this one serve the same lattices, and work against each other"
    )
    return Trouble(text, "stop one of the two (`wadm doctor` tells where this one runs)")


async def _since(client: Client) -> str:
    """Return when the original took up this lattice: its durable consumer tells."""
    for stream in ORIGINALS:
        try:
            async with asyncio.timeout(PATIENCE):
                found = await jetstream.consumers(client, stream)
        except (WadmError, TimeoutError):
            continue
        for consumer in found:
            if consumer.name == f"{stream}-{client.lattice}" and consumer.created:
                try:
                    return datetime.fromisoformat(consumer.created).strftime("%Y-%m-%d %H:%M:%SZ")
                except ValueError:
                    return consumer.created
    return ""


async def quietly(work: Awaitable[T], otherwise: T, patience: float = PATIENCE) -> T:
    """Return the result of something that is looked at besides, and nothing where it fails or takes long."""
    try:
        async with asyncio.timeout(patience):
            return await work
    except (WadmError, TimeoutError, DecodeError):
        return otherwise


# -- hosts' clocks ----------------------------------------------------------------------------

SKEW = 5.0
"""Seconds between two clocks that are remarked upon."""
RECENT = 65.0
"""Seconds within which a host that is there has told of itself twice."""


class _Body(Struct, frozen=True):
    friendly_name: str = ""


class _Beat(Struct, frozen=True):
    source: str = ""
    time: str = ""
    data: _Body = _Body()


class Heard(Struct, frozen=True):
    """A host as its last heartbeat shows it: when that came in, by how many seconds its clock is ahead of NATS'."""

    at: float
    ahead: float
    name: str = ""


async def heartbeats(client: Client, recent: float = RECENT) -> dict[str, Heard]:
    """Return the hosts that were heard lately, by id. Raises where this identity may not read the stream."""
    from wadm.wire import subjects

    found: dict[str, Heard] = {}
    stream = _host_events()
    subject = subjects.host_event(client.lattice, "host_heartbeat")
    since = client.transport.now() - recent
    async for stored in client.transport.history(stream, [subject], since=since):
        try:
            beat = json.decode(stored.data, type=_Beat)
            if beat.source:
                ahead = datetime.fromisoformat(beat.time).timestamp() - stored.time
                found[beat.source] = Heard(stored.time, ahead, beat.data.friendly_name)
        except (DecodeError, UnicodeDecodeError, ValueError):
            continue
    return found


def skewed(beats: Mapping[str, Heard], called: Callable[[str], str]) -> list[Trouble]:
    """Return the hosts whose clock is wrong."""
    found = []
    for host, heard in sorted(beats.items()):
        if abs(heard.ahead) > SKEW:
            way = "ahead" if heard.ahead > 0 else "behind"
            text = f"the clock of host {called(host)} is {abs(heard.ahead):.0f} s {way}"
            found.append(Trouble(text, "let it follow a time server (NTP); wadm itself trusts no host's clock"))
    return found


def _host_events() -> str:
    from wadm.server.resources import names
    from wadm.server.settings import Settings

    return names(Settings()).host_events


async def lattices_with_hosts(client: Client) -> set[str]:
    """Return the lattices that hosts have been heard in."""
    from wadm.wire import subjects

    pattern = subjects.host_event("*", "host_heartbeat")
    heard = await jetstream.subjects_of(client, _host_events(), pattern)
    parsed = (subjects.parse_host_event(subject, False) for subject in heard)
    return {one.lattice for one in parsed if one is not None}
