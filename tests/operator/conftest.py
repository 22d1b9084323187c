"""A cluster for all tests, and an operator with exactly the rights that its manifests grant it."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from tests.operator.cluster import Cluster
from tests.operator.world import World, running_cluster, running_world


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> Iterator[World]:
    with running_world(cluster) as world:
        try:
            yield world
        finally:
            sys.stdout.write(world.logs())  # shown where a test failed


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> None:
    """Let a test that uses the world find it whole, whatever the one before did to it."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").mend()
