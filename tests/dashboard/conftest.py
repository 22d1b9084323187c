"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.stage import Stage, stage


@pytest.fixture
def running(nats_server_factory: NatsServerFactory) -> Iterator[Stage]:
    """A server with three simulated hosts, and the gateway in front."""
    with stage(nats_server_factory()) as started:
        yield started


@pytest.fixture
def hostless(nats_server_factory: NatsServerFactory) -> Iterator[Stage]:
    """A server without hosts, and the gateway in front."""
    with stage(nats_server_factory(), hosts=()) as started:
        yield started
