"""What a NATS connection goes through in its life, and what it says about it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from tests.conftest import NatsServerFactory
from tests.natsd import NatsServer
from tests.transport.worlds import until
from wadm.errors import NoResponders, TimedOut, TooLarge, Unavailable
from wadm.transport.base import BucketSpec, Entry, Message, StreamSpec
from wadm.transport.nats import ConnectOptions, NatsTransport, connect, consumers, outbox, reading, session, watching

Join = Callable[..., Awaitable[NatsTransport]]


class Log:
    """Notes events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, kind: str, **fields: Any) -> None:
        self.events.append((kind, fields))

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.events]

    def fields(self, kind: str) -> dict[str, Any]:
        return next(fields for found, fields in self.events if found == kind)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
async def join(log: Log) -> AsyncIterator[Join]:
    """Connect to a server, telling ``log``; closed at the end."""
    joined: list[NatsTransport] = []

    async def join_server(server: NatsServer, user: str = "") -> NatsTransport:
        options = ConnectOptions(servers=(f"{user}127.0.0.1:{server.port}",))
        joined.append(await connect(options, on_event=log))
        return joined[-1]

    yield join_server
    for transport in joined:
        await transport.close()


async def works(transport: NatsTransport) -> bool:
    subscription = await transport.subscribe("echo", lambda message: transport.publish(message.reply, message.data))
    answer = await transport.request("echo", b"x", timeout=5)
    await subscription.stop()
    return answer.data == b"x"


# -- losing and finding the server ---------------------------------------------------------------


async def test_what_is_said_when_the_server_goes_and_comes(
    nats_server_factory: NatsServerFactory, join: Join, log: Log
) -> None:
    server = nats_server_factory()
    transport = await join(server)
    server.stop()
    await until(lambda: "nats_unreachable" in log.kinds())
    await asyncio.sleep(0.5)  # further attempts fail for the same reason, which is said once
    await asyncio.to_thread(server.start)
    await until(lambda: transport.connected)
    assert log.kinds() == ["nats_connected", "nats_disconnected", "nats_unreachable", "nats_reconnected"]
    assert log.fields("nats_disconnected") == {"server": server.url, "reason": "the server closed the connection"}
    assert log.fields("nats_unreachable") == {"reason": f"{server.url}: connection refused"}


async def test_readers_do_not_say_again_that_the_server_is_away(
    nats_server_factory: NatsServerFactory, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "SILENCE", 0.2)
    server = nats_server_factory()
    transport = await join(server)
    await transport.ensure_stream(StreamSpec("work", ("work",), retention="workqueue"))
    await transport.ensure_bucket(BucketSpec("watched"))
    seen: list[Entry] = []
    await transport.bucket("watched").watch(seen.append)
    await transport.consume("work", "worker", "work", lambda delivery: delivery.ack())
    server.stop()
    await until(lambda: not transport.connected)
    await asyncio.sleep(0.5)  # longer than the silence that readers take for the end of what they read
    await asyncio.to_thread(server.start)
    await until(lambda: transport.connected)
    await transport.bucket("watched").put("a", b"1")
    await until(lambda: len(seen) == 1)
    assert log.kinds() == ["nats_connected", "nats_disconnected", "nats_unreachable", "nats_reconnected"]


