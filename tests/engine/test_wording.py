"""What is said of hosts that are waited for, and of how much there is to plan."""

from __future__ import annotations

import json

import pytest

from bench.large_applications import SHAPES
from wadm.engine.compile import compile_manifest
from wadm.engine.placing.assign import Missing
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.scalers import nothing
from wadm.engine.wording import HOSTS_COUNTED, how_much, missing_hosts, paused
from wadm.model.lattice import Lattice, Pause
from wadm.wire.manifests import read_manifest

ANYWHERE = SpreadTarget("default", (), 3)
MOON = SpreadTarget("moon", (("zone", "moon"),), 2)
MOON_AND_SSD = SpreadTarget("moon", (("zone", "moon"), ("disk", "ssd")), 2)


def a_lattice(*labels: dict[str, str]) -> Lattice:
    lattice = Lattice()
    for number, one in enumerate(labels, 1):
        lattice.put_host(f"h{number}", "", one, "1.9.2", 0.0)
    return lattice


@pytest.mark.parametrize(
    ("share", "found", "labels", "said"),
    [
        (MOON, 0, [], "a host with zone=moon (spread moon); no host is there"),
        (MOON, 0, [{}], "a host with zone=moon (spread moon); 1 host is there: h1 has no label zone"),
        (
            MOON_AND_SSD,
            0,
            [{"zone": "moon"}, {"zone": "sun"}],
            "a host with zone=moon, disk=ssd (spread moon); 2 hosts are there: h1 has no label disk; h2 has zone=sun",
        ),
        (MOON, 0, [{}] * 4, "a host with zone=moon (spread moon); 4 hosts are there, none has that label"),
        (
            MOON_AND_SSD,
            0,
            [{}] * 4,
            "a host with zone=moon, disk=ssd (spread moon); 4 hosts are there, none has those labels",
        ),
        (ANYWHERE, 2, [{}] * 2, "1 more host (spread default); 2 hosts are there, and 2 of them can be used"),
        (ANYWHERE, 1, [{}], "2 more hosts (spread default); 1 host is there, and 1 of them can be used"),
        (ANYWHERE, 0, [{}], "a host (spread default); 1 host is there, and something is in the way"),
    ],
)
def test_missing_hosts(share: SpreadTarget, found: int, labels: list[dict[str, str]], said: str) -> None:
    assert missing_hosts(Missing(share, found), "provider", a_lattice(*labels)) == said


def test_many_hosts_are_not_counted() -> None:
    lattice = a_lattice(*[{}] * (HOSTS_COUNTED + 1))
    said = missing_hosts(Missing(MOON, 0), "component", lattice)
    lattice.put_host("one-more", "", {}, "1.9.2", 0.0)
    assert missing_hosts(Missing(MOON, 0), "component", lattice) == said


def test_hosts_that_were_lost_are_named_until_they_come_back() -> None:
    lattice = a_lattice({})
    lattice.lose_host("h1")
    lattice.remove_host("h1")
    assert missing_hosts(Missing(ANYWHERE, 0), "component", lattice).endswith("no host is there, h1 is lost")
    lattice.put_host("h1", "", {}, "1.9.2", 0.0)
    assert lattice.certainty.lost == {}


def test_a_pause_says_why_since_when_and_what_ends_it() -> None:
    pause = Pause(since=1_800_000_005.9, silent=5, of=6, names=("alpha", "beta", "gamma"), until=1_800_000_305.9)
    assert paused(pause) == (
        "5 of 6 hosts do not answer since 08:00:05 UTC (alpha, beta, gamma and 2 more). Nothing is moved until they "
        "are back, or until 08:05:05 UTC; `wadm resume` ends the wait at once."
    )


def test_while_nobody_answers_the_time_of_a_pause_does_not_run() -> None:
    pause = Pause(since=1_800_000_005.0, silent=3, of=3, names=("alpha", "beta", "gamma"), until=0.0)
    assert "until they are back, or some minutes after the first is; `wadm resume`" in paused(pause)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ("spreads", "1 scaler with 60 spreads"),
        ("components", "60 scalers"),
        ("components and links", "84 scalers"),
        ("configurations", "1 scaler with 60 configurations"),
    ],
)
def test_how_much_there_is_to_plan_is_told_by_what_there_is_much_of(shape: str, said: str) -> None:
    body = json.dumps(SHAPES[shape][0]("shop", 60)).encode()
    assert how_much(compile_manifest(read_manifest(body))) == said


def test_where_nothing_is_wanted_any_more_the_removal_is_planned() -> None:
    assert how_much(nothing("shop")) == "the removal"
