"""Several lattices in one world: they leave each other alone, and what leaks from one into another is found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from wadm.server import application_codec, commands, lattice_manager, owner, records
from wadm.sim.neighbours import LATTICES, OF_ALL, draw_neighbours, simulate_neighbours
from wadm.sim.options import Rates
from wadm.sim.users import REGISTRY, marked
from wadm.wire import subjects

Plant = Callable[[pytest.MonkeyPatch], None]

SEEDS = 12
AT_A_TIME = 4
MOST_SEEDS = 8
"""Simulations in which a planted bug must have shown."""
FIRST = LATTICES[0]


def events_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """An owner hears the events of the hosts of all lattices."""
    before = subjects.host_event

    def of_all(_lattice: str, event: str, account: str | None = None) -> str:
        return before("*" if event == ">" else _lattice, event, account)

    monkeypatch.setattr(owner.subjects, "host_event", of_all)


def applications_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is deployed of an application is looked up by its name alone, once it was looked up."""
    known: dict[str, Any] = {}
    before = lattice_manager.PlaceApplications.deployed

    def deployed(self: lattice_manager.PlaceApplications, name: str) -> Any:
        found = before(self, name)
        return known.setdefault(f"{name} {found.version}", found) if found is not None else None

    monkeypatch.setattr(lattice_manager.PlaceApplications, "deployed", deployed)


def versions_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read anew of a bucket is kept by the name of the application and its versions."""
    known: dict[Any, Any] = {}
    before = application_codec.ApplicationCodec.decode

    def decode(self: application_codec.ApplicationCodec, record: Any) -> Any:
        found = before(self, record)
        return known.setdefault((record.name, tuple(found.versions), found.deployed_version), found)

    monkeypatch.setattr(application_codec.ApplicationCodec, "decode", decode)


def commands_to_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are carried out in whichever lattice has the name of the first."""
    before = subjects.control
    monkeypatch.setattr(commands.subjects, "control", lambda _lattice, call, account=None: before(FIRST, call, account))


def statuses_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """All statuses are told as those of one lattice."""

    def publish(self: Any, name: str, status: Any) -> None:
        self._statuses.publish(FIRST, name, status, self._tenure)

    monkeypatch.setattr(lattice_manager.PlaceStatuses, "publish", publish)


def records_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was put is on record under the name of the application alone."""
    before = records.Records.__init__

    def init(self: Any, bucket: Any, _lattice: str, account: str | None, log: Any) -> None:
        before(self, bucket, FIRST, account, log)

    monkeypatch.setattr(records.Records, "__init__", init)


LEAKS: tuple[tuple[Plant, str], ...] = (
    (events_of_all, "isolation"),
    (applications_by_name, "isolation"),
    (versions_by_name, "isolation"),
    (commands_to_the_first, "isolation"),
    (statuses_of_the_first, "isolation"),
    (records_of_the_first, ""),
)


@pytest.mark.parametrize("first", range(0, SEEDS, AT_A_TIME))
def test_lattices_leave_each_other_alone(first: int) -> None:
    failed = {seed: found for seed in range(first, first + AT_A_TIME) if (found := simulate_neighbours(seed).failures)}
    assert not failed, f"{failed}\nAgain with: python -m wadm.sim --neighbours --seed {min(failed)} --timeline"


@pytest.mark.parametrize(("plant", "check"), LEAKS, ids=[plant.__name__ for plant, _ in LEAKS])
def test_a_leak_is_found(plant: Plant, check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    found = [failure for seed in range(MOST_SEEDS) for failure in simulate_neighbours(seed).failures[:1]]
    assert [failure for failure in found if failure.check == check or not check], found


def test_the_same_seed_takes_the_same_course() -> None:
    assert simulate_neighbours(1).digest == simulate_neighbours(1).digest


def test_the_lattices_have_servers_and_their_faults_in_common() -> None:
    for seed in range(20):
        first, *others = draw_neighbours(seed)
        assert first.servers >= 2
        for other in others:
            assert not other.servers
            assert other.trouble == first.trouble
            named = (name for name in Rates.__struct_fields__ if name.startswith(OF_ALL))
            assert not any(getattr(other.rates, name) for name in named)
            assert other.seed != first.seed


def test_a_manifest_is_marked_once_however_often_it_is_copied() -> None:
    settings = {"name": "s", "properties": {"level": "2"}}
    part = {"name": "c0", "properties": {"image": f"{REGISTRY}/app-1-c0:3", "config": [settings]}}
    once = marked({"spec": {"components": [part]}}, "other.example")
    assert once == marked(once, "other.example")
    properties = once["spec"]["components"][0]["properties"]
    assert properties["image"] == "other.example/app-1-c0:3"
    assert properties["config"][0]["properties"] == {"level": "other.example/2"}
