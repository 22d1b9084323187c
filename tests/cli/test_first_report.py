"""Until a provider has reported its health, that is said, and ``deploy --wait`` waits for it a little."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.world import World
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec

NOT_YET = "shop-http has not reported its health yet"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], str]:
    def write(image: str) -> str:
        provider = {"name": "http", "type": "capability", "properties": {"image": image}}
        manifest = {
            "apiVersion": "core.oam.dev/v1beta1",
            "kind": "Application",
            "metadata": {"name": "shop", "annotations": {"version": "v1"}},
            "spec": {"components": [provider]},
        }
        path = tmp_path / "wadm.yaml"
        path.write_text(json.dumps(manifest))
        return str(path)

    return write


def test_a_provider_that_reports_is_waited_for(world: World, file: Callable[[str], str]) -> None:
    began = world.loop.time()
    done = world.wadm("deploy", file("x/http:1"), "--wait")
    assert (done.code, done.out) == (0, "Deployed shop version v1.\n")
    assert 4.9 < world.loop.time() - began < 9
    assert NOT_YET not in world.wadm("status", "shop").out


def test_one_that_does_not_report_is_deployed_and_that_is_said(
    make_world: Callable[..., World], file: Callable[[str], str]
) -> None:
    world = make_world(HostSpec("host", {}, HostBehaviour(provider_lifetime=0.1)))
    began = world.loop.time()
    done = world.wadm("deploy", file("x/http:1"), "--wait")
    assert (done.code, done.out) == (0, f"Deployed shop version v1.\n{NOT_YET}.\n")
    assert 9.9 < world.loop.time() - began < 14
    shown = world.wadm("status", "shop")
    assert NOT_YET in shown.out
    told = world.wadm("status", "shop", "-o", "json").out
    assert f'"note": "{NOT_YET}"' in told


def test_a_builtin_one_never_reports_and_is_not_waited_for(world: World, file: Callable[[str], str]) -> None:
    began = world.loop.time()
    done = world.wadm("deploy", file("wasmcloud+builtin://http-server"), "--wait")
    assert (done.code, done.out) == (0, "Deployed shop version v1.\n")
    assert world.loop.time() - began < 4
