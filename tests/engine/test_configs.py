"""Configurations and secret references: put where they differ, before anything that needs them."""

from __future__ import annotations

import pytest

from tests.engine.builders import (
    a_component,
    a_config,
    a_lattice,
    a_policy,
    a_provider,
    a_secret,
    an_app,
    an_external_config,
    asked,
    asks,
    configs_of,
    plan,
    recorded,
)
from wadm.engine.expectations import Expectations
from wadm.model.commands import Action, PutConfig

APP = an_app("shop", a_component("web", config=[a_config("c", k="v")]))
EXTERNAL = an_app("shop", a_component("web", config=[an_external_config("theirs")]))
SECRET = an_app("shop", a_component("web", secrets=[a_secret("pw")]), policies=[a_policy()])
PUT = ("config", "shop-c")


@pytest.mark.parametrize(
    ("there", "planned"),
    [
        pytest.param(
            {},
            "shop: reconciling Scaling component on 1 host(s)",
            id="not known: asked for first",
        ),
        pytest.param(
            {"shop-c": None},
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  put configuration shop-c  because it is not in the lattice",
            id="absent: put",
        ),
        pytest.param(
            {"shop-c": {"k": "other"}},
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  put configuration shop-c  because its content differs from the manifest",
            id="other content: put",
        ),
        pytest.param(
            {"shop-c": {"k": "v"}},
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  scale shop-web to 1 on h1 (x/web:1)  because spread default wants 1 on h1, none runs there",
            id="as wanted: used",
        ),
    ],
)
def test_configurations(there: dict[str, dict[str, str] | None], planned: str) -> None:
    found = plan(APP, a_lattice("h1", configs=there))
    assert str(found) == planned
    assert found.questions.configs == ({"shop-c"} if not there else set())
    assert found.record == recorded(APP), "recorded before it is put"


def test_what_others_provide_is_never_put_and_its_absence_is_said() -> None:
    planned = plan(EXTERNAL, a_lattice("h1", configs={"theirs": None}))
    assert str(planned) == "shop: failed Specified configuration theirs does not exist"
    assert planned.record.configs == frozenset()


def test_what_others_provide_is_used_whatever_it_holds() -> None:
    assert asks(plan(EXTERNAL, a_lattice("h1", configs={"theirs": {"a": "b"}}))) == [
        "scale shop-web to 1 on h1 (x/web:1)"
    ]


@pytest.mark.parametrize("there", [None, {}, {"name": "pw"}, {"backend": "another"}])
def test_secret_references_are_put_and_repaired_like_configurations(there: dict[str, str] | None) -> None:
    planned = plan(SECRET, a_lattice("h1", configs={"SECRET_shop-pw": there}))
    assert asks(planned) == ["put configuration SECRET_shop-pw"]
    assert str(plan(SECRET, a_lattice(configs=configs_of(SECRET)))).startswith("shop: failed Spread requirement")


def test_only_what_lacks_its_configuration_waits() -> None:
    app = an_app("shop", a_component("web", config=[a_config("c", k="v")]), a_provider("kv"))
    assert asks(plan(app, a_lattice("h1", configs={"shop-c": None}))) == [
        "put configuration shop-c",
        "start shop-kv on h1 (x/kv:1)",
    ]


def test_a_put_under_way_is_waited_for() -> None:
    lattice = a_lattice("h1", configs={"shop-c": None})
    in_flight = asked(*plan(APP, lattice).actions)
    assert asks(plan(APP, lattice, in_flight=in_flight, now=5.0)) == []
    lattice.forget_config("shop-c")
    planned = plan(APP, lattice, in_flight=in_flight, now=5.0)
    assert (asks(planned), planned.settled, planned.questions.configs) == ([], (), set())


def test_after_a_put_that_nobody_answered_its_content_is_asked_for_until_it_is_known() -> None:
    lattice = a_lattice("h1", configs={"shop-c": None})
    in_flight = asked(*plan(APP, lattice).actions)
    in_flight.hold(PUT, "No host answered in time", 2.0)
    lattice.forget_config("shop-c")
    assert plan(APP, lattice, in_flight=in_flight, now=2.0).questions.configs == {"shop-c"}
    assert plan(APP, lattice, in_flight=in_flight, now=99.0).questions.configs == {"shop-c"}
    lattice.set_config("shop-c", None)
    assert asks(plan(APP, lattice, in_flight=in_flight, now=99.0)) == ["put configuration shop-c"]


def test_a_refused_put_fails_what_needs_it_in_the_hosts_words() -> None:
    lattice = a_lattice("h1", configs={"shop-c": None})
    in_flight = Expectations()
    in_flight.ask(Action(PutConfig("shop-c", {"k": "v"}, "shop"), "shop", "", ""), 0.0)
    in_flight.hold(PUT, "unable to store config data", 1.0)
    assert str(plan(APP, lattice, in_flight=in_flight, now=1.0)) == "shop: failed unable to store config data"


def test_a_configuration_that_is_there_is_settled() -> None:
    lattice = a_lattice("h1", configs={"shop-c": None})
    in_flight = asked(*plan(APP, lattice).actions)
    lattice.set_config("shop-c", {"k": "v"})
    assert plan(APP, lattice, in_flight=in_flight).settled == (PUT,)
