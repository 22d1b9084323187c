"""The stored applications: the view is what the bucket holds, whatever order things come in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.server.lab import in_virtual_time, manifest, settle
from wadm.engine import history
from wadm.errors import AlreadyExists, NotFound, OutcomeUnknown, TimedOut, Unavailable, Unreadable
from wadm.model.manifest import Application, Manifest
from wadm.server.application_codec import ApplicationCodec
from wadm.server.store import Store
from wadm.server.view import Garbled, LatticeRef, Marker, Names, StoredApplication, View, keys_of, slot_of
from wadm.transport.base import BucketSpec, Entry
from wadm.transport.memory import Fault, MemoryBroker, MemoryTransport, Network
from wadm.wire.manifests import encode_manifest, manifest_from_builtins
from wadm.wire.stored import decode_application, encode_application

BUCKET = "wadm_manifests"
HOME = LatticeRef("default")


def stored(name: str, *versions: str, deployed: str | None = None, **kwargs: Any) -> bytes:
    manifests = {version: manifest(name, version, **kwargs) for version in versions or ("v1",)}
    return json.dumps({"manifests": manifests, "deployed_version": deployed}).encode()


def a_manifest(name: str, version: str = "v1", **kwargs: Any) -> Manifest:
    return manifest_from_builtins(manifest(name, version, **kwargs))


def deploying(version: str | None) -> Callable[[Application | None], Application | None]:
    """Return what makes a version of an application the deployed one, ``None`` for none."""

    def change(application: Application | None) -> Application | None:
        assert application is not None
        return history.undeploy(application) if version is None else history.deploy(application, version)

    return change


# -- the view -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("default", b'["a"]', Names),
        ("default", b" []", Names),
        ("default-shop", stored("shop"), StoredApplication),
        ("default/shop", stored("shop"), StoredApplication),
        ("default-shop", stored("other"), Garbled),
        ("default-shop", None, Marker),
        ("default-shop", b"{", Garbled),
        ("default-shop", b"", Garbled),
        ("default-shop", b'{"manifests":{}}', Garbled),
        ("default-shop", b"\xff", Garbled),
        ("default-shop", b'{"manifests":{"v1":{"metadata":{"name":"shop"}}},"deployed_version":"v1"}', Garbled),
    ],
)
def test_what_is_stored_says_what_it_is(key: str, value: bytes | None, kind: type) -> None:
    assert isinstance(slot_of(Entry(key, value, 1)), kind)


@pytest.mark.parametrize(
    ("key", "name", "scope"),
    [
        ("default-foo-bar", "bar", "default-foo"),
        ("default-foo-bar", "foo-bar", "default"),
        ("default-foo/bar", "bar", "default-foo"),
        ("x/y-z", "y-z", "x"),
        ("x/y-z", "z", "x/y"),
    ],
)
def test_the_name_an_application_bears_says_whose_it_is(key: str, name: str, scope: str) -> None:
    slot = slot_of(Entry(key, stored(name), 1))
    assert isinstance(slot, StoredApplication)
    assert (slot.scope, slot.name) == (scope, name)


KEYS = [("l-a", "a"), ("l-b", "b"), ("l-b-c", "b-c"), ("l-b-c", "c"), ("l/b-c", "b-c"), ("m-a", "a")]
CHANGES = st.lists(
    st.tuples(st.sampled_from(KEYS), st.sampled_from(["value", "deployed", "same", "marker", "list", "garbled"])),
    max_size=30,
)


@given(CHANGES)
@settings(deadline=None)
def test_the_indexes_are_those_of_what_is_there(changes: list[tuple[tuple[str, str], str]]) -> None:
    """However it came about, the view answers as one that was only told how things are in the end."""
    view, last = View(), {}
    for revision, ((key, name), what) in enumerate(changes, 1):
        if what == "same" and key in last and isinstance(last[key], StoredApplication):
            slot = slot_of(Entry(key, last[key].value, revision))
        else:
            components = [{"name": "x", "type": "component", "properties": {"image": "i", "id": f"id-{name}"}}]
            value = {
                "value": stored(name, components=components),
                "deployed": stored(name, "v1", "v2", deployed="v1", components=components),
                "list": b"[]",
                "garbled": b"{",
            }.get(what)
            slot = slot_of(Entry(key, value, revision))
        view.put(key, slot)
        last[key] = slot
        if revision % 2:
            view.records(LatticeRef("l"))  # from then on, names are kept sorted
    fresh = View()
    for key, slot in sorted(last.items(), key=lambda item: item[1].revision):
        fresh.put(key, slot)
    for place in (LatticeRef("l"), LatticeRef("l-b"), LatticeRef("m")):
        records = fresh.records(place)
        assert view.records(place) == records
        assert view.count(place) == len(records)
        assert list(view.records_after(place, "b")) == [record for record in records if record.name > "b"]
        assert view.deployed(place) == fresh.deployed(place)
        for name in "abc":
            assert view.deployed_with_id(place, f"id-{name}") == fresh.deployed_with_id(place, f"id-{name}")
            assert view.evidence(place, name) == fresh.evidence(place, name)
    assert list(view.places()) == list(fresh.places())


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (None, stored("a"), False),
        (None, stored("a", deployed="v1"), True),
        (stored("a"), stored("a", "v1", "v2"), False),
        (stored("a", deployed="v1"), stored("a", "v1", "v2", deployed="v1"), False),
        (stored("a", "v1", "v2", deployed="v1"), stored("a", "v1", "v2", deployed="v2"), True),
        (stored("a", deployed="v1"), stored("a", deployed="v1"), True),
        (stored("a"), stored("a"), True),
        (stored("a", deployed="v1"), stored("a"), True),
        (stored("a", deployed="v1"), b"{", True),
        (stored("a"), None, False),
    ],
)
def test_the_owner_is_told_when_what_is_deployed_changes_or_the_same_is_written_once_more(
    before: bytes | None, after: bytes | None, told: bool
) -> None:
    view = View()
    view.put("l-a", slot_of(Entry("l-a", before, 1)))
    assert bool(view.put("l-a", slot_of(Entry("l-a", after, 2)))) is told


@pytest.mark.parametrize(
    ("value", "evidence"),
    [
        (stored("a", deployed="v1"), "deployed"),
        (stored("a"), "undeployed"),
        (None, "deleted"),
        (b"{", "unknown"),
        (b"[]", "unknown"),
        (stored("b"), "unknown"),
    ],
)
def test_evidence_of_what_became_of_an_application(value: bytes | None, evidence: str) -> None:
    view = View()
    view.put("default-a", slot_of(Entry("default-a", value, 1)))
    assert view.evidence(HOME, "a") == evidence
    assert view.evidence(HOME, "never") == "unknown"


def test_lattices_in_multi_tenant_mode_have_their_account() -> None:
    view = View(multitenant=True)
    view.put("ACME-my-lattice-a", slot_of(Entry("ACME-my-lattice-a", stored("a", deployed="v1"), 1)))
    assert list(view.places()) == [LatticeRef("my-lattice", "ACME")]
    assert [record.name for record in view.records(LatticeRef("my-lattice", "ACME"))] == ["a"]
    assert keys_of(LatticeRef("my-lattice", "ACME"), "a")[0] == "ACME-my-lattice-a"


# -- the store ------------------------------------------------------------------------------


async def a_store(broker: MemoryBroker | None = None, name: str = "one") -> Store:
    transport = MemoryTransport(broker or MemoryBroker(), name)
    await transport.ensure_bucket(BucketSpec(BUCKET))
    store = Store(transport.bucket(BUCKET), transport.max_payload)
    await store.start()
    return store


async def make_anew(transport: MemoryTransport) -> None:
    """Have the bucket lose everything, as by a restart of a NATS server that keeps it in memory."""
    await transport.delete_stream(f"KV_{BUCKET}")
    await transport.ensure_bucket(BucketSpec(BUCKET))


def adding(name: str, version: str) -> Any:
    return lambda application: history.put_version(application, a_manifest(name, version))


@in_virtual_time
async def test_a_change_is_decided_again_when_another_one_was_first() -> None:
    broker = MemoryBroker()
    one, two = await a_store(broker, "one"), await a_store(broker, "two")
    await one.change(HOME, "shop", adding("shop", "v1"))
    seen: list[list[str]] = []

    def add(application: Application | None) -> Application:
        seen.append(list(application.versions) if application else [])
        return history.put_version(application, a_manifest("shop", "v9"))

    await asyncio.gather(two.change(HOME, "shop", adding("shop", "v2")), one.change(HOME, "shop", add))
    record = await two.reload(HOME, "shop")
    assert record is not None
    assert sorted(record.glance.versions) == ["v1", "v2", "v9"]
    assert seen[-1] in (["v1"], ["v1", "v2"])


@in_virtual_time
async def test_a_write_that_was_done_unconfirmed_and_written_over_is_not_told_to_be_somebody_elses() -> None:
    """Another server writes on top of it before it is read back: what is there already is what was asked for."""

    class Unheard(Network):
        unheard = False

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            if not self.unheard or client != "one" or "default-shop" not in target:
                return None
            return Fault(after=TimedOut("no answer")) if operation == "put" else Fault(delay=5.0)

    network = Unheard()
    broker = MemoryBroker(network=network)
    one, two = await a_store(broker, "one"), await a_store(broker, "two")
    await one.change(HOME, "shop", adding("shop", "v1"))
    network.unheard = True
    put = asyncio.create_task(one.change(HOME, "shop", adding("shop", "v2")))
    await asyncio.sleep(1)
    await two.reload(HOME, "shop")
    await two.change(HOME, "shop", adding("shop", "v3"))
    with pytest.raises(OutcomeUnknown, match="somebody else has written default-shop since"):
        await put
    record = await one.reload(HOME, "shop")
    assert record is not None
    assert sorted(record.glance.versions) == ["v1", "v2", "v3"]


@in_virtual_time
async def test_not_found_is_believed_only_of_the_bucket() -> None:
    class Late(Network):
        def lag(self, client: str, stream: str) -> float:
            return 60.0 if client == "two" else 0.0

    broker = MemoryBroker(network=Late())
    one, two = await a_store(broker, "one"), await a_store(broker, "two")
    await one.change(HOME, "shop", adding("shop", "v1"))
    await two.reload(HOME, "shop")
    await one.change(HOME, "shop", adding("shop", "v2"))

    def deploy(application: Application | None) -> Application:
        if application is None:
            raise NotFound("shop")
        return history.deploy(application, "v2")

    record = await two.change(HOME, "shop", deploy)
    assert record is not None
    assert record.glance.deployed_version == "v2"


@in_virtual_time
async def test_that_nothing_has_to_be_written_is_believed_only_of_the_bucket_where_others_write() -> None:
    class Late(Network):
        def lag(self, client: str, stream: str) -> float:
            return 60.0 if client == "two" else 0.0

    broker = MemoryBroker(network=Late())
    one, two = await a_store(broker, "one"), await a_store(broker, "two")
    two.is_shared = lambda: True
    await one.change(HOME, "shop", adding("shop", "v1"))
    await two.reload(HOME, "shop")
    await one.change(HOME, "shop", lambda _application: None)

    def undeploy(application: Application | None) -> Application:
        if application is None:
            raise NotFound("shop")
        return application

    with pytest.raises(NotFound):
        await two.change(HOME, "shop", undeploy)


@in_virtual_time
async def test_what_stays_the_same_is_not_written() -> None:
    store = await a_store()
    first = await store.change(HOME, "shop", adding("shop", "v1"))
    again = await store.change(HOME, "shop", lambda application: application)
    assert again is first


@in_virtual_time
async def test_a_manifest_is_given_out_as_this_server_writes_it_whoever_stored_it() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    old = {**manifest("shop", "v1"), "unknown": True}
    value = json.dumps({"manifests": {"v1": old}, "deployed_version": None}).encode()
    await MemoryTransport(broker, "another").bucket(BUCKET).put("default-shop", value)
    record = await store.reload(HOME, "shop")
    assert record is not None
    told = store.codec.manifest_json(record, "v1")
    assert told == encode_manifest(a_manifest("shop", "v1"))
    record = await store.change(HOME, "shop", adding("shop", "v2"))
    assert record is not None
    assert store.codec.manifest_json(record, "v1") == told
    assert store.codec.manifest_json(record, "v2") == encode_manifest(a_manifest("shop", "v2"))


@in_virtual_time
async def test_deploying_writes_what_encoding_the_whole_application_would() -> None:
    store = await a_store()
    tricky = ',"deployed_version":"v1"}'
    versions = {version: a_manifest("shop", version, annotations={"a": tricky}) for version in ("v1", tricky)}
    await store.change(HOME, "shop", lambda _: Application("shop", versions))
    for version in ("v1", tricky, None, "v1"):
        record = await store.change(HOME, "shop", deploying(version))
        assert record is not None
        assert record.value == encode_application(store.codec.decode(record))
        assert decode_application("shop", record.value) == Application("shop", versions, version)


def test_what_is_being_written_need_not_be_read_again_when_the_watch_tells_of_it() -> None:
    codec = ApplicationCodec()
    ours = Application("shop", {"v1": a_manifest("shop")}, "v1")
    value, others = encode_application(ours), stored("shop", deployed="v1")
    told, told_of_others = (slot_of(Entry("default-shop", v, 7)) for v in (value, others))
    assert isinstance(told, StoredApplication)
    assert isinstance(told_of_others, StoredApplication)
    with codec.writing("default-shop", value, ours):
        assert codec.deployed_manifest(told) is ours.deployed
        assert codec.deployed_manifest(told_of_others) is not ours.deployed
        assert codec.deployed_manifest(told_of_others) == ours.deployed
    assert codec.deployed_manifest(told) is not ours.deployed


@in_virtual_time
async def test_deploying_what_another_server_has_stored_writes_it_as_this_one_does() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    value = json.dumps({"deployed_version": None, "manifests": {"v1": manifest("shop", "v1")}}).encode()
    await MemoryTransport(broker, "another").bucket(BUCKET).put("default-shop", value)
    await store.reload(HOME, "shop")
    record = await store.change(HOME, "shop", deploying("v1"))
    assert record is not None
    assert record.value == encode_application(store.codec.decode(record))
    assert record.glance.deployed_version == "v1"


@in_virtual_time
async def test_what_exists_already_stays_so() -> None:
    store = await a_store()
    await store.change(HOME, "shop", adding("shop", "v1"))
    with pytest.raises(AlreadyExists):
        await store.change(HOME, "shop", adding("shop", "v1"))


@in_virtual_time
@pytest.mark.parametrize("place", [LatticeRef("a b"), LatticeRef("é"), LatticeRef("a$")])
async def test_nothing_can_be_stored_under_what_is_no_key(place: LatticeRef) -> None:
    store = await a_store()
    with pytest.raises(Unreadable):
        await store.change(place, "shop", adding("shop", "v1"))
    with pytest.raises(Unreadable):
        await store.find(place, "shop")


@in_virtual_time
async def test_puts_of_many_new_names_share_few_writes_of_the_list() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    names = [f"app{number}" for number in range(200)]
    await asyncio.gather(*(store.change(HOME, name, adding(name, "v1")) for name in names))
    await settle()
    bucket = MemoryTransport(broker, "probe").bucket(BUCKET)
    entry = await bucket.get("default")
    assert entry is not None
    assert entry.value is not None
    assert json.loads(entry.value) == sorted(names)
    revision = await bucket.put("probe", b"")
    assert revision - 1 - len(names) < 5


@in_virtual_time
async def test_a_long_list_is_written_the_more_seldom_and_whole_in_the_end() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    bucket = MemoryTransport(broker, "probe").bucket(BUCKET)
    long = [f"other{number:06}" for number in range(20_000)]  # 280 KB: once a second at most
    revision = await bucket.put("default", json.dumps(long, separators=(",", ":")).encode())
    await settle()
    names = [f"app{number}" for number in range(100)]
    for name in names:
        await store.change(HOME, name, adding(name, "v1"))
        await asyncio.sleep(0.1)
    for name in names[:50]:
        await store.change(HOME, name, lambda _: None)
    await settle(5)
    entry = await bucket.get("default")
    assert entry is not None
    assert entry.value is not None
    assert json.loads(entry.value) == sorted(long + names[50:])
    writes = await bucket.put("probe", b"") - revision - 1 - 150
    assert 10 < writes < 15


@in_virtual_time
async def test_a_list_that_became_too_long_is_left_and_puts_go_on() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    store.limit = 1500
    names = [f"{'long' * 25}{number:02}" for number in range(20)]
    for name in names:
        await store.change(HOME, name, adding(name, "v1"))
    assert [record.name for record in store.view.records(HOME)] == names
    await settle()
    entry = await MemoryTransport(broker, "probe").bucket(BUCKET).get("default")
    assert entry is not None
    assert entry.value is not None
    assert len(json.loads(entry.value)) == 14


@in_virtual_time
async def test_a_bucket_that_a_restart_emptied_is_filled_again() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    changes: list[str] = []
    await store.change(HOME, "shop", adding("shop", "v1"))
    await store.change(HOME, "cart", adding("cart", "v1"))
    store.on_change = lambda lattice, account, name: changes.append(name)
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    await store.come_back(made=True, put_back=True)
    assert await transport.bucket(BUCKET).keys() == ["default", "default-cart", "default-shop"]
    assert [record.name for record in store.view.records(HOME)] == ["cart", "shop"]
    assert not changes
    record = await store.change(HOME, "shop", adding("shop", "v2"))
    assert record is not None


@in_virtual_time
async def test_what_was_deleted_is_deleted_though_a_restart_emptied_the_bucket() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    await store.change(HOME, "shop", adding("shop", "v1"))
    await store.change(HOME, "shop", lambda _: None)
    transport = MemoryTransport(broker, "probe")
    for _ in range(2):
        await make_anew(transport)
        await store.come_back(made=True, put_back=True)
        assert store.view.evidence(HOME, "shop") == "deleted"
        assert store.view.evidence(HOME, "never") == "unknown"
    await store.change(HOME, "shop", adding("shop", "v1"))
    assert store.view.evidence(HOME, "shop") == "undeployed"


@in_virtual_time
async def test_a_bucket_that_another_server_filled_again_is_recognised() -> None:
    broker = MemoryBroker()
    one, two = await a_store(broker, "one"), await a_store(broker, "two")
    for version in ("v1", "v2", "v3"):
        await one.change(HOME, "shop", adding("shop", version))
    await settle()
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    await one.come_back(made=True, put_back=True)
    await one.change(HOME, "shop", adding("shop", "v4"))
    await two.come_back(made=False, put_back=True)
    record = two.view.record(HOME, "shop")
    assert record is not None
    assert record.glance.versions == ("v1", "v2", "v3", "v4")
    await two.change(HOME, "shop", adding("shop", "v5"))


@in_virtual_time
async def test_what_was_put_anew_before_it_was_put_back_has_its_history_again() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    await store.change(HOME, "shop", lambda _: Application("shop", {"v1": a_manifest("shop", "v1")}, "v1"))
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    await transport.bucket(BUCKET).put("default-shop", stored("shop", "v2"))
    for _ in range(2):
        await store.come_back(made=True, put_back=True)
        record = store.view.record(HOME, "shop")
        assert record is not None
        application = store.codec.decode(record)
        assert (list(application.versions), application.deployed_version) == (["v1", "v2"], "v1")


@in_virtual_time
async def test_what_somebody_deleted_while_the_connection_was_away_does_not_come_back() -> None:
    """Only in another bucket are versions that are gone lost; in the same one somebody has deleted them."""
    broker = MemoryBroker()
    store, other = await a_store(broker), await a_store(broker, "other")
    await store.change(HOME, "shop", adding("shop", "v1"))
    await settle()
    assert store._watch is not None
    await store._watch.stop()  # it hears of nothing any more
    await other.change(HOME, "shop", lambda _: Application("shop", {"v2": a_manifest("shop", "v2")}))
    await other.change(HOME, "cart", adding("cart", "v1"))
    await store.come_back(made=False, put_back=True)
    record = store.view.record(HOME, "shop")
    assert record is not None
    assert record.glance.versions == ("v2",)


class RefusesThatShopIsPutBack(Network):
    """Refuses some puts of "shop" by the server "one"."""

    failures = 0

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        if client == "one" and operation == "put" and target.endswith("-shop") and self.failures:
            self.failures -= 1
            return Fault(before=Unavailable("away again"))
        return None


@in_virtual_time
async def test_what_is_put_anew_before_it_is_put_back_is_undeployed_by_nobody() -> None:
    network = RefusesThatShopIsPutBack()
    broker = MemoryBroker(network=network)
    store, changes = await a_store(broker), []
    await store.change(HOME, "shop", lambda _: Application("shop", {"v1": a_manifest("shop", "v1")}, "v1"))
    store.on_change = lambda lattice, account, name: changes.append(name)
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    network.failures = 1
    with pytest.raises(Unavailable):
        await store.come_back(made=True, put_back=True)
    await transport.bucket(BUCKET).put("default-shop", stored("shop", "v2"))
    await settle()
    assert store.view.evidence(HOME, "shop") == "unknown"
    await store.come_back(made=True, put_back=True)
    assert (store.view.evidence(HOME, "shop"), changes[-1]) == ("deployed", "shop")
    await store.change(HOME, "shop", lambda now: replace(now, deployed_version=None))
    assert store.view.evidence(HOME, "shop") == "undeployed"


@in_virtual_time
async def test_what_was_undeployed_while_the_connection_was_away_is_told_of_once_that_is_certain() -> None:
    """It is the same bucket: nothing was lost."""
    broker = MemoryBroker()
    store, other = await a_store(broker), await a_store(broker, "other")
    await store.change(HOME, "shop", lambda _: Application("shop", {"v1": a_manifest("shop", "v1")}, "v1"))
    await settle()
    assert store._watch is not None
    await store._watch.stop()  # it hears of nothing any more
    await other.change(HOME, "shop", adding("shop", "v2"))
    await other.change(HOME, "shop", lambda now: replace(now, deployed_version=None))
    await other.change(HOME, "cart", adding("cart", "v1"))
    changes: list[str] = []
    store.on_change = lambda lattice, account, name: changes.append(name)
    await store.come_back(made=False, put_back=True)
    assert (store.view.evidence(HOME, "shop"), changes) == ("undeployed", ["shop"])


@in_virtual_time
async def test_putting_back_can_be_interrupted() -> None:
    network = RefusesThatShopIsPutBack()
    broker = MemoryBroker(network=network)
    store = await a_store(broker)
    for name in ("cart", "shop", "user"):
        await store.change(HOME, name, adding(name, "v1"))
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    network.failures = 2
    for _ in range(2):
        with pytest.raises(Unavailable):
            await store.come_back(made=True, put_back=True)
    await store.come_back(made=True, put_back=True)
    assert [record.name for record in store.view.records(HOME)] == ["cart", "shop", "user"]


@in_virtual_time
async def test_a_bucket_that_somebody_deleted_stays_empty_and_nothing_is_forgotten() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    await store.change(HOME, "shop", adding("shop", "v1"))
    transport = MemoryTransport(broker, "probe")
    await make_anew(transport)
    await store.come_back(made=True, put_back=False)
    assert await transport.bucket(BUCKET).keys() == []
    (record,) = store.view.records(HOME)
    assert (record.name, record.missing) == ("shop", True)
    assert store.view.evidence(HOME, "shop") == "undeployed"
    assert "shop" in store.trouble()
    assert await store.store_again(HOME) == ("shop",)
    assert store.trouble() == ""


@in_virtual_time
async def test_a_marker_of_a_lifetime_that_ended_is_no_deletion() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    await store.change(HOME, "shop", adding("shop", "v1"))
    transport = MemoryTransport(broker, "nats")
    ended = {"Nats-Marker-Reason": "MaxAge", "Nats-Rollup": "sub"}
    await transport.append(f"$KV.{BUCKET}.default-shop", b"", ended)
    await settle()
    (record,) = store.view.records(HOME)
    assert record.missing
    assert store.view.evidence(HOME, "shop") == "undeployed"
    assert await store.store_again(HOME) == ("shop",)
    assert not store.view.records(HOME)[0].missing
    entry = await transport.bucket(BUCKET).get("default-shop")
    assert entry is not None
    assert entry.value == record.value


@in_virtual_time
async def test_doubts_are_worked_out_once_until_something_is_lost_or_found() -> None:
    """They are asked for before each command."""
    broker = MemoryBroker()
    store = await a_store(broker)
    for name in ("cart", "shop"):
        await store.change(HOME, name, adding(name, "v1"))
    none = store.doubts(HOME)
    assert none == {}
    await store.change(HOME, "cart", adding("cart", "v2"))
    assert store.doubts(HOME) is none
    await make_anew(MemoryTransport(broker, "probe"))
    await store.come_back(made=True, put_back=False)
    lost = store.doubts(HOME)
    assert lost.keys() == {"cart", "shop"}
    assert store.doubts(HOME) is lost
    store.is_gone = True
    assert store.doubts(HOME).keys() == lost.keys()
    assert store.doubts(HOME) != lost, "the reason is another"
    store.is_gone = False
    await store.store_again(HOME)
    assert store.doubts(HOME) == {}


@in_virtual_time
async def test_while_nothing_is_lost_coming_back_changes_nothing() -> None:
    store = await a_store()
    await store.change(HOME, "shop", adding("shop", "v1"))
    view = store.view
    await store.come_back(made=False, put_back=True)
    assert store.view is view


@in_virtual_time
async def test_a_failed_list_of_names_does_not_fail_a_put() -> None:
    class NoLists(Network):
        on = True

        def fault(self, client: str, operation: str, target: str) -> Fault | None:
            if self.on and operation == "put" and target == f"{BUCKET}/default":
                return Fault(before=Unavailable("away"))
            return None

    network = NoLists()
    broker = MemoryBroker(network=network)
    store = await a_store(broker)
    assert await store.change(HOME, "shop", adding("shop", "v1")) is not None
    await settle(5)
    network.on = False
    await settle(5)
    assert await MemoryTransport(broker, "probe").bucket(BUCKET).keys() == ["default", "default-shop"]


@in_virtual_time
async def test_a_list_that_a_process_died_before_writing_is_mended_by_the_next() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    await store.change(HOME, "shop", adding("shop", "v1"))
    await settle()
    bucket = MemoryTransport(broker, "probe").bucket(BUCKET)
    await bucket.put("default", b"[]")
    await a_store(broker, "next")
    await settle()
    entry = await bucket.get("default")
    assert entry is not None
    assert entry.value == b'["shop"]'


@in_virtual_time
async def test_a_store_that_is_stopped_has_written_its_lists() -> None:
    broker = MemoryBroker()
    store = await a_store(broker)
    for name in ("shop", "cart"):
        await store.change(HOME, name, adding(name, "v1"))
    await store.stop()
    entry = await MemoryTransport(broker, "probe").bucket(BUCKET).get("default")
    assert entry is not None
    assert entry.value == b'["cart","shop"]'
