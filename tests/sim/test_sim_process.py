"""A host's life: how it begins and ends, beats, fails and comes back
(docs/protocol/lattice.md#host-life, docs/protocol/lattice.md#host-failures)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosts.conftest import LabFactory
from tests.hosts.lab import HOST, PREFIX, SEED, Lab, a_host, line
from wadm.errors import NoResponders
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.transport.memory import MemoryTransport

BUILTIN_LABELS = {"hostcore.arch": "x86_64", "hostcore.os": "linux", "hostcore.osfamily": "unix"}


async def a_started(transport: MemoryTransport, *specs: HostSpec) -> Lab:
    """Return a lab that still has to be looked at for what was said at the start."""
    lab = Lab(transport, *specs)
    await transport.subscribe("wasmbus.evt.default.*", lab.heard)
    await lab.fleet.start()
    await lab.wait()
    return lab


# -- beginning and end -----------------------------------------------------------------------


async def test_a_start_says_who_it_is(transport: MemoryTransport) -> None:
    lab = await a_started(transport, a_host(labels={"zone": "a", "hostcore.os": "plan9"}))
    [event] = lab.events()
    assert event["source"] == HOST
    assert event["data"] == {
        "friendly_name": lab.host.friendly_name,
        "labels": {**BUILTIN_LABELS, "hostcore.os": "plan9", "zone": "a"},
        "uptime_seconds": 0,
        "version": "1.9.2",
    }
    await lab.fleet.stop()


async def test_the_first_heartbeat_comes_one_interval_after_the_start(a_lab: LabFactory) -> None:
    lab = await a_lab()
    await lab.wait(29)
    assert lab.said() == []
    await lab.wait(1)
    [event] = lab.events()
    assert event["data"] == await lab.inventory()
    assert event["data"]["uptime_human"] == "30s"
    await lab.wait(30)
    assert lab.said() == ["host_heartbeat"]


async def test_stop_answers_then_says_one_word(lab: Lab) -> None:
    await lab.scale(1)
    await lab.start_provider()
    lab.said()
    lab.send("host.stop.$H", {"timeout": 500})
    await lab.wait()
    answer, event = lab.messages()
    assert answer.data == b'{"success":true,"message":"successfully handled stop host"}'
    assert event.subject == "wasmbus.evt.default.host_stopped"
    assert lab.fleet.hosts == {}
    await lab.wait(100)
    assert lab.said() == []


async def test_a_host_that_answers_late_stops_after_the_answer_and_one_whose_answer_is_lost_stops_too(
    a_lab: LabFactory,
) -> None:
    lab = await a_lab(a_host(ack_delay=3), a_host("b", ack_lost=1.0))
    for host_id in list(lab.fleet.hosts):
        lab.send(f"host.stop.{host_id}")
    await lab.wait(2)
    assert lab.said() == ["host_stopped"]
    await lab.wait(2)
    assert [message.subject.rpartition(".")[2] for message in lab.messages()] == ["1", "host_stopped"]


@pytest.mark.parametrize(
    ("body", "message"),
    [({"host_id": "X"}, "invalid host_id [X]"), (b"{", "failed to deserialize stop command")],
)
async def test_stop_can_be_refused(lab: Lab, body: object, message: str) -> None:
    assert await lab.ask("host.stop.$H", body) == {"success": False, "message": message}
    assert not lab.host.gone


@pytest.mark.parametrize("how", ["stop", "kill"])
async def test_nobody_listens_for_a_host_that_is_gone(lab: Lab, transport: MemoryTransport, how: str) -> None:
    await getattr(lab.host, how)()
    with pytest.raises(NoResponders):
        await transport.request(f"{PREFIX}host.get.{HOST}", b"", timeout=2)


async def test_a_killed_host_says_nothing_and_finishes_nothing(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(pull_delay=5))
    await lab.scale(1)
    await lab.host.kill()
    await lab.wait(100)
    assert lab.said() == []


async def test_a_restart_with_the_same_id_is_empty_and_has_its_first_labels(lab: Lab) -> None:
    await lab.scale(1)
    await lab.ask("label.put.$H", {"key": "disk", "value": "ssd"})
    name = lab.host.friendly_name
    lab.said()
    await lab.wait(20)
    await lab.fleet.restart(HOST)
    await lab.wait(29)
    assert lab.said() == ["host_started"]
    assert (lab.host.id, dict(lab.host.labels)) == (HOST, BUILTIN_LABELS)
    assert lab.host.friendly_name != name
    assert (await lab.inventory())["components"] == []
    await lab.wait(1)
    assert lab.said() == ["host_heartbeat"]


async def test_a_restart_with_a_new_id_is_another_host(lab: Lab) -> None:
    host = await lab.fleet.restart(HOST, new_id=True)
    assert host.id != HOST
    assert list(lab.fleet.hosts) == [host.id]


# -- labels ----------------------------------------------------------------------------------


async def test_labels_change_and_show_in_the_next_heartbeat(lab: Lab) -> None:
    answer = await lab.ask("label.put.$H", {"key": "disk", "value": "ssd"})
    assert answer == {"success": True, "message": "successfully put label"}
    [event] = lab.events()
    assert event["data"] == {"host_id": HOST, "labels": {**BUILTIN_LABELS, "disk": "ssd"}}
    await lab.wait(30)
    [event] = lab.events()
    assert event["data"]["labels"]["disk"] == "ssd"


async def test_labels_of_the_host_itself_can_be_deleted_but_not_set(lab: Lab) -> None:
    answer = await lab.ask("label.put.$H", {"key": "HostCore.os", "value": "plan9"})
    assert answer == {"success": False, "message": "hostcore.* labels cannot be set dynamically"}
    assert (await lab.ask("label.del.$H", {"key": "hostcore.os"}))["message"] == "successfully deleted label"
    assert "hostcore.os" not in lab.host.labels


async def test_deleting_a_label_that_is_not_there_is_no_change(lab: Lab) -> None:
    answer = await lab.ask("label.del.$H", {"key": "disk"})
    assert answer == {"success": True, "message": "successfully deleted label (no such label)"}
    assert lab.said() == []


# -- odd requests ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("component.scale.$H", "failed to deserialize component scale command"),
        ("component.update.$H", "failed to deserialize component update command"),
        ("component.auction", "failed to deserialize component auction command"),
        ("provider.start.$H", "failed to deserialize provider start command"),
        ("provider.stop.$H", "failed to deserialize provider stop command"),
        ("provider.auction", "failed to deserialize provider auction command"),
        ("link.put", "failed to deserialize wrpc link definition"),
        ("link.del", "failed to deserialize wrpc link definition"),
        ("label.put.$H", "failed to deserialize put label request"),
        ("label.del.$H", "failed to deserialize delete label request"),
        ("registry.put", "failed to deserialize registries put command"),
        ("component.stop.$H", "unsupported subject"),
        ("host.ping.$H", "unsupported subject"),
    ],
)
async def test_bodies_that_do_not_fit(lab: Lab, call: str, message: str) -> None:
    assert await lab.ask(call, b"nope") == {"success": False, "message": message}


async def test_a_host_acts_without_being_asked_for_an_answer(lab: Lab, transport: MemoryTransport) -> None:
    transport.publish(f"{PREFIX}config.put.one", b"{}")
    await lab.wait()
    assert lab.said() == ["config_set one"]


async def test_registries_are_taken_without_a_word(lab: Lab) -> None:
    answer = await lab.ask("registry.put", {"ghcr.io": {"username": "u", "password": "p", "registryType": "oci"}})
    assert answer == {"success": True, "message": "successfully put registries"}
    assert lab.said() == []


# -- what goes wrong -------------------------------------------------------------------------


async def test_a_frozen_host_answers_late_and_beats_in_a_burst(lab: Lab) -> None:
    lab.host.freeze()
    lab.send("host.get.$H")
    lab.send("component.scale.$H", {"component_id": "c", "component_ref": "img:1", "count": 1})
    await lab.wait(90)
    assert lab.messages() == []
    lab.host.thaw()
    await lab.wait()
    subjects = [message.subject.rpartition(".")[2] for message in lab.messages()]
    assert sorted(subjects) == ["1", "2", *["component_scaled"] * 2, *["host_heartbeat"] * 3]


async def test_a_host_cut_off_works_on_and_tells_it_all_when_it_is_back(lab: Lab, transport: MemoryTransport) -> None:
    await lab.host.cut_off()
    with pytest.raises(NoResponders):
        await transport.request(f"{PREFIX}host.get.{HOST}", b"", timeout=2)
    started = transport.now()
    await lab.wait(90)
    assert lab.said() == []
    await lab.host.reconnect()
    await lab.wait()
    events = lab.events()
    assert [line(event) for event in events] == ["host_heartbeat"] * 3
    assert [event["data"]["uptime_seconds"] for event in events] == [30, 60, 90]
    assert len({event["time"] for event in events}) == 3
    assert await lab.ask("host.get.$H")
    assert transport.now() > started


async def test_late_answers(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(ack_delay=3))
    lab.send("component.scale.$H", {"component_id": "c", "component_ref": "img:1", "count": 1})
    await lab.wait(2.9)
    assert lab.said() == ["component_scaled c img:1 x1"] * 2
    await lab.wait(0.2)
    assert [message.subject for message in lab.messages()] == ["answer.1"]


async def test_an_answer_may_be_lost_though_the_request_has_its_effect(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(ack_lost=1.0))
    assert await lab.scale(1) is None
    assert "c" in lab.host.components


async def test_a_request_may_be_lost_without_effect(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(request_lost=1.0))
    assert await lab.scale(1) is None
    assert lab.host.components == {}


@pytest.mark.parametrize(("habits", "times"), [({"event_lost": 1.0}, 0), ({"event_doubled": 1.0}, 2)])
async def test_events_may_be_lost_or_doubled(a_lab: LabFactory, habits: dict[str, Any], times: int) -> None:
    lab = await a_lab(a_host(**habits))
    await lab.ask("config.put.one", {})
    assert lab.said() == ["config_set one"] * times


async def test_events_may_overtake_one_another(lab: Lab) -> None:
    lab.host.habits = HostBehaviour(event_delay=(0.0, 5.0))
    for number in range(9):
        await lab.ask(f"config.put.{number}", {})
    await lab.wait(5)
    said = lab.said()
    assert len(said) == 9
    assert said != sorted(said)


def test_a_host_with_a_name_is_the_same_host_for_ever() -> None:
    assert HostSpec(SEED).id == HostSpec(SEED, {"zone": "b"}, HostBehaviour(pull_delay=3)).id
