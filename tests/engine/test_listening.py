"""Two providers that are told to listen on one address of one host: which of them does, and what is done about it."""

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
    an_app,
    asks,
    compiled,
    configs_of,
    linked,
    plan,
    providing,
    recorded,
    running,
)
from wadm.engine.changes import ChangeSet
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.plan import Plan
from wadm.model import manifest as m
from wadm.model.addresses import AddressConfigs, clash
from wadm.model.lattice import Lattice
from wadm.model.manifest import Manifest


def app(name: str, address: str = "0.0.0.0:8080", of: str = "wasi:http") -> Manifest:
    link = a_link("ui", "incoming-handler", of=of, source_config=[a_config("addr", address=address)])
    return an_app(name, a_component("ui"), a_provider("http", links=[link]))


def lattice_with(
    *apps: tuple[Manifest, float | None], hosts: tuple[str, ...] = ("h1",), image: str = "x/http:1"
) -> Lattice:
    """A lattice in which each application runs on one host, in turn, and its link was put at a time (or found)."""
    lattice = a_lattice(*hosts)
    for number, (one, at) in enumerate(apps):
        host = hosts[number % len(hosts)]
        lattice.put(host, running(one, "ui"))
        lattice.put(host, providing(one, "http"))
        [link] = linked(one)
        for name, values in configs_of(one).items():
            lattice.set_config(name, values)
        if at is None:
            lattice.put_link(link)
        else:
            lattice.provider_starts.found(host, link.source_id, image, 0.0)
            lattice.put_link(link, at, at)
    return lattice


def planned(one: Manifest, lattice: Lattice) -> Plan:
    return plan(one, lattice, record=recorded(one), now=100.0)


A, B = app("a"), app("b")
MESSAGE = "b-http cannot listen on 0.0.0.0:8080 of h1 for its link to b-ui: a-http of application a does"


def test_whoever_was_told_later_is_unhealthy_and_says_who_is_in_the_way() -> None:
    lattice = lattice_with((A, 1.0), (B, 2.0))
    later = planned(B, lattice)
    assert str(later) == f"b: unhealthy {MESSAGE}"
    [explanation] = [s.explanation for s in later.status.scalers if s.type == "unhealthy"]
    assert explanation.waiting_for == "a-http to leave 0.0.0.0:8080 of h1"
    assert explanation.next == "give one of the two another address, or undeploy one: the link is put anew then"
    assert str(planned(A, lattice)) == "a: deployed"


def test_where_nobody_knows_who_was_first_both_are_unhealthy() -> None:
    lattice = lattice_with((A, None), (B, None))
    assert [planned(one, lattice).status.type for one in (A, B)] == ["unhealthy", "unhealthy"]


@pytest.mark.parametrize(
    ("mine", "other", "hosts"),
    [
        (app("b"), app("a", "0.0.0.0:8081"), ("h1",)),
        (app("b", "127.0.0.1:8080"), app("a", "127.0.0.2:8080"), ("h1",)),
        (app("b", "0.0.0.0:0"), app("a", "0.0.0.0:0"), ("h1",)),
        (app("b", of="wasi:keyvalue"), app("a", of="wasi:keyvalue"), ("h1",)),
        (app("b"), app("a"), ("h1", "h2")),
    ],
    ids=["another port", "another address", "any port", "not HTTP", "another host"],
)
def test_nothing_is_in_the_way(mine: Manifest, other: Manifest, hosts: tuple[str, ...]) -> None:
    assert planned(mine, lattice_with((other, 1.0), (mine, 2.0), hosts=hosts)).status.type == "deployed"


def freed(image: str) -> tuple[Manifest, Lattice]:
    """An application that was told in vain, and the lattice without the other one."""
    mine = an_app("b", B.spec.components[0], replace(B.spec.components[1], properties=m.Properties(image)))
    lattice = lattice_with((A, 1.0), (mine, 2.0), image=image)
    [link] = linked(mine)
    before = planned(mine, lattice)
    assert before.in_vain == ((link.at, "a-http"),)
    assert before.record.untold == {link.at}, "the next owner is to know"
    lattice.link_puts.note_in_vain(link.at, 3.0)
    assert asks(planned(mine, lattice)) == [], "as long as it is there"
    lattice.drop("provider", "h1", "a-http")
    return mine, lattice


def test_once_the_other_has_gone_the_link_is_put_anew() -> None:
    """A provider of the host does not try again by itself, but takes the link again."""
    mine, lattice = freed("wasmcloud+builtin://http-server")
    [link] = linked(mine)
    assert asks(planned(mine, lattice)) == ["delete link b-http -(wasi:http)-> (default)"]
    lattice.drop_link(link.key)
    assert asks(planned(mine, lattice)) == ["put link b-http -(wasi:http)-> b-ui (default)"]
    lattice.put_link(link, 5.0, 5.0)
    assert str(planned(mine, lattice)) == "b: deployed"


