"""The whole server under the least permissions, by every way of signing in, and what it never tells."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import Stage, application, until
from tests.natsd import NatsServer
from tests.transport.identities import Certificates, KeyPair, OperatorWorld
from wadm.errors import WadmError
from wadm.server.access import ROLES, Permissions, Role, permissions
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

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


@pytest.mark.parametrize("way", ["nkey", "jwt"])
async def test_the_permissions_hold_however_one_signs_in(
    nats_server_factory: NatsServerFactory, set_up: SetUp, way: str
) -> None:
    """The roles of the table as users with an NKEY each, and as users with a JWT each of an operator's account."""
    sign_in: dict[Role, dict[str, str]] = {}
    host = Permissions((">",), (">",), allow_responses=False)
    may = {role: permissions(role, "*" if role == "server" else "default") for role in ROLES} | {"host": host}
    if way == "jwt":
        world = OperatorWorld()
        for role in ROLES:
            user, jwt = world.user_with(may[role])
            sign_in[role] = {"jwt": jwt, "seed": user.seed}
        config = world.config
    else:
        keys = {role: KeyPair("U") for role in ROLES}
        sign_in = {role: {"seed": key.seed} for role, key in keys.items()}
        users = ",".join(_nkey_user(keys[role].public, may[role]) for role in ROLES)
        password_user = _nkey_user("wadm", may["server"]).replace("nkey:", "password: p, user:")
        config = f"accounts {{ LATTICES {{ jetstream: enabled, users: [{users}, {password_user}] }} }}"
    nats = nats_server_factory(config)

    async def as_role(role: Role) -> NatsTransport:
        return await connect(ConnectOptions((nats.url,), **sign_in[role]))

    stage = set_up([nats.url])
    await stage.start(hosts=2, options=ConnectOptions((nats.url,), **sign_in["host"]))
    # The server signs in with a JWT and its seed, or with a password: a seed alone it does not take.
    arguments = () if way == "jwt" else ("--nats-user", "wadm", "--nats-password", "p")
    environ = (
        {"WADM_NATS_JWT": sign_in["server"]["jwt"], "WADM_NATS_NKEY": sign_in["server"]["seed"]} if way == "jwt" else {}
    )
    await stage.serve("a", arguments=arguments, **environ)
    hosts, stage.client = stage.client, await as_role("deployer")
    await stage.deploy(["one"])
    viewer = await as_role("viewer")
    assert json.loads((await viewer.request("wadm.api.default.model.get", b"", 5)).data)["result"] == "success"
    for client, subject in (
        (viewer, "wadm.api.default.model.del.one"),
        (viewer, "wadm.api.other.model.get"),
        (stage.client, "wadm.api.other.model.get"),
        (stage.client, "wasmbus.ctl.v1.default.host.ping"),
        (stage.client, "$KV.wadm_manifests.default-one"),
    ):
        with pytest.raises(WadmError):
            await client.request(subject, b"{}", 1)
    await stage.until_whole(["one"])
    assert (await stage.ask("undeploy.one"))["result"] == "acknowledged"
    await until(lambda: not stage.running())
    await viewer.close()
    await stage.client.close()
    stage.client = hosts
    assert len([line for line in nats.log.splitlines() if "Violation" in line]) == 5, nats.log


def _nkey_user(name: str, may: Permissions) -> str:
    allowed = f"publish: {json.dumps(may.publish)}, subscribe: {json.dumps(may.subscribe)}"
    responses = ", allow_responses: true" if may.allow_responses else ""
    return f"{{nkey: {name}, permissions: {{{allowed}{responses}}}}}"


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
