"""Text from others never makes a terminal do anything, whichever view shows it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from unittest import mock

import msgspec
import pytest

from tests.cli import test_views
from tests.cli.world import World
from wadm.cli.output import render
from wadm.cli.visible import visible
from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.model.status import StatusType

HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x9b31m\r\x08\x7f\u202egnp\u2028x"
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
OURS = re.compile("\x1b\\[(?:[0-9;]*m|\\?25[lh]|2K|[0-9]*A)|\r(?=\x1b\\[)")
"""How rich colours and redraws text. None of it is in what is hostile."""
WORDS = {*get_args(StatusType), "error", "warning", "ok", "note", "component", "provider", "wash", "nats"}


def poisoned(value: Any) -> Any:
    """Put hostile text at the end of every string in a value, except words that the code compares."""
    match value:
        case str():
            return (
                value
                if value in WORDS or value in get_args(test_views.PlannedStep.__annotations__)
                else value + HOSTILE
            )
        case msgspec.Struct():
            literal = {"effect", "kind", "level", "type", "outcome", "action", "status", "health"}
            fields = {f: getattr(value, f) for f in value.__struct_fields__}
            return type(value)(
                **{f: v if f in literal and isinstance(v, str) else poisoned(v) for f, v in fields.items()}
            )
        case dict():
            return {key: poisoned(one) for key, one in value.items()}
        case tuple():
            return tuple(map(poisoned, value)) if type(value) is tuple else value
        case list():
            return [*map(poisoned, value)]
    return value


@pytest.fixture
def poisoned_views() -> Iterator[dict[str, Callable[[], Any]]]:
    """The views of test_views, of values that are hostile in every field."""
    bad = {
        name: poisoned(value)
        for name, value in vars(test_views).items()
        if name.isupper()
        and name not in ("GOLDEN", "NOW", "VIEWS")
        and isinstance(value, msgspec.Struct | tuple | list)
    }
    with mock.patch.multiple(test_views, **bad):
        yield test_views.VIEWS


@pytest.mark.parametrize("name", test_views.VIEWS)
@pytest.mark.parametrize("width", [60, 200])
def test_no_view_passes_a_control_character(
    poisoned_views: dict[str, Callable[[], Any]], name: str, width: int
) -> None:
    assert CONTROL.findall(render(poisoned_views[name](), width)) == []


def test_what_is_hostile_is_shown_rather_than_dropped() -> None:
    assert visible("v\x1b[31m1\r\x07\x9b\u202e") == "v\\e[31m1\\r\\x07\\x9b\\u202e"
    assert visible("grüße, 名前 ✓\nzwei") == "grüße, 名前 ✓\nzwei"


MANIFEST = json.dumps(
    {
        "apiVersion": "core.oam.dev/v1beta1",
        "kind": "Application",
        "metadata": {
            "name": "shop",
            "annotations": {"version": "v1" + HOSTILE, "description": HOSTILE},
            "labels": {"team": HOSTILE},
        },
        "spec": {
            "components": [
                {
                    "name": "web" + HOSTILE,
                    "type": "component",
                    "properties": {
                        "image": "registry.example/web:1" + HOSTILE,
                        "id": "web" + HOSTILE,
                        "config": [{"name": "c" + HOSTILE, "properties": {"k" + HOSTILE: HOSTILE}}],
                    },
                    "traits": [
                        {
                            "type": "spreadscaler",
                            "properties": {
                                "instances": 2,
                                "spread": [{"name": "s" + HOSTILE, "requirements": {"zone": "a" + HOSTILE}}],
                            },
                        },
                        {"type": "t" + HOSTILE, "properties": {"x" + HOSTILE: HOSTILE}},
                    ],
                }
            ]
        },
    }
)

COMMANDS = (
    "list",
    "list -o wide",
    "list -o json",
    "list -o yaml",
    "status shop",
    "status shop -o wide",
    "status shop -o json",
    "explain shop",
    "history shop",
    "events shop",
    "events",
    "plan shop",
    "plan FILE",
    "diff FILE",
    "get shop",
    "get shop -o json",
    "inventory",
    "inventory -o wide",
    "hosts",
    "hosts -o wide",
    "hosts -o json",
    "links",
    "config",
    "validate FILE",
    "put FILE",
    "deploy FILE --wait --timeout 5s",
    "undeploy shop --yes",
    "delete shop --version x\x1b[2J",
    "status \x1b[2J",
    "delete \x1b]0;x\x07 --yes",
    "validate \x1b[2J.yaml",
    "list --lattice \x1b[2J",
    "nosuch\x1b[2J",
    "list --nosuch\x1b[2J",
    "inventory \x9b31m",
)


@pytest.fixture(scope="module")
def hostile_world() -> Iterator[World]:
    habits = HostBehaviour(images=lambda image: f"cannot fetch {image}{HOSTILE}")
    world = World(HostSpec("host-a", {"zone": "a" + HOSTILE, "l" + HOSTILE: HOSTILE}, habits))
    yield world
    world.close()


@pytest.mark.parametrize("terminal", [False, True], ids=["piped", "terminal"])
def test_no_command_passes_a_control_character(hostile_world: World, tmp_path: Path, terminal: bool) -> None:
    file = tmp_path / "wadm.json"
    file.write_text(MANIFEST)
    message = ("--author", "ann" + HOSTILE, "-m", HOSTILE)
    hostile_world.wadm("deploy", str(file), "--wait", "--timeout", "20s", *message)
    shown = 0
    for command in COMMANDS:
        words = [str(file) if word == "FILE" else word for word in command.split(" ")]
        done = hostile_world.wadm(*words, terminal=terminal, stdin="n\n", columns=120)
        for text in (done.out, done.err):
            assert CONTROL.findall(OURS.sub("", text) if terminal else text) == [], (command, text)
            shown += "\\e]0;pwned" in text
    assert shown > 10
