"""The parser of what a NATS server sends, however the bytes come in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.errors import ProtocolError

from wadm.transport.nats.parser import BlockParser

HEADERS = b"NATS/1.0\r\na: b\r\n\r\n"
SENT = b"".join(
    (
        b'INFO {"server_id": "x", "max_payload": 8}\r\n',
        b"MSG wadm.api.a.model.get 1 _INBOX.x.1 0\r\n\r\n",
        b"MSG subject 2 5\r\nhe\r\no\r\n",
        b"PING\r\n+OK\r\n",
        b"HMSG subject 1 reply %d %d\r\n%shello\r\n" % (len(HEADERS), len(HEADERS) + 5, HEADERS),
        b"HMSG subject 1 %d %d\r\n%s\r\n" % (len(HEADERS), len(HEADERS), HEADERS),
        b"-ERR 'Permissions Violation'\r\n",
        b"MSG nobody 7 2\r\nxx\r\n",
        b"PONG\r\n",
        b"MSG last 1 1\r\nx\r\n",
    )
)
HEARD: list[tuple[Any, ...]] = [
    ("info", {"server_id": "x", "max_payload": 8}),
    (1, b"wadm.api.a.model.get", b"_INBOX.x.1", b""),
    (2, b"subject", b"", b"he\r\no"),
    ("ping",),
    (1, b"subject", b"reply", b"hello", HEADERS),
    (1, b"subject", b"", b"", HEADERS),
    ("err", "'permissions violation'"),
    (7, b"nobody", b"", b"xx", b""),
    ("pong",),
    (1, b"last", b"", b"x"),
]


class Client:
    """Notes what it is handed; messages of subscription 7 are left to the library."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []

    def take(self, *message: Any) -> bool:
        if message[0] != 7:
            self.heard.append(message)
        return bool(message[0] != 7)

    async def _process_msg(self, *message: Any) -> None:
        self.heard.append(message)

    async def _process_ping(self) -> None:
        self.heard.append(("ping",))

    async def _process_pong(self) -> None:
        self.heard.append(("pong",))

    async def _process_err(self, message: str) -> None:
        self.heard.append(("err", message))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.heard.append(("info", info))


def run(coroutine: Any) -> None:
    """Run what never waits."""
    with pytest.raises(StopIteration):
        coroutine.send(None)


@given(st.lists(st.integers(0, len(SENT)), max_size=8))
def test_however_it_is_cut_the_same_comes_out(cuts: list[int]) -> None:
    client = Client()
    parser = BlockParser(client)
    edges = [0, *sorted(cuts), len(SENT)]
    for start, end in pairwise(edges):
        run(parser.parse(SENT[start:end]))
    assert client.heard == HEARD
    assert not parser.buf


async def test_byte_by_byte() -> None:
    client = Client()
    parser = BlockParser(client)
    for at in range(len(SENT)):
        await parser.parse(SENT[at : at + 1])
    assert client.heard == HEARD


@pytest.mark.parametrize("sent", [b"MSG a\r\n", b"HELLO\r\n", b"MSG a b c d e f\r\n", b"\r\n"])
async def test_what_is_no_nats_ends_the_connection(sent: bytes) -> None:
    with pytest.raises(ProtocolError):
        await BlockParser(Client()).parse(sent)


async def test_a_line_without_an_end_is_not_kept_for_ever() -> None:
    parser = BlockParser(Client())
    for _ in range(32):
        await parser.parse(b"x" * 32_768)
    with pytest.raises(ProtocolError):
        await parser.parse(b"x")


async def test_a_large_message_is_copied_once_and_not_for_each_block(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    parser = BlockParser(client)
    tries = 0
    before = BlockParser._take_all

    async def counted(self: BlockParser, data: bytes) -> int:
        nonlocal tries
        tries += 1
        return await before(self, data)

    monkeypatch.setattr(BlockParser, "_take_all", counted)
    data = b"MSG big 1 1000000\r\n" + b"x" * 1_000_000 + b"\r\n"
    for at in range(0, len(data), 32_768):
        await parser.parse(data[at : at + 32_768])
    assert [len(message[3]) for message in client.heard] == [1_000_000]
    assert tries == 2
