"""A host that is cordoned gets nothing new; what runs on one that is drained runs elsewhere first."""

from __future__ import annotations

import pytest

from tests.engine.builders import (
    a_component,
    a_host,
    a_lattice,
    a_provider,
    a_spread,
    an_app,
    asks,
    plan,
    providing,
    running,
)
from wadm.engine.cordoning import host_named, with_cordon, without_cordon
from wadm.engine.placing.constraints import taken_out
from wadm.errors import Malformed
from wadm.model.cordons import Cordon
from wadm.model.lattice import Lattice, Pause

WEB = an_app("shop", a_component("web", 2))
EACH = an_app("shop", a_component("web", 2, daemon=True))
DATA = an_app("shop", a_provider("data"))


def a_cordon(host: str = "", **more: object) -> Cordon:
    return Cordon(since=0.0, host=host, **more)  # type: ignore[arg-type]


def cordoned(lattice: Lattice, *cordons: Cordon) -> Lattice:
    lattice.cordons = cordons
    return lattice


def drained(lattice: Lattice, host: str = "h1", **more: object) -> Lattice:
    return cordoned(lattice, a_cordon(host, drain=True, **more))


# -- cordoned ----------------------------------------------------------------------------------


def test_nothing_new_is_placed_on_a_cordoned_host() -> None:
    lattice = a_lattice(a_host("h1"), a_host("h2"))
    for shut, other in (("h1", "h2"), ("h2", "h1")):
        assert asks(plan(WEB, cordoned(lattice, a_cordon(shut)))) == [f"scale shop-web to 2 on {other} (x/web:1)"]


def test_what_runs_on_a_cordoned_host_stays_and_is_scaled_and_updated() -> None:
    lattice = cordoned(a_lattice(a_host("h1", running(WEB, "web")), a_host("h2")), a_cordon("h1"))
    assert asks(plan(WEB, lattice)) == []
    more = an_app("shop", a_component("web", 3), version="v2")
    assert [" on h1 " in ask for ask in asks(plan(more, lattice))] == [True]


def test_a_daemon_is_not_missed_on_a_cordoned_host_and_stays_where_it_runs() -> None:
    lattice = cordoned(a_lattice(a_host("h1"), a_host("h2", running(EACH, "web"))), a_cordon("h1"))
    planned = plan(EACH, lattice)
    assert (asks(planned), planned.status.type) == ([], "deployed")
    assert asks(plan(EACH, cordoned(lattice, a_cordon("h2")))) == ["scale shop-web to 2 on h1 (x/web:1)"]


def test_the_reason_says_since_when_by_whom_and_what_for() -> None:
    cordon = Cordon(since=36720.0, host="h1", author="ada", message="kernel upgrade")
    lattice = cordoned(a_lattice(a_host("h1")), cordon)
    waits = plan(WEB, lattice).status.scalers[0].explanation.waiting_for
    assert "h1 is cordoned since 10:12 UTC by ada: kernel upgrade" in waits
    assert taken_out(Cordon(since=0.0, drain=True)) == "is drained since 00:00 UTC"


def test_hosts_are_cordoned_by_label_and_a_drain_counts_before_a_cordon() -> None:
    lattice = a_lattice(a_host("h1", zone="a"), a_host("h2", zone="b"))
    by_label, by_host = a_cordon(label="zone=a"), a_cordon("h1", drain=True)
    cordoned(lattice, by_label, a_cordon("gone"))
    assert lattice.cordoned() == {"h1": by_label}
    cordoned(lattice, by_label, by_host)
    assert lattice.cordoned() == {"h1": by_host}


# -- drained -----------------------------------------------------------------------------------


def test_what_runs_on_a_drained_host_is_started_elsewhere_and_then_stopped() -> None:
    here, there = a_host("h1", running(WEB, "web")), a_host("h2")
    assert asks(plan(WEB, drained(a_lattice(here, there)))) == ["scale shop-web to 2 on h2 (x/web:1)"]
    both = a_lattice(here, a_host("h2", running(WEB, "web")))
    planned = plan(WEB, drained(both, message="new disk"))
    assert asks(planned) == ["scale shop-web to 0 on h1 (x/web:1)"]
    assert planned.actions[0].reason == "h1: the host is drained since 00:00 UTC: new disk"


def test_a_provider_moves_like_a_component() -> None:
    here = a_host("h1", providing(DATA, "data"))
    assert asks(plan(DATA, drained(a_lattice(here, a_host("h2"))))) == ["start shop-data on h2 (x/data:1)"]
    assert asks(plan(DATA, drained(a_lattice(here)))) == []


