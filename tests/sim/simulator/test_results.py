"""What simulations come to: results travel between processes, and failures are told with how to see them again."""

from __future__ import annotations

import gc
import pickle
import weakref
from typing import Any

import pytest
from click.testing import CliRunner

from wadm.sim import __main__ as command_line
from wadm.sim import checks, simulation
from wadm.sim.__main__ import main, story
from wadm.sim.simulation import simulate
from wadm.sim.world import World


def test_a_failure_travels_between_processes_and_tells_its_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "unfinished", lambda _: ["it is said to be so"])
    result = simulate(7)
    again = pickle.loads(pickle.dumps(result))
    assert str(again) == str(result)
    assert list(story(again, everything=False))[-1].endswith(f"--seed {result.seed} --timeline")


def test_nothing_of_a_simulation_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else thousands of them in one process take gigabytes."""
    worlds = []

    class Noted(World):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            worlds.append(weakref.ref(self))

    monkeypatch.setattr(simulation, "World", Noted)
    simulate(700)
    gc.collect()
    assert [world() for world in worlds] == [None]


def test_one_seed_from_the_command_line() -> None:
    ran = CliRunner().invoke(main, ["--seed", "7"])
    assert ran.exit_code == 0
    assert "seed 7: " in ran.output


def test_many_seeds_tell_how_far_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_line, "PROGRESS_EVERY", 0.0)
    ran = CliRunner().invoke(main, ["--seeds", "7..9", "--jobs", "1", "--minutes", "0.1"])
    assert ran.exit_code == 0
    assert "1 of 2 simulations, 0 failed, about 0 min left" in ran.output
    assert "2 simulations, " in ran.output


@pytest.mark.parametrize("arguments", [[], ["--seed", "1", "--seeds", "1..2"], ["--seeds", "a..b"]])
def test_a_command_line_that_cannot_be_understood(arguments: list[str]) -> None:
    assert CliRunner().invoke(main, arguments).exit_code == 2
