"""Worlds to run commands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.cli.world import World
from wadm.hosts.core import HostSpec


@pytest.fixture
def make_world() -> Iterator[Callable[..., World]]:
    """Make worlds with these hosts, or plain ones in the zones named; gone when the test is."""
    worlds: list[World] = []

    def make(*hosts: str | HostSpec, server: bool = True) -> World:
        worlds.append(World(*hosts, server=server))
        return worlds[-1]

    yield make
    for world in worlds:
        world.close()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    """A server and two hosts, in zones a and b."""
    return make_world("a", "b")
