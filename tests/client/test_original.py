"""The client with the original server and simulated hosts, as far as they are at hand."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.real import real_program
from wadm.client import Client, NotReached, connect
from wadm.errors import AlreadyExists, ManifestInvalid, NoResponders, NotFound, TimedOut

pytestmark = pytest.mark.real

MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {{name: shop, annotations: {{version: {version}, description: a shop}}}}
spec:
  components:
    - name: web
      type: component
      properties: {{image: "ghcr.io/example/web:1.0.0"}}
      traits:
        - {{type: spreadscaler, properties: {{instances: {instances}}}}}
        - type: link
          properties: {{namespace: wasi, package: keyvalue, interfaces: [store], target: {{name: kv}}}}
    - name: kv
      type: capability
      properties: {{image: "ghcr.io/example/kv:1.0.0"}}
"""


def a_shop(version: str, instances: int = 2) -> bytes:
    return MANIFEST.format(version=version, instances=instances).encode()


@pytest.fixture
def original(nats_server_factory: NatsServerFactory, tmp_path: Path) -> Iterator[str]:
    """The URL of a NATS with the original server and two hosts."""
    url = nats_server_factory().url
    commands = [
        [str(real_program("wadm")), "--nats-server", url],
        [str(real_program("latticebench")), "-nats", url, "-serve", "-hosts", "2", "-beat", "1s"],
    ]
    with (tmp_path / "log").open("w") as log:
        processes = [subprocess.Popen(command, stdout=log, stderr=log) for command in commands]
        yield url
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


@pytest.fixture
async def client(original: str) -> AsyncIterator[Client]:
    async with connect(original, timeout=1) as impatient:
        await _ready(impatient)
    async with connect(original) as client:
        yield client


async def _ready(client: Client) -> None:
    for _ in range(200):
        try:
            await client.list()
        except (NoResponders, TimedOut):  # the original loses requests that come while it starts
            await client.transport.sleep(0.05)
        else:
            if len(await client.hosts()) == 2:
                return
    raise AssertionError("the original or its hosts did not start")


async def test_the_life_of_an_application(client: Client) -> None:
    put = await client.put(a_shop("v1"))
    assert (put.name, put.version, put.created) == ("shop", "v1", True)
    with pytest.raises(AlreadyExists):
        await client.put(a_shop("v1"))

    assert (await client.deploy("shop")).version == "v1"
    status = await client.wait_for("shop", timeout=60)
    assert [scaler.type for scaler in status.scalers] == ["deployed"] * 3
    inventories = await client.inventories()
    assert sum(one.count for inventory in inventories for one in inventory.components) == 2
    assert [(link.source_id, link.target) for link in await client.links()] == [("shop-web", "shop-kv")]

    await client.put(a_shop("v2", instances=5))
    await client.deploy("shop", "v2")
    await client.wait_for("shop", timeout=60)
    assert sum(one.count for host in await client.inventories() for one in host.components) == 5
    assert [(one.version, one.deployed) for one in await client.versions("shop")] == [("v1", False), ("v2", True)]
    (listed,) = await client.list()
    assert (listed.name, listed.deployed_version, listed.description) == ("shop", "v2", "a shop")
    assert (await client.get("shop", "v1")).version == "v1"

    await client.undeploy("shop")
    await client.wait_for("shop", "undeployed", timeout=60)
    assert not any(inventory.components for inventory in await client.inventories())
    assert (await client.delete("shop")).deleted
    assert await client.list() == ()


async def test_errors(client: Client) -> None:
    with pytest.raises(NotFound):
        await client.get("nothing")
    with pytest.raises(NotFound):
        await client.deploy("nothing")
    with pytest.raises(NotFound):
        await client.versions("nothing")
    with pytest.raises(ManifestInvalid, match="Unable to parse manifest"):
        await client.put(b"kind: Application")
    await client.put(a_shop("v1"))
    with pytest.raises(NotFound, match="does not have a version"):
        await client.deploy("shop", "v9")
    assert not (await client.delete("nothing")).deleted


async def test_what_cannot_be_reached_in_time_is_told_with_the_status(client: Client) -> None:
    manifest = a_shop("v1").replace(
        b"{instances: 2}", b"{instances: 2, spread: [{name: x, requirements: {zone: mars}}]}"
    )
    await client.put(manifest)
    await client.deploy("shop")
    with pytest.raises(NotReached) as caught:
        await client.wait_for("shop", timeout=3)
    assert caught.value.status is not None
    assert "x spread requires 2 instances" in caught.value.status.message
