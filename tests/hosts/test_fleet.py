"""Many hosts in one process."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest

from tests.hosts.conftest import LabFactory
from tests.hosts.lab import PREFIX, a_host
from wadm.errors import NoResponders, TimedOut
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.fleet import SIMULATED_LABEL, Fleet, simulated_hosts
from wadm.transport.memory import MemoryBroker, MemoryTransport
from wadm.transport.virtual_time import run


async def test_every_host_answers_a_ping_for_itself(a_lab: LabFactory, transport: MemoryTransport) -> None:
    lab = await a_lab(*(a_host(seed) for seed in "abc"))
    answers = await transport.gather(f"{PREFIX}host.ping", b"", timeout=1)
    greetings = [json.loads(answer.data)["response"] for answer in answers]
    assert [greeting["id"] for greeting in greetings] == list(lab.fleet.hosts)
    assert list(greetings[0]) == [
        "rpc_host",
        "ctl_host",
        "friendly_name",
        "id",
        "labels",
        "lattice",
        "uptime_human",
        "uptime_seconds",
        "version",
    ]


async def test_one_host_answers_for_the_lattice(a_lab: LabFactory, transport: MemoryTransport) -> None:
    lab = await a_lab(*(a_host(seed) for seed in "abc"))
    for call in ("link.get", "claims.get", "config.get.one"):
        assert len(await transport.gather(PREFIX + call, b"", timeout=1)) == 1
    for number in range(30):
        await lab.ask(f"config.put.{number}", {})
    assert {event["source"] for event in lab.events()} == set(lab.fleet.hosts)


async def test_a_frozen_host_gets_its_share_of_the_lattices_requests(a_lab: LabFactory) -> None:
    lab = await a_lab(*(a_host(seed) for seed in "ab"))
    lab.host.freeze()
    answers = [await lab.ask("link.get") for _ in range(30)]
    assert 5 < answers.count(None) < 25


async def test_a_host_that_is_cut_off_gets_none(a_lab: LabFactory) -> None:
    lab = await a_lab(*(a_host(seed) for seed in "ab"))
    await lab.host.cut_off()
    assert None not in [await lab.ask("link.get") for _ in range(30)]


async def test_where_no_host_is_left_nobody_listens(a_lab: LabFactory, transport: MemoryTransport) -> None:
    lab = await a_lab(a_host("a"), a_host("b"))
    for host in list(lab.fleet.hosts.values()):
        await host.kill()
    await lab.wait()
    for call in ("host.ping", "link.get", "config.get.one"):
        with pytest.raises(NoResponders):
            await transport.request(PREFIX + call, b"", timeout=1)
    await lab.fleet.add(a_host("c"))
    assert await lab.ask("host.ping")


async def test_a_host_that_stops_leaves_the_fleet(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(), a_host("b"))
    host = lab.host
    await lab.ask("host.stop.$H")
    await host.wait_until_gone()
    assert host not in lab.fleet.hosts.values()
    assert len(lab.fleet.hosts) == 1


async def test_two_fleets_share_a_lattice(transport: MemoryTransport) -> None:
    one = Fleet(transport, "default", [a_host("a")])
    other = Fleet(transport, "default", [a_host("b")])
    await one.start()
    await other.start()
    assert len(await transport.gather(f"{PREFIX}host.ping", b"", timeout=1)) == 2
    assert len(await transport.gather(f"{PREFIX}link.get", b"", timeout=1)) == 1
    await one.stop()
    await other.stop()


def test_simulated_hosts_say_so_and_beat_one_after_the_other() -> None:
    hosts = simulated_hosts(3, {"zone": "a"}, HostBehaviour(heartbeat_interval=30), spread_heartbeats=True)
    assert all(host.labels == {"zone": "a", SIMULATED_LABEL: "true"} for host in hosts)
    assert [host.habits.first_heartbeat for host in hosts] == [10, 20, 30]
    assert len({host.id for host in hosts}) == 3


def a_day(seed: int) -> list[tuple[str, bytes]]:
    """Return all that a troubled fleet says in some minutes."""

    async def live() -> list[tuple[str, bytes]]:
        transport = MemoryTransport(MemoryBroker())
        heard: list[tuple[str, bytes]] = []
        await transport.subscribe("wasmbus.evt.>", lambda message: heard.append((message.subject, message.data)))
        habits = HostBehaviour(
            heartbeat_interval=7,
            pull_delay=(0.0, 3.0),
            event_lost=0.1,
            event_doubled=0.1,
            event_delay=(0.0, 2.0),
            ack_lost=0.2,
            unhealthy_probes=0.3,
        )
        fleet = Fleet(transport, "default", simulated_hosts(5, habits=habits), seed=seed)
        await fleet.start()
        for round_ in range(20):
            for host_id in fleet.hosts:
                for call, body in (
                    ("component.scale", {"component_id": "c", "component_ref": "i:1", "count": round_ % 3}),
                    ("provider.start", {"provider_id": "p", "provider_ref": "p:1"}),
                ):
                    with suppress(TimedOut):
                        await transport.request(f"{PREFIX}{call}.{host_id}", json.dumps(body).encode(), timeout=2)
            await fleet.restart(next(iter(fleet.hosts)))
        await fleet.stop()
        await transport.close()
        return heard

    return run(live())


def test_the_same_seed_gives_the_same_day() -> None:
    assert a_day(1) == a_day(1)
    assert a_day(1) != a_day(2)
