"""What can be wrong with a lattice besides applications, looked at from the command line: each finding says what it is
and what to do about it.

Everything is asked as any client would ask it, so what is found is what others meet too. Nothing is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import Final, Literal

from msgspec import DecodeError, Struct, json

from wadm import COMPATIBLE_WITH, __version__
from wadm.cli.exits import failure
from wadm.cli.foresee import conflicts_of_all
from wadm.cli.place import start_a_host, start_a_server
from wadm.cli.standing import (
    ORIGINAL,
    RECENT,
    SKEW,
    account_troubles,
    forgetful,
    full_stream,
    heartbeats,
    lattices_with_hosts,
    lost_applications,
    managers,
    missing_streams,
    no_jetstream,
    quietly,
    skewed,
    two_at_work,
    unreadable,
    unwritten,
)
from wadm.cli.views.table import count
from wadm.client import jetstream
from wadm.client.client import Client
from wadm.client.jetstream import StreamInfo
from wadm.errors import NoResponders, NotFound, TimedOut, WadmError
from wadm.model.lattice import Component, Provider, owner
from wadm.server.resources import LEFT_BEHIND, Names, names, spare_streams, streams
from wadm.server.settings import Settings
from wadm.transport.base import StreamSpec
from wadm.wire.control import HostPing
from wadm.wire.insight import ServerInfo

Level = Literal["ok", "note", "warning", "error"]

SLOW = 0.25
"""Seconds to NATS and back that are remarked upon: every command of the server takes several."""
ALONE = 1.0
"""Seconds that a host has to answer which was silent when all were asked."""
OLDEST_HOST = (1, 0)


class Finding(Struct, frozen=True):
    """One thing that was looked at. ``hint`` is what to do; a finding that is ``ok`` or a ``note`` may have none."""

    area: str
    level: Level
    text: str
    hint: str = ""


async def examine(client: Client) -> AsyncIterator[Finding]:
    """Look at everything, in the order in which one thing needs the other."""
    yield Finding("wadm", "ok", f"this is {__version__}, which speaks the protocol of {COMPATIBLE_WITH}")
    async for finding in _nats(client):
        yield finding
        if finding.level == "error":
            return
    async for finding in _what_uses_it(client, names(Settings())):
        yield finding


async def _what_uses_it(client: Client, called: Names) -> AsyncIterator[Finding]:
    servers = await quietly(managers(client), set[ServerInfo]())
    ours = servers - {ORIGINAL}
    elsewhere = sorted({one.domain for one in ours} - {client.settings.js_domain}) if ours else []
    if elsewhere and client.settings.js_domain not in {one.domain for one in ours}:
        text = f"the server keeps its things in the JetStream domain {elsewhere[0]!r}, and this looks elsewhere"
        yield Finding("storage", "warning", text, f"look there with: wadm doctor --js-domain {elsewhere[0]}")
    else:
        left_out = frozenset(name for one in ours for name in one.left_out)
        async for finding in _as_far_as_it_goes("storage", _storage(client, called, left_out)):
            yield finding
    async for finding in _as_far_as_it_goes("server", _servers(client, called)):
        yield finding
    async for finding in _as_far_as_it_goes("hosts", _hosts(client, called)):
        yield finding
    async for finding in _as_far_as_it_goes("applications", _applications(client)):
        yield finding


async def _as_far_as_it_goes(area: str, findings: AsyncIterator[Finding]) -> AsyncIterator[Finding]:
    """Yield findings; one that cannot be had, as where NATS does not permit it, keeps nobody from the other areas."""
    try:
        async for finding in findings:
            yield finding
    except WadmError as error:
        yield Finding(area, "warning", f"not all could be looked at: {error}", failure(error).hint)


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
        account = await jetstream.account(client)
    except NoResponders:
        trouble = no_jetstream(client)
        yield Finding("JetStream", "error", trouble.text, trouble.hint)
    except TimedOut:
        yield Finding(
            "JetStream",
            "error",
            "no answer from JetStream: this identity may not use $JS.API.>, or may not hear answers on its inbox",
            _PERMISSIONS,
        )
    except WadmError as error:
        hint = "allow JetStream for this account in the NATS configuration"
        if "does not permit publishing" in str(error):
            text = f"what is stored cannot be looked at: {error}"
            yield Finding("JetStream", "warning", text, _PERMISSIONS)
            return
        yield Finding("JetStream", "error", str(error), _PERMISSIONS if "does not permit" in str(error) else hint)
    else:
        full = list(account_troubles(account))
        for trouble in full:
            yield Finding("JetStream", "warning" if "nearly" in trouble.text else "error", trouble.text, trouble.hint)
        if not full:
            yield Finding("JetStream", "ok", "is on")


_PERMISSIONS = "permit it to publish $JS.API.> and wadm.api.>, and to subscribe to _INBOX.>"


# -- streams and buckets --------------------------------------------------------------------


async def _storage(client: Client, called: Names, left_out: frozenset[str]) -> AsyncIterator[Finding]:
    found: dict[str, StreamInfo] = {}
    wanted = {spec.name: spec for spec in streams(Settings(), 1)}
    kept = {f"KV_{bucket}" for bucket in (called.state, called.manifests, called.leases)}
    for name in [*wanted, *sorted(kept)]:
        try:
            found[name] = await jetstream.stream(client, name)
        except NotFound:
            continue
    missing = [name for name in (*wanted, *sorted(kept)) if name not in found and name not in left_out]
    forgotten = await quietly(client.missing(), ())
    if not found:
        text = "no wadm server has ever run on this NATS"
        yield Finding("storage", "note", text, start_a_server(client.settings))
    elif missing:
        trouble = missing_streams(missing)
        yield Finding("storage", "error", trouble.text, LOST if f"KV_{called.manifests}" in missing else trouble.hint)
    if forgotten:
        trouble = lost_applications(forgotten)
        yield Finding("storage", "error", trouble.text, trouble.hint)
    spare = spare_streams(Settings())
    for name in sorted(left_out - found.keys()):
        text = f"NATS does not let the server have the stream {name}: {spare.get(name, 'it goes on without')}"
        hint = "raise the account's limits (streams, storage, bounds), or remove the stream that has its subjects"
        yield Finding("storage", "warning", text, hint)
    troubles = [one for name, info in found.items() for one in _judge(info, wanted.get(name))]
    if f"KV_{called.manifests}" in found:
        forgetting = forgetful(found[f"KV_{called.manifests}"])
        troubles += [
            Finding("storage", "error" if "forgets" in one.text else "warning", one.text, one.hint)
            for one in forgetting
        ]
    unkept = await quietly(unwritten(client, found.get(called.host_events)), [])
    troubles += [Finding("storage", "error", one.text, one.hint) for one in unkept]
    for finding in troubles:
        yield finding
    if found and not (missing or troubles or forgotten):
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
    if full := full_stream(info, every=True):
        findings.append(Finding("storage", _level(info, full.text), full.text, full.hint))
    return findings


def _level(info: StreamInfo, text: str) -> Level:
    return "error" if info.refuses_when_full and "nearly" not in text else "warning"


LOST: Final = (
    "wadm restore --from-server, if servers remember it (before they are started anew); else wadm restore FILE, "
    "from a backup"
)


async def _stray(client: Client) -> Finding | None:
    """Return which applications hosts run parts of that are not stored: their bucket was lost, or they are another
    manager's."""
    stored = {one.name for one in await client.list()} | {one.name for one in await client.missing()}
    running: dict[str, None] = {}
    for inventory in await client.inventories():
        everything: tuple[Component | Provider, ...] = (*inventory.components, *inventory.providers)
        for one in everything:
            if (name := owner(one)) and name not in stored:
                running[name] = None
    if not running:
        return None
    names = ", ".join(sorted(running)[:5]) + (f" and {len(running) - 5} more" if len(running) > 5 else "")
    text = f"hosts run parts of {names}, which this wadm does not have"
    hint = "if they were lost: wadm restore FILE, from a backup; else another manager looks after them, or nobody"
    return Finding("applications", "warning", text, hint)


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
    version: str = ""


