"""What the shell offers: commands, options, and names as the lattice has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.world import World

HELLO = str(Path(__file__).parents[2] / "examples/hello.yaml")


@pytest.fixture
def hello(world: World) -> World:
    world.wadm("deploy", HELLO, "--wait")
    world.wadm(
        "put", "-", stdin=Path(HELLO).read_text().replace("v1.0.0", "v1.1.0").replace("name: hello", "name: help")
    )
    return world


def test_commands(world: World) -> None:
    assert world.complete("un") == ["undeploy", "uncordon"]


def test_options_with_only_our_own_names(world: World) -> None:
    offered = world.complete("status", "--")
    assert {"--watch", "--lattice", "--output"} <= set(offered)


@pytest.mark.parametrize("command", ["status", "get", "history", "undeploy", "delete", "deploy", "diff"])
def test_names_of_applications(hello: World, command: str) -> None:
    assert [name for name in hello.complete(command, "hel") if name != "hel"] == ["hello", "help"]


def test_what_is_named_already_is_not_offered_again(hello: World) -> None:
    assert [name for name in hello.complete("undeploy", "hello", "hel") if name != "hel"] == ["help"]


def test_versions_of_the_application_that_is_named(hello: World) -> None:
    assert hello.complete("get", "hello", "--version", "") == ["v1.0.0"]
    assert hello.complete("deploy", "help", "--version", "v1.1") == ["v1.1.0"]
    assert hello.complete("get", "--version", "") == []


def test_hosts(world: World) -> None:
    names = world.complete("inventory", "")
    assert len(names) == 2
    assert world.complete("inventory", names[0][:3]) == [names[0]]
    assert all(identity.startswith("N") and len(identity) == 56 for identity in world.complete("inventory", "N"))


def test_files_where_a_path_is_begun(hello: World) -> None:
    assert hello.complete("deploy", "./he") == ["./he"]


def test_formats(world: World) -> None:
    assert world.complete("list", "-o", "") == ["text", "wide", "json", "yaml", "name", "jsonpath=", "custom-columns="]


def test_nothing_is_offered_and_nothing_said_where_no_server_is(
    make_world: Callable[..., World], capsys: pytest.CaptureFixture[str]
) -> None:
    assert make_world("a", server=False).complete("status", "") == []
    assert capsys.readouterr().out == ""
