"""On a real nats-server: who is answered, and that nobody borrows the server's rights by naming a reply subject."""

from __future__ import annotations

import asyncio
import json

from tests.conftest import NatsServerFactory
from tests.e2e.conftest import SetUp
from tests.e2e.stage import until
from tests.server.lab import manifest
from wadm.transport.base import Message
from wadm.transport.nats import ConnectOptions, NatsTransport, connect

ACCOUNTS = """
accounts {
  LATTICES {
    jetstream: enabled
    users: [
      {user: wadm, password: p}
      {user: ops, password: p, permissions: {publish: ["wadm.api.default.>"], subscribe: ["_INBOX_ops.>"]}}
      {user: dev, password: p, permissions: {publish: ["wadm.api.default.>"], subscribe: ["_INBOX_dev.>"]}}
      {user: reader, password: p, permissions: {publish: ["wadm.api.default.model.get"], subscribe: ["_INBOX.>"]}}
    ]
    exports: [{service: "wadm.api.>", accounts: [TEAM]}]
  }
  TEAM {
    users: [{user: team, password: p}]
    imports: [{service: {account: LATTICES, subject: "wadm.api.team.>"}, to: "deploy.team.>"}]
  }
}
"""
TARGETS = (
    "wadm.api.other.model.del.shop", "$KV.wadm_manifests.other-shop", "wasmbus.ctl.v1.other.host.stop.N",
    "wadm.cmd.other", "wadm.status.other.shop", "wadm.owner.other.plan", "wadm.evt.other.x", "wasmbus.evt.other.x",
    "$JS.API.STREAM.DELETE.KV_wadm_manifests", "alerts", "ACME.wasmbus.ctl.v1.other.host.ping",
)  # fmt: skip


async def test_replies_reach_inboxes_imports_and_permitted_prefixes_and_nothing_else(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    nats = nats_server_factory(ACCOUNTS)
    address = nats.url.partition("//")[2]

    async def user(name: str, prefix: str = "_INBOX") -> NatsTransport:
        return await connect(ConnectOptions((f"nats://{name}:p@{address}",), inbox_prefix=prefix))

    stage = set_up([f"nats://wadm:p@{address}"])
    await stage.start(hosts=1)
    await stage.serve("a", arguments=("--reply-prefix", "_INBOX_ops,_INBOX_dev"))
    everything = stage.client

    put = json.dumps(manifest("shop")).encode()
    for name, prefix, subject in (
        ("ops", "_INBOX_ops", "wadm.api.default.model.put"),
        ("dev", "_INBOX_dev", "wadm.api.default.model.get"),
        ("team", "_INBOX", "deploy.team.model.put"),
        ("wadm", "_INBOX", "wadm.api.other.model.put"),
    ):
        client = await user(name, prefix)
        answer = json.loads((await client.request(subject, put if subject.endswith("put") else b"", 5)).data)
        assert answer["result"] in ("created", "success"), (name, answer)
        await client.close()

    heard: list[Message] = []
    await everything.subscribe(">", heard.append)
    reader = await user("reader")
    for target in TARGETS:
        reader.publish("wadm.api.default.model.get", b"asked", target)
    assert json.loads((await reader.request("wadm.api.default.model.get", b"", 5)).data)["result"] == "success"
    await reader.close()
    await until(lambda: asyncio.sleep(0, sum(m.data == b"asked" for m in heard) == len(TARGETS)))
    assert not [m.subject for m in heard if m.subject in TARGETS]
    assert json.loads((await everything.request("wadm.api.other.model.get.shop", b"", 5)).data)["result"] == "success"
    log = stage.instances["a"].log()
    assert log.count("Refused a request for the subject that its answer was to go to") == 2, "one line a kind"


async def test_two_servers_ask_each_other_through_inboxes_of_their_own(
    nats_server_factory: NatsServerFactory, set_up: SetUp
) -> None:
    stage = set_up([nats_server_factory().url])
    await stage.start(hosts=1)
    await stage.serve("a", "b")
    await stage.deploy(["one"])
    await stage.until_whole(["one"])
    for _ in range(8):  # the queue group shares them out: some reach the server that does not own the lattice
        assert (await stage.ask("plan.one"))["result"] == "success"