class _Lease(Struct, frozen=True):
    owner: str = ""


async def _servers(client: Client, called: Names) -> AsyncIterator[Finding]:
    try:
        found = await managers(client)
    except NoResponders:
        text = f"no wadm server answers for lattice {client.lattice}"
        yield Finding("server", "error", text, start_a_server(client.settings))
        return
    except TimedOut:
        text = "a server listens and does not answer in time"
        yield Finding("server", "error", text, "look at the server's log; raise the bound with --request-timeout")
        return
    except WadmError as error:
        if "does not permit" in str(error):
            yield Finding("server", "error", f"the server cannot be asked: {error}", _PERMISSIONS)
            return
        yield Finding("server", "error", f"the server answers with an error: {error}", "look at the server's log")
        return
    if found == {ORIGINAL}:
        text = "the original wadm serves the API: no plan, explain, events, history or rollback"
        yield Finding("server", "note", text, "stop it and start this one on the same NATS; nothing restarts")
        return
    if trouble := await quietly(two_at_work(client), None):
        yield Finding("server", "error", trouble.text, trouble.hint)
    sessions, owner = await _ownership(client, called)
    told = sorted(f"{one.host} ({one.version or 'version unknown'})" for one in sessions.values())
    text = f"{len(sessions)} running: {', '.join(told)}" if sessions else "the API is served"
    yield Finding("server", "ok", text)
    if len(versions := {one.version for one in sessions.values()}) > 1:
        text = f"the servers are of {len(versions)} versions"
        yield Finding("server", "note", text, "fine while an upgrade is under way; else update the others")
    if owner is None:
        text = f"no server has taken up lattice {client.lattice} yet"
        hint = "one does as soon as something is deployed there, or a host tells of itself (every 30 s)"
        yield Finding("owner", "note", text, hint)
    elif owner not in sessions:
        text = f"the server that looked after lattice {client.lattice} is gone, none has taken over yet"
        yield Finding("owner", "warning", text, "another takes over within ten seconds; if not, see its log")
    else:
        yield Finding("owner", "ok", f"lattice {client.lattice} is looked after by {sessions[owner].host}")


