"""Links: compared by content, put where they are absent or differ, one identity with several targets minded."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.builders import (
    a_component,
    a_config,
    a_host,
    a_lattice,
    a_link,
    a_provider,
    a_spread,
    an_app,
    an_external_config,
    asked,
    asks,
    commands,
    configs_of,
    link_scaler,
    linked,
    plan,
    providing,
    recorded,
    running,
)
from wadm.engine.expectations import Expectations
from wadm.engine.plan import OtherApplications, OwnedResources
from wadm.model.commands import PutLink, ScaleComponent
from wadm.model.lattice import Lattice, Link
from wadm.model.manifest import Manifest, Trait


def shop(*links: Trait, version: str = "v1") -> Manifest:
    return an_app("shop", a_component("web", links=links), a_provider("kv"), a_provider("kv2"), version=version)


APP = shop(a_link("kv", "store atomics", source_config=[a_config("s", k="v")], config=[a_config("t", k="v")]))
LINK = linked(APP)[0]
PUT_KV = "put link shop-web -(wasi:keyvalue)-> shop-kv (default)"
PUT_KV2 = "put link shop-web -(wasi:keyvalue)-> shop-kv2 (default)"
DELETE = "delete link shop-web -(wasi:keyvalue)-> (default)"


def all_running(app: Manifest, *links: Link) -> Lattice:
    host = a_host("h1", running(app, "web"), providing(app, "kv"), providing(app, "kv2"))
    return a_lattice(host, links=links, configs=configs_of(app))


def to(target: str, interfaces: str = "store", name: str = "default") -> Link:
    return Link("shop-web", target, name, "wasi", "keyvalue", tuple(interfaces.split()))


@pytest.mark.parametrize(
    ("there", "planned"),
    [
        pytest.param(
            [],
            "shop: reconciling Putting link definition between shop-web and shop-kv\n"
            f"  {PUT_KV}  because it is not in the lattice",
            id="absent",
        ),
        pytest.param([LINK], "shop: deployed", id="there"),
        pytest.param([replace(LINK, interfaces=("atomics", "store"))], "shop: deployed", id="interfaces in any order"),
        *(
            pytest.param(
                [different],
                "shop: reconciling Putting link definition between shop-web and shop-kv\n"
                f"  {DELETE}  because shop-kv takes no change of a link: it is deleted and put anew, "
                "which interrupts it for a moment",
                id=name,
            )
            for name, different in {
                "fewer interfaces": replace(LINK, interfaces=("store",)),
                "more interfaces": replace(LINK, interfaces=("store", "atomics", "batch")),
                "other source configuration": replace(LINK, source_config=()),
                "other target configuration": replace(LINK, target_config=("shop-t", "more")),
            }.items()
        ),
        *(
            pytest.param(
                [different],
                "shop: reconciling Putting link definition between shop-web and shop-kv\n"
                f"  {PUT_KV}  because it is not in the lattice",
                id=name,
            )
            for name, different in {
                "another name": replace(LINK, name="other"),
                "another package": replace(LINK, wit_package="blobstore"),
                "another target": replace(LINK, target="elsewhere"),
            }.items()
        ),
    ],
)
def test_links(there: list[Link], planned: str) -> None:
    assert str(plan(APP, all_running(APP, *there))) == planned


def test_what_is_put_is_what_the_manifest_says() -> None:
    [put] = commands(plan(APP, all_running(APP)))
    assert put == PutLink(
        "shop-web", "shop-kv", "default", "wasi", "keyvalue", ("store", "atomics"), "shop", ("shop-s",), ("shop-t",)
    )


# -- what a link waits for --------------------------------------------------------------------------


def test_a_link_waits_for_its_configuration() -> None:
    lattice = all_running(APP)
    lattice.set_config("shop-t", None)
    planned = plan(APP, lattice)
    assert asks(planned) == ["put configuration shop-t"]
    assert planned.status.scalers[1].explanation.waiting_for == "configuration shop-t to be in the lattice"


def test_a_link_whose_configuration_nobody_provides_says_so() -> None:
    app = shop(a_link("kv", config=[an_external_config("theirs")]))
    lattice = all_running(app)
    lattice.set_config("theirs", None)
    assert str(plan(app, lattice)) == "shop: failed Specified configuration theirs does not exist"


def test_before_the_links_are_known_they_are_asked_for() -> None:
    lattice = all_running(APP)
    lattice.certainty.links_read = False
    planned = plan(APP, lattice)
    assert asks(planned) == []
    assert planned.questions.links
    assert planned.status.scalers[1].explanation.waiting_for == "a host to say which links there are"


def test_a_refused_link_still_tells_why_while_it_waits_for_the_start_of_its_source() -> None:
    app = shop(a_link("kv"))
    lattice = a_lattice("h1")
    first = plan(app, lattice)
    in_flight = asked(*first.actions)
    [put] = [command for command in commands(first) if isinstance(command, PutLink)]
    in_flight.hold(put.key, "no such wit", 0.0)
    again = plan(app, lattice, in_flight=in_flight, now=100.0)
    for action in again.actions:
        in_flight.ask(action, 100.0)
    assert "put link" in asks(again)[0]
    assert any(isinstance(command, ScaleComponent) for command in commands(again))
    status = plan(app, lattice, in_flight=in_flight, now=100.0).status
    [link] = [scaler for scaler in status.scalers if "Link" in scaler.kind]
    assert (link.type, link.message) == ("failed", "no such wit")
    assert link.explanation.waiting_for == "shop-web to start"


def test_a_refusal_is_the_status_and_is_tried_again_later() -> None:
    lattice = all_running(APP, to("theirs"))
    in_flight = asked(*plan(APP, lattice).actions)
    in_flight.hold(("link", *LINK.key, "shop-kv"), "link already exists with different target", 1.0)
    assert str(plan(APP, lattice, in_flight=in_flight, now=1.0)) == (
        "shop: failed link already exists with different target"
    )
    assert asks(plan(APP, lattice, in_flight=in_flight, now=3.0)) == [PUT_KV]


# -- a link that changes ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("new", "steps"),
    [
        pytest.param(a_link("kv", "store batch"), [DELETE, PUT_KV], id="interfaces: deleted, then put"),
        pytest.param(a_link("kv", config=[a_config("t", k="v")]), [DELETE, PUT_KV], id="config: deleted, then put"),
        pytest.param(a_link("kv2"), [DELETE, PUT_KV2], id="target: deleted, then put"),
        pytest.param(
            a_link("kv", name="other"),
            [PUT_KV.replace("default", "other"), DELETE],
            id="name: put, then deleted",
        ),
        pytest.param(
            a_link("kv", of="wasi:blobstore"),
            ["put link shop-web -(wasi:blobstore)-> shop-kv (default)", DELETE],
            id="package: put and deleted",
        ),
        pytest.param(
            a_link("kv2", "batch"),
            [PUT_KV2, DELETE],
            id="target, nothing in common: put, then deleted",
        ),
    ],
)
def test_a_changed_link(new: Trait, steps: list[str]) -> None:
    before, after = shop(a_link("kv")), shop(new, version="v2")
    lattice = all_running(after, *linked(before))
    record = recorded(before)
    taken: list[str] = []
    for _ in range(5):
        planned = plan(after, lattice, record=record)
        record = planned.record
        taken += asks(planned)
        for command in commands(planned):
            if isinstance(command, PutLink):
                lattice.put_link(linked(after)[0])
            else:
                lattice.drop_link(linked(before)[0].key, "shop-kv")
    assert taken == steps
    assert str(plan(after, lattice, record=record)) == "shop: deployed"
    assert record == recorded(after)


def test_a_link_that_is_not_ours_is_not_deleted_though_it_is_in_the_way() -> None:
    assert asks(plan(APP, all_running(APP, to("theirs")))) == [PUT_KV]


def test_a_link_of_ours_that_another_application_wants_stays_though_it_is_in_the_way() -> None:
    before, after = shop(a_link("kv")), shop(a_link("kv2"), version="v2")
    needed = OtherApplications(lambda _: False, lambda _key, target: target == "shop-kv")
    planned = plan(after, all_running(after, *linked(before)), record=recorded(before), needed=needed)
    assert asks(planned) == [PUT_KV2], "the host refuses it, and the status will say so"


# -- several targets under one identity ---------------------------------------------------------------

TWO = shop(a_link("kv", "store"), a_link("kv2", "batch"))


def test_links_of_one_source_are_put_one_after_another() -> None:
    lattice = all_running(TWO)
    first = plan(TWO, lattice)
    assert asks(first) == [PUT_KV]
    in_flight = asked(*first.actions)
    assert asks(plan(TWO, lattice, in_flight=in_flight)) == []
    lattice.put_link(linked(TWO)[0])
    planned = plan(TWO, lattice, in_flight=in_flight)
    assert asks(planned) == [PUT_KV2]
    assert planned.settled == (("link", *linked(TWO)[0].key, "shop-kv"),)


def test_each_target_has_its_own_failures() -> None:
    lattice = all_running(TWO)
    in_flight = Expectations()
    now = 0.0
    for _ in range(4):
        planned = plan(TWO, lattice, in_flight=in_flight, now=now)
        for action in planned.actions:
            in_flight.ask(action, now)
            in_flight.hold(action.command.key, "no", now)
        second = plan(TWO, lattice, in_flight=in_flight, now=now)
        assert asks(second) == [PUT_KV2]
        for action in second.actions:
            in_flight.ask(action, now)
            in_flight.hold(action.command.key, "no", now)
        assert asks(plan(TWO, lattice, in_flight=in_flight, now=now)) == []
        now = max(pending.retry_at for pending in in_flight)
    assert now > 10, "the pauses grow"


def test_of_two_targets_the_one_that_is_not_wanted_goes() -> None:
    after = shop(a_link("kv2", "batch"), version="v2")
    lattice = all_running(after, *linked(TWO))
    planned = plan(after, lattice, record=recorded(TWO))
    assert asks(planned) == [DELETE]
    # The host deletes the first of the two. Had it been the wanted one, that is put again, then the rest goes.
    lattice.drop_link(LINK.key, "shop-kv2")
    planned = plan(after, lattice, record=planned.record)
    assert asks(planned) == [PUT_KV2]
    lattice.put_link(linked(after)[0])
    planned = plan(after, lattice, record=planned.record)
    assert asks(planned) == [DELETE]
    lattice.drop_link(LINK.key, "shop-kv")
    planned = plan(after, lattice, record=planned.record)
    assert str(planned) == "shop: deployed"
    assert planned.record == recorded(after)


def test_one_link_wanted_by_two_scalers_is_put_once() -> None:
    app = shop(a_link("kv", "store"), a_link("kv", "batch"))
    planned = plan(app, all_running(app))
    assert asks(planned) == [PUT_KV]
    assert [s.type for s in planned.status.scalers[1:3]] == ["reconciling"] * 2
    assert link_scaler(app, 0).link == link_scaler(app, 1).link


def test_a_link_that_is_being_deleted_is_put_again_when_that_is_done() -> None:
    lattice = all_running(APP, LINK)
    in_flight = asked(*plan("shop", lattice, record=recorded(APP)).actions)
    changed = shop(a_link("kv", "store"), version="v2")
    waiting = plan(changed, lattice, in_flight=in_flight, record=recorded(APP))
    assert PUT_KV not in asks(waiting)
    assert ("link", *LINK.key) not in waiting.settled
    in_flight.settle([("link", *LINK.key)])
    lattice.drop_link(LINK.key)
    assert PUT_KV in asks(plan(changed, lattice, in_flight=in_flight, record=recorded(APP)))


def test_links_are_recorded_before_they_are_put() -> None:
    assert plan(APP, all_running(APP)).record == OwnedResources(
        frozenset({(LINK.key, "shop-kv")}), frozenset({"shop-s", "shop-t"})
    )


# -- what does not wait for a link ------------------------------------------------------------------


def test_a_provider_is_started_on_a_further_host_though_a_link_waits_for_the_first_start_of_its_source() -> None:
    web = a_component("web", links=[a_link("kv")], config=[an_external_config("theirs")])
    app = an_app("shop", web, a_provider("kv", 2))
    runs = providing(app, "kv")
    waiting = a_lattice(a_host("h1", runs), "h2", configs={"theirs": None})
    assert asks(plan(app, waiting)) == ["start shop-kv on h2 (x/kv:1)"]
    ready = a_lattice(a_host("h1", runs), "h2", configs={"theirs": {}})
    first = plan(app, ready)
    assert asks(first) == ["scale shop-web to 1 on h1 (x/web:1)", "start shop-kv on h2 (x/kv:1)"]
    assert asks(plan(app, ready, in_flight=asked(*first.actions))) == [], "nothing is left for the next plan"


def test_a_provider_waits_for_its_link_where_there_is_no_host_for_the_source() -> None:
    web = a_component("web", 1, a_spread("far", zone="far"), links=[a_link("kv")])
    app = an_app("shop", web, a_provider("kv", 2))
    lattice = a_lattice(a_host("h1", providing(app, "kv")), "h2")
    assert asks(plan(app, lattice)) == [PUT_KV]


def test_a_link_that_another_one_keeps_out_names_it_also_while_links_are_read_again() -> None:
    app = shop(a_link("kv"))
    lattice = a_lattice("h1")
    [put] = [command for command in commands(plan(app, lattice)) if isinstance(command, PutLink)]
    lattice.put_link(replace(put.link, target="elsewhere"), 0.0)
    in_flight = asked(*plan(app, lattice).actions)
    in_flight.hold(put.key, "link already exists", 0.0)
    for known in (True, False):
        if not known:
            lattice.certainty.links_read = False
        assert lattice.certainty.knows_link(put.link_key) is known
        status = plan(app, lattice, in_flight=in_flight, now=100.0).status
        [link] = [scaler for scaler in status.scalers if "Link" in scaler.kind]
        assert link.explanation.waiting_for == "another's link shop-web -(wasi:keyvalue)-> elsewhere to go"
