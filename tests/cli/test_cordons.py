"""Hosts are cordoned, drained and taken into use again from the command line."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.cli.test_commands import a_manifest
from tests.cli.world import World

MakeWorld = Callable[..., World]


def a_busy_host(world: World) -> str:
    """Deploy something and return the name of the host that runs it."""
    assert world.wadm("deploy", "-", "--wait", stdin=a_manifest("shop")).code == 0
    return next(one.friendly_name for one in world.fleet.hosts.values() if one.components)


def told_of(world: World, host: str) -> dict[str, object]:
    """Return what `wadm hosts` says of a host to a program."""
    hosts = json.loads(world.wadm("hosts", "-o", "json").out)
    [found] = [one for one in hosts if one["friendly_name"] == host]
    return dict(found)


def test_a_host_is_drained_and_is_safe_to_stop_then(world: World) -> None:
    host = a_busy_host(world)
    drained = world.wadm("drain", host, "--wait", "-m", "kernel upgrade", "--author", "ada")
    assert drained.code == 0, drained
    said = " ".join(drained.out.split())
    assert "safe to stop (drained since " in said
    assert " by ada: kernel upgrade)" in said
    assert not next(one for one in world.fleet.hosts.values() if one.friendly_name == host).components
    assert "safe to stop" in world.wadm("hosts").out
    cordon = told_of(world, host)["cordon"]
    assert isinstance(cordon, dict)
    assert (cordon["state"], cordon["author"], cordon["message"]) == ("safe to stop", "ada", "kernel upgrade")
    assert world.wadm("uncordon", host).out == f"{host}: in use again.\n"
    assert "cordon" not in told_of(world, host)
    assert "safe to stop" not in world.wadm("hosts").out


def test_what_fits_nowhere_else_is_named_and_the_command_ends_with_4(make_world: MakeWorld) -> None:
    world = make_world("a")
    host = a_busy_host(world)
    drained = world.wadm("drain", host, "--wait", "--deadline", "5s")
    assert drained.code == 4
    assert "component" in drained.out
    assert "waits for a host" in " ".join(drained.out.split())
    assert "not safe to stop in time" in drained.err
    forced = world.wadm("drain", host, "--wait", "--deadline", "5s", "--force")
    assert forced.code == 0, forced
    assert "safe to stop" in forced.out


def test_a_cordon_says_who_and_why_and_one_that_has_lapsed_says_how_to_remove_it(world: World) -> None:
    shown = world.wadm("cordon", "--label", "zone=none", "-m", "later", "--author", "ada")
    assert shown.code == 0
    said = " ".join(shown.out.split())
    assert said.startswith("hosts with zone=none: no such host is there (cordoned since ")
    assert "by ada, by label zone=none: later" in said
    assert "wadm uncordon --label zone=none removes it" in said
    assert world.wadm("uncordon", "--label", "zone=none").code == 0


def test_what_makes_no_sense_is_a_mistake_of_the_command_line(world: World) -> None:
    assert world.wadm("cordon").code == 2
    assert world.wadm("drain", "a", "--label", "b=c").code == 2
    assert world.wadm("drain", "a", "--force").code == 2
    unknown = world.wadm("drain", "nobody")
    assert unknown.code == 1
    assert "No host nobody is known in lattice default" in unknown.err
