"""Make before break: what serves is stopped only as its replacement runs."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.builders import (
    a_component,
    a_host,
    a_lattice,
    a_provider,
    a_spread,
    an_app,
    asked,
    asks,
    commands,
    join,
    plan,
    providing,
    running,
    workload,
)
from wadm.engine.command_kind import PATIENCE_UPDATE
from wadm.engine.placing.assign import Placement
from wadm.engine.replacement import Tally, may_stop
from wadm.model.commands import ScaleComponent
from wadm.model.lattice import Component, Entity, Lattice
from wadm.model.manifest import Manifest, Spread
from wadm.model.names import SCALER, SPREAD

# -- the rule ---------------------------------------------------------------------------------------

MOVED = an_app("shop", a_component("web", 6, a_spread("one", 50, zone="a"), a_spread("two", 50, zone="b")))


def outside(share: str, *counts: int) -> dict[str, Entity]:
    """What runs of a share on hosts that it is not placed on any more, called after the share."""
    web = running(MOVED, "web", share=share)
    return {f"{share}{number}": replace(web, count=count) for number, count in enumerate(counts, 1)}


@pytest.mark.parametrize(
    ("there", "runs", "lacks", "goes"),
    [
        pytest.param(outside("one", 3, 3), {"one": 3}, {}, ["one1", "one2"], id="nothing lacks: all goes"),
        pytest.param(outside("one", 3, 3), {}, {"one": 3}, [], id="nothing runs yet: all stays"),
        pytest.param(outside("one", 3, 3), {"one": 1}, {"one": 2}, ["one2"], id="as many stay as are lacking"),
        pytest.param(outside("one", 1, 3), {"one": 1}, {"one": 3}, ["one1"], id="on as few hosts as will do"),
        pytest.param(
            outside("one", 3) | outside("two", 3),
            {"one": 3},
            {"two": 3},
            ["one1"],
            id="each share waits for itself alone",
        ),
        pytest.param(
            outside("gone", 3, 3), {"one": 3}, {"two": 3}, ["gone2"], id="a share that is no more waits for all"
        ),
        pytest.param(outside("gone", 3), {}, {"one": 3, "two": 3}, [], id="the same while nothing runs"),
    ],
)
def test_the_rule(there: dict[str, Entity], runs: dict[str, int], lacks: dict[str, int], goes: list[str]) -> None:
    assert sorted(may_stop(there, workload(MOVED, "web"), Placement({}), Tally(runs, lacks))) == goes


def test_where_shares_live_together_they_are_counted_together() -> None:
    crowded = Placement({}, crowded=True)
    tally = Tally({"one": 3}, {"one": 3})
    assert may_stop(outside("two", 3), workload(MOVED, "web"), crowded, tally) == frozenset()
    assert may_stop(outside("two", 3), workload(MOVED, "web"), Placement({}), tally) == {"two1"}


def test_of_a_daemon_nothing_goes_while_its_share_lacks_a_host() -> None:
    """It wants its number on each host, so two that run are no measure for three that ran elsewhere."""
    daemon = workload(an_app("shop", a_component("web", 1, a_spread("one"), daemon=True)), "web")
    there = outside("one", 1, 1, 1)
    assert may_stop(there, daemon, Placement({}), Tally({"one": 2}, {"one": 1})) == frozenset()
    assert may_stop(there, daemon, Placement({}), Tally({"one": 3}, {"one": 0})) == there.keys()


# -- a version that no host is there for --------------------------------------------------------------


def west(*spreads: Spread, image: str = "x/web:1", version: str = "v1", daemon: bool = False) -> Manifest:
    return an_app("shop", a_component("web", 4, *spreads, image=image, daemon=daemon), version=version)


WEST = west(a_spread("default", zone="west"))
MOON = west(a_spread("default", zone="moon"), version="v2")


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(MOON, id="the requirement has moved"),
        pytest.param(west(a_spread("default", zone="moon"), image="x/web:2"), id="and the image is another"),
        pytest.param(west(a_spread("moon", zone="moon")), id="the spread has another name"),
        pytest.param(west(a_spread("a", zone="moon"), a_spread("b", disk="fast")), id="several spreads"),
        pytest.param(west(a_spread("default", zone="moon"), daemon=True), id="a daemon"),
    ],
)
def test_a_version_that_no_host_is_there_for_leaves_the_old_one_serving(wanted: Manifest) -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"), a_host("h2", zone="west"))
    for now in (0.0, 100.0, 100_000.0):
        planned = plan(wanted, lattice, now=now)
        assert (asks(planned), planned.status.type) == ([], "failed")
        [status] = planned.status.scalers
        assert status.explanation.waiting_for.startswith("a host with")
        assert status.explanation.next.endswith("until then x/web:1 goes on running on h1")


def test_as_soon_as_a_host_comes_the_old_one_is_replaced() -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"))
    join(lattice, a_host("h2", zone="moon"))
    assert asks(plan(MOON, lattice, now=60.0)) == ["scale shop-web to 4 on h2 (x/web:1)"]
    lattice.put("h2", running(MOON, "web"))
    assert asks(plan(MOON, lattice, now=60.0)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_undeploying_removes_what_goes_on_too() -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"))
    assert asks(plan("shop", lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_wanting_none_needs_no_replacement() -> None:
    none = an_app("shop", a_component("web", 0, a_spread("default", zone="moon")))
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"))
    assert asks(plan(none, lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_a_share_of_which_none_is_wanted_any_more_waits_for_the_others() -> None:
    """What served for it is to be replaced by what serves for them."""
    spreads = (a_spread("a", 0, zone="west"), a_spread("moon", 100, zone="moon"))
    app = an_app("shop", a_component("web", 4, *spreads))
    lattice = a_lattice(a_host("h1", running(app, "web", 4, "a"), zone="west"))
    assert asks(plan(app, lattice)) == []
    join(lattice, a_host("h2", zone="moon"))
    assert asks(plan(app, lattice, now=60.0)) == ["scale shop-web to 4 on h2 (x/web:1)"]
    lattice.put("h2", running(app, "web", 4, "moon"))
    assert asks(plan(app, lattice, now=60.0)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_a_share_that_never_finds_a_host_does_not_keep_the_others_from_moving() -> None:
    app = an_app("shop", a_component("web", 10, a_spread("a", 80, zone="a"), a_spread("moon", 20, zone="moon")))
    old, new = running(app, "web", 8, "a"), running(app, "web", 8, "a")
    lattice = a_lattice(a_host("h1", old, zone="b"), a_host("h2", new, zone="a"))
    assert asks(plan(app, lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_what_serves_for_a_share_without_a_host_keeps_its_number_and_gets_the_new_configuration() -> None:
    """Of ten that ran for all, eight are placed in zone a and two have no host: ten go on."""
    old = an_app("shop", a_component("web", 10), version="v1")
    spreads = (a_spread("a", 80, zone="a"), a_spread("moon", 20, zone="moon"))
    new = an_app("shop", a_component("web", 10, *spreads, image="x/web:2"), version="v2")
    lattice = a_lattice(a_host("h1", replace(running(old, "web"), image="x/web:2"), zone="a"))
    [scale] = commands(plan(new, lattice))
    assert isinstance(scale, ScaleComponent)
    assert (scale.count, scale.annotations[SPREAD]) == (10, "default")
    assert scale.annotations[SCALER] == workload(new, "web").id
    lattice.put("h1", Component("shop-web", "x/web:2", 10, scale.annotations))
    assert asks(plan(new, lattice)) == []

    join(lattice, a_host("h2", running(new, "web", 2, "moon"), zone="moon"))
    assert asks(plan(new, lattice)) == ["scale shop-web to 8 on h1 (x/web:2)"]


# -- a version whose image does not come to run -------------------------------------------------------


def test_what_a_host_does_not_update_goes_on_and_the_status_says_where_to_look() -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"))
    new = west(a_spread("default", zone="west"), image="x/none:2", version="v2")
    in_flight = asked(*plan(new, lattice).actions)
    in_flight.due(PATIENCE_UPDATE, lattice)
    planned = plan(new, lattice, in_flight=in_flight, now=PATIENCE_UPDATE)
    assert str(planned) == ("shop: failed h1 still runs x/web:1 15 s after it was asked for x/none:2; its log says why")
    [status] = planned.status.scalers
    assert status.explanation.next == (
        "asks again after a pause that grows with each failure; until then x/web:1 goes on running on h1"
    )


def test_going_back_does_not_blame_the_image_it_goes_back_to() -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"))
    new = west(a_spread("default", zone="west"), image="x/none:2", version="v2")
    in_flight = asked(*plan(new, lattice).actions)
    in_flight.due(PATIENCE_UPDATE, lattice)
    later = PATIENCE_UPDATE + 3
    [again] = plan(new, lattice, in_flight=in_flight, now=later).actions
    in_flight.ask(again, later)
    back = plan(WEST, lattice, in_flight=in_flight, now=later)
    [status] = back.status.scalers
    assert (status.type, status.explanation.last_error, asks(back)) == ("reconciling", "", [])
    assert status.explanation.waiting_for == (
        "the end of what an earlier version asked for: update shop-web on h1 to x/none:2"
    )
    assert status.explanation.next_try == later + PATIENCE_UPDATE
    over = later + PATIENCE_UPDATE
    in_flight.due(over, lattice)
    assert str(plan(WEST, lattice, in_flight=in_flight, now=over)) == "shop: deployed"


def test_a_host_that_refuses_the_replacement_leaves_the_old_one_serving() -> None:
    lattice = a_lattice(a_host("h1", running(WEST, "web"), zone="west"), a_host("h2", zone="moon"))
    in_flight = asked(*plan(MOON, lattice).actions)
    in_flight.hold(("component", "h2", "shop-web"), "policy says no", 1.0)
    planned = plan(MOON, lattice, in_flight=in_flight, now=1.0)
    assert str(planned) == "shop: failed policy says no"
    assert "until then x/web:1 goes on running on h1" in planned.status.scalers[0].explanation.next


def test_what_runs_elsewhere_stays_while_the_host_in_its_place_goes_on_in_an_earlier_version() -> None:
    """Two hosts ran it, one is to: which of the two serves better, the old one or the one that does not update, nobody
    knows."""
    old = an_app("shop", a_component("web", 4, a_spread("one"), a_spread("two")))
    new = an_app("shop", a_component("web", 4, image="x/web:2"), version="v2")
    lattice = a_lattice(a_host("h1", running(old, "web", 2, "one")), a_host("h2", running(old, "web", 2, "two")))
    assert asks(plan(new, lattice)) == ["update shop-web on h1 to x/web:2"]
    lattice.put("h1", running(new, "web"))
    assert asks(plan(new, lattice)) == ["scale shop-web to 0 on h2 (x/web:1)"]


# -- providers that move ------------------------------------------------------------------------------


def three_in_the_west(*in_the_east: bool) -> tuple[Manifest, Lattice]:
    """A provider that ran on three hosts in the west and is to run on three in the east, where it runs on some."""
    before = an_app("store", a_provider("kv", 3, a_spread("default", zone="west")))
    after = an_app("store", a_provider("kv", 3, a_spread("default", zone="east")), version="v2")
    lattice = a_lattice(*(a_host(f"w{n}", providing(before, "kv"), zone="west") for n in (1, 2, 3)))
    for number, runs in enumerate(in_the_east, 1):
        join(lattice, a_host(f"e{number}", *([providing(after, "kv")] if runs else []), zone="east"))
    return after, lattice


def test_providers_are_stopped_only_as_others_run_in_their_place() -> None:
    for east, stops in (
        ((), []),
        ((False, False), []),
        ((True, False), ["stop store-kv on w3"]),
        ((True, True), ["stop store-kv on w2", "stop store-kv on w3"]),
        ((True, True, True), ["stop store-kv on w1", "stop store-kv on w2", "stop store-kv on w3"]),
    ):
        after, lattice = three_in_the_west(*east)
        assert [ask for ask in asks(plan(after, lattice, now=60.0)) if ask.startswith("stop")] == stops


def test_what_runs_on_a_silent_host_is_no_replacement() -> None:
    after, lattice = three_in_the_west(True, True, True)
    lattice.certainty.silent["e1"] = 0.0
    assert asks(plan(after, lattice)) == ["stop store-kv on w2", "stop store-kv on w3"]


def test_an_ill_provider_is_no_replacement() -> None:
    after, lattice = three_in_the_west(True, True, True)
    lattice.set_health("e1", "store-kv", "failed")
    assert asks(plan(after, lattice)) == ["stop store-kv on w2", "stop store-kv on w3"]


# -- daemons ------------------------------------------------------------------------------------------


def a_daemon(name: str = "kv", instances: int = 2) -> Manifest:
    """A provider that runs once on each host in zone a, and ran on one that has left it since."""
    return an_app("store", a_provider(name, instances, a_spread("a", zone="a"), daemon=True))


def test_of_a_provider_daemon_nothing_lacks_where_it_runs_once() -> None:
    """A host runs a provider once, however many instances the manifest names."""
    app = a_daemon()
    runs = providing(app, "kv", share="a")
    lattice = a_lattice(a_host("h1", runs, zone="a"), a_host("h2", runs, zone="b"))
    planned = plan(app, lattice)
    assert asks(planned) == ["stop store-kv on h2"]
    assert planned.status.scalers[0].explanation.wanted == 1


def test_of_a_daemon_nothing_goes_while_silent_hosts_may_not_run_it() -> None:
    """An owner that takes over while hosts are silent does not know what they run."""
    app = a_daemon()
    lattice = a_lattice(a_host("h1", zone="a"), a_host("h2", providing(app, "kv", share="a"), zone="b"))
    lattice.certainty.silent["h1"] = lattice.certainty.unseen["h1"] = 100.0
    assert asks(plan(app, lattice)) == []


def test_hosts_on_which_another_has_the_id_are_no_reason_for_a_daemon_to_stay_elsewhere() -> None:
    app = a_daemon()
    theirs = providing(an_app("other", a_provider("kv", id="store-kv")), "kv")
    runs = providing(app, "kv", share="a")
    hosts = [a_host("h1", theirs, zone="a"), a_host("h2", zone="a"), a_host("h3", runs, zone="b")]
    lattice = a_lattice(*hosts)
    assert asks(plan(app, lattice)) == ["start store-kv on h2 (x/kv:1)"]
    lattice.put("h2", runs)
    assert asks(plan(app, lattice)) == ["stop store-kv on h3"]
