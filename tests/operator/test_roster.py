"""What is known of hosts that answer, that are slow, that are gone, and while nobody can be asked."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from wadm.errors import NotFound, TimedOut, Unavailable, WadmError
from wadm.model.lattice import Inventory, Provider
from wadm.operator import roster
from wadm.operator.roster import Roster


class Hosts:
    """A client of a lattice whose hosts answer as a test says: an inventory, or an error."""

    def __init__(self) -> None:
        self.answers: dict[str, Inventory | WadmError] = {}
        self.asked: list[str] = []
        self.transport = SimpleNamespace(connected=True)
        self.moved = asyncio.Event()

    async def hosts(self) -> list[Any]:
        if not self.transport.connected:
            raise Unavailable("no NATS")
        return [SimpleNamespace(host_id=name) for name, one in self.answers.items() if isinstance(one, Inventory)]

    async def inventory(self, host_id: str) -> Inventory:
        self.asked.append(host_id)
        answer = self.answers[host_id]
        if isinstance(answer, WadmError):
            raise answer
        return answer


def host(name: str, *providers: str) -> Inventory:
    running = tuple(Provider(one, "", {}) for one in providers)
    return Inventory(name, name, {"host": name}, "1.9.2", 7, (), running)


@pytest.fixture
def hosts() -> Hosts:
    return Hosts()


@pytest.fixture
def book(hosts: Hosts, monkeypatch: pytest.MonkeyPatch) -> Iterator[Roster]:
    """A roster that waits for hundredths of the real seconds."""
    monkeypatch.setattr(roster, "GAP", 0.001)
    monkeypatch.setattr(roster, "ASK_AGAIN", 0.01)
    monkeypatch.setattr(roster, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(roster, "ABSENT_FOR", 0.1)
    monkeypatch.setattr(roster, "SILENT_FOR", 0.4)
    book = Roster("default", lambda: hosts, lambda provider: hosts.moved.set())  # type: ignore[arg-type, return-value]
    yield book
    book.close()


async def with_server(book: Roster) -> list[str]:
    return [labels["host"] for labels in (await book.placement()).hosts_with("server")]


async def moved(hosts: Hosts) -> None:
    """Return when the roster tells by itself that something runs elsewhere."""
    async with asyncio.timeout(60):
        await hosts.moved.wait()


async def test_news_of_a_host_has_it_asked_and_no_other(hosts: Hosts, book: Roster) -> None:
    hosts.answers = {"a": host("a", "server"), "b": host("b")}
    assert await with_server(book) == ["a"]
    hosts.asked.clear()
    assert await with_server(book) == ["a"]
    assert hosts.asked == []
    hosts.answers["b"] = host("b", "server")
    book.has_moved("b", "server")
    assert await with_server(book) == ["a", "b"]
    assert hosts.asked == ["b"]


async def test_a_host_that_is_slow_keeps_what_it_said_and_holds_nobody_up(hosts: Hosts, book: Roster) -> None:
    hosts.answers = {"a": host("a", "server"), "b": host("b")}
    await book.placement()
    hosts.answers |= {"a": TimedOut("busy"), "b": host("b", "server")}
    book.has_moved("a", "server")
    book.has_moved("b", "server")
    assert await with_server(book) == ["a", "b"]
    hosts.moved.clear()
    hosts.answers["a"] = host("a")  # asked again by itself, it has something new to say
    await moved(hosts)
    assert await with_server(book) == ["b"]


async def test_a_host_that_is_gone_counts_for_a_little_while_but_not_as_running_anything(
    hosts: Hosts, book: Roster
) -> None:
    hosts.answers = {"a": host("a", "server")}
    await book.placement()
    hosts.answers["a"] = NotFound("nobody")
    book.has_moved("a", "")
    hosts.moved.clear()
    assert await with_server(book) == ["a"]  # it may only not be back yet
    await asyncio.sleep(0)
    assert await book.inventories(60) == []
    await moved(hosts)
    assert await with_server(book) == []


async def test_nothing_is_forgotten_while_nobody_can_be_asked(hosts: Hosts, book: Roster) -> None:
    hosts.answers = {"a": host("a", "server")}
    await book.placement()
    hosts.answers["a"] = Unavailable("no NATS")
    hosts.transport.connected = False
    book.has_moved("a", "")
    assert await with_server(book) == ["a"]
    hosts.moved.clear()
    await asyncio.sleep(1.0)  # longer than a silent host counts
    assert await with_server(book) == ["a"]
    hosts.transport.connected = True
    hosts.answers["a"] = host("a")
    await moved(hosts)
    assert await with_server(book) == []


async def test_what_was_known_last_counts_after_it_is_old_while_nobody_can_be_asked(
    hosts: Hosts, book: Roster, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts.transport.connected = False
    with pytest.raises(Unavailable):
        await book.placement()
    hosts.transport.connected = True
    hosts.answers = {"a": host("a", "server")}
    await asyncio.sleep(0.02)
    await book.placement()
    monkeypatch.setattr(roster, "ALL_AGAIN", 0)
    hosts.transport.connected = False
    assert await with_server(book) == ["a"]


async def test_a_heartbeat_is_news_where_it_says_something_new(hosts: Hosts, book: Roster) -> None:
    hosts.answers = {"a": host("a")}
    await book.placement()
    hosts.asked.clear()
    book.hear(host("a"))
    await book.placement()
    assert hosts.asked == []
    hosts.answers["a"] = host("a", "server")
    book.hear(host("a", "server"))
    assert await with_server(book) == ["a"]


async def test_closing_ends_what_is_being_asked_though_an_error_hides_that_it_is_cancelled(
    hosts: Hosts, book: Roster
) -> None:
    asked = asyncio.Event()

    async def inventory(_: str) -> Inventory:
        asked.set()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            raise TimedOut("no answer") from None
        raise AssertionError

    hosts.answers = {"a": host("a")}
    await book.placement()
    hosts.answers["a"] = TimedOut("no answer")
    book.has_moved("a", "")
    await book.placement()  # it is silent, and asked again beside the rest
    hosts.inventory = inventory  # type: ignore[method-assign, assignment]
    async with asyncio.timeout(30):
        await asked.wait()
    (silent,) = book._silent.values()
    book.close()
    done, _ = await asyncio.wait({silent}, timeout=30)
    assert done
    assert silent.cancelled()
