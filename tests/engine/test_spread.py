"""Which hosts get how many: the original's arithmetic, and a choice of hosts that moves nothing without need."""

from __future__ import annotations

import pytest

from tests.engine.builders import a_host, a_lattice, a_spread, join, owned
from wadm.engine.placing.assign import Missing, Placement, rotation
from wadm.engine.placing.constraints import HostRules
from wadm.engine.placing.strategies import Strategy, place_component, place_daemon, place_provider
from wadm.engine.placing.targets import SpreadTarget, allocate, everywhere
from wadm.engine.steps import finish
from wadm.model.lattice import Component, Entity, Lattice, Provider, requirements
from wadm.model.manifest import Spread, SpreadProperties

# -- numbers ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("instances", "weights", "expected"),
    [
        # docs/protocol/reconciliation.md#spread-arithmetic
        (7, [30, 40], [(40, 4), (30, 3)]),
        (7, [100, 100], [(100, 4), (100, 3)]),
        (103, [42, 3, 37, 384], [(384, 85), (42, 10), (37, 8), (3, 0)]),
        (103, [42, 3, 37], [(42, 53), (37, 47), (3, 3)]),
        (412, [50, 25, 25], [(50, 206), (25, 103), (25, 103)]),
        (12, [25, 25, 50], [(50, 6), (25, 3), (25, 3)]),
        (5, [40, 40, 20], [(40, 2), (40, 2), (20, 1)]),
        (5, [40, 40], [(40, 3), (40, 2)]),
        (3, [40, 20], [(40, 2), (20, 1)]),
        (4, [80, 20], [(80, 4), (20, 0)]),
        # beyond the appendix
        (0, [1, 2], [(2, 0), (1, 0)]),
        (9, [None, None], [(None, 5), (None, 4)]),
        (10, [150, None], [(150, 6), (None, 4)]),
        (5, [0, 1], [(1, 5), (0, 0)]),
        (3, [0, 0], [(0, 2), (0, 1)]),
    ],
)
def test_allocation(instances: int, weights: list[int | None], expected: list[tuple[int | None, int]]) -> None:
    spreads = tuple(Spread(f"s{i}", {}, weight) for i, weight in enumerate(weights))
    weight_of = {spread.name: spread.weight for spread in spreads}
    shares = allocate(SpreadProperties(instances, spreads))
    assert [(weight_of[share.name], share.target) for share in shares] == expected


def test_without_spreads_there_is_one_of_all_instances() -> None:
    assert allocate(SpreadProperties(12)) == (SpreadTarget("default", (), 12),)
    assert everywhere(SpreadProperties(12)) == (SpreadTarget("default", (), 12),)


def test_a_daemon_wants_all_instances_in_each_spread_whatever_the_weights() -> None:
    spreads = (a_spread("east", 80, zone="east"), a_spread("west", 0, zone="west"))
    assert [(s.name, s.target) for s in everywhere(SpreadProperties(3, spreads))] == [("east", 3), ("west", 3)]


def test_spreads_of_one_name_are_told_apart() -> None:
    shares = allocate(SpreadProperties(3, (Spread("a", {}), Spread("a", {}), Spread("a-2", {}))))
    assert [share.name for share in shares] == ["a", "a-2", "a-2-2"]


# -- worlds -------------------------------------------------------------------------------------


def a_share(name: str, target: int, **labels: str) -> SpreadTarget:
    return SpreadTarget(name, requirements(labels), target)


def some(count: int, share: str = "default") -> Component:
    return Component("web", "x/web:1", count, owned("shop", share=share))


def one(share: str = "default") -> Provider:
    return Provider("kv", "x/kv:1", owned("shop", share=share))


def place(placer: Strategy, lattice: Lattice, *shares: SpreadTarget, shut: tuple[str, ...] = ()) -> Placement:
    name = "kv" if placer is place_provider else "web"
    mine = dict(lattice.where("provider" if placer is place_provider else "component", name))
    return finish(placer(name, shares, lattice, mine, HostRules(forbidden=shut)))


def carried_out(placer: Strategy, placement: Placement, lattice: Lattice) -> None:
    """Make the lattice what a placement says."""
    kind = "provider" if placer is place_provider else "component"
    name = "kv" if placer is place_provider else "web"
    for host_id in list(lattice.where(kind, name)):
        lattice.drop(kind, host_id, name)
    for host_id, wanted in placement.places.items():
        entity: Entity = one(wanted.share) if placer is place_provider else some(wanted.count, wanted.share)
        lattice.put(host_id, entity)


