"""A host dies without a word, on real NATS, with ``--host-probe-interval 3s``: whole again within ten seconds."""

from __future__ import annotations

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import WITHIN

NAMES = [f"app-{number}" for number in range(6)]


async def test_a_host_that_dies_without_a_word(nats_server_factory: NatsServerFactory, set_up: SetUp) -> None:
    stage = set_up([nats_server_factory().url])
    await stage.start()
    await stage.serve("a", arguments=("--host-probe-interval", "3s"))
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    before = stage.changes()
    host = next(host for host in stage.fleet.hosts.values() if host.components)
    lost = len(host.components)
    await host.kill()
    assert await stage.until_whole(NAMES) < WITHIN
    assert stage.changes() - before == lost, "only what ran there is started elsewhere"
