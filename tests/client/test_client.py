"""Requests go where they should, and what comes back is told in values or in sentences."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.client.servers import ScriptedServer
from tests.conftest import NatsServerFactory
from wadm.client import Client, Settings, connect
from wadm.client.connection import open_client
from wadm.errors import Misconfigured, NoResponders, TimedOut, Unavailable
from wadm.transport.base import Message

DEPLOYED = {"result": "acknowledged", "message": "", "name": "shop", "version": "v1"}
PUT = {"result": "created", "total_versions": 1, "current_version": "v1", "message": "", "name": "shop"}


async def test_a_version_goes_into_the_body_and_none_into_an_empty_one(client: Client, server: ScriptedServer) -> None:
    server.answers["deploy"] = DEPLOYED
    await client.deploy("shop")
    await client.deploy("shop", "v1")
    assert server.asked == [("deploy", "shop", b""), ("deploy", "shop", b'{"version":"v1"}')]


async def test_a_manifest_is_sent_as_written(client: Client, server: ScriptedServer, tmp_path: Path) -> None:
    server.answers["put"] = PUT
    written = b"apiVersion: core.oam.dev/v1beta1 # by hand\n"
    file = tmp_path / "wadm.yaml"
    file.write_bytes(written)
    await client.put(written)
    await client.put(file)
    assert server.asked == [("put", "", written)] * 2
    assert server.headers == [{}, {}]


async def test_what_is_no_manifest_is_refused_before_it_is_sent(client: Client) -> None:
    with pytest.raises(TypeError, match="not str"):
        await client.put("wadm.yaml")  # type: ignore[arg-type]


async def test_a_name_that_would_be_another_subject_is_refused(client: Client) -> None:
    with pytest.raises(ValueError, match="cannot be the name of an application"):
        await client.undeploy("a.b")


async def test_a_long_list_comes_in_pages(client: Client, server: ScriptedServer) -> None:
    def page(message: Message) -> dict[str, Any]:
        after = json.loads(message.data).get("after", "")
        names = [name for name in ("a", "b", "c", "d", "e") if name > after][:2]
        models = [{"name": n, "version": "1", "description": None, "deployed_version": None, "status": "undeployed",
                   "detailed_status": {"status": {"type": "undeployed"}}} for n in names]  # fmt: skip
        return {"result": "success", "models": models} | ({"next": names[-1]} if names[-1] != "e" else {})

    server.answers["get"] = page
    assert [one.name for one in await client.list()] == ["a", "b", "c", "d", "e"]
    assert [json.loads(data).get("after") for _, _, data in server.asked] == [None, "b", "d"]


async def test_no_server_in_the_lattice(client: Client, lattice: str) -> None:
    with pytest.raises(NoResponders, match=f"no wadm server serves lattice '{lattice}'"):
        await client.list()


async def test_a_server_that_does_not_answer(settings: Settings, server: ScriptedServer) -> None:
    server.answers["deploy"] = None
    impatient = Settings(servers=settings.servers, lattice=settings.lattice, timeout=0.05)
    client = await open_client(impatient)
    with pytest.raises(TimedOut, match=r"did not answer deploy within 0\.05 s \(it may still act on it\)"):
        await client.deploy("shop")
    await client.close()


async def test_nats_is_away() -> None:
    with pytest.raises(Unavailable, match="NATS"):
        await connect("nats://127.0.0.1:1")


async def test_a_key_without_its_certificate() -> None:
    with pytest.raises(Misconfigured, match="needs the certificate"):
        await connect("nats://127.0.0.1:1", tls_key="/k.pem")


async def test_user_and_password_are_used(nats_server_factory: NatsServerFactory) -> None:
    config = 'authorization { users: [ {user: "me", password: "p@ss:w/rd"} ] }'
    url = nats_server_factory(config, jetstream=False).url
    with pytest.raises(Misconfigured, match=r"(?i)authorization"):
        await connect(url)
    client = await connect(url, user="me", password="p@ss:w/rd")
    await client.close()


async def test_a_user_with_an_inbox_of_its_own(nats_server_factory: NatsServerFactory, tmp_path: Path) -> None:
    allowed = 'permissions: {subscribe: ["_INBOX_me.>"], publish: ["wadm.api.>"]}'
    config = f'authorization {{ users: [ {{user: "me", password: "p", {allowed}}} ] }}'
    url = nats_server_factory(config, jetstream=False).url
    mine = Settings(servers=(url,), user="me", password="p", inbox_prefix="_INBOX_me", timeout=5)
    client = await open_client(mine)
    with pytest.raises(NoResponders):  # an answer, and it came through
        await client.list()
    await client.close()


async def test_an_empty_lattice_has_no_hosts_and_nobody_to_ask(client: Client) -> None:
    assert await client.hosts() == ()
    assert await client.inventories() == ()
    with pytest.raises(NoResponders, match="no host answers"):
        await client.links()
