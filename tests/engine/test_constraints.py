"""Why a host may not run a workload is said by the constraint itself, in the status and in `wadm explain`; a constraint
that is added in its one place is kept wherever hosts are chosen."""

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
    compiled,
    owned,
    plan,
    running,
)
from wadm.engine.expectations import Expectations
from wadm.engine.explain import explain_application
from wadm.engine.placing.constraints import CONSTRAINTS, Constraint, HasLabels
from wadm.model.insight import ShareView, Unfit
from wadm.model.lattice import Component, Host, Lattice, requirements
from wadm.model.manifest import Manifest

SHOP = an_app("shop", a_component("web", 2))


class RunsAtLeast(Constraint):
    """A host must have a version."""

    def why_not(self, host: Host) -> str:
        return f"runs {host.version}" if host.version < "1.5" else ""


class LetAlone(RunsAtLeast):
    freezes = True


@pytest.fixture
def _old_hosts_excluded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.engine.placing.constraints.CONSTRAINTS", [*CONSTRAINTS, lambda _: RunsAtLeast()])


@pytest.fixture
def _old_hosts_let_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wadm.engine.placing.constraints.CONSTRAINTS", [*CONSTRAINTS, lambda _: LetAlone()])


def hosts(**versions: str) -> Lattice:
    lattice = a_lattice(*(a_host(name) for name in versions))
    for name, version in versions.items():
        lattice.hosts[name].version = version
    return lattice


def shares(manifest: Manifest, lattice: Lattice) -> list[ShareView]:
    """Return how the spreads of the first scaler are explained."""
    view = explain_application(compiled(manifest), plan(manifest, lattice), {}, lattice, Expectations())
    return list(view.scalers[0].shares)


def waits_for(manifest: Manifest, lattice: Lattice) -> str:
    return plan(manifest, lattice).status.scalers[0].explanation.waiting_for


# -- what there is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("labels", "why"), [({}, "has no label zone"), ({"zone": "b"}, "has zone=b"), ({"zone": "a", "x": "y"}, "")]
)
def test_labels_that_differ_are_named(labels: dict[str, str], why: str) -> None:
    [host] = a_lattice(a_host("h1", **labels)).hosts.values()
    assert HasLabels(requirements({"zone": "a"})).why_not(host) == why


def test_a_host_on_which_another_application_has_the_id_is_explained() -> None:
    taken = Component("shop-web", "x/other:1", 1, owned("other"))
    lattice = a_lattice(a_host("h1", taken), a_host("h2"))
    [share] = shares(SHOP, lattice)
    assert share.hosts == ("h2",)
    assert share.unfit == (Unfit("h1", "h1", "", "", None, "runs shop-web for application other"),)


def test_a_silent_host_is_explained_unless_it_runs_the_thing_already() -> None:
    lattice = a_lattice(a_host("h1"), a_host("h2", running(SHOP, "web")))
    lattice.certainty.silent.update(h1=1.0, h2=1.0)
    [share] = shares(SHOP, lattice)
    assert share.hosts == ("h2",)
    assert [(one.host, one.why) for one in share.unfit] == [("h1", "does not answer")]


def test_where_no_host_will_do_each_says_why() -> None:
    taken = Component("shop-web", "x/other:1", 1, owned("other"))
    east = an_app("shop", a_component("web", 1, a_spread("east", zone="east")))
    lattice = a_lattice(a_host("h1", taken, zone="east"), a_host("h2", zone="west"))
    assert waits_for(east, lattice) == (
        "a host with zone=east (spread east); 2 hosts are there: h1 runs shop-web for application other; "
        "h2 has zone=west"
    )


def test_of_many_hosts_those_with_the_labels_say_why() -> None:
    taken = Component("shop-web", "x/other:1", 1, owned("other"))
    east = an_app("shop", a_component("web", 1, a_spread("east", zone="east")))
    those = [a_host(f"h{n}", taken, zone="east") for n in range(1, 5)]
    lattice = a_lattice(*those, a_host("h5"))
    assert waits_for(east, lattice).endswith(
        "5 hosts are there: h1 runs shop-web for application other; h2 runs shop-web for application other; "
        "h3 runs shop-web for application other; and 1 more"
    )


# -- one that is added -------------------------------------------------------------------------


@pytest.mark.usefixtures("_old_hosts_excluded")
@pytest.mark.parametrize("daemon", [False, True], ids=["spread", "daemon"])
def test_an_added_constraint_is_kept(daemon: bool) -> None:
    manifest = an_app("shop", a_component("web", 2, daemon=daemon))
    assert asks(plan(manifest, hosts(h1="1.4.0", h2="1.9.0"))) == ["scale shop-web to 2 on h2 (x/web:1)"]


@pytest.mark.usefixtures("_old_hosts_excluded")
def test_it_is_kept_for_providers() -> None:
    manifest = an_app("shop", a_provider("kv", hosts=2))
    assert asks(plan(manifest, hosts(h1="1.4.0", h2="1.9.0"))) == ["start shop-kv on h2 (x/kv:1)"]


@pytest.mark.usefixtures("_old_hosts_excluded")
def test_it_is_explained() -> None:
    [share] = shares(SHOP, hosts(h1="1.4.0", h2="1.9.0"))
    assert (share.matching, share.hosts) == (1, ("h2",))
    assert share.unfit == (Unfit("h1", "h1", "", "", None, "runs 1.4.0"),)


@pytest.mark.usefixtures("_old_hosts_excluded")
def test_the_status_says_it_where_no_host_is_left() -> None:
    lattice = hosts(h1="1.4.0", h2="1.4.1")
    assert waits_for(SHOP, lattice) == ("a host (spread default); 2 hosts are there: h1 runs 1.4.0; h2 runs 1.4.1")
    assert plan(SHOP, lattice).status.type == "failed"


@pytest.mark.usefixtures("_old_hosts_excluded")
def test_what_runs_on_an_excluded_host_moves() -> None:
    lattice = hosts(h1="1.4.0", h2="1.9.0")
    lattice.put("h1", running(SHOP, "web"))
    first = plan(SHOP, lattice)
    assert asks(first) == ["scale shop-web to 2 on h2 (x/web:1)"]
    lattice.put("h2", running(SHOP, "web"))
    assert asks(plan(SHOP, lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]


@pytest.mark.usefixtures("_old_hosts_let_alone")
def test_what_runs_on_a_host_that_is_let_alone_stays() -> None:
    lattice = hosts(h1="1.4.0", h2="1.9.0")
    lattice.put("h1", running(SHOP, "web"))
    assert asks(plan(SHOP, lattice)) == []
    lattice.drop("component", "h1", "shop-web")
    assert asks(plan(SHOP, lattice)) == ["scale shop-web to 2 on h2 (x/web:1)"]