def shown(placement: Placement) -> dict[str, str]:
    """A placement in few words: host to "count share", and what is missing under "missing"."""
    found = {host: f"{place.count} {place.share}" for host, place in sorted(placement.places.items())}
    if placement.missing:
        found["missing"] = ", ".join(f"{m.share.name} {m.found}/{m.share.target}" for m in placement.missing)
    return found


EAST, WEST = a_share("east", 8, zone="east"), a_share("west", 2, zone="west")


# -- components ---------------------------------------------------------------------------------


def test_the_worked_example() -> None:
    lattice = a_lattice(a_host("a", zone="east"), a_host("b", zone="east"), a_host("c", zone="west"))
    first = place(place_component, lattice, EAST, WEST)
    home = next(host for host in "ab" if host in first.places)
    other = "b" if home == "a" else "a"
    assert shown(first) == {home: "8 east", "c": "2 west"}
    assert ["a", "b"][rotation("web/east", 2)] == home
    carried_out(place_component, first, lattice)

    lattice.remove_host(home)
    moved = place(place_component, lattice, EAST, WEST)
    assert shown(moved) == {other: "8 east", "c": "2 west"}
    carried_out(place_component, moved, lattice)

    join(lattice, a_host(home, zone="east"))
    assert place(place_component, lattice, EAST, WEST) == moved


@pytest.mark.parametrize(
    ("hosts", "shares", "expected"),
    [
        pytest.param([], [a_share("default", 3)], {"missing": "default 0/3"}, id="no hosts"),
        pytest.param([a_host("a")], [a_share("default", 3)], {"a": "3 default"}, id="whole on one host"),
        pytest.param([a_host("a")], [a_share("default", 0)], {}, id="nothing of nothing"),
        pytest.param(
            [a_host("a", zone="east")],
            [EAST, WEST],
            {"a": "8 east", "missing": "west 0/2"},
            id="one spread without a host does not hold up the others",
        ),
        pytest.param(
            [a_host("a", zone="east"), a_host("b")],
            [a_share("any", 5), EAST],
            {"a": "8 east", "b": "5 any"},
            id="a spread without requirements takes what the picky ones leave",
        ),
        pytest.param(
            [a_host("a", zone="east")],
            [a_share("any", 5), EAST],
            {"a": "13 any"},
            id="hosts fewer than shares: two live together",
        ),
        pytest.param(
            [a_host("a"), a_host("b")],
            [a_share("one", 1), a_share("two", 2), a_share("three", 3), a_share("four", 4)],
            None,
            id="many more shares than hosts",
        ),
        pytest.param(
            [a_host("a", some(8, "east"), zone="east"), a_host("b", zone="east")],
            [EAST],
            {"a": "8 east"},
            id="stays where it lives",
        ),
        pytest.param(
            [a_host("a", some(3, "east"), zone="east"), a_host("b", some(5, "east"), zone="east")],
            [EAST],
            {"a": "3 east", "b": "5 east"},
            id="left split over hosts by the original, the sum being right: left alone",
        ),
        pytest.param(
            [a_host("a", some(3, "east"), zone="east"), a_host("b", some(4, "east"), zone="east")],
            [EAST],
            {"b": "8 east"},
            id="split and wrong: whole where most are",
        ),
        pytest.param(
            [a_host("a", some(4, "east"), zone="east"), a_host("b", some(4, "east"), zone="east"), a_host("c")],
            [a_share("east", 4)],
            {"a": "4 east"},
            id="twice by mistake: one stays",
        ),
        pytest.param(
            [a_host("a", some(8, "east"), zone="moon"), a_host("b", zone="east")],
            [EAST],
            {"b": "8 east"},
            id="moves from where it may not be any more",
        ),
        pytest.param(
            [a_host("a", zone="east"), a_host("b", some(9, "gone"), zone="east"), a_host("c", zone="east")],
            [EAST],
            {"b": "8 east"},
            id="prefers the host that runs it for a share that is no more",
        ),
        pytest.param(
            [a_host("a", some(5, "any"), zone="east"), a_host("b")],
            [a_share("any", 5), EAST],
            {"a": "8 east", "b": "5 any"},
            id="who can go elsewhere makes room",
        ),
        pytest.param(
            [a_host("a", some(1, "A"), x="1"), a_host("b", some(1, "B"), y="1", z="1"), a_host("c", z="1")],
            [a_share("A", 1), a_share("B", 1, z="1"), a_share("X", 1, x="1")],
            {"a": "1 X", "b": "1 B", "c": "1 A"},
            id="the shortest way to make room is taken",
        ),
        pytest.param(
            [a_host("a", some(1, "A"), p="1", q="1"), a_host("b", some(1, "B"), q="1", r="1"), a_host("c", r="1")],
            [a_share("A", 1, q="1"), a_share("B", 1, r="1"), a_share("X", 1, p="1")],
            {"a": "1 X", "b": "1 A", "c": "1 B"},
            id="an augmenting path: X takes a, A moves to b, B moves to c",
        ),
    ],
)
def test_components(hosts: list, shares: list[SpreadTarget], expected: dict[str, str] | None) -> None:  # type: ignore[type-arg]
    lattice = a_lattice(*hosts)
    first = place(place_component, lattice, *shares)
    if expected is not None:
        assert shown(first) == expected
    assert sum(p.count for p in first.places.values()) == sum(s.target for s in shares) - sum(
        m.share.target for m in first.missing
    )
    carried_out(place_component, first, lattice)
    assert place(place_component, lattice, *shares) == first, "placing what was placed changes nothing"


