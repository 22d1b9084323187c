"""Statuses: told once, known from the stream, and never too large for a message."""

from __future__ import annotations

import pytest

from tests.server.lab import settle
from wadm.model.status import UNDEPLOYED, ApplicationStatus, Explanation, ScalerStatus
from wadm.server.fencing import EPOCH, Tenure
from wadm.server.statuses import Statuses, fitting
from wadm.transport.base import StreamSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.wire.status import decode_status, encode_status

STREAM = "wadm_status"
DEPLOYED = ApplicationStatus("deployed", "", (ScalerStatus("1", "SpreadScaler", "shop-api", "deployed"),))


async def a_statuses(broker: MemoryBroker, name: str = "one") -> tuple[Statuses, MemoryTransport]:
    transport = MemoryTransport(broker, name)
    await transport.ensure_stream(StreamSpec(STREAM, ("wadm.status.*.*",), max_msgs_per_subject=10))
    statuses = Statuses(transport, STREAM)
    await statuses.start()
    return statuses, transport


async def kept(transport: MemoryTransport, name: str = "shop") -> list[ApplicationStatus]:
    return [decode_status(s.data) async for s in transport.history(STREAM, [f"wadm.status.default.{name}"])]


async def test_a_status_is_told_when_it_changes_and_only_then() -> None:
    statuses, transport = await a_statuses(MemoryBroker())
    assert [statuses.publish("default", "shop", s) for s in (DEPLOYED, DEPLOYED, UNDEPLOYED, DEPLOYED)] == [
        True,
        False,
        True,
        True,
    ]
    await settle()
    assert await kept(transport) == [DEPLOYED, UNDEPLOYED, DEPLOYED]


async def test_what_was_told_before_the_start_is_known_and_not_told_again() -> None:
    broker = MemoryBroker()
    one, transport = await a_statuses(broker)
    one.publish("default", "shop", UNDEPLOYED)
    one.publish("default", "shop", DEPLOYED)
    await settle()
    two, _ = await a_statuses(broker, "two")
    assert two.last("default", "shop") == DEPLOYED
    assert two.last("default", "other") is None
    assert two.publish("default", "shop", DEPLOYED) is False
    assert len(await kept(transport)) == 2


async def test_what_another_server_tells_is_known() -> None:
    broker = MemoryBroker()
    (one, _), (two, _) = await a_statuses(broker), await a_statuses(broker, "two")
    one.publish("default", "shop", DEPLOYED)
    await settle()
    assert two.last("default", "shop") == DEPLOYED


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"status":{"type":"odd"}}', b"\xff"])
async def test_a_status_that_cannot_be_read_changes_nothing(data: bytes) -> None:
    statuses, transport = await a_statuses(MemoryBroker())
    statuses.publish("default", "shop", DEPLOYED)
    transport.publish("wadm.status.default.shop", data)
    await settle()
    assert statuses.last("default", "shop") == DEPLOYED


async def test_a_stream_made_anew_is_told_everything_again() -> None:
    statuses, transport = await a_statuses(MemoryBroker())
    statuses.publish("default", "shop", DEPLOYED)
    await transport.delete_stream(STREAM)
    await transport.ensure_stream(StreamSpec(STREAM, ("wadm.status.*.*",), max_msgs_per_subject=10))
    for _ in range(2):
        await statuses.catch_up(made_anew=True)
        await settle()
    assert await kept(transport) == [DEPLOYED]


async def test_so_is_what_was_told_in_a_tenure_that_has_ended() -> None:
    """The owner since then found the status right, so nobody else may have a word to say."""
    statuses, transport = await a_statuses(MemoryBroker())
    tenures = [True]
    statuses.publish("default", "shop", DEPLOYED, Tenure(5, lambda: tenures[0]))
    tenures[0] = False
    await transport.delete_stream(STREAM)
    await transport.ensure_stream(StreamSpec(STREAM, ("wadm.status.*.*",), max_msgs_per_subject=10))
    await statuses.catch_up(made_anew=True)
    await settle()
    assert await kept(transport) == [DEPLOYED]


