"""Two teams, each with an account of its own at one NATS server: what they call alike is not the same."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.natsd import NatsServer
from tests.operator.world import World, application, condition, eventually
from tests.transport.identities import OperatorWorld
from wadm.client import connect_sync

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(240)]


@pytest.fixture
def teams(world: World, tmp_path: Path) -> Iterator[dict[str, Path]]:
    """A namespace for each team, with a wadm in its account and a host config; and the credentials."""
    identities = OperatorWorld(others=1)
    nats = NatsServer(tmp_path / "nats", identities.config)
    nats.start()
    made = {}
    for number, text in enumerate((identities.creds, *identities.other_creds)):
        namespace = world.namespace()
        creds = made[namespace] = tmp_path / f"{number}.creds"
        creds.write_text(text)
        options = ("--nats-server", nats.url, "--nats-creds-file", str(creds))
        world.program(f"wadm-{number}", "-m", "wadm", *options).start()
        secret = {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "creds", "namespace": namespace},
            "data": {"nats.creds": base64.b64encode(text.encode()).decode()},
        }  # fmt: skip
        config = world.host_config(namespace, lattice="shared", natsClientPort=nats.port, secretName="creds")
        world.cluster.apply(secret, config)
    try:
        yield made
    finally:
        for namespace in made:
            world.cluster.kubectl("delete", "applications.core.oam.dev", "--all", "-n", namespace, "--timeout=60s")
            world.cluster.kubectl("delete", "whc", "--all", "-n", namespace, "--timeout=60s")
        for program in [one for one in world.programs if one.log.stem in ("wadm-0", "wadm-1")]:
            program.kill()
            world.programs.remove(program)
        nats.stop()


def test_applications_of_one_name_in_two_accounts_are_two(
    world: World, teams: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    for namespace in teams:
        world.cluster.apply(application("shop", namespace=namespace, annotations={"version": namespace}))

    def deployed(namespace: str) -> bool:
        status = world.status(namespace, "shop")
        assert condition(status, "Accepted").get("status") == "True", status
        return bool(status.get("deployedVersion") == namespace)

    for namespace, creds in teams.items():
        eventually(lambda namespace=namespace: deployed(namespace))  # type: ignore[misc]
        port = world.cluster.get("whc", "hosts", namespace)["spec"]["natsClientPort"]
        with connect_sync(f"nats://127.0.0.1:{port}", lattice="shared", creds=str(creds)) as client:
            assert [(one.name, one.deployed_version) for one in client.list()] == [("shop", namespace)]