def test_a_host_of_another_application_is_not_used() -> None:
    lattice = a_lattice("a", "b")
    assert shown(place(place_component, lattice, a_share("default", 2), shut=("a",))) == {"b": "2 default"}
    missing = place(place_component, lattice, a_share("default", 2), shut=("a", "b"))
    assert missing.missing == (Missing(a_share("default", 2), 0),)


def test_shares_that_live_together_part_as_soon_as_there_is_another_host() -> None:
    lattice = a_lattice(a_host("a", zone="east"))
    shares = (a_share("any", 5), EAST)
    together = place(place_component, lattice, *shares)
    assert together.crowded
    carried_out(place_component, together, lattice)
    join(lattice, a_host("b"))
    parted = place(place_component, lattice, *shares)
    assert shown(parted) == {"a": "8 east", "b": "5 any"}
    assert not parted.crowded


def test_a_host_not_known_yet_has_the_benefit_of_the_doubt() -> None:
    lattice = a_lattice(a_host("b", zone="east"))
    lattice.put("a", some(8, "east"))
    assert not lattice.hosts["a"].known
    assert shown(place(place_component, lattice, EAST)) == {"a": "8 east"}


@pytest.mark.parametrize("placer", [place_component, place_provider])
def test_only_what_lived_on_a_lost_host_moves(placer: Strategy) -> None:
    zones = ("east", "west", "north")
    lattice = a_lattice(*(a_host(f"h{i}", zone=zones[i % 3]) for i in range(12)))
    shares = [a_share(zone, 3, zone=zone) for zone in zones]
    before = place(placer, lattice, *shares)
    carried_out(placer, before, lattice)
    lost = next(host for host, there in before.places.items() if there.share == "west")
    lattice.remove_host(lost)
    after = place(placer, lattice, *shares)
    stayed = {host: there for host, there in before.places.items() if host != lost}
    assert stayed.items() <= after.places.items()
    new = [there for host, there in after.places.items() if host not in stayed]
    assert new == [before.places[lost]]


@pytest.mark.parametrize("placer", [place_component, place_provider, place_daemon])
def test_hosts_that_come_do_not_move_what_is_right(placer: Strategy) -> None:
    lattice = a_lattice(*(f"h{i}" for i in range(5)))
    before = place(placer, lattice, a_share("default", 3))
    carried_out(placer, before, lattice)
    for number in range(5, 25):
        join(lattice, a_host(f"h{number}"))
        after = place(placer, lattice, a_share("default", 3))
        assert before.places.items() <= after.places.items()
        if placer is not place_daemon:
            assert after == before


