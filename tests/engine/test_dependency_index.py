"""From what an event touched to the applications that must be planned again."""

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
    a_reference,
    a_spread,
    an_app,
    an_external_config,
    compiled,
    configs_of,
    linked,
    plan,
    recorded,
)
from wadm.engine.changes import ChangeSet
from wadm.engine.compile import compile_manifest
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.plan import OwnedResources
from wadm.engine.scalers import nothing
from wadm.engine.wording import HOSTS_COUNTED
from wadm.model.commands import Key

SHOP = an_app(
    "shop",
    a_component("web", 2, a_spread("east", zone="east"), links=[a_link("kv", config=[a_config("url", u="1")])]),
    a_provider("kv"),
)
USER = an_app("user", a_component("api", config=[an_external_config("shop-url")]))
LINK_KEY = linked(SHOP)[0].key
LATTICE = a_lattice(a_host("h1", zone="east"), a_host("h2", zone="west"))


def both() -> DependencyIndex:
    interests = DependencyIndex()
    interests.put(compiled(SHOP))
    interests.put(compiled(USER))
    return interests


@pytest.mark.parametrize(
    ("news", "touched"),
    [
        pytest.param(ChangeSet(), set(), id="nothing"),
        pytest.param(
            ChangeSet(applications={"gone"}), {"gone"}, id="an application by name, also one that wants nothing"
        ),
        pytest.param(ChangeSet(entities={("component", "shop-web")}), {"shop"}, id="a component"),
        pytest.param(ChangeSet(entities={("provider", "shop-kv")}), {"shop"}, id="a provider"),
        pytest.param(ChangeSet(entities={("component", "shop-kv")}), set(), id="a component is not a provider"),
        pytest.param(
            ChangeSet(entities={("provider", "shop-web")}), {"shop"}, id="a provider that is the end of a link"
        ),
        pytest.param(ChangeSet(links={LINK_KEY}), {"shop"}, id="a link"),
        pytest.param(
            ChangeSet(links={("shop-web", "wasi", "http", "another")}),
            {"shop"},
            id="another link of a source: those of one source wait for each other",
        ),
        pytest.param(ChangeSet(all_links=True), {"shop"}, id="all links"),
        pytest.param(ChangeSet(sources={"shop-web"}), set(), id="the links of a source, read, if all are wanted"),
        pytest.param(ChangeSet(configs={"shop-url"}), {"shop", "user"}, id="a configuration, whoever provides it"),
        pytest.param(ChangeSet(everything=True), {"shop", "user"}, id="the lattice as a whole"),
        pytest.param(ChangeSet(hosts={"h1"}), set(), id="a host, if nobody wants one"),
    ],
)
def test_touched(news: ChangeSet, touched: set[str]) -> None:
    assert both().touched(news, LATTICE) == touched


@pytest.mark.parametrize(
    ("news", "touched"),
    [
        pytest.param(ChangeSet(hosts={"h1"}), {"shop"}, id="one that matches a spread"),
        pytest.param(ChangeSet(hosts={"h2"}), {"shop"}, id="one for the spread without requirements"),
        pytest.param(ChangeSet(hosts={"gone"}), {"shop"}, id="one that has gone"),
    ],
)
def test_hosts_touch_those_who_want_them(news: ChangeSet, touched: set[str]) -> None:
    interests = both()
    interests.wants_hosts("shop", True)
    assert interests.touched(news, LATTICE) == touched
    interests.wants_hosts("shop", False)
    assert interests.touched(news, LATTICE) == set()


def test_hosts_with_other_labels_do_not_matter_unless_they_had_the_right_ones_before() -> None:
    interests = DependencyIndex()
    interests.put(compiled(an_app("shop", a_component("web", 2, a_spread("east", zone="east")))))
    interests.wants_hosts("shop", True)
    large = LATTICE.copy()
    for number in range(HOSTS_COUNTED):
        large.put_host(f"other-{number}", "", {}, "1.9.2", 0.0)
    assert interests.touched(ChangeSet(hosts={"h1"}), large) == {"shop"}
    assert interests.touched(ChangeSet(hosts={"h2"}), large) == set()
    assert interests.touched(ChangeSet(hosts={"h2"}, relabelled={"h2"}), large) == {"shop"}
    assert interests.touched(ChangeSet(hosts={"h2"}), LATTICE) == {"shop"}, (
        "its status tells what each of few hosts lacks"
    )


def test_one_that_is_not_known_wants_no_hosts() -> None:
    interests = DependencyIndex()
    interests.wants_hosts("shop", True)
    assert interests.touched(ChangeSet(hosts={"h1"}), LATTICE) == set()


def test_one_that_had_to_ask_which_links_there_are_is_planned_once_they_are_read() -> None:
    interests = DependencyIndex()
    interests.put(compile_manifest(SHOP))
    interests.asked_for_links("shop", True)
    assert interests.touched(ChangeSet(sources={"shop-web"}), LATTICE) == {"shop"}
    interests.asked_for_links("shop", False)
    assert interests.touched(ChangeSet(sources={"shop-web"}), LATTICE) == set()


