"""A question to the owner of a lattice that nobody owns yet is asked again until its time is up, and what is waited for
is said."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.server.lab import Lab, in_virtual_time
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.server.app import Server
from wadm.server.insights import OWNER_TIMEOUT
from wadm.server.settings import LatticeSettings, Settings
from wadm.transport.memory import MemoryTransport

QUESTIONS: list[tuple[str, Any]] = [("plan.shop", None), ("plan.shop", {"undeploy": True}), ("explain.shop", None)]


async def a_server(lab: Lab, name: str, settings: Settings | None = None) -> tuple[Server, MemoryTransport]:
    """Start a server whose owners do their work."""
    transport = MemoryTransport(lab.broker, name)
    server = Server(transport, settings or Settings(), name)
    await server.start()
    return server, transport


async def timed(lab: Lab, operation: str, body: Any) -> tuple[dict[str, Any], float]:
    loop = asyncio.get_running_loop()
    began = loop.time()
    return await lab.ask(operation, body), loop.time() - began


@pytest.mark.parametrize(("operation", "body"), [*QUESTIONS, ("resume", None)])
@in_virtual_time
async def test_what_is_asked_of_a_lattice_that_nobody_owns_yet_is_answered(operation: str, body: Any) -> None:
    lab = Lab()
    await a_server(lab, "one")
    fleet = Fleet(MemoryTransport(lab.broker, "hosts"), "default", [HostSpec("host", {})])
    await fleet.start()
    await lab.put("shop")
    await lab.ask("deploy.shop")
    answer, took = await timed(lab, operation, body)  # the lattice has been taken up at this moment
    assert answer["result"] == "success", answer
    assert took < OWNER_TIMEOUT
    await fleet.stop()


@pytest.mark.parametrize(("operation", "body"), QUESTIONS)
@in_virtual_time
async def test_what_is_asked_while_the_owner_has_just_died_is_answered_by_the_next_one(
    operation: str, body: Any
) -> None:
    lab = Lab()
    fleet = Fleet(MemoryTransport(lab.broker, "hosts"), "default", [HostSpec("host", {})])
    await fleet.start()
    _, transport = await a_server(lab, "one")
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await asyncio.sleep(5)
    await a_server(lab, "two")
    await asyncio.sleep(5)
    transport.go_away()
    await asyncio.sleep(3)  # the session of the first one is not over yet
    answer, took = await timed(lab, operation, body)
    assert answer["result"] == "success", answer
    assert 1 < took < OWNER_TIMEOUT
    await fleet.stop()


@pytest.mark.parametrize(("operation", "body"), [*QUESTIONS, ("resume", None)])
@in_virtual_time
async def test_where_nobody_comes_what_is_waited_for_is_said_in_the_end(operation: str, body: Any) -> None:
    lab = Lab()
    await a_server(lab, "one", Settings(lattices=LatticeSettings(max_jobs=0)))  # it looks after nothing
    await lab.put("shop")
    answer, took = await timed(lab, operation, body)
    assert answer["result"] == "error"
    assert answer["message"].startswith("No server looks after this lattice at the moment")
    assert OWNER_TIMEOUT - 1 < took < OWNER_TIMEOUT + 1
