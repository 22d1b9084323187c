"""What can be wrong with a lattice besides applications, looked at from the command line: each finding says what it is
and what to do about it.

Everything is asked as any client would ask it, so what is found is what others meet too. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Literal

from msgspec import DecodeError, Struct, json

from wadm.cli.situation import BOTH, serving
from wadm.client import jetstream
from wadm.client.client import Client
from wadm.client.jetstream import StreamInfo
from wadm.errors import NoResponders, NotFound, TimedOut, WadmError
from wadm.server.resources import LEFT_BEHIND, Names, names, streams
from wadm.server.settings import Settings
from wadm.transport.base import Stored, StreamSpec
from wadm.wire import subjects
from wadm.wire.control import HostPing

Level = Literal["ok", "note", "warning", "error"]

SLOW = 0.25
"""Seconds to NATS and back that are remarked upon: every command of the server takes several."""
SKEW = 5.0
"""Seconds between two clocks that are remarked upon."""
ALONE = 1.0
"""Seconds that a host has to answer which was silent when all were asked."""
NEARLY_FULL = 0.9
OLDEST_HOST = (1, 0)


class Finding(Struct, frozen=True):
    """One thing that was looked at. ``hint`` is what to do; a finding that is ``ok`` or a ``note`` may have none."""

    area: str
    level: Level
    text: str
    hint: str = ""


async def examine(client: Client) -> AsyncIterator[Finding]:
    """Look at everything, in the order in which one thing needs the other."""
    async for finding in _nats(client):
        yield finding
        if finding.level == "error":
            return
    called = names(Settings())
    async for finding in _storage(client, called):
        yield finding
    async for finding in _servers(client, called):
        yield finding
    async for finding in _hosts(client, called):
        yield finding
    async for finding in _applications(client):
        yield finding


# -- NATS -----------------------------------------------------------------------------------


async def _nats(client: Client) -> AsyncIterator[Finding]:
    servers = ", ".join(server.rpartition("@")[2] for server in client.settings.servers)
    began = client.transport.now()
    await client.transport.flush()
    took = client.transport.now() - began
    who = client.settings.authentication
    yield Finding("NATS", "ok", f"reached {servers} (identity: {who}), there and back in {took * 1000:.0f} ms")
    if took > SLOW:
        yield Finding(
            "NATS",
            "warning",
            f"NATS is slow: {took:.2f} s there and back",
            "look at the load of the NATS server and the network; deployments take several such ways each",
        )
    try:
        await jetstream.account(client)
    except NoResponders:
        yield Finding(
            "JetStream",
            "error",
            "JetStream is off, or not for this account",
            "start nats-server with -js (or `jetstream {}` in its configuration), or name the domain with --js-domain",
        )
    except TimedOut:
        yield Finding(
            "JetStream",
            "error",
            "no answer from JetStream: this identity may not use $JS.API.>, or may not hear answers on its inbox",
            _PERMISSIONS,
        )
    except WadmError as error:
        hint = "allow JetStream for this account in the NATS configuration"
        yield Finding("JetStream", "error", str(error), _PERMISSIONS if "does not permit" in str(error) else hint)
    else:
        yield Finding("JetStream", "ok", "is on")


_PERMISSIONS = "permit it to publish $JS.API.> and wadm.api.>, and to subscribe to _INBOX.>"


# -- streams and buckets --------------------------------------------------------------------


async def _storage(client: Client, called: Names) -> AsyncIterator[Finding]:
    found: dict[str, StreamInfo] = {}
    wanted = {spec.name: spec for spec in streams(Settings(), 1)}
    kept = {f"KV_{bucket}" for bucket in (called.state, called.manifests, called.leases)}
    for name in [*wanted, *sorted(kept)]:
        try:
            found[name] = await jetstream.stream(client, name)
        except NotFound:
            continue
    missing = [name for name in (*wanted, *sorted(kept)) if name not in found]
    if not found:
        yield Finding("storage", "note", "no wadm server has ever run on this NATS", "start one with: wadm")
    elif missing:
        text = f"streams or buckets are missing: {', '.join(missing)}"
        yield Finding("storage", "warning", text, "a running server of ours makes them; start it, or start it anew")
    troubles = [one for name, info in found.items() for one in _judge(info, wanted.get(name))]
    for finding in troubles:
        yield finding
    if found and not missing and not troubles:
        yield Finding("storage", "ok", f"all {len(found)} streams and buckets are as they should be")
    now = client.transport.now()
    if found and (clock := _seconds(next(iter(found.values())).time)) and abs(clock - now) > SKEW:
        text = f"the clock of the NATS server and the one here differ by {abs(clock - now):.0f} s"
        yield Finding("clocks", "warning", text, "let both follow a time server (NTP)")
    async for finding in _leftovers(client, found):
        yield finding


def _judge(info: StreamInfo, wanted: StreamSpec | None) -> list[Finding]:
    findings = []

    def wrong(text: str, hint: str, level: Level = "warning") -> None:
        findings.append(Finding("storage", level, f"{info.name}: {text}", hint))

    if wanted is not None:
        if set(info.subjects) != set(wanted.subjects):
            text = f"holds {', '.join(info.subjects)}, should hold {', '.join(wanted.subjects)}"
            wrong(text, "start the server anew, which mends it", "error")
        if info.retention != wanted.retention:
            wrong(f"has retention {info.retention}, should have {wanted.retention}", "start the server anew", "error")
        if wanted.max_age and not info.max_age:
            wrong("keeps messages for ever, and grows", "start the server anew, which bounds it")
    if info.max_bytes > 0 and info.bytes > NEARLY_FULL * info.max_bytes:
        text = f"is nearly full: {info.bytes} of {info.max_bytes} bytes"
        wrong(text, "allow it more with the server's --*-max-bytes options")
    return findings


async def _leftovers(client: Client, found: Mapping[str, StreamInfo]) -> AsyncIterator[Finding]:
    for name, reason in LEFT_BEHIND.items():
        try:
            info = await jetstream.stream(client, name)
        except NotFound:
            continue
        text = f"the original left the stream {name} with {info.messages} messages: {reason}"
        yield Finding("leftovers", "warning", text, "a server of ours deletes it when it starts")
    for name in found:
        for consumer in await jetstream.consumers(client, name):
            if consumer.durable and not consumer.readers and consumer.pending:
                text = f"nobody reads {name} through its consumer {consumer.name}; {consumer.pending} messages wait"
                hint = f"if that reader is gone for good: nats consumer rm {name} {consumer.name}"
                yield Finding("leftovers", "warning", text, hint)


# -- servers --------------------------------------------------------------------------------


class _Session(Struct, frozen=True):
    host: str = ""


class _Lease(Struct, frozen=True):
    owner: str = ""


async def _servers(client: Client, called: Names) -> AsyncIterator[Finding]:
    try:
        kinds = await serving(client)
    except NoResponders:
        text = f"no wadm server answers for lattice {client.lattice}"
        yield Finding("server", "error", text, "start one with: wadm (or `wadm up` for a whole local set-up)")
        return
    except TimedOut:
        text = "a server listens and does not answer in time"
        yield Finding("server", "error", text, "look at the server's log; raise the bound with --request-timeout")
        return
    except WadmError as error:
        yield Finding("server", "error", f"the server answers with an error: {error}", "look at the server's log")
        return
    if kinds == {"original"}:
        text = "the original wadm serves the API: no plan, explain, events, history or rollback"
        yield Finding("server", "note", text, "stop it and start this one on the same NATS; nothing restarts")
        return
    if len(kinds) == 2:
        yield Finding("server", "error", BOTH, "stop one of the two")
    sessions, owner = await _ownership(client, called)
    text = f"{len(sessions)} running: {', '.join(sorted(sessions.values()))}" if sessions else "the API is served"
    yield Finding("server", "ok", text)
    if owner is None:
        text = f"nobody looks after lattice {client.lattice}"
        hint = (
            "normal while nothing is deployed and no host was heard; else wait some seconds, then see the server's log"
        )
        yield Finding("owner", "note", text, hint)
    elif owner not in sessions:
        text = f"the server that looked after lattice {client.lattice} is gone, none has taken over yet"
        yield Finding("owner", "warning", text, "another takes over within ten seconds; if not, see its log")
    else:
        yield Finding("owner", "ok", f"lattice {client.lattice} is looked after by {sessions[owner]}")


async def _ownership(client: Client, called: Names) -> tuple[dict[str, str], str | None]:
    """Return the servers by session (with what people call them), and the session that has the lattice."""
    sessions: dict[str, str] = {}
    owner = None
    bucket = client.transport.bucket(called.leases)
    try:
        for key in await bucket.keys():
            entry = await bucket.get(key)
            if entry is None or entry.value is None:
                continue
            kind, _, name = key.partition(".")
            if kind == "instance":
                sessions[name] = json.decode(entry.value, type=_Session).host or name
            elif kind == "lattice" and name == client.lattice:
                owner = json.decode(entry.value, type=_Lease).owner or None
    except (NotFound, DecodeError):
        pass
    return sessions, owner


# -- hosts ----------------------------------------------------------------------------------


class _Beat(Struct, frozen=True):
    source: str = ""
    time: str = ""


async def _hosts(client: Client, called: Names) -> AsyncIterator[Finding]:
    hosts = await client.hosts()
    if not hosts:
        elsewhere = await _lattices_with_hosts(client, called) - {client.lattice}
        text = f"no host answers in lattice {client.lattice}"
        hint = "start a wasmCloud host in it (`wadm up --hosts 1` simulates one)"
        if elsewhere:
            hint = f"hosts are heard in {', '.join(sorted(elsewhere))}: name that with --lattice, or start one here"
        yield Finding("hosts", "error", text, hint)
    else:
        versions: dict[str, int] = {}
        for host in hosts:
            versions[host.version or "unknown"] = versions.get(host.version or "unknown", 0) + 1
        told = ", ".join(f"{number} × {version}" for version, number in sorted(versions.items()))
        yield Finding("hosts", "ok", f"{len(hosts)} answer ({told})")
        if len(versions) > 1:
            yield Finding("hosts", "note", f"the hosts are of {len(versions)} versions", "update them when convenient")
        if old := [host for host in hosts if _is_old(host)]:
            text = f"{', '.join(map(_called, old))}: older than 1.0, which wadm cannot manage"
            yield Finding("hosts", "error", text, "update these hosts")
    beats = await _beats(client, called)
    known = {host.host_id: _called(host) for host in hosts}
    asked = sorted(host for host in beats if host not in known)
    silent = [host for host in asked if not await _answers(client, host)]
    if silent:
        text = f"heard within the last minute, and no answer now: {', '.join(host[:8] for host in silent)}"
        hint = "look whether these hosts still run, and may subscribe to wasmbus.ctl.>"
        yield Finding("hosts", "warning", text, hint)
    skewed = {host: skew for host, skew in beats.items() if abs(skew) > SKEW}
    for host_id, skew in sorted(skewed.items()):
        way = "ahead" if skew > 0 else "behind"
        text = f"the clock of host {known.get(host_id, host_id[:8])} is {abs(skew):.0f} s {way}"
        yield Finding(
            "clocks", "warning", text, "let it follow a time server (NTP); wadm itself trusts no host's clock"
        )
    if beats and not skewed:
        yield Finding("clocks", "ok", f"the clocks of {len(beats)} hosts agree with that of NATS")


async def _answers(client: Client, host_id: str) -> bool:
    """Whether a host that did not answer all together answers when it is asked alone."""
    try:
        async with asyncio.timeout(ALONE):
            await client.inventory(host_id)
    except (TimeoutError, WadmError):
        return False
    return True


async def _beats(client: Client, called: Names) -> dict[str, float]:
    """Return by how many seconds the clock of each host heard lately is ahead of that of NATS, as the last heartbeat
    of each shows."""
    found: dict[str, float] = {}
    subject = subjects.host_event(client.lattice, "host_heartbeat")
    try:
        async for stored in client.transport.history(called.host_events, [subject]):
            if (beat := _beat(stored)) is not None:
                found[beat.source] = _seconds(beat.time) - stored.time
    except WadmError:
        return {}
    return found


def _beat(stored: Stored) -> _Beat | None:
    try:
        beat = json.decode(stored.data, type=_Beat)
    except (DecodeError, UnicodeDecodeError):
        return None
    return beat if beat.source and _seconds(beat.time) else None


async def _lattices_with_hosts(client: Client, called: Names) -> set[str]:
    try:
        heard = await jetstream.subjects_of(client, called.host_events, subjects.host_event("*", "host_heartbeat"))
    except WadmError:
        return set()
    parsed = (subjects.parse_host_event(subject, False) for subject in heard)
    return {one.lattice for one in parsed if one is not None}


def _is_old(host: HostPing) -> bool:
    numbers = host.version.split(".")[:2]
    return len(numbers) == 2 and all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) < OLDEST_HOST


def _called(host: HostPing) -> str:
    return host.friendly_name or host.host_id[:8]


# -- applications ---------------------------------------------------------------------------


async def _applications(client: Client) -> AsyncIterator[Finding]:
    try:
        applications = [one for one in await client.list() if one.deployed_version is not None]
    except WadmError:
        return  # said already
    bad = [one for one in applications if one.status.type != "deployed"]
    if applications and not bad:
        yield Finding("applications", "ok", f"all {len(applications)} that should run do")
    for one in bad[:10]:
        yield Finding("applications", "note", f"{one.name} is {one.status.type}", f"wadm status {one.name}")
    if len(bad) > 10:
        yield Finding("applications", "note", f"{len(bad) - 10} more are not as wanted", "wadm list")


def _seconds(text: str) -> float:
    """Return an RFC 3339 time in seconds since 1970, 0 for what is none."""
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        return 0.0