def test_a_daemon_leaves_a_drained_host_while_it_runs_on_another() -> None:
    one, two = a_host("h1", running(EACH, "web")), a_host("h2", running(EACH, "web"))
    planned = plan(EACH, drained(a_lattice(one, two)))
    assert asks(planned) == ["scale shop-web to 0 on h1 (x/web:1)"]
    assert asks(plan(EACH, drained(a_lattice(one)))) == []
    assert plan(EACH, drained(a_lattice(a_host("h1"), two))).status.type == "deployed"


def test_what_no_other_host_can_run_stays_and_says_why() -> None:
    east = an_app("shop", a_component("web", 2, a_spread("east", zone="east")))
    lattice = a_lattice(a_host("h1", running(east, "web", share="east"), zone="east"), a_host("h2", zone="west"))
    planned = plan(east, drained(lattice))
    assert asks(planned) == []
    waits = planned.status.scalers[0].explanation.waiting_for
    assert "h1 is drained since" in waits
    assert "h2 has zone=west" in waits


@pytest.mark.parametrize("how", ["silent", "unseen", "unheard", "pause"])
def test_nothing_is_moved_off_a_drained_host_on_ignorance(how: str) -> None:
    lattice = drained(a_lattice(a_host("h1", running(WEB, "web")), a_host("h2", running(WEB, "web"))))
    assert asks(plan(WEB, lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]
    lattice = drained(a_lattice(a_host("h1", running(WEB, "web")), a_host("h2")))
    if how == "silent":
        lattice.certainty.silent["h1"] = 0.0
    elif how == "unseen":
        lattice.certainty.unseen["h1"] = 0.0
    elif how == "unheard":
        lattice.hosts["h1"].known = False
    else:
        lattice.pause = Pause(0.0, 2, 3, (), 100.0)
    assert asks(plan(WEB, lattice)) == []


def test_what_is_left_at_the_deadline_is_stopped_by_force_alone() -> None:
    lattice = a_lattice(a_host("h1", running(WEB, "web")))
    for deadline, force, stopped in (
        (5.0, False, []),
        (50.0, True, []),
        (5.0, True, ["scale shop-web to 0 on h1 (x/web:1)"]),
    ):
        assert asks(plan(WEB, drained(lattice, deadline=deadline, force=force), now=10.0)) == stopped


# -- what people ask for -----------------------------------------------------------------------


def test_a_host_is_named_by_its_id_or_by_a_name_that_only_one_has() -> None:
    lattice = a_lattice(a_host("h1"), a_host("h2"), a_host("h3"))
    for host_id, name in (("h1", "river"), ("h2", "lake"), ("h3", "lake")):
        lattice.hosts[host_id].friendly_name = name
    assert (host_named("h2", lattice).id, host_named("river", lattice).id) == ("h2", "h1")
    with pytest.raises(Malformed, match=r"2 hosts are called lake\. Name one by its id: h2, h3"):
        host_named("lake", lattice)
    with pytest.raises(Malformed, match=r"No host sea is known in lattice default\. There are: "):
        host_named("sea", lattice)


def test_a_cordon_replaces_one_about_the_same() -> None:
    first, other, drain = a_cordon("h1"), a_cordon("h2"), a_cordon("h1", drain=True)
    assert with_cordon(with_cordon((first,), other), drain) == (other, drain)
    full = tuple(a_cordon(f"h{number}") for number in range(500))
    assert len(with_cordon(full, drain)) == 500
    with pytest.raises(Malformed, match="500 hosts or labels are cordoned already"):
        with_cordon(full, a_cordon("one more"))


def test_a_cordon_is_taken_back_by_what_it_is_about() -> None:
    lattice = a_lattice(a_host("h1", zone="a"), a_host("h2"))
    gone, label = a_cordon("h9", called="lake"), a_cordon(label="zone=a")
    lattice.cordons = (gone, label)
    assert without_cordon(lattice.cordons, "lake", "", lattice) == (label,)
    assert without_cordon(lattice.cordons, "h9", "", lattice) == (label,)
    assert without_cordon(lattice.cordons, "", "zone=a", lattice) == (gone,)
    for named, by_label, said in (
        ("h1", "", "h1 is cordoned by its label: wadm uncordon --label zone=a"),
        ("h2", "", "h2 is not cordoned"),
        ("", "zone=b", "Nothing is cordoned by label zone=b"),
    ):
        with pytest.raises(Malformed, match=said):
            without_cordon(lattice.cordons, named, by_label, lattice)
    twice = (a_cordon("h8", called="lake"), gone)
    with pytest.raises(Malformed, match=r"Several hosts called lake are cordoned\. Name one by its id: h8, h9"):
        without_cordon(twice, "lake", "", lattice)
