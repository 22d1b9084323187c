"""A stage for each test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from tests.e2e.stage import Stage

SetUp = Callable[[Sequence[str]], Stage]


@pytest.fixture
async def set_up(tmp_path: Path) -> AsyncIterator[SetUp]:
    """Make a stage on these servers of NATS; it is taken down after the test."""
    stages: list[Stage] = []

    def make(urls: Sequence[str]) -> Stage:
        stages.append(Stage(urls, tmp_path))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.close()
        for instance in stage.instances.values():
            sys.stdout.write(f"-- {instance.name}\n{instance.log()}")  # shown where the test fails
