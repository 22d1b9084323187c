"""What people get wrong, and terminals that can do little: words and an exit code, never a traceback."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from tests.cli.world import World
from wadm.cli import exits
from wadm.cli.output import lenient

HELLO = str(Path(__file__).parents[2] / "examples/hello.yaml")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("lst", "there is no command 'lst': did you mean `wadm list`"),
        ("statsu", "did you mean `wadm status`"),
        ("nosuch", "there is no command 'nosuch'; `wadm --help` lists the commands"),
        ("xyzzy", "there is no command 'xyzzy'; `wadm --help` lists the commands"),
    ],
)
def test_a_command_that_is_not_there(world: World, typed: str, said: str) -> None:
    done = world.wadm(typed)
    assert (done.code, done.out) == (exits.INVALID, "")
    assert done.err.startswith(f"error: {said}" if typed != "statsu" else "error: there is no command")
    assert said in done.err


@pytest.mark.parametrize("command", ["put", "validate", "deploy", "plan", "diff", "undeploy", "delete", "demo"])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; a manifest is expected"),
        (b"\x8e\xff\x00\x01" * 100, "a manifest is text in UTF-8"),
        (b"kind: Application\n\tx: 1\n", "indent with blanks, not tabs"),
    ],
)
def test_a_file_that_is_no_manifest(world: World, tmp_path: Path, command: str, content: bytes, said: str) -> None:
    path = tmp_path / "wadm.yaml"
    path.write_bytes(content)
    done = world.wadm(command, str(path))
    assert (done.code, done.out) == (exits.INVALID, "")
    assert said in done.err


@pytest.mark.parametrize("command", ["put", "validate", "deploy", "plan"])
def test_nothing_on_standard_input(world: World, command: str) -> None:
    done = world.wadm(command, "-", stdin="")
    assert (done.code, done.err) == (exits.INVALID, "error: <stdin> is empty; a manifest is expected\n")


@pytest.mark.parametrize("command", ["put", "validate", "deploy", "plan"])
def test_a_directory_without_a_manifest(world: World, tmp_path: Path, command: str) -> None:
    done = world.wadm(command, f"{tmp_path}/")
    assert done.code == exits.NOT_FOUND
    assert "there is no manifest (a .yaml, .yml or .json of core.oam.dev) in the directory" in done.err


@pytest.mark.parametrize("command", ["list", "up"])
@pytest.mark.parametrize("lattice", ["", "a b", "a.b", "*", ">"])
def test_a_name_that_no_lattice_can_have(world: World, command: str, lattice: str) -> None:
    done = world.wadm(command, "--lattice", lattice)
    assert done.code == exits.INVALID
    assert "cannot be the name of a lattice" in done.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("events", "nope"),
        ("status", "nope"),
        ("history", "nope"),
        ("delete", "nope"),
        ("config", "nope"),
        ("get", "hello", "--version", "nope"),
        ("deploy", "hello", "--version", "nope"),
        ("rollback", "hello", "--to", "nope"),
    ],
)
def test_every_not_found_says_what_to_do(world: World, arguments: tuple[str, ...]) -> None:
    world.wadm("put", HELLO)
    done = world.wadm(*arguments)
    assert (done.code, done.out) == (exits.NOT_FOUND, "")
    assert "\nhint:  " in done.err


@pytest.mark.parametrize("columns", [1, 10, 20])
def test_a_tiny_terminal_gets_lines_to_be_broken_by_it_rather_than_columns_of_a_letter(
    world: World, columns: int
) -> None:
    world.wadm("deploy", HELLO, "--wait")
    assert "hello" in world.wadm("list", columns=columns).out
    assert "httpserver" in world.wadm("status", "hello", columns=columns).out


def test_signs_that_an_encoding_lacks_are_shown_as_something_like_them() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    lenient(stream)
    lenient(stream)
    stream.write("✓ deployed, api → redis, 2 × é")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ deployed, api > redis, 2 x ?"


def in_shell(line: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a line of sh in which ``wadm`` is this one."""
    function = f'wadm() {{ "{sys.executable}" -m wadm "$@"; }}; '
    environment = without_settings() | environment
    return subprocess.run(
        ["sh", "-c", function + line], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("wadm schema | head -1", 0),
        ("wadm context show | true", 0),
        ("wadm context show >&-", 0),
        ("wadm validate /nonexistent.yaml 2>&-", exits.NOT_FOUND),
    ],
)
def test_an_output_that_nobody_reads(line: str, code: int) -> None:
    done = in_shell(line)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert "rror" not in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_takes_nothing_more() -> None:
    done = in_shell("wadm context show > /dev/full")
    assert done.returncode == exits.FAILED
    assert done.stderr == "error: cannot write the output: No space left on device\n"


def test_a_terminal_without_utf_8(tmp_path: Path) -> None:
    done = in_shell(f"wadm validate {HELLO}", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, f"+ {HELLO} is valid\n")
