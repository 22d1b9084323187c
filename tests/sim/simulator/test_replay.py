"""What a controller decides follows from its inputs alone: written down and fed to a new one, they decide the same."""

from __future__ import annotations

import pytest

from tests.sim.simulator.recorded import record
from wadm.sim.simulation import simulate

SEEDS = (0, 42, 713, 5856)
"""Simulations with take-overs, silent hosts, address conflicts, and stores that forget."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_inputs_of_a_simulation_decide_the_same_once_more(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = record(monkeypatch)
    assert not simulate(seed).failures
    assert sum(bool(entry.decided) for recording in recordings for entry in recording.entries) > 100
    for recording in recordings:
        different = next(recording.replay(), "")
        assert not different


def test_a_fork_goes_on_as_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = record(monkeypatch)
    simulate(12)
    for recording in recordings:
        different = next(recording.replay(fork_every=40), "")
        assert not different


def test_another_rule_decides_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compares effects finds where they differ."""
    recordings = record(monkeypatch)
    simulate(0)
    monkeypatch.setattr("wadm.engine.expectations.BACKOFF_FIRST", 3.0)
    monkeypatch.setattr("wadm.engine.health_checks.HealthChecks.tick", lambda *_: None)
    assert any(True for recording in recordings for _ in recording.replay())
