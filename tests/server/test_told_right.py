"""What is told of a write is true: done, not done, or not known."""

from __future__ import annotations

from tests.server.lab import Lab, in_virtual_time
from wadm.errors import Unavailable
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
    assert "wadm versions" in answer["message"]


@in_virtual_time
async def test_a_deployment_that_nobody_can_be_told_of_is_a_deployment() -> None:
    lab = Lab()
    await lab.server("one")
    await lab.put("shop")
    await lab.client.delete_stream("wadm_events")
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    assert (await lab.ask("undeploy.shop", {"non_destructive": False}))["result"] == "acknowledged"
    assert (await lab.ask("del.shop", {"delete_all": True}))["result"] == "deleted"
