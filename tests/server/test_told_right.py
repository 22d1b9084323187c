"""What is told of a write is true: done, not done, or not known."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.lab import Lab, component, in_virtual_time, manifest, settle, until
from wadm.errors import Unavailable
from wadm.server.settings import ApiSettings, Settings
from wadm.transport.memory import Fault, MemoryBroker, Network


class LosesAcknowledgements(Network):
    """Loses the acknowledgements of writes to manifests; with ``deaf`` nothing can be read either afterwards."""

    def __init__(self, deaf: bool = False) -> None:
        self.on = False
        self._deaf = deaf
        self._lost = False

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        if not self.on or client != "one" or not target.endswith("default-shop"):
            return None
        if operation in ("put", "purge"):
            self._lost = True
            return Fault(after=Unavailable("the acknowledgement was lost"))
        return Fault(before=Unavailable("NATS does not answer")) if self._deaf and self._lost else None


@in_virtual_time
async def test_a_write_whose_acknowledgement_was_lost_is_found_to_be_done() -> None:
    network = LosesAcknowledgements()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    network.on = True
    assert (await lab.put("shop"))["result"] == "created"
    assert (await lab.put("shop", "v2"))["result"] == "newversion"
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    assert (await lab.ask("versions.shop"))["versions"][-1] == {"version": "v2", "deployed": True}
    assert (await lab.ask("undeploy.shop", {"non_destructive": False}))["result"] == "acknowledged"
    assert (await lab.ask("del.shop", {"delete_all": True}))["result"] == "deleted"
    assert await lab.stored("default-shop") is None


@in_virtual_time
async def test_where_it_cannot_be_found_out_that_is_said_and_how_to() -> None:
    network = LosesAcknowledgements(deaf=True)
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    network.on = True
    answer = await lab.put("shop")
    assert answer["result"] == "error"
    assert "It is not known whether this was done" in answer["message"]
    assert "Look before you try again: wadm history NAME" in answer["message"]


class IsOvertaken(LosesAcknowledgements):
    """Loses the acknowledgement of one write of server "one", and lets a second pass before that is looked up."""

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        fault = super().fault(client, operation, target)
        if self._lost and fault is None and self.on:
            self.on = False
            return Fault(delay=1.0)
        return fault


DEPLOY_V1 = ("deploy.shop", {"version": "v1"})
UNDEPLOY = ("undeploy.shop", {"non_destructive": False})


def deleting(version: str) -> tuple[str, dict[str, str]]:
    return "del.shop", {"version": version}


@pytest.mark.parametrize(
    ("asked", "meanwhile", "answer"),
    [
        pytest.param(("put", manifest("shop", "v3")), deleting("v1"), "newversion", id="a put"),
        pytest.param(("put", manifest("shop", "v3")), deleting("v3"), "error", id="a put that is deleted again"),
        pytest.param(DEPLOY_V1, deleting("v2"), "acknowledged", id="a deployment"),
        pytest.param(DEPLOY_V1, UNDEPLOY, "error", id="a deployment that is taken back"),
        pytest.param(UNDEPLOY, deleting("v1"), "acknowledged", id="an undeployment"),
        pytest.param(deleting("v1"), ("put", manifest("shop", "v1")), "error", id="a deletion of what is put again"),
    ],
)
@in_virtual_time
async def test_what_was_not_confirmed_and_is_written_over_is_not_done_twice(
    asked: tuple[str, Any], meanwhile: tuple[str, Any], answer: str
) -> None:
    """It is done where what is stored shows it, else not known: neither refused nor done over what others did."""
    network = IsOvertaken()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    await Lab(Settings(api=ApiSettings(prefix="other.api")), lab.broker).server("two")
    for version in ("v1", "v2"):
        await lab.put("shop", version)
    if asked == UNDEPLOY:
        await lab.ask("deploy.shop")
    network.on = True
    answering = asyncio.ensure_future(lab.ask(*asked))
    await until(lambda: not network.on)
    operation, body = meanwhile
    other = await lab.client.request(f"other.api.default.model.{operation}", json.dumps(body).encode(), 5)
    assert json.loads(other.data)["result"] in ("deleted", "acknowledged", "newversion")
    between = await lab.stored("default-shop")
    answered = await answering
    assert answered["result"] == answer
    if answer == "error":
        assert "It is not known whether this was done" in answered["message"]
    assert await lab.stored("default-shop") == between, "nothing was written over what the other did"


@in_virtual_time
async def test_a_deployment_that_nobody_can_be_told_of_is_a_deployment() -> None:
    lab = Lab()
    await lab.server("one")
    await lab.put("shop")
    await lab.client.delete_stream("wadm_events")
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    assert (await lab.ask("undeploy.shop", {"non_destructive": False}))["result"] == "acknowledged"
    assert (await lab.ask("del.shop", {"delete_all": True}))["result"] == "deleted"


@in_virtual_time
async def test_others_are_told_of_a_deployment_without_values_where_that_is_wanted() -> None:
    for without in (False, True):
        (event,) = await _told_of_a_deployment(Settings(api=ApiSettings(events_without_values=without)))
        assert b"password" in event
        assert (b"hunter2" in event) is not without


async def _told_of_a_deployment(settings: Settings) -> list[bytes]:
    lab = Lab(settings)
    await lab.server("one")
    heard: list[bytes] = []
    await lab.client.subscribe("wadm.evt.default.manifest_published", lambda message: heard.append(message.data))
    config = [{"name": "c", "properties": {"password": "hunter2"}}]
    await lab.put("shop", components=[component("api", config=config)])
    await lab.ask("deploy.shop")
    await settle()
    return heard
