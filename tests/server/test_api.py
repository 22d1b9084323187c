"""Conversations with the API on a server in memory: what the recorded ones of the original do not cover."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.server.lab import Idle, Lab, component, in_virtual_time, manifest, settle, until
from wadm.errors import TimedOut, Unavailable
from wadm.server.settings import ApiSettings, Settings
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.wire import api


@pytest.fixture
async def lab() -> Lab:
    lab = Lab()
    await lab.server("one")
    return lab


async def events(lab: Lab, lattice: str = "default") -> list[tuple[str, Any]]:
    """Return type and data of what was told to other programs."""
    told = lab.client.history("wadm_events", [f"wadm.evt.{lattice}.>"])
    decoded = [json.loads(stored.data) async for stored in told]
    return [(event["type"].rpartition(".")[2], event["data"]) for event in decoded]


# -- put ------------------------------------------------------------------------------------


async def test_put_names_the_version_just_put(lab: Lab) -> None:
    await lab.put("shop", "v1")
    assert (await lab.put("shop", "v2"))["message"] == "Successfully put manifest shop v2"


async def test_a_manifest_without_a_version_is_given_a_ulid(lab: Lab) -> None:
    version = (await lab.put("shop", None))["current_version"]
    assert len(version) == 26
    assert (await lab.ask("get.shop"))["manifest"]["metadata"]["annotations"]["version"] == version


async def test_ulids_of_later_puts_sort_later(lab: Lab) -> None:
    versions = []
    for _ in range(3):
        versions.append((await lab.put("shop", None))["current_version"])
        await asyncio.sleep(0.002)
    assert versions == sorted(versions)


async def test_a_refused_manifest_is_answered_with_all_its_problems(lab: Lab) -> None:
    answer = await lab.put("shop", components=[component("a"), component("a"), component("b", image=None)])
    assert answer["result"] == "error"
    assert answer["message"] == "Duplicate component name in manifest: a"
    assert len(answer["problems"]) >= 2
    assert {"message", "path", "line"} <= answer["problems"][0].keys()


async def test_problems_are_told_up_to_a_bound(lab: Lab) -> None:
    answer = await lab.put("shop", components=[component("same") for _ in range(400)])
    assert len(answer["problems"]) == 100


async def test_a_put_is_stored_as_the_original_stores_it(lab: Lab) -> None:
    await lab.put("shop", "v1")
    await lab.put("cart", "v1")
    await settle(0.2)
    assert await lab.stored("default") == ["cart", "shop"]
    stored = await lab.stored("default-shop")
    assert list(stored) == ["manifests", "deployed_version"]
    assert list(stored["manifests"]) == ["v1"]
    assert stored["deployed_version"] is None


async def test_a_name_that_is_missing_in_the_list_is_put_there_by_any_put(lab: Lab) -> None:
    await lab.put("shop", "v1")
    await lab.client.bucket("wadm_manifests").put("default", b"[]")
    await settle()
    assert "already exists" in (await lab.put("shop", "v1"))["message"]
    await settle(0.2)
    assert await lab.stored("default") == ["shop"]


async def test_a_history_that_grows_too_long_loses_its_oldest_versions(lab: Lab) -> None:
    fat = {"description": "x" * 300_000}
    for version in ("v1", "v2", "v3"):
        await lab.put("shop", version, annotations=fat)
    await lab.ask("deploy.shop", {"version": "v2"})
    answer = await lab.put("shop", "v4", annotations=fat)
    assert answer["result"] == "newversion"
    assert 'dropping the oldest versions for lack of space: ["v1"]' in answer["message"]
    versions = (await lab.ask("versions.shop"))["versions"]
    assert [(one["version"], one["deployed"]) for one in versions] == [("v2", True), ("v3", False), ("v4", False)]


async def test_a_version_that_cannot_be_kept_beside_the_deployed_one_is_refused(lab: Lab) -> None:
    await lab.put("shop", "v1", annotations={"description": "x" * 600_000})
    await lab.ask("deploy.shop")
    answer = await lab.put("shop", "v2", annotations={"description": "x" * 600_000})
    assert answer["result"] == "error"
    assert "too large" in answer["message"]
    assert (await lab.ask("versions.shop"))["versions"] == [{"version": "v1", "deployed": True}]


async def test_many_puts_of_new_names_at_once_all_arrive_in_the_list(lab: Lab) -> None:
    names = sorted(f"app{number}" for number in range(100))
    answers = await asyncio.gather(*(lab.put(name) for name in names))
    assert {answer["result"] for answer in answers} == {"created"}
    await settle(0.2)
    assert await lab.stored("default") == names


# -- order and concurrency ------------------------------------------------------------------


async def test_requests_about_one_application_keep_their_order(lab: Lab) -> None:
    inbox: list[bytes] = []
    await lab.client.subscribe("_INBOX.me.*", lambda message: inbox.append(message.data))
    prefix = "wadm.api.default.model."
    lab.client.publish(prefix + "put", json.dumps(manifest("shop", "v1")).encode(), "_INBOX.me.1")
    lab.client.publish(prefix + "put", json.dumps(manifest("shop", "v2")).encode(), "_INBOX.me.2")
    lab.client.publish(prefix + "deploy.shop", b"", "_INBOX.me.3")
    lab.client.publish(prefix + "versions.shop", b"", "_INBOX.me.4")
    await settle()
    results = [json.loads(data) for data in inbox]
    assert [one["result"] for one in results] == ["created", "newversion", "acknowledged", "success"]
    assert results[2]["version"] == "v2"
    assert results[3]["versions"][1] == {"version": "v2", "deployed": True}


async def test_a_large_manifest_is_not_overtaken_by_what_its_sender_asks_next(lab: Lab) -> None:
    inbox: list[bytes] = []
    await lab.client.subscribe("_INBOX.me.*", lambda message: inbox.append(message.data))
    large = manifest("shop", "v1", annotations={"description": "x" * 100_000})
    lab.client.publish("wadm.api.default.model.put", json.dumps(large).encode(), "_INBOX.me.1")
    lab.client.publish("wadm.api.default.model.deploy.shop", b"", "_INBOX.me.2")
    await until(lambda: len(inbox) == 2)
    assert [json.loads(data)["result"] for data in inbox] == ["created", "acknowledged"]


async def test_a_request_without_reply_subject_is_carried_out(lab: Lab) -> None:
    lab.client.publish("wadm.api.default.model.put", json.dumps(manifest("shop")).encode())
    await settle()
    assert (await lab.ask("get.shop"))["result"] == "success"


class Slow(Network):
    """Takes its time for writes of one key."""

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(delay=1.0) if operation == "put" and target.endswith("default-slow") else None


async def test_one_slow_request_holds_up_nobody_else() -> None:
    lab = Lab(broker=MemoryBroker(network=Slow()))
    await lab.server("one")
    slow = asyncio.create_task(lab.put("slow"))
    async with asyncio.timeout(0.5):
        assert (await lab.put("quick"))["result"] == "created"
    assert (await slow)["result"] == "created"


# -- bad input ------------------------------------------------------------------------------


@pytest.mark.parametrize("operation", ["put", "get.a", "list", "get", "del.a", "deploy.a", "undeploy.a", "status.a"])
@pytest.mark.parametrize(
    "body", [b"\x00\xff", b"{", b"[" * 10_000, b"null", b'"', b"{}" * 3, b"\xef\xbb\xbf{}", b"&a [*a, *a]"]
)
async def test_every_request_is_answered(lab: Lab, operation: str, body: bytes) -> None:
    answer = json.loads(await lab.raw(f"default.model.{operation}", body))
    assert isinstance(answer, list) or "result" in answer


@pytest.mark.parametrize("lattice", ["a$b", "é", "a:b", "(", "x" * 200])
async def test_lattices_that_cannot_be_keys_have_no_applications(lab: Lab, lattice: str) -> None:
    assert (await lab.ask("get", lattice=lattice))["models"] == []
    assert (await lab.ask("get.shop", lattice=lattice))["result"] in ("error", "notfound")


async def test_nothing_is_put_or_deployed_in_a_lattice_that_no_host_can_be_in(lab: Lab) -> None:
    """Hosts keep links in a bucket called after the lattice, whose name has no slash."""
    reply = await lab.put("shop", lattice="a/b")
    assert reply["result"] == "error"
    assert reply["message"].startswith("Lattice a/b cannot have hosts, so nothing can run in it: ")


async def test_an_error_in_the_server_is_answered_too(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, unexpected_errors: list[dict[str, Any]]
) -> None:
    monkeypatch.setattr(api, "status_found", lambda *_: 1 / 0)
    assert await lab.ask("status.shop") == {"message": "Internal error", "result": "error"}
    assert [type(error["exception"]) for error in unexpected_errors] == [ZeroDivisionError]
    unexpected_errors.clear()


# -- storage away or damaged ----------------------------------------------------------------


class Away(Network):
    """Has the storage fail on demand."""

    def __init__(self) -> None:
        self.operations: set[str] = set()

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(before=Unavailable("away")) if client == "one" and operation in self.operations else None


@pytest.mark.parametrize(
    ("failing", "operation", "answer"),
    [
        ("put", "put", {"result": "error", "message": "Internal storage error"}),
        (
            "put",
            "deploy.shop",
            {"result": "error", "message": "Internal storage error", "name": "shop", "version": "v2"},
        ),
        ("put", "undeploy.shop", {"result": "error", "message": "Internal storage error", "name": "shop"}),
        ("purge", "del.shop", {"result": "error", "message": "Internal storage error when deleting application shop"}),
        (
            "put",
            "del.shop:v1",
            {"result": "error", "message": "Internal storage error when deleting v1 of application shop"},
        ),
        ("get", "get.unknown", {"result": "error", "message": "Internal storage error"}),
        (
            "get",
            "del.unknown",
            {
                "result": "error",
                "message": "Internal storage error while fetching manifest data for application unknown",
                "undeploy": False,
            },
        ),
    ],
)
async def test_what_cannot_be_stored_is_an_error(failing: str, operation: str, answer: dict[str, Any]) -> None:
    network = Away()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    await lab.put("shop", "v1")
    await lab.put("shop", "v2")
    await lab.ask("deploy.shop", {"version": "v1"})
    network.operations = {failing}
    operation, _, version = operation.partition(":")
    body = manifest("shop", "v3") if operation == "put" else {"version": version} if version else None
    said = await lab.ask(operation, body)
    assert answer.items() <= said.items()


async def test_nothing_is_told_of_a_deploy_that_was_not_stored() -> None:
    network = Away()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    await lab.put("shop")
    network.operations = {"put"}
    await lab.ask("deploy.shop")
    assert await events(lab) == []


async def test_one_damaged_entry_harms_only_itself(lab: Lab) -> None:
    bucket = lab.client.bucket("wadm_manifests")
    for key, value in (
        ("default-broken", b"{"),
        ("default-empty", b'{"manifests":{},"deployed_version":null}'),
        ("default-odd", b'{"manifests":{"v1":{"metadata":{"name":"odd"}}},"deployed_version":null}'),
        ("default-null", b"null"),
    ):
        await bucket.put(key, value)
    await settle()
    assert (await lab.put("shop"))["result"] == "created"
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"
    names = [one["name"] for one in (await lab.ask("get"))["models"]]
    assert "shop" in names
    assert "broken" not in names
    for name in ("broken", "empty", "odd", "null"):
        for operation in ("get", "deploy", "undeploy"):
            assert (await lab.ask(f"{operation}.{name}"))["message"] == "Internal storage error"
        before = await bucket.get(f"default-{name}")
        assert (await lab.put(name, "v2"))["message"] == "Internal storage error"
        assert await bucket.get(f"default-{name}") == before  # a history that only a newer release can read, say


# -- keys that run together (docs/compatibility.md#colliding-keys) --------------------------


async def test_lattices_and_applications_whose_keys_are_the_same_do_not_collide(lab: Lab) -> None:
    assert (await lab.put("foo", lattice="default"))["result"] == "created"
    assert (await lab.put("bar", lattice="default-foo"))["result"] == "created"
    assert (await lab.put("foo-bar", lattice="default"))["result"] == "created"
    assert (await lab.put("foo", "v2", lattice="default"))["result"] == "newversion"
    for lattice, names in (("default", ["foo", "foo-bar"]), ("default-foo", ["bar"])):
        assert [one["name"] for one in await lab.ask("list", lattice=lattice)] == names
        for name in names:
            assert (await lab.ask(f"get.{name}", lattice=lattice))["manifest"]["metadata"]["name"] == name


async def test_an_application_whose_key_is_a_list_of_names_is_stored_beside_it(lab: Lab) -> None:
    await lab.put("bar", lattice="default-foo")
    await settle(0.2)
    assert (await lab.put("foo", lattice="default"))["result"] == "created"
    assert await lab.stored("default-foo") == ["bar"]
    assert (await lab.ask("deploy.foo"))["result"] == "acknowledged"
    assert (await lab.ask("del.foo"))["result"] == "deleted"
    assert (await lab.ask("get.foo"))["result"] == "notfound"
    assert (await lab.ask("get.bar", lattice="default-foo"))["result"] == "success"


async def test_after_the_colliding_application_is_gone_its_key_can_be_used_again(lab: Lab) -> None:
    await lab.put("foo", lattice="default")
    await lab.ask("del.foo")
    assert (await lab.put("bar", lattice="default-foo"))["result"] == "created"
    await settle(0.2)
    assert await lab.stored("default-foo") == ["bar"]


# -- delete ---------------------------------------------------------------------------------


async def test_deleting_an_unknown_version_of_a_deployed_application_changes_nothing(lab: Lab) -> None:
    await lab.put("shop")
    await lab.ask("deploy.shop")
    before = await events(lab)
    answer = await lab.ask("del.shop", {"version": "v9"})
    assert answer == {"result": "noop", "message": "Application version v9 doesn't exist", "undeploy": False}
    assert await events(lab) == before
    assert (await lab.ask("versions.shop"))["versions"] == [{"version": "v1", "deployed": True}]


async def test_deleting_the_deployed_version_takes_the_application_down(lab: Lab) -> None:
    await lab.put("shop", "v1")
    await lab.put("shop", "v2")
    await lab.ask("deploy.shop", {"version": "v1"})
    assert (await lab.ask("del.shop", {"version": "v1"}))["undeploy"] is True
    assert (await events(lab))[-1] == ("manifest_unpublished", {"name": "shop"})
    assert (await lab.ask("versions.shop"))["versions"] == [{"version": "v2", "deployed": False}]


async def test_a_deleted_application_leaves_a_marker_and_no_name(lab: Lab) -> None:
    await lab.put("shop")
    await lab.ask("del.shop")
    await settle(0.2)
    assert await lab.stored("default") == []
    entry = await lab.client.bucket("wadm_manifests").get("default-shop")
    assert entry is not None
    assert entry.value is None
    assert (await lab.put("shop"))["result"] == "created"


# -- what others are told -------------------------------------------------------------------


async def test_deploy_and_undeploy_are_told_to_other_programs(lab: Lab) -> None:
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await lab.ask("undeploy.shop")
    await lab.ask("undeploy.shop")
    await lab.ask("del.unknown")
    told = await events(lab)
    assert [kind for kind, _ in told] == ["manifest_published"] + ["manifest_unpublished"] * 3
    assert told[0][1]["metadata"]["name"] == "shop"


async def test_a_deploy_tells_whose_generated_id_it_shares(lab: Lab) -> None:
    """The original compares explicit ids only, and its answer stays the same."""
    await lab.put("my-app", components=[component("api")])
    await lab.ask("deploy.my-app")
    await lab.put("my_app", components=[component("api")])
    reply = await lab.ask("deploy.my_app")
    assert reply["result"] == "acknowledged"
    assert [problem["message"] for problem in reply["problems"]] == [
        "api gets the id my_app-api, which application my-app has too: either may be reached"
    ]
    await lab.ask("undeploy.my-app")
    assert "problems" not in await lab.ask("deploy.my_app")
    await lab.put("third", components=[component("web", id="my_app-api")])
    assert len((await lab.ask("deploy.third"))["problems"]) == 1


async def test_undeploying_what_never_ran_says_that_it_is_undeployed(lab: Lab) -> None:
    """`wash app delete --all-undeployed` goes by the status."""
    lab.client.publish("wasmbus.evt.default.host_heartbeat", b"{}")
    await lab.put("shop")
    (listed,) = (await lab.ask("get"))["models"]
    assert listed["detailed_status"]["status"]["type"] == "waiting"
    await lab.ask("undeploy.shop")
    said = (await lab.ask("status.shop"))["status"]["status"]
    assert said == {"type": "undeployed", "message": "Manifest has been undeployed"}
    (listed,) = (await lab.ask("get"))["models"]
    assert listed["detailed_status"]["status"]["type"] == "undeployed"


async def test_of_what_never_ran_nothing_is_said_in_a_lattice_without_hosts(lab: Lab) -> None:
    await lab.put("shop")
    await lab.ask("undeploy.shop")
    (listed,) = (await lab.ask("get"))["models"]
    assert listed["detailed_status"]["status"]["type"] == "waiting"


async def test_the_owner_is_told_of_what_changes_for_it(lab: Lab) -> None:
    await lab.put("shop")
    await lab.ask("deploy.shop")
    await settle(0.3)
    owner: Idle = lab.owners["one", "default"]
    owner.noticed.clear()
    await lab.put("shop", "v2")
    assert owner.noticed == []
    await lab.ask("deploy.shop")
    await lab.ask("deploy.shop")
    await lab.ask("undeploy.shop")
    await settle()
    assert owner.noticed == ["shop", "shop", "shop"]


# -- several servers ------------------------------------------------------------------------


class Late(Network):
    """Lets watches of the second server lag."""

    def lag(self, client: str, stream: str) -> float:
        return 0.5 if client == "two" else 0.0


async def test_what_one_server_stored_another_one_knows() -> None:
    lab = Lab(broker=MemoryBroker(network=Late()))
    one = await lab.server("one")
    await one.api.stop()
    two = await lab.server("two")
    other = Lab(broker=lab.broker, settings=Settings(api=ApiSettings(prefix="other.api")))
    await other.server("three")

    async def first(operation: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        return json.loads((await lab.client.request(f"other.api.default.model.{operation}", data, 5)).data)

    assert (await first("put", manifest("shop", "v1")))["result"] == "created"
    assert (await lab.ask("get.shop"))["result"] == "success"
    assert (await first("put", manifest("shop", "v2")))["result"] == "newversion"
    assert (await lab.ask("get.shop", {"version": "v2"}))["result"] == "success"
    assert (await first("put", manifest("shop", "v3")))["result"] == "newversion"
    assert (await lab.ask("deploy.shop"))["version"] == "v3"
    assert (await lab.put("shop", "v3"))["message"] == "Manifest version v3 already exists"
    assert (await first("versions.shop"))["versions"][2] == {"version": "v3", "deployed": True}
    await two.stop()


async def test_two_servers_that_create_the_same_application_lose_nothing() -> None:
    lab = Lab()
    await lab.server("one")
    await lab.server("two")
    versions = [f"v{number}" for number in range(40)]
    answers = await asyncio.gather(*(lab.put("shop", version) for version in versions))
    assert sorted(answer["result"] for answer in answers) == ["created"] + ["newversion"] * 39
    stored = (await lab.ask("versions.shop"))["versions"]
    assert sorted(one["version"] for one in stored) == sorted(versions)


class NoAnswer(Network):
    on = False

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(after=TimedOut("no answer")) if self.on and operation == "put" else None


async def test_a_write_whose_answer_is_lost_can_be_asked_for_again() -> None:
    network = NoAnswer()
    lab = Lab(broker=MemoryBroker(network=network))
    await lab.server("one")
    network.on = True
    assert (await lab.put("shop"))["result"] == "created"
    network.on = False
    assert (await lab.put("shop"))["message"] == "Manifest version v1 already exists"
    assert (await lab.ask("deploy.shop"))["result"] == "acknowledged"


# -- multi-tenant mode ----------------------------------------------------------------------


async def test_accounts_have_applications_of_their_own() -> None:
    lab = Lab(Settings(api=ApiSettings(multitenant=True)))
    await lab.server("one")

    async def ask(account: str, operation: str, body: Any = None) -> Any:
        data = b"" if body is None else json.dumps(body).encode()
        subject = f"{account}.wadm.api.default.model.{operation}"
        return json.loads((await lab.client.request(subject, data, 5)).data)

    assert (await ask("ACME", "put", manifest("shop")))["result"] == "created"
    assert (await ask("OTHER", "get.shop"))["result"] == "notfound"
    await settle(0.2)
    assert await lab.stored("ACME-default") == ["shop"]
    assert (await lab.stored("ACME-default-shop"))["deployed_version"] is None
    assert (await ask("ACME", "deploy.shop"))["result"] == "acknowledged"
    await settle(0.3)
    assert list(lab.owners) == [("one", "ACME-default")]


# -- a flood --------------------------------------------------------------------------------


@in_virtual_time
async def test_a_flood_from_one_client_does_not_keep_another_waiting() -> None:
    lab = Lab()
    await lab.server("one")
    flooder = MemoryTransport(lab.broker, "flooder")
    answered: list[bytes] = []
    await flooder.subscribe("_INBOX.flood.*", lambda message: answered.append(message.data))
    body = json.dumps(manifest("shop", "v1")).encode()
    for number in range(8_000):
        flooder.publish("wadm.api.default.model.put", body, f"_INBOX.flood.{number}")
    began = asyncio.get_running_loop().time()
    assert (await lab.ask("get"))["result"] == "success"
    assert asyncio.get_running_loop().time() - began < 0.1
    await until(lambda: len(answered) == 8_000)
    assert any(b"is busy, try again" in data for data in answered)


@in_virtual_time
async def test_a_flood_with_new_inboxes_into_one_lattice_keeps_no_other_waiting() -> None:
    lab = Lab()
    server = await lab.server("one")
    await lab.put("shop", lattice="quiet")
    answered: list[bytes] = []
    await lab.client.subscribe("_INBOX.*", lambda message: answered.append(message.data))
    for number in range(22_000):
        lab.client.publish("wadm.api.loud.model.get", b"", f"_INBOX.{number + 1_000_000}")
    began = asyncio.get_running_loop().time()
    assert (await lab.ask("versions.shop", lattice="quiet"))["result"] == "success"
    assert asyncio.get_running_loop().time() - began < 0.1
    await until(lambda: len(answered) == 22_000)
    busy = sum(b"is busy, try again" in data for data in answered)
    assert 22_000 - 20_000 <= busy < 22_000
    assert server._metrics.refused == busy


@in_virtual_time
async def test_invented_lattices_keep_no_lattice_waiting_that_is_used() -> None:
    lab = Lab()
    server = await lab.server("one")
    await lab.put("shop", lattice="quiet")
    for number in range(5_000):
        lab.client.publish(f"wadm.api.invented-{number}.model.get", b"", "_INBOX.a.1")
    assert server.api._queue.lattices <= 257
    assert (await lab.ask("versions.shop", lattice="quiet"))["result"] == "success"