async def test_what_has_been_told_since_a_stream_was_made_anew_stays_the_last_word() -> None:
    statuses, transport = await a_statuses(MemoryBroker())
    statuses.publish("default", "shop", DEPLOYED)
    statuses.publish("default", "cart", DEPLOYED)
    await transport.delete_stream(STREAM)
    await transport.ensure_stream(StreamSpec(STREAM, ("wadm.status.*.*",), max_msgs_per_subject=10))
    statuses.publish("default", "shop", UNDEPLOYED)
    await statuses.catch_up(made_anew=True)
    await settle()
    assert (await kept(transport), await kept(transport, "cart")) == ([UNDEPLOYED], [DEPLOYED])


LATE = encode_status(ApplicationStatus("failed", "late"))


@pytest.mark.parametrize(
    ("holds", "last"),
    [(True, DEPLOYED), (False, ApplicationStatus("failed", "late"))],
    ids=["ours is told again", "what another has told since is learnt"],
)
async def test_what_came_while_the_connection_was_away(holds: bool, last: ApplicationStatus) -> None:
    broker = MemoryBroker()
    statuses, transport = await a_statuses(broker)
    statuses.publish("default", "shop", DEPLOYED, Tenure(7, lambda: holds) if holds else None)
    await settle()
    transport.go_away()
    MemoryTransport(broker, "other").publish("wadm.status.default.shop", LATE, headers={EPOCH: "5"})
    await settle()
    transport.came_back()
    await statuses.catch_up()
    await settle()
    assert statuses.last("default", "shop") == last
    assert (await kept(transport))[-1] == last
    before = len(await kept(transport))
    await statuses.catch_up()
    await settle()
    assert len(await kept(transport)) == before, "there is nothing more to tell"


async def test_what_an_owner_finds_right_is_its_own_from_then_on() -> None:
    """A late status of the owner before takes its place; nothing new would ever be told over it."""
    broker = MemoryBroker()
    earlier, _ = await a_statuses(broker, "earlier")
    earlier.publish("default", "shop", DEPLOYED, Tenure(5, lambda: True))
    await settle()
    statuses, transport = await a_statuses(broker)
    statuses.claim("default", "shop", Tenure(7, lambda: True))
    MemoryTransport(broker, "late").publish("wadm.status.default.shop", LATE, headers={EPOCH: "5"})
    await settle()
    assert statuses.last("default", "shop") == DEPLOYED
    assert (await kept(transport))[-1] == DEPLOYED
    statuses.claim("default", "unknown", Tenure(7, lambda: True))
    assert statuses.get("default", "unknown") is None


async def test_statuses_of_an_application_that_is_gone_can_be_dropped() -> None:
    statuses, transport = await a_statuses(MemoryBroker())
    statuses.publish("default", "shop", UNDEPLOYED)
    await settle()
    statuses.forget("default", "shop")
    await settle()
    assert statuses.get("default", "shop") is None
    assert await kept(transport) == []


def scalers(number: int, words: int) -> tuple[ScalerStatus, ...]:
    why = Explanation(waiting_for="room " * words)
    return tuple(
        ScalerStatus(f"{n:064}", "SpreadScaler", f"s{n}", "failed" if n % 10 == 0 else "deployed", "x" * words, why)
        for n in range(number)
    )


@pytest.mark.parametrize(
    ("number", "words", "limit", "left"),
    [
        (10, 10, 100_000, "everything"),
        (100, 200, 50_000, "no explanations"),
        (1000, 10, 30_000, "troubles"),
        (1000, 5000, 50_000, "some troubles"),
        (1, 90_000, 10_000, "the first words"),
    ],
)
def test_a_large_status_loses_what_helps_least(number: int, words: int, limit: int, left: str) -> None:
    status = ApplicationStatus("failed", "y" * words, scalers(number, words))
    raw = fitting(status, limit)
    told = decode_status(raw)
    assert len(raw) <= limit
    assert told.type == "failed"
    match left:
        case "everything":
            assert told == status
        case "no explanations":
            assert len(told.scalers) == number
            assert told.scalers[0].message == status.scalers[0].message
        case "troubles":
            assert len(told.scalers) == number // 10
        case "some troubles":
            assert 0 < len(told.scalers) < number // 10
        case "the first words":
            assert told.message.startswith("yyy")