async def test_a_server_that_freezes_is_noticed(
    nats_server_factory: NatsServerFactory, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its connections stay open; only that it does not answer pings gives it away."""
    monkeypatch.setattr(session, "PING_INTERVAL", 0.1)
    monkeypatch.setattr(session, "CONNECT_TIMEOUT", 0.5)
    server = nats_server_factory()
    transport = await join(server)
    server.pause()
    with pytest.raises(Unavailable):
        await transport.request("anything", b"x" * 1_000_000, timeout=5)
    await until(lambda: not transport.connected)
    await until(lambda: "nats_unreachable" in log.kinds())
    assert log.fields("nats_unreachable") == {"reason": f"{server.url}: no answer in time"}
    server.resume()
    await until(lambda: transport.connected)
    assert await works(transport)


async def test_a_flush_given_up_harms_nothing(nats_server_factory: NatsServerFactory, join: Join, log: Log) -> None:
    """The library stops reading when the answer to a flush comes that somebody has given up."""
    server = nats_server_factory()
    transport = await join(server)
    server.pause()
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(transport.flush(), 0.1)
    server.resume()
    assert await works(transport)
    assert log.kinds() == ["nats_connected"]


async def test_what_is_published_while_the_server_is_away_goes_out_later(
    nats_server_factory: NatsServerFactory, join: Join
) -> None:
    server = nats_server_factory()
    transport = await join(server)
    got: list[bytes] = []
    await transport.subscribe("news", lambda message: got.append(message.data))
    server.stop()
    await until(lambda: not transport.connected)
    transport.publish("news", b"1")
    transport.publish("news", b"2")
    await asyncio.to_thread(server.start)
    await until(lambda: got == [b"1", b"2"])


async def test_what_waits_too_long_is_dropped_and_counted(
    nats_server_factory: NatsServerFactory, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_STALE_AFTER", 0.0)
    server = nats_server_factory()
    transport = await join(server)
    got: list[bytes] = []
    await transport.subscribe("news", lambda message: got.append(message.data))
    server.stop()
    await until(lambda: not transport.connected)
    for _ in range(3):
        transport.publish("news", b"old")
    await asyncio.sleep(0.01)
    await asyncio.to_thread(server.start)
    await until(lambda: transport.connected)
    await transport.flush()
    assert got == []
    assert log.fields("publish_dropped") == {"messages": 3}


async def test_what_waits_is_bounded(
    nats_server_factory: NatsServerFactory, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "_QUEUED_MOST", 1000)
    server = nats_server_factory()
    transport = await join(server)
    server.stop()
    await until(lambda: not transport.connected)
    transport.publish("news", b"x" * 900)
    transport.publish("news", b"x" * 200)
    with pytest.raises(Unavailable, match="900 bytes already wait"):
        await transport.request("anything", b"x" * 200, timeout=5)
    await asyncio.to_thread(server.start)
    await until(lambda: "publish_dropped" in log.kinds())
    assert log.fields("publish_dropped") == {"messages": 1}
    assert await works(transport)


async def test_another_server_of_the_cluster_takes_over(
    nats_server_factory: NatsServerFactory, join: Join, log: Log
) -> None:
    """Only one of them was named: the others are learned from it."""
    first = nats_server_factory('server_name: one\ncluster { name: c, listen: "127.0.0.1:-1" }', jetstream=False)
    route = first.ports("cluster")[0].replace("nats://", "nats-route://")
    second = nats_server_factory(
        f'server_name: two\ncluster {{ name: c, listen: "127.0.0.1:-1", routes: ["{route}"] }}', jetstream=False
    )
    transport = await join(first)
    await until(lambda: len(transport._connection._session.neighbours) >= 1)  # type: ignore[union-attr]
    first.stop()
    await until(lambda: "nats_reconnected" in log.kinds())
    assert log.fields("nats_reconnected") == {"server": second.url}
    assert await works(transport)


async def test_closing_while_the_server_is_away(nats_server_factory: NatsServerFactory, join: Join) -> None:
    server = nats_server_factory()
    transport = await join(server)
    server.stop()
    await until(lambda: not transport.connected)
    async with asyncio.timeout(2):
        await transport.close()


async def test_closing_sends_what_was_published(nats_server: NatsServer, join: Join) -> None:
    here, there = await join(nats_server), await join(nats_server)
    got: list[bytes] = []
    await there.subscribe("parting", lambda message: got.append(message.data))
    here.publish("parting", b"bye")
    await here.close()
    await until(lambda: got == [b"bye"])
    await there.close()


async def test_a_writer_that_fails_is_no_reason_to_be_mute(
    nats_server: NatsServer, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport = await join(nats_server)

    async def fail(*arguments: Any) -> None:
        raise AttributeError("a slip in the library")

    with monkeypatch.context() as patched:
        patched.setattr(session.Session, "publish", fail)
        with pytest.raises(Unavailable):
            await transport.request("anything", b"", timeout=5)
    await until(lambda: "nats_reconnected" in log.kinds())
    assert "a slip in the library" in log.fields("nats_disconnected")["reason"]
    assert await works(transport)


# -- what we may and may not ---------------------------------------------------------------------

PERMISSIONS = """
authorization {{
  users: [ {users} ]
}}
"""
ANN = '{ user: ann, password: "x", permissions: { publish: { deny: ["No.Way"] }, subscribe: { deny: ["secrets.>"] } } }'
BEN = '{ user: ben, password: "x" }'


async def test_publishing_without_permission_is_said_at_once(
    nats_server_factory: NatsServerFactory, join: Join, log: Log
) -> None:
    server = nats_server_factory(PERMISSIONS.format(users=ANN))
    transport = await join(server, "ann:x@")
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match=r"NATS does not permit publishing to No\.Way"):
            await transport.request("No.Way", b"", timeout=60)
    assert log.fields("nats_permission_denied") == {"action": "publish", "subject": "no.way"}
    assert await works(transport)


async def test_subscribing_without_permission_is_said_at_once(
    nats_server_factory: NatsServerFactory, join: Join
) -> None:
    server = nats_server_factory(PERMISSIONS.format(users=ANN))
    transport = await join(server, "ann:x@")
    with pytest.raises(Unavailable, match=r"NATS does not permit subscribing to secrets\.a"):
        await transport.subscribe("secrets.a", lambda message: None)
    with pytest.raises(Unavailable, match=r"NATS does not permit subscribing to secrets\.b"):
        await transport.subscribe("secrets.b", lambda message: None, queue="q")
    assert await works(transport)


async def test_a_user_removed_and_brought_back(nats_server_factory: NatsServerFactory, join: Join, log: Log) -> None:
    """The library would close for good; credentials that are refused for a while must not end the server."""
    server = nats_server_factory(PERMISSIONS.format(users=ANN))
    transport = await join(server, "ann:x@")
    server.configure(PERMISSIONS.format(users=BEN))
    await until(lambda: "nats_unreachable" in log.kinds())
    assert log.fields("nats_unreachable") == {"reason": f"{server.url}: Authorization Violation"}
    server.configure(PERMISSIONS.format(users=f"{ANN}, {BEN}"))
    await until(lambda: transport.connected)
    assert await works(transport)


async def test_a_server_without_jetstream(nats_server_factory: NatsServerFactory, join: Join) -> None:
    transport = await join(nats_server_factory(jetstream=False))
    with pytest.raises(NoResponders, match="JetStream is not available on this NATS server or account"):
        await transport.ensure_stream(StreamSpec("s", ("s.>",)))


# -- streams -------------------------------------------------------------------------------------


async def api(transport: NatsTransport, operation: str) -> Any:
    message = await transport.request(f"$JS.API.{operation}", b"", timeout=5)
    return msgspec.json.decode(message.data)


async def test_the_bucket_is_what_the_original_makes(nats_server: NatsServer, join: Join) -> None:
    transport = await join(nats_server)
    await transport.ensure_bucket(BucketSpec("made", max_bytes=1_000_000))
    config = (await api(transport, "STREAM.INFO.KV_made"))["config"]
    expected = {
        "name": "KV_made", "subjects": ["$KV.made.>"], "max_msgs_per_subject": 1, "max_bytes": 1_000_000,
        "max_msgs": -1, "max_age": 0, "max_consumers": -1, "discard": "new", "retention": "limits", "storage": "file",
        "num_replicas": 1, "allow_rollup_hdrs": True, "deny_delete": True, "deny_purge": False, "allow_direct": True,
    }  # fmt: skip
    assert {key: config[key] for key in expected} == expected
    assert "description" not in config


async def test_the_consumer_is_what_the_original_makes(nats_server: NatsServer, join: Join) -> None:
    transport = await join(nats_server)
    await transport.ensure_stream(StreamSpec("commands", ("commands.*",), retention="workqueue", max_age=70))
    description = "Durable wadm commands consumer for lattice a"
    await transport.consume(
        "commands", "commands-a", "commands.a", lambda d: None, description=description, metadata={"lattice": "a"}
    )
    config = (await api(transport, "CONSUMER.INFO.commands.commands-a"))["config"]
    expected = {
        "durable_name": "commands-a", "filter_subject": "commands.a", "deliver_policy": "all", "ack_policy": "explicit",
        "ack_wait": 2_000_000_000, "max_deliver": 3, "max_ack_pending": 1000, "replay_policy": "instant",
        "description": description,
    }  # fmt: skip
    assert {key: config[key] for key in expected} == expected
    assert config["metadata"]["lattice"] == "a"


async def test_a_replaced_stream_is_told_of(nats_server: NatsServer, join: Join, log: Log) -> None:
    transport = await join(nats_server)
    await transport.ensure_stream(StreamSpec("told", ("told.a",)))
    await transport.ensure_stream(StreamSpec("told", ("told.b",)))
    had, wanted = "limits stream of told.a", "limits stream of told.b"
    assert log.fields("stream_replaced") == {"stream": "told", "had": had, "wanted": wanted}


async def test_an_update_leaves_alone_what_we_do_not_know_of(nats_server: NatsServer, join: Join) -> None:
    transport = await join(nats_server)
    body = b'{"name":"tuned","subjects":["tuned.>"],"max_msg_size":5000,"description":"by hand","discard":"new"}'
    await transport.request("$JS.API.STREAM.CREATE.tuned", body, timeout=5)
    assert await transport.ensure_stream(StreamSpec("tuned", ("tuned.>",), max_age=70)) == "updated"
    config = (await api(transport, "STREAM.INFO.tuned"))["config"]
    assert config["max_age"] == 70_000_000_000
    assert (config["max_msg_size"], config["description"], config["discard"]) == (5000, "by hand", "new")


async def test_one_pull_at_a_time(nats_server: NatsServer, join: Join) -> None:
    transport = await join(nats_server)
    await transport.ensure_stream(StreamSpec("pulled", ("pulled.>",), storage="memory"))
    got: list[bytes] = []

    def work(delivery: Any) -> None:
        got.append(delivery.message.data)
        delivery.ack()

    await transport.consume("pulled", "worker", "pulled.a", work, batch=10)
    for round_number in range(1, 6):
        await asyncio.gather(*(transport.append("pulled.a", b"") for _ in range(25)))
        await until(lambda round_number=round_number: len(got) == 25 * round_number)  # type: ignore[misc]
        await transport.flush()
        assert (await api(transport, "CONSUMER.INFO.pulled.worker"))["num_waiting"] <= 1


async def test_a_watch_whose_consumer_vanishes_goes_on(
    nats_server: NatsServer, join: Join, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the node of a cluster that held it dies: nobody tells the client, heartbeats just stop."""
    monkeypatch.setattr(consumers, "SILENCE", 0.5)
    monkeypatch.setattr(watching, "HEARTBEAT", 0.1)
    transport = await join(nats_server)
    await transport.ensure_bucket(BucketSpec("watched", storage="memory"))
    bucket = transport.bucket("watched")
    await bucket.put("a", b"1")
    seen: list[Entry] = []
    watch = await bucket.watch(seen.append)
    for consumer in (await api(transport, "CONSUMER.NAMES.KV_watched"))["consumers"]:
        await api(transport, f"CONSUMER.DELETE.KV_watched.{consumer}")
    await bucket.put("b", b"2")
    await until(lambda: len(seen) == 2)
    assert seen == [Entry("a", b"1", 1), Entry("b", b"2", 2)]  # and what it had seen does not come again
    await asyncio.sleep(1)
    assert log.kinds().count("watch_resuming") == 1  # heartbeats keep it where nothing changes
    await watch.stop()
    await transport.flush()
    assert (await api(transport, "CONSUMER.NAMES.KV_watched"))["consumers"] == []


async def test_a_watch_that_lost_a_message_asks_for_it_again(nats_server: NatsServer, join: Join, log: Log) -> None:
    transport = await join(nats_server)
    await transport.ensure_bucket(BucketSpec("gap", storage="memory"))
    bucket = transport.bucket("gap")
    seen: list[Entry] = []
    watch = await bucket.watch(seen.append)
    receive = watch._receive  # type: ignore[attr-defined]
    lost: list[Any] = []

    def lose_one(message: Any) -> None:
        if not lost and message.data:
            lost.append(message)
        else:
            receive(message)

    watch._subscription._handler = lose_one  # type: ignore[attr-defined]
    for number in range(3):
        await bucket.put("key", b"%d" % number)
    await until(lambda: [entry.value for entry in seen][-1:] == [b"2"])
    assert lost
    assert "watch_resuming" in log.kinds()


async def test_a_history_broken_off_is_not_taken_for_a_whole_one(
    nats_server: NatsServer, join: Join, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "_PAGE", 10)
    monkeypatch.setattr(reading, "_READ_SILENCE", 0.3)
    transport = await join(nats_server)
    await transport.ensure_stream(StreamSpec("broken", ("broken.>",), storage="memory"))
    await asyncio.gather(*(transport.append("broken.a", b"") for _ in range(30)))
    with pytest.raises((Unavailable, TimedOut)):  # noqa: PT012
        async for stored in transport.history("broken", ["broken.a"]):
            if stored.sequence == 5:
                await transport.delete_stream("broken")


async def test_an_account_that_takes_less_than_its_server_says_is_learnt(
    nats_server_factory: NatsServerFactory,
) -> None:
    """The server says so only by closing the connection; from then on what is larger is refused here."""
    server = nats_server_factory(
        "accounts { A { jetstream: enabled, limits: {max_payload: 32768}, users: [{user: a, password: p}] } }"
    )
    told: list[tuple[str, dict[str, object]]] = []
    transport = await connect(
        ConnectOptions((server.url.replace("//", "//a:p@"),)),
        on_event=lambda kind, **fields: told.append((kind, fields)),
    )
    back = asyncio.Event()

    async def came_back() -> None:
        back.set()

    transport.on_reconnect(came_back)
    assert transport.max_payload == 1024 * 1024
    transport.publish("wadm.status.default.shop", b"x" * 40_000)
    await asyncio.wait_for(back.wait(), 20)
    learnt = dict(told)["nats_account_takes_less_than_its_server_says"]
    assert (learnt["refused"], learnt["subject"]) == (40_000, "wadm.status.default.shop")
    assert transport.max_payload == 20_000
    with pytest.raises(TooLarge):
        transport.publish("wadm.status.default.shop", b"x" * 40_000)
    heard: asyncio.Queue[Message] = asyncio.Queue()
    await transport.subscribe("x", heard.put_nowait)
    transport.publish("x", b"x" * 19_000)
    assert len((await asyncio.wait_for(heard.get(), 10)).data) == 19_000
    assert [kind for kind, _ in told].count("nats_disconnected") == 1
    await transport.close()