def test_once_the_other_has_gone_a_process_is_started_anew() -> None:
    """It takes no link again at which it failed."""
    mine, lattice = freed("x/http:1")
    planned_now = planned(mine, lattice)
    assert asks(planned_now) == ["stop b-http on h1"]
    assert planned_now.status.type == "reconciling"
    lattice.drop("provider", "h1", "b-http")
    assert asks(planned(mine, lattice)) == ["start b-http on h1 (x/http:1)"]
    lattice.put("h1", providing(mine, "http"))
    lattice.provider_starts.started("h1", "b-http", "x/http:1", 4.0, 3.5)
    assert str(planned(mine, lattice)) == "b: deployed"


def test_a_process_that_serves_by_another_link_is_not_started_anew() -> None:
    mine, lattice = freed("x/http:1")
    lattice.put_link(replace(linked(mine)[0], name="other", target="c-ui", source_config=()), 1.0, 1.0)
    assert asks(planned(mine, lattice)) == ["delete link b-http -(wasi:http)-> (default)"]


def test_what_wadm_did_not_start_is_not_started_anew() -> None:
    mine, lattice = freed("x/http:1")
    there = providing(mine, "http")
    lattice.put("h1", replace(there, annotations={}))
    assert asks(planned(mine, lattice)) == ["delete link b-http -(wasi:http)-> (default)"]


def test_the_next_owner_knows_who_was_told_in_vain() -> None:
    lattice = a_lattice(a_host("h1", *(one for app in (A, B) for one in (running(app, "ui"), providing(app, "http")))))
    for name, values in (configs_of(A) | configs_of(B)).items():
        lattice.set_config(name, values)
    [link] = linked(B)
    lattice.certainty.links_read = False
    lattice.link_puts.expect_unsure([link.at], ())
    lattice.set_links([*linked(A), link], 10.0)
    assert [planned(one, lattice).status.type for one in (A, B)] == ["deployed", "unhealthy"]


def test_one_provider_cannot_listen_twice_either() -> None:
    addr = [a_config("addr", address="0.0.0.0:8080")]
    links = [a_link(to, "incoming-handler", of="wasi:http", name=to, source_config=addr) for to in ("ui", "api")]
    both = an_app("c", a_component("ui"), a_component("api"), a_provider("http", links=links))
    runs = [running(both, name) for name in ("ui", "api")]
    lattice = a_lattice(a_host("h1", *runs, providing(both, "http")), configs=configs_of(both))
    lattice.provider_starts.found("h1", "c-http", "x/http:1", 0.0)
    for number, link in enumerate(linked(both)):
        lattice.put_link(link, 1.0 + number, 1.0 + number)
    assert str(planned(both, lattice)) == (
        "c: unhealthy c-http cannot listen on 0.0.0.0:8080 of h1 for its link to c-api: it does for its link to c-ui"
    )


@pytest.mark.parametrize("what", ["the provider", "its link"])
def test_whoever_waits_is_planned_when_the_other_goes(what: str) -> None:
    interests = DependencyIndex()
    interests.put(compiled(B))
    interests.wait_for_addresses("b", ["a-http"])
    news = ChangeSet()
    if what == "the provider":
        news.entities.add(("provider", "a-http"))
    else:
        news.links.add(linked(A)[0].key)
    assert interests.touched(news, a_lattice("h1")) == {"b"}
    interests.wait_for_addresses("b", [])
    assert interests.touched(news, a_lattice("h1")) == set()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("0.0.0.0:80", "127.0.0.1:80", True),
        ("[::]:80", "10.0.0.1:80", True),
        (":80", "10.0.0.1:80", True),
        ("10.0.0.2:80", "10.0.0.1:80", False),
        ("0.0.0.0:80", "0.0.0.0:81", False),
        ("0.0.0.0:0", "0.0.0.0:0", False),
        ("nonsense", "nonsense", False),
        ("", "", False),
    ],
)
def test_addresses_that_clash(one: str, other: str, expected: bool) -> None:
    assert clash(one, other) is expected
    assert clash(other, one) is expected


def test_configurations_are_found_by_the_port_they_name_now() -> None:
    known = AddressConfigs()
    known.note("a", {"address": "0.0.0.0:80"})
    known.note("b", {"default_address": "127.0.0.1:80", "other": "x:81"})
    copy = known.copy()
    known.note("a", {"address": "0.0.0.0:82"})
    assert (known.with_port("80"), known.with_port("82"), known.with_port("81")) == (("b",), ("a",), ())
    assert copy.with_port("80") == ("a", "b")
