"""Nobody has the server publish with its rights to a subject of their choice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.lab import Lab, component, in_virtual_time, manifest, settle
from tests.wire.test_reply_subjects import LISTENED_TO
from wadm.metrics import exposition
from wadm.model.manifest import Problem
from wadm.server.settings import ApiSettings, Settings
from wadm.transport.base import Message
from wadm.wire import api
from wadm.wire.reply_subjects import SERVER_INBOX

HOSTILE = [*LISTENED_TO, f"{SERVER_INBOX}.x.1", "alerts", "_INBOX.*", "_INBOX..a", "_INBOX." + "x" * 4000]
OPERATIONS = ("get", "list", "put", "plan", "nonsense", "del.shop", "deploy.shop", "status.shop", "explain.shop")


@in_virtual_time
async def test_nothing_arrives_at_a_reply_subject_that_is_no_inbox() -> None:
    lab, heard = Lab(), []
    server = await lab.server("one")
    await lab.put("shop")

    def hear(message: Message) -> None:
        if message.data != b"request":
            heard.append(message.subject)

    await lab.client.subscribe(">", hear)
    for reply in HOSTILE:
        for operation in OPERATIONS:
            lab.client.publish(f"wadm.api.default.model.{operation}", b"request", reply)
    await asyncio.sleep(5)
    assert set(heard) & set(HOSTILE) == set()
    metrics = exposition("", server.metrics)[0].decode()
    assert 'wadm_api_reply_subjects_refused_total{reason="reserved"}' in metrics
    refused = sum(server._metrics.replies_refused.values())
    assert refused == len(HOSTILE) * len(OPERATIONS)


@in_virtual_time
async def test_a_request_that_cannot_be_answered_there_does_nothing() -> None:
    lab = Lab()
    await lab.server("one")
    await lab.put("shop")
    lab.client.publish("wadm.api.default.model.del.shop", b"", "wadm.api.other.model.get")
    await settle()
    assert (await lab.ask("versions.shop"))["result"] == "success"


@in_virtual_time
async def test_a_request_without_a_reply_subject_is_carried_out_as_before() -> None:
    lab = Lab()
    await lab.server("one")
    await lab.put("shop")
    lab.client.publish("wadm.api.default.model.del.shop", b"")
    await settle()
    assert (await lab.ask("versions.shop"))["result"] == "notfound"


@in_virtual_time
async def test_a_permitted_prefix_is_answered() -> None:
    lab, heard = Lab(Settings(api=ApiSettings(reply_prefixes=("_INBOX_ops",)))), []
    await lab.server("one")
    await lab.client.subscribe("_INBOX_ops.>", heard.append)
    await lab.client.subscribe("_INBOX_dev.>", heard.append)
    lab.client.publish("wadm.api.default.model.get", b"", "_INBOX_ops.a.1")
    lab.client.publish("wadm.api.default.model.get", b"", "_INBOX_dev.a.1")
    await settle()
    assert [message.subject for message in heard] == ["_INBOX_ops.a.1"]


# -- what does not fit into a message ---------------------------------------------------------


@in_virtual_time
async def test_a_put_with_more_warnings_than_a_message_holds_is_told_as_stored() -> None:
    lab = Lab()
    await lab.server("one")
    bare = {"name": "", "type": "component", "properties": {"image": "registry.example/api:1"}}
    parts = [{**bare, "name": f"part-{number}"} for number in range(8_000)]
    answer = await lab.ask("put", manifest("shop", "v1", parts))
    assert answer["result"] == "created"
    assert len(answer["problems"]) == api.PROBLEMS_TOLD
    assert answer["problems"][0]["code"] == "W046"  # more components than are planned
    assert answer["problems"][-1]["message"] == f"and {8_001 - api.PROBLEMS_TOLD + 1} more"


@in_virtual_time
async def test_a_put_is_told_as_stored_however_long_its_version_is_called() -> None:
    lab = Lab()
    await lab.server("one")
    answer = await lab.ask("put", manifest("shop", "v" * 300_000))
    assert answer["result"] == "created"
    answer = await lab.ask("deploy.shop")
    assert answer["result"] == "acknowledged"
    assert (await lab.ask("versions.shop"))["versions"][0]["deployed"]


def test_a_reply_is_shortened_without_becoming_another_one() -> None:
    long = "x" * 3_000_000
    done: Any = json.loads(api.shortened(api.put_done("shop", long, 2, [long], [Problem(long)]), "too large"))
    assert (done["result"], done["total_versions"], done["name"]) == ("newversion", 2, "shop")
    assert len(json.dumps(done)) < 10_000
    assert api.decode_answer(api.PutReply, json.dumps(done).encode()).result == "newversion"
    deleted: Any = json.loads(api.shortened(api.deleted_version("shop", long, undeploy=True), "too large"))
    assert (deleted["result"], deleted["undeploy"]) == ("deleted", True)


def test_what_was_only_to_be_told_is_an_error_where_it_does_not_fit() -> None:
    told = json.loads(api.shortened(api.listed_legacy([]), "2 bytes for x"))
    assert told == {"message": "The reply is too large: 2 bytes for x", "result": "error"}


@pytest.mark.parametrize("body", [b"v" * 900_000, b"- " + b"v" * 900_000, b'["' + b"v" * 900_000 + b'"]'])
@in_virtual_time
async def test_an_error_never_repeats_more_than_a_little_of_what_was_sent(body: bytes) -> None:
    lab = Lab()
    await lab.server("one")
    await lab.put("shop", components=[component("a")])
    for operation in ("get.shop", "deploy.shop", "del.shop", "undeploy.shop", "put", "plan"):
        answer = await lab.raw(f"default.model.{operation}", body)
        assert json.loads(answer)["result"] == "error"
        assert len(answer) < 20_000, operation
