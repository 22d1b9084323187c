"""What a controller decides follows from its inputs alone: written down and fed to a new one, they decide the same."""

from __future__ import annotations

import pytest

from tests.sim.simulator.recorded import Recordings
from wadm.engine.controller import LatticeController
from wadm.engine.recording import Replay
from wadm.sim.options import draw_options
from wadm.sim.simulation import simulate

SEEDS = (0, 42, 713, 5856)
"""Simulations with take-overs, silent hosts, address conflicts, and stores that forget."""


@pytest.mark.parametrize("seed", SEEDS)
def test_the_inputs_of_a_simulation_decide_the_same_once_more(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Values of configurations are hidden, and a recording goes on with the state that a segment begins with."""
    recordings = Recordings(monkeypatch, segment_bytes=100_000)
    assert not simulate(seed).failures
    segments = recordings.segments
    assert any(segment.snapshot is not None for segment in segments)
    assert sum(bool(entry.decided) for segment in segments for entry in segment.entries) > 100
    for segment in segments:
        assert next(Replay(segment).run(), None) is None


def test_a_fork_goes_on_as_its_original(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings(monkeypatch)
    simulate(12)

    def every_fortieth(controller: LatticeController, number: int) -> LatticeController:
        return controller.fork() if number % 40 == 0 else controller

    for segment in recordings.segments:
        assert next(Replay(segment, every_fortieth).run(), None) is None


def test_another_rule_decides_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    """What compares effects finds where they differ."""
    recordings = Recordings(monkeypatch)
    simulate(0)
    monkeypatch.setattr("wadm.engine.expectations.BACKOFF_FIRST", 3.0)
    monkeypatch.setattr("wadm.engine.health_checks.HealthChecks.tick", lambda *_: None)
    assert any(True for segment in recordings.segments for _ in Replay(segment).run())


def test_no_value_of_a_configuration_is_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    recordings = Recordings(monkeypatch, segment_bytes=20_000)
    options = draw_options(42)
    simulate(options)
    text = b"".join(line for lines in recordings.lines for line in lines)
    assert b"hidden:" in text
    assert b'"PutConfig"' in text
