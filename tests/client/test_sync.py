"""The client for programs without asyncio is the same client."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Iterator

import pytest

from tests.client.servers import ScriptedServer, status_answer
from wadm.client import Client, Settings, SyncClient, connect_sync
from wadm.errors import NoResponders, Unavailable
from wadm.model.status import ApplicationStatus


@pytest.fixture
def sync_client(settings: Settings) -> Iterator[SyncClient]:
    with SyncClient(settings) as client:
        yield client


def test_every_method_of_the_client_is_there() -> None:
    methods = {
        name
        for name, method in vars(Client).items()
        if not name.startswith("_") and (inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method))
    }
    assert methods - set(vars(SyncClient)) == set()


def test_methods_have_their_names_and_documentation(sync_client: SyncClient) -> None:
    assert sync_client.deploy.__doc__ == Client.deploy.__doc__
    assert sync_client.deploy.__name__ == "deploy"  # type: ignore[attr-defined]


async def test_a_call_waits_for_its_answer(server: ScriptedServer, sync_client: SyncClient) -> None:
    import asyncio

    server.answers["status"] = status_answer("deployed")
    assert await asyncio.to_thread(sync_client.status, "shop") == ApplicationStatus("deployed")


async def test_an_iteration_goes_a_step_at_a_time(server: ScriptedServer, sync_client: SyncClient) -> None:
    import asyncio

    server.answers["status"] = status_answer("undeployed")

    def watch() -> list[str]:
        seen = []
        for status in sync_client.watch_status("shop"):
            seen.append(status.type)
            if status.type == "deployed":
                break
            loop.call_soon_threadsafe(server.publish_status, "shop", "deployed")
        return seen

    loop = asyncio.get_running_loop()
    assert await asyncio.to_thread(watch) == ["undeployed", "deployed"]


def test_errors_come_as_they_are(sync_client: SyncClient) -> None:
    with pytest.raises(NoResponders):
        sync_client.list()


def test_no_thread_stays_behind() -> None:
    before = threading.active_count()
    with pytest.raises(Unavailable):
        connect_sync("nats://127.0.0.1:1")
    assert threading.active_count() == before


def test_closing_twice_does_no_harm(settings: Settings) -> None:
    client = SyncClient(settings)
    client.close()
    client.close()
