"""A cluster for all tests, and an operator with exactly the rights that its manifests grant it."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.natsd import NatsServer
from tests.operator.cluster import Cluster, need_programs
from tests.operator.world import ROOT, World


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    programs = need_programs()
    directory = Path(tempfile.mkdtemp(prefix="wadm-kube-"))
    cluster = Cluster(programs, directory)
    try:
        cluster.start()
        cluster.apply(*yaml.safe_load_all((ROOT / "deploy" / "operator.yaml").read_text()))
        cluster.apply(*yaml.safe_load_all((ROOT / "deploy" / "crds.yaml").read_text()))
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def world(cluster: Cluster) -> Iterator[World]:
    directory = Path(tempfile.mkdtemp(prefix="wadm-operator-"))
    nats = NatsServer(directory / "nats")
    nats.start()
    world = World(cluster, nats, directory)
    try:
        world.wadm.start()
        world.operator.start()
        world.wait_for_wadm()
        yield world
    finally:
        world.stop()
        sys.stdout.write(world.logs())  # shown where a test failed
        nats.stop()
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(autouse=True)
def whole(request: pytest.FixtureRequest) -> None:
    """Let a test that uses the world find it whole, whatever the one before did to it."""
    if "world" in request.fixturenames:
        request.getfixturevalue("world").mend()
