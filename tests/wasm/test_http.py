"""HTTP as components serve it: by RFC 9110, RFC 9112 and wasi:http. See guests/probe.wat for what each path does."""

from __future__ import annotations

import asyncio
import os

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.wasm.serving import Served

HELLO = b"hello from the probe\n"
FAILED = b"the component that serves this failed: its host's log says why\n"


# -- heads -----------------------------------------------------------------------------------


async def test_a_small_response_is_one_with_its_length(probe: Served) -> None:
    response = await probe.ask("/hello")
    assert (response.status, response.body) == (200, HELLO)
    assert response.header("content-length") == "21"
    assert response.header("date") is not None
    assert response.header("connection") is None


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "PURGE"])
async def test_any_method_reaches_the_component(probe: Served, method: str) -> None:
    assert (await probe.ask("/hello", method)).body == HELLO


async def test_a_response_to_head_has_the_head_alone(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"HEAD /hello HTTP/1.1\r\nhost: t\r\n\r\nGET /hello HTTP/1.1\r\nhost: t\r\n\r\n")
    assert (await client.response("HEAD")).header("transfer-encoding") is None
    assert (await client.response()).body == HELLO


@pytest.mark.parametrize("status", [200, 201, 302, 400, 404, 418, 500, 503, 599])
async def test_any_final_status(probe: Served, status: int) -> None:
    response = await probe.ask(f"/c{status}")
    assert (response.status, response.body) == (status, HELLO)


@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_have_none_whatever_the_component_writes(probe: Served, status: int) -> None:
    client = await probe.connect()
    client.send(b"GET /c%d HTTP/1.1\r\nhost: t\r\n\r\nGET /hello HTTP/1.1\r\nhost: t\r\n\r\n" % status)
    response = await client.response()
    assert response.status == status
    assert response.header("content-length") is None
    assert response.header("transfer-encoding") is None
    assert (await client.response()).body == HELLO


async def test_a_status_that_is_not_final_cannot_be_set(probe: Served) -> None:
    assert (await probe.ask("/c101")).status == 200


async def test_fields_come_in_their_order_twice_where_they_came_twice(probe: Served) -> None:
    response = await probe.ask("/H", "GET", b"", "X-B: 2", "x-a: 1", "x-b: 3")
    assert response.body == b"x-b: 2\nx-a: 1\nx-b: 3\n"


async def test_fields_of_the_connection_are_not_shown(probe: Served) -> None:
    fields = ("connection: keep-alive", "keep-alive: timeout=5", "proxy-connection: x", "upgrade: h2c", "x-a: 1")
    assert (await probe.ask("/H", "GET", b"", *fields)).body == b"x-a: 1\n"


async def test_fields_of_the_connection_and_bad_names_cannot_be_set(probe: Served) -> None:
    response = await probe.ask("/f")
    assert response.body == b"1110"  # an error: forbidden; an error: invalid syntax
    assert [value for name, value in response.headers if name == "x-twice"] == ["5", "hello"]


async def test_the_path_in_absolute_form_names_path_and_host(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"GET http://else.where/kgreeting HTTP/1.1\r\nhost: t\r\n\r\n")
    assert (await client.response()).body == b"hi"


# -- bodies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 1, 4096, 65536, 300_000])
async def test_a_body_comes_back_as_it_was_sent(probe: Served, size: int) -> None:
    data = os.urandom(size)
    assert (await probe.ask("/e", "POST", data)).body == data


async def test_a_body_in_chunks(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"POST /e HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n", b"2\r\nab\r\n")
    client.send(b"3;ext=1\r\ncde\r\n0\r\n\r\n")
    assert (await client.response()).body == b"abcde"


async def test_the_response_begins_while_the_request_is_still_sent(probe: Served) -> None:
    client = await probe.connect()
    client.send(
        b"POST /e HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n", b"5000\r\n", b"x" * 0x5000, b"\r\n"
    )
    assert b"transfer-encoding: chunked" in await client.reader.readuntil(b"\r\n\r\n")
    client.send(b"1\r\ny\r\n0\r\n\r\n")
    async with asyncio.timeout(20):
        assert (await client.reader.readuntil(b"y\r\n0\r\n\r\n")).count(b"x") == 0x5000


