"""How much one client may ask for, and that others do not notice."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Iterator

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.stage import FULL, READ, TOKENS, Stage, stage
from tests.dashboard.test_webhooks import until
from wadm.dashboard.limits import Allowance, Client, Limits
from wadm.dashboard.options import Options

ANN, BOB = Client(b"ann", "10.0.0.1"), Client(b"bob", "10.0.0.1")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_who_has_used_up_the_burst_gets_the_rate_and_others_theirs() -> None:
    clock = Clock()
    limits = Limits(Allowance(rate=2, burst=3), clock)
    assert [limits.request(ANN) for _ in range(4)] == [0, 0, 0, 0.5]
    assert limits.request(BOB) == 0
    clock.now = 0.5
    assert [limits.request(ANN) for _ in range(2)] == [0, 0.5]
    clock.now = 60.0
    assert [limits.request(ANN) for _ in range(4)] == [0, 0, 0, 0.5]


def test_streams_are_counted_by_client_by_token_and_in_all() -> None:
    limits = Limits(Allowance(streams=5, streams_of_token=3, streams_of_client=2))
    elsewhere = Client(b"ann", "10.0.0.2")
    for client in (ANN, ANN, elsewhere):
        assert limits.too_many_streams(client) == ""
        limits.stream_opened(client)
    assert "of this client" in limits.too_many_streams(ANN)
    assert "of this token" in limits.too_many_streams(elsewhere)
    for _ in range(2):
        assert limits.too_many_streams(BOB) == ""
        limits.stream_opened(BOB)
    assert "this server keeps" in limits.too_many_streams(Client(b"", "10.0.0.9"))
    limits.stream_closed(ANN)
    assert limits.too_many_streams(ANN) == ""


@pytest.fixture
def limited(nats_server_factory: NatsServerFactory) -> Iterator[Stage]:
    allowance = Allowance(rate=1, burst=30, wrong_burst=5, streams_of_client=3)
    with stage(nats_server_factory(), hosts=(), options=Options(tokens=TOKENS, allowance=allowance)) as started:
        yield started


def test_who_asks_too_often_is_told_when_to_ask_again_and_others_go_on(limited: Stage) -> None:
    answers = [limited.get("/api/v1/session", token=READ) for _ in range(40)]
    refused = [answer for answer in answers if answer.status == 429]
    assert len(refused) >= 5
    assert refused[0].headers["retry-after"] == "1"
    assert refused[0].json == {"result": "error", "message": "Too many requests: wait 1 s"}
    assert limited.get("/api/v1/session", token=FULL).status == 200
    assert f"wadm_http_limited_total {len(refused)}.0\n".encode() in limited.get("/metrics", token=None).data


def test_tokens_cannot_be_guessed_fast(limited: Stage) -> None:
    answers = [limited.get("/api/v1/session", token=f"a-guess-of-some-length-{n}").status for n in range(20)]
    assert answers[:5] == [401] * 5
    assert answers.count(429) >= 10
    assert limited.get("/api/v1/session", token=FULL).status == 200


def test_one_client_cannot_take_the_streams_of_all(limited: Stage) -> None:
    def opened(token: str, until_left: contextlib.ExitStack) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", limited.listener.port, timeout=10)
        until_left.callback(connection.close)
        connection.request("GET", "/api/v1/stream", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        until_left.callback(answer.close)
        return answer

    with contextlib.ExitStack() as until_left:
        assert [opened(READ, until_left).status for _ in range(3)] == [200] * 3
        until(lambda: b"wadm_http_streams 3.0\n" in limited.get("/metrics", token=None).data)
        refused = limited.get("/api/v1/stream", token=READ)
        assert (refused.status, "3 streams of this client" in refused.json["message"]) == (429, True)
        assert opened(FULL, until_left).status == 200
