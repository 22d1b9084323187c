"""The whole server under the least permissions, by every way of signing in, and what it never tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import Stage, application, until
from tests.natsd import NatsServer
from tests.transport.identities import Certificates, OperatorWorld
from wadm.errors import WadmError
from wadm.transport.nats import ConnectOptions, connect

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
USERS = ("WADM", "OPERATOR", "VIEWER", "HOSTS")
NAMES = ["one", "two"]


def documented_config() -> str:
    """Return the configuration of NATS that the document shows."""
    found = re.search(r"```nats\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def password(user: str) -> str:
    return f"marker-of-{user.lower()}"


async def test_the_documented_permissions_are_enough_and_no_more(
    nats_server_factory: NatsServerFactory, set_up: SetUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    for user in USERS:
        monkeypatch.setenv(f"{user}_PASSWORD", password(user))
    nats = nats_server_factory(documented_config())
    address = nats.url.partition("//")[2]

    def as_user(user: str) -> ConnectOptions:
        return ConnectOptions((f"nats://{user.lower()}:{password(user)}@{address}",))

    stage = set_up([nats.url])
    await stage.start(options=as_user("HOSTS"))
    await stage.serve(
        "a", "b", arguments=("--nats-user", "wadm"), WADM_NATS_PASSWORD=password("WADM"), RUST_LOG="trace"
    )
    operator, viewer = await connect(as_user("OPERATOR")), await connect(as_user("VIEWER"))
    hosts, stage.client = stage.client, operator
    await stage.deploy(NAMES)
    await stage.until_whole(NAMES)
    for question in ("plan.one", "explain.one", "events.one", "history.one", "versions.one", "status.one", "get.one"):
        stage.client = operator
        assert (await stage.ask(question))["result"] != "error", question
        stage.client = viewer
        assert (await stage.ask(question))["result"] != "error", question
    await stage.until_whole(NAMES)
    # Neither a viewer nor an operator can do what is not theirs.
    assert not violations(nats, "operator") + violations(nats, "viewer")
    for client, subject in (
        (viewer, "wadm.api.default.model.del.one"),
        (viewer, "wadm.api.default.model.put"),
        (operator, "wadm.api.other.model.get"),
        (operator, "$KV.wadm_manifests.default-one"),
        (operator, "wasmbus.ctl.v1.default.host.ping"),
    ):
        with pytest.raises(WadmError):
            await client.request(subject, b"{}", 1)
    stage.client = operator
    for name in NAMES:
        assert (await stage.ask(f"undeploy.{name}"))["result"] == "acknowledged"
    await until(lambda: not stage.running())
    for name in NAMES:
        assert (await stage.ask(f"del.{name}"))["result"] == "deleted"
    await viewer.close()
    await operator.close()
    stage.client = hosts
    # A take-over, and an orderly end, need no more either.
    owner = await stage.some_owner()
    stage.instances[owner].kill()
    await until(lambda: _succeeded(stage, owner))
    assert not violations(nats, "wadm"), "\n".join(violations(nats, "wadm"))
    assert len(violations(nats, "viewer")) == 2
    logs = "".join(instance.log() for instance in stage.instances.values())
    assert "marker-of" not in logs


def violations(nats: NatsServer, user: str) -> list[str]:
    """Return what the nats-server says that a user tried and was not permitted."""
    return [line for line in nats.log.splitlines() if "Violation" in line and f'user:{user}"' in line]


async def _succeeded(stage: Stage, owner: str) -> bool:
    return await stage.owner() not in ("", owner)


@pytest.mark.parametrize("way", ["creds", "jwt and seed", "TLS", "mutual TLS", "token"])
async def test_every_way_of_signing_in(
    nats_server_factory: NatsServerFactory, set_up: SetUp, tmp_path: Path, way: str
) -> None:
    """The server does its work, and says nothing of what it signed in with."""
    world, secret = OperatorWorld(), "marker-of-token"
    environ: dict[str, str] = {"RUST_LOG": "trace"}
    if way in ("creds", "jwt and seed"):
        nats = nats_server_factory(world.config)
        (tmp_path / "user.creds").write_text(world.creds)
        options = ConnectOptions((nats.url,), creds_file=str(tmp_path / "user.creds"))
        secret = world.user.seed
        environ |= (
            {"WADM_NATS_CREDS_FILE": str(tmp_path / "user.creds")}
            if way == "creds"
            else {"WADM_NATS_JWT": world.user_jwt, "WADM_NATS_NKEY": world.user.seed}
        )
    elif way == "token":
        nats = nats_server_factory(f'authorization {{ token: "{secret}" }}')
        options = ConnectOptions((nats.url.replace("//", f"//{secret}@"),))
    else:
        certificates = Certificates(tmp_path)
        nats = nats_server_factory(certificates.tls_config(verify=way == "mutual TLS"))
        certificate, key = certificates.client
        mutual = {"tls_cert_file": str(certificate), "tls_key_file": str(key)} if way == "mutual TLS" else {}
        options = ConnectOptions((nats.url,), tls_ca_file=str(certificates.ca), **mutual)
        environ["WADM_NATS_TLS_CA_FILE"] = str(certificates.ca)
        if mutual:
            environ |= {"WADM_NATS_TLS_CERT": str(certificate), "WADM_NATS_TLS_KEY": str(key)}
    stage = set_up(options.servers)
    await stage.start(options=options)
    await stage.serve("a", **environ)
    assert (await stage.ask("put", application("one")))["result"] == "created"
    await stage.deploy(["two"])
    await until(lambda: bool(stage.running()))
    assert secret not in stage.instances["a"].log()
