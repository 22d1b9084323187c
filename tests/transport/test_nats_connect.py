"""Connecting to NATS: who we are, whom we trust, and what is said when it cannot be."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.natsd import NatsServer
from tests.transport.identities import Certificates, KeyPair, OperatorWorld
from tests.transport.worlds import free_port, until
from wadm.errors import Misconfigured, Unavailable
from wadm.transport.base import BucketSpec, StreamSpec
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

Connect = Callable[..., Awaitable[NatsTransport]]


@pytest.fixture
async def connected() -> AsyncIterator[Connect]:
    """``connect``, with what it made closed at the end."""
    made: list[NatsTransport] = []

    async def connect_to(*servers: str, **options: Any) -> NatsTransport:
        made.append(await connect(ConnectOptions(servers=servers, **options)))
        return made[-1]

    yield connect_to
    for transport in made:
        await transport.close()


async def works(transport: NatsTransport) -> bool:
    """Whether messages pass."""
    await transport.subscribe("echo", lambda message: transport.publish(message.reply, message.data))
    return (await transport.request("echo", b"x", timeout=5)).data == b"x"


# -- where ---------------------------------------------------------------------------------------


async def test_a_url_without_scheme(connected: Connect, nats_server: NatsServer) -> None:
    assert await works(await connected(f"127.0.0.1:{nats_server.port}"))


async def test_of_several_servers_one_that_is_there_is_taken(connected: Connect, nats_server: NatsServer) -> None:
    for _ in range(5):  # they are tried in random order
        await connected(f"nats://127.0.0.1:{free_port()}", nats_server.url)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.test", "the scheme must be one of nats, tls, ws, wss"),
        ("nats://example.test:port", "the port must be a number from 1 to 65535"),
        ("nats://user:secret@:4222", "no host"),
        (" ", "No NATS server is given"),
    ],
)
async def test_a_url_that_makes_no_sense(url: str, said: str) -> None:
    with pytest.raises(Misconfigured, match=said) as refused:
        await connect(ConnectOptions(servers=(url,)))
    assert "secret" not in str(refused.value)


async def test_nobody_there_and_no_wish_to_wait() -> None:
    port = free_port()
    with pytest.raises(Unavailable, match=f"Cannot connect to NATS at nats://127.0.0.1:{port}: connection refused"):
        await connect(ConnectOptions(servers=(f"user:secret@127.0.0.1:{port}",)))


async def test_waiting_for_a_server_says_so_once(nats_server_factory: NatsServerFactory) -> None:
    server = nats_server_factory()
    server.stop()
    said: list[str] = []
    waiting = asyncio.create_task(connect(ConnectOptions(servers=(server.url,)), wait=True, on_waiting=said.append))
    await until(lambda: bool(said))
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.start)
    transport = await waiting
    assert await works(transport)
    assert said == [f"Cannot connect to NATS at {server.url}: connection refused; waiting for it"]
    await transport.close()


async def test_waiting_can_be_given_up() -> None:
    waiting = asyncio.create_task(connect(ConnectOptions(servers=(f"127.0.0.1:{free_port()}",)), wait=True))
    await asyncio.sleep(0.1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_somebody_else_listens_there() -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.test ESMTP\r\n")
        writer.close()

    other = await asyncio.start_server(greet, "127.0.0.1", 0)
    port = other.sockets[0].getsockname()[1]
    with pytest.raises(Misconfigured, match="the other side does not speak NATS"):
        await connect(ConnectOptions(servers=(f"127.0.0.1:{port}",)), wait=True)
    other.close()
    await other.wait_closed()


async def test_the_monitoring_shows_our_name(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    server = nats_server_factory("http: -1")
    await connected(server.url, name="wadm of the north")
    monitor = server.ports("monitoring")[0]

    def names() -> list[str]:
        with urllib.request.urlopen(f"{monitor}/connz") as answer:
            return [connection["name"] for connection in json.load(answer)["connections"]]

    assert await asyncio.to_thread(names) == ["wadm of the north"]


# -- who we are ----------------------------------------------------------------------------------

USERS = 'authorization { users: [ { user: "ann", password: "p@ss:word/1%" } ] }'


async def test_user_and_password_in_the_url(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    server = nats_server_factory(USERS)
    assert await works(await connected(f"nats://ann:p%40ss%3Aword%2F1%25@127.0.0.1:{server.port}"))


async def test_a_token_in_the_url(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    server = nats_server_factory('authorization { token: "t0ken" }')
    assert await works(await connected(f"nats://t0ken@127.0.0.1:{server.port}"))


@pytest.mark.parametrize("user", ["", "ann:wrong@"], ids=["nobody", "wrong password"])
async def test_refused_credentials_are_said_and_not_tried_for_ever(
    nats_server_factory: NatsServerFactory, user: str
) -> None:
    server = nats_server_factory(USERS)
    with pytest.raises(Misconfigured) as refused:
        await connect(ConnectOptions(servers=(f"{user}127.0.0.1:{server.port}",)), wait=True)
    assert str(refused.value) == f"Cannot connect to NATS at {server.url}: Authorization Violation"


@pytest.fixture(scope="module")
def operator_world() -> OperatorWorld:
    return OperatorWorld()


@pytest.fixture
def operator_server(nats_server_factory: NatsServerFactory, operator_world: OperatorWorld) -> NatsServer:
    return nats_server_factory(operator_world.config)


async def test_a_credentials_file(
    connected: Connect, operator_server: NatsServer, operator_world: OperatorWorld, tmp_path: Path
) -> None:
    creds = tmp_path / "user.creds"
    creds.write_text(operator_world.creds)
    transport = await connected(f"nats://not:used@127.0.0.1:{operator_server.port}", creds_file=str(creds))
    assert await works(transport)
    assert await transport.ensure_bucket(BucketSpec("b")) == "created"


async def test_jwt_and_seed_as_they_are(
    connected: Connect, operator_server: NatsServer, operator_world: OperatorWorld
) -> None:
    user = operator_world.user
    assert await works(await connected(operator_server.url, jwt=f" {operator_world.user_jwt}\n", seed=f"{user.seed}\n"))


async def test_jwt_and_seed_in_files(
    connected: Connect, operator_server: NatsServer, operator_world: OperatorWorld, tmp_path: Path
) -> None:
    """Files end with a newline, which is no part of a key."""
    jwt, seed = tmp_path / "user.jwt", tmp_path / "user.seed"
    jwt.write_text(f"{operator_world.user_jwt}\n")
    seed.write_text(f"{operator_world.user.seed}\n")
    assert await works(await connected(operator_server.url, jwt=str(jwt), seed=str(seed)))


async def test_a_bare_seed(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    user = KeyPair("U")
    server = nats_server_factory(f"authorization {{ users: [ {{ nkey: {user.public} }} ] }}")
    assert await works(await connected(server.url, seed=user.seed))


async def test_renewed_credentials_are_used_when_coming_back(
    connected: Connect, operator_server: NatsServer, operator_world: OperatorWorld, tmp_path: Path
) -> None:
    creds = tmp_path / "user.creds"
    creds.write_text(operator_world.creds)
    transport = await connected(operator_server.url, creds_file=str(creds))
    creds.write_text("not yet written")
    await operator_server.restart()
    await until(lambda: not transport.connected)
    creds.write_text(operator_world.creds)
    await until(lambda: transport.connected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"creds_file": "/nowhere/user.creds"},
            "Cannot read the NATS credentials file /nowhere/user.creds: No such file",
        ),
        ({"seed": "/nowhere/user.seed"}, "Cannot read the NATS seed /nowhere/user.seed: No such file or directory"),
        ({"jwt": "eyJ"}, "A NATS JWT needs the seed that belongs to it"),
        ({"creds_file": "x", "seed": "y"}, "either a credentials file or a JWT with its seed, not both"),
        ({"seed": "S" + "A" * 57}, "The NATS seed is not a valid seed: it is cut off or mistyped"),
        ({"tls_ca_file": "/nowhere/ca.pem"}, "Cannot use the TLS CA file /nowhere/ca.pem: No such file or directory"),
        ({"tls_ca_file": __file__}, "it does not hold what it should in PEM form"),
        ({"tls_cert_file": "/nowhere/c.pem"}, "Cannot use the TLS certificate /nowhere/c.pem: No such file"),
    ],
)
async def test_what_cannot_be_read_is_said_in_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        await connect(ConnectOptions(servers=("127.0.0.1:1",), **options), wait=True)
    assert said in str(refused.value)


async def test_a_credentials_file_without_a_seed(tmp_path: Path, operator_world: OperatorWorld) -> None:
    creds = tmp_path / "user.creds"
    creds.write_text(operator_world.creds.partition("*****")[0])
    with pytest.raises(Misconfigured, match="does not hold a user JWT and a seed"):
        await connect(ConnectOptions(servers=("127.0.0.1:1",), creds_file=str(creds)))


def test_secrets_are_not_shown(operator_world: OperatorWorld) -> None:
    options = ConnectOptions(
        servers=("nats://ann:secret@one.test", "tok@two.test"),
        jwt=operator_world.user_jwt,
        seed=operator_world.user.seed,
    )
    assert repr(options) == "ConnectOptions(nats://one.test:4222, nats://two.test:4222)"


async def test_a_mistyped_seed_is_not_repeated() -> None:
    mistyped = "SUAM" + "B" * 60
    with pytest.raises(Misconfigured) as refused:
        await connect(ConnectOptions(servers=("127.0.0.1:1",), seed=mistyped))
    assert mistyped not in str(refused.value)


# -- whom we trust -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


async def test_tls_with_an_authority_of_our_own(
    connected: Connect, nats_server_factory: NatsServerFactory, certificates: Certificates
) -> None:
    server = nats_server_factory(certificates.tls_config())
    for scheme in ("nats", "tls"):
        assert await works(await connected(f"{scheme}://127.0.0.1:{server.port}", tls_ca_file=str(certificates.ca)))


async def test_tls_before_the_server_says_anything(
    connected: Connect, nats_server_factory: NatsServerFactory, certificates: Certificates
) -> None:
    server = nats_server_factory(certificates.tls_config(first=True))
    assert await works(await connected(server.url, tls_ca_file=str(certificates.ca), tls_first=True))


async def test_tls_survives_a_restart(
    connected: Connect, nats_server_factory: NatsServerFactory, certificates: Certificates
) -> None:
    server = nats_server_factory(certificates.tls_config())
    transport = await connected(server.url, tls_ca_file=str(certificates.ca))
    await server.restart()
    await until(lambda: not transport.connected)
    await until(lambda: transport.connected)
    assert await works(transport)


async def test_mutual_tls(
    connected: Connect, nats_server_factory: NatsServerFactory, certificates: Certificates
) -> None:
    server = nats_server_factory(certificates.tls_config(verify=True))
    certificate, key = map(str, certificates.client)
    ca = str(certificates.ca)
    assert await works(await connected(server.url, tls_ca_file=ca, tls_cert_file=certificate, tls_key_file=key))
    with pytest.raises((Misconfigured, Unavailable)):
        await connected(server.url, tls_ca_file=ca)


async def test_an_unknown_authority_is_not_trusted(
    nats_server_factory: NatsServerFactory, certificates: Certificates
) -> None:
    server = nats_server_factory(certificates.tls_config())
    with pytest.raises(Misconfigured, match="its certificate is not trusted: "):
        await connect(ConnectOptions(servers=(server.url,)), wait=True)


@pytest.mark.parametrize("demand", ["an authority of our own", "the scheme tls"])
async def test_where_tls_is_demanded_nothing_is_said_in_plain_text(
    nats_server: NatsServer, certificates: Certificates, demand: str
) -> None:
    """The library would go on in plain text where the server, or somebody in between, does not ask for TLS."""
    scheme, ca = ("nats", str(certificates.ca)) if demand == "an authority of our own" else ("tls", None)
    with pytest.raises((Misconfigured, Unavailable), match=r"TLS|closed"):
        await connect(ConnectOptions(servers=(f"{scheme}://127.0.0.1:{nats_server.port}",), tls_ca_file=ca))


# -- websockets ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:parameter 'timeout':DeprecationWarning")  # nats-py's, of aiohttp
async def test_a_websocket(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    pytest.importorskip("aiohttp")
    port = free_port()
    server = nats_server_factory(f'websocket {{ host: "127.0.0.1", port: {port}, no_tls: true }}')
    transport = await connected(f"ws://127.0.0.1:{port}")
    assert await works(transport)
    await server.restart()
    await until(lambda: not transport.connected)
    await until(lambda: transport.connected)
    assert await works(transport)


async def test_websockets_and_plain_connections_may_be_mixed(
    connected: Connect, nats_server_factory: NatsServerFactory
) -> None:
    server = nats_server_factory()
    assert await works(await connected(f"ws://127.0.0.1:{free_port()}", server.url))


# -- domains -------------------------------------------------------------------------------------


async def test_the_jetstream_of_a_domain(connected: Connect, nats_server_factory: NatsServerFactory) -> None:
    """A leaf without JetStream of its own: everything goes to the hub by the names of its domain."""
    leaf_port = free_port()
    nats_server_factory(
        f'jetstream {{ domain: hub }}\nleafnodes {{ listen: "127.0.0.1:{leaf_port}" }}\nserver_name: hub'
    )
    leaf = nats_server_factory(
        f'leafnodes {{ remotes: [ {{ url: "nats://127.0.0.1:{leaf_port}" }} ] }}\nserver_name: leaf', jetstream=False
    )
    transport = await connected(leaf.url, domain="hub")
    spec = StreamSpec("s", ("s.>",))
    async with asyncio.timeout(20):
        while True:
            try:
                assert await transport.ensure_stream(spec) == "created"
                break
            except Unavailable:  # until the leaf has joined
                await asyncio.sleep(0.1)
    assert await transport.append("s.a", b"1") == 1
    assert [stored.data async for stored in transport.history("s", ["s.a"])] == [b"1"]
    got: list[bytes] = []
    consumer = await transport.consume(
        "s", "worker", "s.a", lambda d: (got.append(d.message.data), d.ack()), ack_wait=0.2
    )  # type: ignore[func-returns-value]
    await until(lambda: got == [b"1"])
    await transport.ensure_bucket(BucketSpec("b"))
    bucket, seen = transport.bucket("b"), []  # type: ignore[var-annotated]
    revision = await bucket.put("key", b"1", revision=0)
    await bucket.watch(seen.append)
    assert await bucket.purge("key", revision) == 2
    assert await bucket.keys() == []
    await until(lambda: len(seen) == 2)
    await asyncio.sleep(0.5)
    assert got == [b"1"]  # the acknowledgement found its way
    await consumer.stop()
