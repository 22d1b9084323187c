"""Errors that nobody expects: reported once, counted, logged, and made up for."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any

import pytest

from tests.server.lab import Lab, component, in_virtual_time, manifest, until
from tests.server.test_silence import World
from wadm.background import BackgroundTasks, report_unexpected
from wadm.engine import intake, planning
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.metrics import exposition
from wadm.server import commands, driver, host_queries, logging, records
from wadm.server.app import Server
from wadm.server.metrics import ServerMetrics, families
from wadm.server.unexpected import UnexpectedErrors
from wadm.transport.memory import MemoryTransport

Errors = list[dict[str, Any]]


def fails_once(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises an error of programming at its first call."""
    calls: list[int] = []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 1:
            raise KeyError("a mistake")
        return function(*args, **kwargs)

    return call


@in_virtual_time
async def test_a_task_that_fails_is_reported_and_made_up_for(unexpected_errors: Errors) -> None:
    made_up_for: list[Exception] = []

    async def fail() -> None:
        raise KeyError("gone")

    tasks = BackgroundTasks("Something was not done", made_up_for.append)
    tasks.start(fail())
    await tasks.wait()
    [reported] = unexpected_errors
    assert reported["message"] == "Something was not done"
    assert made_up_for == [reported["exception"]]
    unexpected_errors.clear()


@in_virtual_time
async def test_a_task_that_is_cancelled_is_no_error() -> None:
    tasks = BackgroundTasks("It was not done")
    tasks.start(asyncio.Event().wait())  # type: ignore[arg-type]
    await tasks.stop()
    assert not len(tasks)


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (commands, "encode_command"),
        (commands, "request_for"),
        (records, "encode_record"),
        (host_queries, "decode_inventory"),
        (intake, "observe"),
        (intake, "observe_inventory"),
        (planning, "plan_all"),
    ],
)
@in_virtual_time
async def test_whatever_fails_unexpectedly_the_lattice_becomes_whole(
    module: Any, name: str, monkeypatch: pytest.MonkeyPatch, unexpected_errors: Errors
) -> None:
    monkeypatch.setattr(module, name, fails_once(getattr(module, name)))
    lab = Lab()
    fleet = Fleet(MemoryTransport(lab.broker, "hosts"), "default", [HostSpec("a", {}), HostSpec("b", {})])
    server = Server(MemoryTransport(lab.broker, "server"), lab.settings, "server")
    await fleet.start()
    await server.start()
    config = [{"name": "shop-settings", "properties": {"colour": "red"}}]
    await lab.ask("put", manifest("shop", components=[component("api", config=config)]))
    await lab.ask("deploy.shop")
    await until(lambda: any(host.components for host in fleet.hosts.values()), 90)
    await until(lambda: said(server) == "deployed", 90)
    assert {type(error["exception"]) for error in unexpected_errors} == {KeyError}
    unexpected_errors.clear()
    await server.stop()
    await fleet.stop()


def said(server: Server) -> str:
    status = server.statuses.last("default", "shop")
    return "" if status is None else status.type


@in_virtual_time
async def test_an_error_that_comes_back_does_not_keep_the_hosts_busy(
    monkeypatch: pytest.MonkeyPatch, unexpected_errors: Errors
) -> None:
    read = driver.HeartbeatFilter.news

    def fail(self: driver.HeartbeatFilter, data: bytes) -> Any:
        if data == b"bad":
            raise KeyError("a mistake")
        return read(self, data)

    monkeypatch.setattr(driver.HeartbeatFilter, "news", fail)
    world = World()
    await world.start()
    await asyncio.sleep(40)
    before = world.calls("host.get")
    for _ in range(600):
        world.lab.client.publish("wasmbus.evt.default.odd", b"bad")
        await asyncio.sleep(0.1)
    assert len(unexpected_errors) == 600
    assert 0 < world.calls("host.get") - before <= 3 * len(world.hosts)
    unexpected_errors.clear()
    await world.close()


def test_the_server_logs_and_counts_them_and_the_same_one_not_again_and_again() -> None:
    metrics, log = ServerMetrics(), io.StringIO()

    async def meet() -> None:
        asyncio.get_running_loop().set_exception_handler(UnexpectedErrors(metrics))
        for _ in range(100):
            try:
                {}["missing"]
            except KeyError as error:
                report_unexpected(error, "Something failed", lattice="default")

    put_back = logging.divert(logging.StandardError(log))
    try:
        asyncio.run(meet())
    finally:
        put_back()
    assert log.getvalue().count("Something failed") == 1
    assert "lattice=default" in log.getvalue()
    assert "KeyError" in log.getvalue()
    assert b"\nwadm_unexpected_errors_total 100.0\n" in exposition("", lambda: families(metrics, {}, True, True))[0]