async def test_a_large_body_that_nobody_reads_is_not_taken(probe: Served) -> None:
    """A client that sends 20 MB and does not read: both sides stand still, and memory does not grow."""
    client = await probe.connect()
    client.writer.transport.set_write_buffer_limits(high=1 << 16)
    client.send(b"POST /e HTTP/1.1\r\nhost: t\r\ncontent-length: 20000000\r\n\r\n")
    client.reader._transport.pause_reading()  # type: ignore[attr-defined]
    sent = 0
    while sent < 20_000_000:
        client.send(bytes(100_000))
        sent += 100_000
        try:
            async with asyncio.timeout(1.0):
                await client.writer.drain()
        except TimeoutError:
            break
    assert sent < 20_000_000
    client.reader._transport.resume_reading()  # type: ignore[attr-defined]
    client.send(bytes(20_000_000 - sent))
    response = await client.response()
    assert len(response.body) == 20_000_000


async def test_trailers_come_back_for_a_client_that_wants_them(probe: Served) -> None:
    client = await probe.connect()
    head = b"POST /T HTTP/1.1\r\nhost: t\r\n%btransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx-sum: 7\r\n\r\n"
    client.send(head % b"te: trailers\r\n", head % b"")
    first, second = await client.response(), await client.response()
    assert (first.body, first.trailers) == (b"ab", [("x-sum", "7")])
    assert (second.body, second.trailers) == (b"ab", [])


async def test_a_declared_length_is_kept(probe: Served) -> None:
    assert (await probe.ask("/l5")).body == b"hello"


@pytest.mark.parametrize("path", ["/l3", "/l9"])
async def test_a_body_of_another_length_than_declared_is_a_failure(probe: Served, path: str) -> None:
    response = await probe.ask(path)
    assert (response.status, response.body) == (500, FAILED)
    assert "its content-length is 5" in probe.logged("error")[0]


# -- connections -----------------------------------------------------------------------------


async def test_requests_that_come_at_once_are_answered_in_their_order(probe: Served) -> None:
    client = await probe.connect()
    client.send(*(b"GET /%b HTTP/1.1\r\nhost: t\r\n\r\n" % path for path in (b"w", b"kgreeting", b"knone", b"hello")))
    answers = [await client.response() for _ in range(4)]
    assert [(one.status, one.body) for one in answers] == [(200, HELLO), (200, b"hi"), (404, b""), (200, HELLO)]


async def test_close_is_heeded_and_said(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"GET /hello HTTP/1.1\r\nhost: t\r\nconnection: close\r\n\r\n")
    assert (await client.response()).header("connection") == "close"
    assert await client.closed()


async def test_http_1_0_gets_no_chunks_and_a_closed_connection(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"POST /e HTTP/1.0\r\ncontent-length: 40000\r\n\r\n", b"x" * 40000)
    response = await client.response()
    assert response.header("transfer-encoding") is None
    assert len(response.body) == 40000
    assert await client.closed()


async def test_http_1_0_may_keep_the_connection(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"GET /hello HTTP/1.0\r\nconnection: keep-alive\r\n\r\n")
    assert (await client.response()).header("connection") == "keep-alive"
    client.send(b"GET /hello HTTP/1.0\r\n\r\n")
    assert (await client.response()).body == HELLO
    assert await client.closed()


