"""What is secret is told to nobody: not in statuses, plans, explanations, timelines, error texts or log lines."""

from __future__ import annotations

import io
import json

from tests.server.lab import Lab, component, in_virtual_time, manifest, until
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.server import logging
from wadm.server.app import Server
from wadm.server.logging import StandardError
from wadm.transport.base import Message
from wadm.transport.memory import MemoryTransport

MARKER = "marker-that-nobody-may-see"
TOLD = ("wadm.status.>", "wadm.timeline.>", "wadm.revision.>")
QUESTIONS = ("status", "plan", "explain", "events", "history", "versions")


@in_virtual_time
async def test_the_values_of_configurations_stay_where_they_belong() -> None:
    """Through a deployment, an upgrade, hosts that lose calls, what is not understood, and an undeployment."""
    log = io.StringIO()
    put_back = logging.divert(StandardError(log), "trace")
    lab = Lab()
    heard: list[Message] = []
    for subject in TOLD:
        await lab.client.subscribe(subject, heard.append)
    habits = HostBehaviour(request_lost=0.3, ack_lost=0.2)
    fleet = Fleet(
        MemoryTransport(lab.broker, "hosts"), "default", [HostSpec(f"host-{n}", {}, habits) for n in range(2)]
    )
    await fleet.start()
    server = Server(MemoryTransport(lab.broker, "server"), lab.settings, "server")
    await server.start()
    answers = []
    for version in ("v1", "v2"):
        part = component("api", id="shop-api", config=[{"name": "c", "properties": {"key": f"{MARKER}-{version}"}}])
        await lab.ask("put", manifest("shop", version, [part]))
        await lab.ask("deploy.shop", {"version": version})
        answers += [await lab.raw(f"default.model.{question}.shop") for question in QUESTIONS]
        await until(lambda: any(host.components for host in fleet.hosts.values()), 300)
        answers += [await lab.raw(f"default.model.{question}.shop") for question in QUESTIONS]
    answers.append(await lab.raw("default.model.get"))
    broken = {**manifest("shop", "v3", [part]), "kind": 7}
    answers.append(await lab.raw("default.model.put", json.dumps(broken).encode()))
    lab.client.publish("wasmbus.evt.default.config_set", json.dumps({"data": MARKER}).encode()[:-1])
    await lab.raw("default.model.undeploy.shop", b"{}")
    await until(lambda: not any(host.components for host in fleet.hosts.values()), 300)
    await server.stop()
    await fleet.stop()
    put_back()
    assert len(heard) > 4
    assert not [message.subject for message in heard if MARKER.encode() in message.data]
    assert not [answer for answer in answers if MARKER.encode() in answer]
    assert MARKER not in log.getvalue()
