"""However much comes in, what is kept of it stays within bounds, and nothing is wrong for it afterwards."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.server.lab import Idle, Lab, in_virtual_time
from tests.server.test_store import HOME, a_store, adding
from wadm.engine.expectations import UNDONE_WINDOW, Expectations
from wadm.model.commands import Action, Outcome, PutConfig, ScaleComponent
from wadm.server.commands import Commands
from wadm.server.inbox import Inbox
from wadm.server.lattice_manager import MOST_WITHOUT_APPLICATIONS
from wadm.server.logging import get_logger
from wadm.sim.scenario import Scenario, application, component, play
from wadm.transport.base import Message, StreamSpec
from wadm.transport.memory import MemoryBroker, MemoryTransport


async def test_an_inbox_lets_go_of_events_and_of_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.server.inbox.MOST_WAITING", 3)
    inbox: Inbox[str] = Inbox(lambda: 0.0)
    for number in range(5):
        inbox.hear(f"event {number}")
    inbox.put("an answer")
    inbox.hear("one more")
    assert inbox.missed == 3
    assert list(inbox.take(10)) == ["event 0", "event 1", "event 2", "an answer"]


def test_after_a_flood_in_which_events_were_missed_all_is_as_wanted_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the flood, a component that went without a word would be missed at the next heartbeat only."""

    async def script(scene: Scenario) -> None:
        await scene.start(servers=1, hosts=2)
        await scene.deploy(application("shop", component("api", 2)))
        await scene.until_whole(within=5)
        (home,) = scene.where("shop-api")
        host = next(one.host for one in scene.world.hosts if one.name == home)
        assert host is not None
        del host.components["shop-api"]
        with monkeypatch.context() as flooded:
            flooded.setattr("wadm.server.inbox.MOST_WAITING", 0)
            scene.world.stranger.publish("wasmbus.evt.default.health_check_status", b"{}")
            await scene.wait(0.5)
        await scene.until_whole(within=5)

    play(script)


@in_virtual_time
async def test_so_many_applications_are_kept_decoded_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.server.application_codec.KEPT_DECODED", 3)
    store = await a_store()
    for number in range(10):
        await store.change(HOME, f"app{number}", adding(f"app{number}", "v1"))
    for record in store.view.records(HOME):
        assert store.codec.decode(record).newest.name == record.name
    assert [key for key, _ in store.codec._decoded] == ["default-app7", "default-app8", "default-app9"]


@in_virtual_time
async def test_so_many_calls_are_unanswered_at_a_time_and_no_more() -> None:
    broker = MemoryBroker()
    server, host = MemoryTransport(broker, "server"), MemoryTransport(broker, "host")
    await server.ensure_stream(StreamSpec("commands", ("wadm.cmd.>",)))
    asked: list[Message] = []
    outcomes: list[Outcome] = []
    await host.subscribe("wasmbus.ctl.v1.default.component.scale.*", asked.append)
    commands = Commands(
        server, "default", None, "commands", outcomes.append, lambda _: True, lambda: True, get_logger("commands"), 4
    )
    await commands.start()
    scale = [ScaleComponent(f"c{number}", "h", 1, "image:1", "shop", {}) for number in range(10)]
    sending = asyncio.create_task(commands.send(Action(command, "shop", "scaler", "why") for command in scale))
    await asyncio.sleep(1)
    assert len(asked) == 4
    for message in asked[:2]:
        host.publish(message.reply, b'{"success":true,"message":""}')
    await asyncio.sleep(0.1)
    assert [outcome.result for outcome in outcomes] == ["accepted", "accepted"]
    assert len(asked) == 6
    await asyncio.sleep(10)
    assert len(outcomes) == len(asked) == 10
    await sending
    await commands.stop()


@in_virtual_time
async def test_lattices_without_applications_are_looked_after_up_to_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_WITHOUT_APPLICATIONS > 5
    monkeypatch.setattr("wadm.server.lattice_manager.MOST_WITHOUT_APPLICATIONS", 5)
    lab = Lab()
    await lab.server(make_owner=lambda place, tenure: lab.owners.setdefault(("", place.scope), Idle()))
    for number in range(10):
        lab.client.publish(f"wasmbus.evt.invented{number}.host_heartbeat", b"{}")
    await asyncio.sleep(5)
    assert len(lab.owners) == 5
    await lab.put("shop", lattice="real")
    await lab.ask("deploy.shop", lattice="real")
    await asyncio.sleep(5)
    assert ("", "real") in lab.owners
    assert json.loads(await lab.raw("real.model.versions.shop"))["result"] == "success"


def test_what_was_asked_before_is_remembered_while_it_matters() -> None:
    in_flight = Expectations()
    for number in range(20_000):
        in_flight.ask(Action(PutConfig(f"c{number}", {}), "shop", "scaler", "why"), number * UNDONE_WINDOW / 100)
    assert len(in_flight._repeats) <= 2000