async def test_a_body_that_is_waited_for_is_asked_for(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"POST /e HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert (await client.response()).status == 100
    client.send(b"ab")
    assert (await client.response()).body == b"ab"


async def test_a_body_that_the_component_does_not_want_is_not_asked_for(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"POST /hello HTTP/1.1\r\nhost: t\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    response = await client.response()
    assert (response.status, response.header("connection")) == (200, "close")
    assert await client.closed()


async def test_an_offer_to_change_the_protocol_is_passed_over(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"GET /hello HTTP/1.1\r\nhost: t\r\nconnection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n")
    assert (await client.response()).body == HELLO
    client.send(b"GET /kgreeting HTTP/1.1\r\nhost: t\r\n\r\n")
    assert (await client.response()).body == b"hi"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", 400),
        (b"POST /e HTTP/1.1\r\nhost: t\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"POST /e HTTP/1.1\r\nhost: t\r\ncontent-length: x\r\n\r\n", 400),
        (b"GET /hello HTTP/1.1\r\nhost: t\r\nbad name: 1\r\n\r\n", 400),
        (b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nhost: t\r\n\r\n", 414),
        (b"GET /hello HTTP/1.1\r\nhost: t\r\nx: " + b"x" * 70_000 + b"\r\n\r\n", 431),
        (b"GET /hello HTTP/1.1\r\nhost: t\r\n" + b"a: b\r\n" * 20_000 + b"\r\n", 431),
    ],
    ids=["nonsense", "no host", "two hosts", "two lengths", "bad length", "bad name", "long path", "large", "many"],
)
async def test_what_is_no_request_is_refused_and_the_connection_closed(
    probe: Served, request_: bytes, status: int
) -> None:
    client = await probe.connect()
    client.send(request_)
    response = await client.response()
    assert (response.status, response.header("connection")) == (status, "close")
    assert await client.closed()
    assert (await probe.ask("/hello")).body == HELLO


async def test_nonsense_behind_a_request_does_not_take_its_response(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"GET /w HTTP/1.1\r\nhost: t\r\n\r\n", b"nonsense\r\n\r\n")
    assert (await client.response()).body == HELLO
    assert await client.closed()


async def test_a_client_that_leaves_within_its_body_ends_the_body(probe: Served) -> None:
    client = await probe.connect()
    client.send(b"POST /e HTTP/1.1\r\nhost: t\r\ncontent-length: 10\r\n\r\nabc")
    client.writer.close()
    assert (await probe.ask("/hello")).body == HELLO
    await probe.workload.drain(20)


# -- failures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/t", "probe ended in an error: wasm trap: wasm `unreachable` instruction executed"),
        ("/n", "probe gave no response"),
        ("/x", "probe failed: the component answered with the error HTTP-protocol-error"),
        ("/d", "probe failed: the component dropped the body before it was finished"),
    ],
)
async def test_a_failure_is_told_to_the_client_in_general_and_to_the_log_in_particular(
    probe: Served, path: str, why: str
) -> None:
    response = await probe.ask(path)
    assert (response.status, response.body) == (500, FAILED)
    assert probe.logged("error") == [why]
    assert probe.workload.failures == 1


async def test_a_response_that_breaks_off_is_not_taken_for_whole(probe: Served) -> None:
    response = await probe.ask("/b")
    assert response.status == 200
    assert not response.whole


# -- what a component sends ------------------------------------------------------------------


async def test_a_component_fetches_from_another_server(probe: Served) -> None:
    assert (await probe.ask(f"/p127.0.0.1:{probe.port}/kgreeting")).body == b"hi"
    assert (await probe.ask(f"/p127.0.0.1:{probe.port}/knone")).status == 404


async def test_a_component_passes_a_body_on(probe: Served) -> None:
    data = os.urandom(100_000)
    assert (await probe.ask(f"/p127.0.0.1:{probe.port}/e", "POST", data)).body == data


async def test_components_fetch_side_by_side(probe: Served) -> None:
    asked = [probe.ask(f"/p127.0.0.1:{probe.port}/w") for _ in range(20)]
    began = asyncio.get_running_loop().time()
    assert {one.body for one in await asyncio.gather(*asked)} == {HELLO}
    assert asyncio.get_running_loop().time() - began < 20 * 0.2  # one after another they would take 4 s


async def test_a_refused_connection_is_an_error_code(probe: Served) -> None:
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    response = await probe.ask(f"/p127.0.0.1:{port}/")
    assert (response.status, response.body) == (502, b"refused: 6")


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        (b"nonsense\r\n\r\n", (502, b"refused: 35")),  # HTTP-protocol-error
        (b"", (502, b"refused: 7")),  # connection-terminated
        (b"HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", (200, b"ok")),
        (b"HTTP/1.1 200 OK\r\n\r\nup to the end", (200, b"up to the end")),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", (500, FAILED)),
        (b"HTTP/1.1 204 No Content\r\n\r\n", (204, b"")),
    ],
    ids=["nonsense", "nothing", "early hints", "no length", "too short", "no content"],
)
async def test_what_other_servers_say(probe: Served, said: bytes, outcome: tuple[int, bytes]) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        response = await probe.ask(f"/p127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        assert (response.status, response.body) == outcome
    finally:
        server.close()
        await server.wait_closed()


# -- the rest of what a component calls ------------------------------------------------------


async def test_configuration_stdout_and_log(probe: Served) -> None:
    assert (await probe.ask("/kgreeting")).body == b"hi"
    assert (await probe.ask("/knone")).status == 404
    await probe.ask("/o")
    await probe.ask("/L")
    assert probe.context.lines == [("stdout", "a line on stdout"), ("warn", "hello: /L")]