async def _ownership(client: Client, called: Names) -> tuple[dict[str, _Session], str | None]:
    """Return the servers by session, and the session that has the lattice."""
    sessions: dict[str, _Session] = {}
    owner = None
    bucket = client.transport.bucket(called.leases)
    try:
        for key in await bucket.keys():
            entry = await bucket.get(key)
            if entry is None or entry.value is None:
                continue
            kind, _, name = key.partition(".")
            if kind == "instance":
                session = json.decode(entry.value, type=_Session)
                sessions[name] = session if session.host else _Session(name, session.version)
            elif kind == "lattice" and name == client.lattice:
                owner = json.decode(entry.value, type=_Lease).owner or None
    except (NotFound, DecodeError):
        pass
    return sessions, owner


# -- hosts ----------------------------------------------------------------------------------


async def _hosts(client: Client, called: Names) -> AsyncIterator[Finding]:
    hosts = await client.hosts()
    if not hosts:
        elsewhere = await quietly(lattices_with_hosts(client), set[str]()) - {client.lattice}
        text = f"no host answers in lattice {client.lattice}"
        hint = start_a_host(client.settings)
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
    beats = await quietly(heartbeats(client), {}, 5)
    known = {host.host_id: _called(host) for host in hosts}
    asked = sorted(host for host in beats if host not in known)
    silent = [host for host in asked if not await _answers(client, host)]
    if silent:
        text = f"heard within the last {RECENT:.0f} s, and no answer now: {', '.join(host[:8] for host in silent)}"
        hint = "look whether these hosts still run, and may subscribe to wasmbus.ctl.>"
        yield Finding("hosts", "warning", text, hint)
    wrong = skewed(beats, lambda host_id: known.get(host_id, host_id[:8]))
    for trouble in wrong:
        yield Finding("clocks", "warning", trouble.text, trouble.hint)
    if beats and not wrong:
        agree = "agrees" if len(beats) == 1 else "agree"
        yield Finding("clocks", "ok", f"the clock of {count(len(beats), 'host')} {agree} with that of NATS")


async def _answers(client: Client, host_id: str) -> bool:
    """Whether a host that did not answer all together answers when it is asked alone."""
    try:
        async with asyncio.timeout(ALONE):
            await client.inventory(host_id)
    except (TimeoutError, WadmError):
        return False
    return True


def _is_old(host: HostPing) -> bool:
    numbers = host.version.split(".")[:2]
    return len(numbers) == 2 and all(map(str.isdecimal, numbers)) and tuple(map(int, numbers)) < OLDEST_HOST


def _called(host: HostPing) -> str:
    return host.friendly_name or host.host_id[:8]


# -- applications ---------------------------------------------------------------------------


async def _applications(client: Client) -> AsyncIterator[Finding]:
    try:
        listed = await client.list()
    except WadmError:
        return  # said already
    if stray := await quietly(_stray(client), None):
        yield stray
    applications = [one for one in listed if one.deployed_version is not None]
    for trouble in await unreadable(client, {one.name for one in listed}):
        yield Finding("applications", "error", trouble.text, trouble.hint)
    for text in await conflicts_of_all(client):
        hint = "give one of the two another id, address or host"
        yield Finding("applications", "warning", text, hint)
    bad = [one for one in applications if one.status.type != "deployed"]
    if applications and not bad:
        text = (
            "the one that should run does" if len(applications) == 1 else f"all {len(applications)} that should run do"
        )
        yield Finding("applications", "ok", text)
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