# -- providers ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "shares", "expected"),
    [
        pytest.param([], [a_share("default", 1)], {"missing": "default 0/1"}, id="no hosts"),
        pytest.param(["a"], [a_share("default", 0)], {}, id="nothing of nothing"),
        pytest.param(["a", "b"], [a_share("default", 2)], {"a": "1 default", "b": "1 default"}, id="one on each host"),
        pytest.param(
            [a_host("a", one()), a_host("b")],
            [a_share("default", 3)],
            {"a": "1 default", "b": "1 default", "missing": "default 2/3"},
            id="found are the hosts there are, whether it runs there yet or not",
        ),
        pytest.param(
            [a_host("a", zone="east"), a_host("b")],
            [a_share("any", 1), a_share("east", 1, zone="east")],
            {"a": "1 east", "b": "1 any"},
            id="the picky choose first",
        ),
        pytest.param(
            [a_host("a", one("any"), zone="east"), a_host("b")],
            [a_share("any", 1), a_share("east", 1, zone="east")],
            {"a": "1 east", "b": "1 any"},
            id="who can go elsewhere makes room",
        ),
        pytest.param(
            [a_host("a", one("any"), zone="east"), a_host("b", one("any")), a_host("c")],
            [a_share("any", 2), a_share("east", 1, zone="east")],
            {"a": "1 east", "b": "1 any", "c": "1 any"},
            id="only as many move as must",
        ),
        pytest.param(
            [a_host("a", zone="east"), a_host("b", one("old")), a_host("c")],
            [a_share("any", 1)],
            {"b": "1 any"},
            id="prefers where it runs for a share that is no more",
        ),
    ],
)
def test_providers(hosts: list, shares: list[SpreadTarget], expected: dict[str, str]) -> None:  # type: ignore[type-arg]
    lattice = a_lattice(*hosts)
    first = place(place_provider, lattice, *shares)
    assert shown(first) == expected
    carried_out(place_provider, first, lattice)
    assert place(place_provider, lattice, *shares).places == first.places, "placing what was placed changes nothing"


def test_for_whom_a_host_is_missing_does_not_depend_on_what_has_been_started() -> None:
    shares = [a_share("any", 2), a_share("east", 1, zone="east")]
    lattice = a_lattice(a_host("a", one("any"), zone="east"), "b")
    before = place(place_provider, lattice, *shares)
    lattice.put("b", one("any"))
    assert place(place_provider, lattice, *shares) == before


def test_of_more_providers_than_are_wanted_the_same_stay_while_the_others_go() -> None:
    hosts = [f"h{i}" for i in range(6)]
    lattice = a_lattice(*(a_host(host, one()) for host in hosts))
    stay = set(place(place_provider, lattice, a_share("default", 2)).places)
    for gone in sorted(set(hosts) - stay):
        lattice.drop("provider", gone, "kv")
        assert set(place(place_provider, lattice, a_share("default", 2)).places) == stay


def test_a_provider_on_very_many_hosts_is_placed_at_once() -> None:
    lattice = a_lattice(*(a_host(f"h{i}", zone="east" if i == 0 else "west") for i in range(2000)))
    shares = (a_share("any", 2000), a_share("east", 1, zone="east"))
    placement = place(place_provider, lattice, *shares)
    assert [(m.share.name, m.found) for m in placement.missing] == [("any", 1999)]
    assert len(placement.places) == 2000


# -- daemons ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hosts", "shares", "expected"),
    [
        pytest.param(["a", "b"], [a_share("default", 2)], {"a": "2 default", "b": "2 default"}, id="on every host"),
        pytest.param(["a"], [a_share("default", 0)], {}, id="nothing of nothing"),
        pytest.param(
            [a_host("a", zone="east"), a_host("b", zone="west")],
            [a_share("east", 2, zone="east"), a_share("moon", 2, zone="moon")],
            {"a": "2 east", "missing": "moon 0/2"},
            id="where its labels are",
        ),
        pytest.param(
            [a_host("a", zone="east"), a_host("b")],
            [a_share("east", 2, zone="east"), a_share("any", 2)],
            {"a": "2 east", "b": "2 any"},
            id="of two that match the first counts",
        ),
    ],
)
def test_daemons(hosts: list, shares: list[SpreadTarget], expected: dict[str, str]) -> None:  # type: ignore[type-arg]
    assert shown(place(place_daemon, a_lattice(*hosts), *shares)) == expected


# -- turns --------------------------------------------------------------------------------------


def test_turns_begin_evenly() -> None:
    hosts = [f"N{i:055d}" for i in range(10)]
    chosen = [hosts[rotation(f"app{i}-web/default", len(hosts))] for i in range(1000)]
    assert all(60 <= chosen.count(host) <= 140 for host in hosts)


def test_turns_begin_where_they_always_did() -> None:
    """Servers of different versions, side by side or one after the other, choose the same hosts."""
    assert ["abc"[rotation(f"{app}-web/default", 3)] for app in ("shop", "blog", "mail")] == ["c", "c", "b"]
