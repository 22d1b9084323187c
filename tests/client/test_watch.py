"""Watching a status: what is yielded, when a wish counts as fulfilled, and what is made good."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.client.servers import ScriptedServer, reached, status_answer
from wadm.client import Client, NotReached, Settings, StatusWatch
from wadm.model.status import ApplicationStatus


@pytest.fixture
async def watch(client: Client, server: ScriptedServer) -> AsyncIterator[StatusWatch]:
    """A watch of an application that is undeployed when it begins."""
    server.answers["status"] = status_answer("undeployed")
    async with client.watching("shop") as watch:
        yield watch


async def types(statuses: AsyncIterator[ApplicationStatus]) -> list[str]:
    return [status.type async for status in statuses]


async def test_the_status_now_then_every_change(client: Client, server: ScriptedServer) -> None:
    server.answers["status"] = status_answer("undeployed")
    seen = []
    async for status in client.watch_status("shop"):
        seen.append(status.type)
        if status.type == "undeployed":
            server.publish_status("shop", "undeployed")
            server.publish_status("other", "failed")
            server.publish_status("shop", "reconciling")
            server.publish_status("shop", "reconciling")
            server.publish_status("shop", "deployed")
        if status.type == "deployed":
            break
    assert seen == ["undeployed", "reconciling", "deployed"]


async def test_a_fresh_status_that_is_the_wish_ends_the_wait_at_once(
    watch: StatusWatch, server: ScriptedServer
) -> None:
    server.publish_status("shop", "reconciling")
    server.publish_status("shop", "deployed")
    async with asyncio.timeout(2):
        assert await types(watch.until("deployed", timeout=60, settle=60)) == ["undeployed", "reconciling", "deployed"]


async def test_a_status_from_before_the_wish_counts_only_if_it_holds(client: Client, server: ScriptedServer) -> None:
    server.answers["status"] = status_answer("deployed", "version 1")
    async with client.watching("shop") as watch:
        statuses = watch.until("deployed", timeout=60, settle=0.3)
        assert (await anext(statuses)).message == "version 1"
        server.answers["status"] = status_answer("reconciling")
        server.publish_status("shop", "reconciling")
        assert (await anext(statuses)).type == "reconciling"
        server.publish_status("shop", "deployed", "version 2")
        assert await types(statuses) == ["deployed"]
        assert watch.current == ApplicationStatus("deployed", "version 2")


async def test_a_status_that_holds_is_the_wish(client: Client, server: ScriptedServer) -> None:
    server.answers["status"] = status_answer("deployed")
    assert (await client.wait_for("shop", settle=0.05)).type == "deployed"


async def test_when_time_is_over_the_last_status_is_told(watch: StatusWatch, server: ScriptedServer) -> None:
    server.publish_status("shop", "failed", "no eligible host")
    server.answers["status"] = status_answer("failed", "no eligible host")
    with pytest.raises(NotReached, match=r"not deployed within 0\.2 s") as caught:
        await types(watch.until("deployed", timeout=0.2))
    assert caught.value.status == ApplicationStatus("failed", "no eligible host")


async def test_a_wish_may_be_anything_that_can_be_said_of_a_status(watch: StatusWatch, server: ScriptedServer) -> None:
    server.publish_status("shop", "failed", "pull")
    statuses = watch.until(lambda status: "pull" in status.message, timeout=5)
    assert await types(statuses) == ["undeployed", "failed"]


async def test_a_message_that_was_missed_is_made_good(client: Client, server: ScriptedServer) -> None:
    server.answers["status"] = status_answer("reconciling")
    watch = client.watching("shop")
    watch.refresh = 0.05
    async with watch:
        statuses = watch.until("deployed", timeout=5)
        await anext(statuses)
        server.answers["status"] = status_answer("deployed")
        assert await types(statuses) == ["deployed"]


async def test_a_server_that_restarts_is_waited_for(client: Client, server: ScriptedServer) -> None:
    answers = iter(["reconciling", None, "deployed"])
    server.answers["status"] = lambda _: status_answer(kind) if (kind := next(answers)) else None
    impatient = Client(client.transport, Settings(lattice=client.lattice, timeout=0.05))
    watch = impatient.watching("shop")
    watch.refresh = 0.02
    async with watch:
        assert await types(watch.until("deployed", timeout=5)) == ["reconciling", "deployed"]


async def test_what_is_no_status_is_passed_over(watch: StatusWatch, server: ScriptedServer) -> None:
    server.transport.publish(f"wadm.status.{server.lattice}.shop", b"\xff")
    server.publish_status("shop", "deployed")
    assert await types(watch.until("deployed", timeout=5)) == ["undeployed", "deployed"]


async def test_the_subscription_ends_with_the_watch(client: Client, server: ScriptedServer) -> None:
    server.answers["status"] = status_answer("undeployed")
    async with client.watching("shop") as watch:
        pass
    server.publish_status("shop", "deployed")
    await server.transport.flush()
    await client.status("shop")
    assert watch.current == ApplicationStatus("undeployed")
    await reached(lambda: len(server.asked) == 2)