def test_what_is_on_record_touches_also_those_who_want_nothing_any_more() -> None:
    interests = DependencyIndex()
    interests.put(nothing("shop"))
    assert interests.put_record("shop", recorded(SHOP))
    assert interests.touched(ChangeSet(links={LINK_KEY}), LATTICE) == {"shop"}
    assert interests.touched(ChangeSet(all_links=True), LATTICE) == {"shop"}
    assert interests.touched(ChangeSet(configs={"shop-url"}), LATTICE) == {"shop"}
    assert interests.touched(ChangeSet(sources={"shop-web"}), LATTICE) == {"shop"}, "they may be gone for certain"

    assert not interests.put_record("shop", recorded(SHOP)), "nothing new"
    assert interests.recorded() == ["shop"]
    assert interests.put_record("shop", OwnedResources())
    assert interests.recorded() == []
    assert interests.record("shop") == OwnedResources()
    assert interests.touched(ChangeSet(links={LINK_KEY}, configs={"shop-url"}), LATTICE) == set()


def test_the_lattice_as_a_whole_touches_also_what_is_only_on_record() -> None:
    interests = DependencyIndex()
    interests.put_record("gone", recorded(SHOP))
    assert interests.touched(ChangeSet(everything=True), LATTICE) == {"gone"}


def test_what_is_wanted_is_replaced_and_removed_as_a_whole() -> None:
    interests = both()
    interests.wants_hosts("shop", True)
    interests.put(compiled(an_app("shop", a_component("new"))))
    everything = ChangeSet(
        entities={("component", "shop-web"), ("provider", "shop-kv")},
        links={LINK_KEY},
        configs={"shop-url"},
        hosts={"h1"},
    )
    assert interests.touched(everything, LATTICE) == {"user"}
    assert interests.touched(ChangeSet(entities={("component", "shop-new")}), LATTICE) == {"shop"}
    interests.remove("user")
    interests.remove("user")
    assert interests.touched(everything, LATTICE) == set()
    assert list(interests) == ["shop"]
    assert ("shop" in interests, "user" in interests, len(interests)) == (True, False, 1)
    assert interests.desired("user") is None


def test_who_refers_to_a_shared_application() -> None:
    interests = DependencyIndex()
    interests.put(compiled(an_app("user", a_component("web"), a_reference("kv", "base", "kv"))))
    assert interests.dependents("base") == ["user"]
    interests.remove("user")
    assert interests.dependents("base") == []


def test_what_others_need() -> None:
    interests = both()
    interests.put(compiled(an_app("third", a_component("web", id="shop-web", links=[a_link("shop-kv")]))))
    of_shop, of_user = interests.needed_by_others("shop"), interests.needed_by_others("user")
    assert of_shop.config("shop-url")
    assert not interests.needed_by_others("third").config("nobody's")
    assert of_user.link(LINK_KEY, "shop-kv")
    assert not of_user.link(LINK_KEY, "elsewhere")
    assert not of_shop.link(LINK_KEY, "shop-kv"), "its own need does not count"


@pytest.mark.parametrize(
    ("settled", "rivals"),
    [
        ((), set()),
        ((("component", "h1", "shop-web"),), {"third"}),
        ((("provider", "h1", "shop-kv"),), set()),
        ((("link", *LINK_KEY, "shop-kv"),), {"third"}),
        ((("link", *LINK_KEY),), {"third"}),
        ((("config", "shop-url"),), {"user"}),
    ],
)
def test_who_may_have_waited_for_what_another_lets_go_of(settled: tuple[Key, ...], rivals: set[str]) -> None:
    interests = both()
    third = an_app("third", a_component("web", id="shop-web", links=[a_link("kv")]), a_provider("kv"))
    interests.put(compiled(third))
    assert interests.rivals(replace(plan("shop", LATTICE), settled=settled)) == rivals


def test_who_may_have_waited_for_what_another_asks_for() -> None:
    interests = both()
    interests.put(compiled(an_app("third", a_component("web", id="shop-web"))))
    linked_already = a_lattice(a_host("h1", zone="east"), links=linked(SHOP), configs=configs_of(SHOP))
    assert interests.rivals(plan(SHOP, linked_already)) == {"third"}


def test_who_wants_a_thing() -> None:
    interests = both()
    interests.put(compiled(an_app("rival", a_component("web", id="shop-web"))))
    assert [w.application for w in interests.workloads("component", "shop-web")] == ["rival", "shop"]
    assert interests.workloads("provider", "shop-web") == []


def test_what_is_on_record_and_not_wanted_any_more_is_outlived() -> None:
    interests = both()
    record = recorded(SHOP)
    interests.put_record("shop", record)
    assert interests.outlived() == set()
    older = OwnedResources(frozenset({(("shop-old", "wasi", "http", "default"), "shop-kv")}), frozenset({"shop-older"}))
    interests.put_record("shop", record | older)
    assert interests.outlived() == {("link", "shop-old"), ("config", "shop-older")}
    interests.remove("shop")
    interests.put_record("shop", record)
    assert interests.outlived() == {("link", "shop-web"), ("config", "shop-url")}
