"""Commands that need no server: validate, schema, completion, context, help."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from tests.cli.json_schema import mismatches
from tests.cli.processes import without_settings
from wadm.cli.group import LazyGroup
from wadm.cli.main import COMMANDS, main
from wadm.wire.yaml import read_yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop, annotations: {version: v1}}
spec:
  components:
    - name: web
      type: component
      properties: {image: "registry.example/web:1"}
      traits:
        - {type: spreadscaler, properties: {instances: 1}}
"""
Wadm = Callable[..., tuple[int, str, str]]


@pytest.fixture
def wadm(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Wadm:
    for name in list(without_settings()):
        if name.startswith("XDG_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*arguments: str, stdin: str = "", columns: int = 200) -> tuple[int, str, str]:
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
        code = main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


# -- validate ----------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["validate", "lint"])
def test_a_valid_manifest(wadm: Wadm, command: str) -> None:
    assert wadm(command, "-", stdin=GOOD) == (0, "", "✓ <stdin> is valid\n")


def test_all_problems_at_once_with_their_places(wadm: Wadm) -> None:
    bad = GOOD.replace("type: component", "type: componnt").replace("name: web", "nam: web")
    code, _, told = wadm("validate", "-", stdin=bad)
    assert code == 2
    assert "<stdin>:6:7  error" in told
    assert "<stdin>:7:13  error" in told
    assert "hint: did you mean `component`?" in told
    assert "✗ <stdin> is invalid: 2 errors" in told


def test_problems_for_editors(wadm: Wadm) -> None:
    code, out, _ = wadm("lint", "-", "-o", "json", stdin=GOOD.replace("type: component", "type: componnt"))
    assert code == 2
    (one,) = json.loads(out)
    assert (one["source"], one["valid"]) == ("<stdin>", False)
    (problem,) = one["problems"]
    assert (problem["line"], problem["column"], problem["code"]) == (7, 13, "E106")
    assert set(problem) == {"message", "path", "line", "column", "level", "code", "hint"}


def test_the_message_is_in_the_words_for_the_notation(wadm: Wadm, tmp_path: Path) -> None:
    file = tmp_path / "wadm.json"
    file.write_text('{"apiVersion": 1}')
    _, out, _ = wadm("validate", str(file), "-o", "json")
    assert json.loads(out)[0]["problems"][0]["message"].startswith("invalid type: integer `1`, expected a string")


def test_strict_takes_warnings_for_errors(wadm: Wadm) -> None:
    doubtful = GOOD.replace("metadata: {", "metadata: {nmae: x, ")
    assert wadm("validate", "-", stdin=doubtful)[0] == 0
    assert wadm("validate", "-", "--strict", stdin=doubtful)[0] == 2


def test_the_examples_are_valid(wadm: Wadm) -> None:
    code, _, told = wadm("lint", str(EXAMPLES), "--strict")
    assert code == 0, told


# -- schema ------------------------------------------------------------------------------------


def test_the_schema_takes_the_examples_and_refuses_what_is_wrong(wadm: Wadm) -> None:
    import yaml

    _, out, _ = wadm("schema")
    schema = json.loads(out)
    for example in EXAMPLES.glob("*.yaml"):
        assert mismatches(yaml.safe_load(example.read_text()), schema) == []
    good = yaml.safe_load(GOOD)
    assert mismatches(good, schema) == []
    for change in (
        lambda m: m.pop("kind"),
        lambda m: m.update(more=1),
        lambda m: m["metadata"].update(name="no spaces"),
        lambda m: m["metadata"]["annotations"].update(version=1.1),
        lambda m: m["spec"]["components"][0].update(type="componnt"),
        lambda m: m["spec"]["components"][0]["properties"].update(imag="x"),
        lambda m: m["spec"]["components"][0]["traits"][0]["properties"].update(instances="1"),
        lambda m: m["spec"]["components"][0]["traits"].append({"type": "link", "properties": {"target": {}}}),
    ):
        wrong = json.loads(json.dumps(good))
        change(wrong)
        assert mismatches(wrong, schema) != [], wrong


def test_everything_in_the_schema_is_documented(wadm: Wadm) -> None:
    _, out, _ = wadm("schema")

    def undocumented(schema: Any, path: str) -> list[str]:
        found = []
        for name, one in schema.get("properties", {}).items():
            if not ("description" in one or "$ref" in one or "items" in one or name == "properties"):
                found.append(f"{path}/{name}")
            found += undocumented(one, f"{path}/{name}")
        return found

    schema = json.loads(out)
    assert [place for name, one in schema["$defs"].items() for place in undocumented(one, name)] == []


# -- context -----------------------------------------------------------------------------------


def test_where_a_connection_comes_from(wadm: Wadm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NATS_URL", "nats://me:secret@example.com")
    code, out, _ = wadm("context", "show", "--lattice", "staging", "-o", "json")
    rows = {row["setting"]: (row["value"], row["from"]) for row in json.loads(out)}
    assert code == 0
    assert rows["servers"] == ("nats://example.com", "NATS_URL")
    assert rows["lattice"] == ("staging", "given")
    assert "secret" not in out


def test_a_bare_context_shows_the_connection(wadm: Wadm) -> None:
    assert wadm("context") == wadm("context", "show")


def test_contexts_are_listed(wadm: Wadm, tmp_path: Path) -> None:
    directory = tmp_path / ".config/nats/context"
    directory.mkdir(parents=True)
    (directory / "prod.json").write_text('{"url": "nats://a", "description": "production"}')
    (directory.parent / "context.txt").write_text("prod")
    _, out, _ = wadm("context", "list")
    assert re.search(r"prod +nats +✓ +production", out)


def test_a_context_that_is_not_there(wadm: Wadm) -> None:
    code, _, told = wadm("list", "--context", "nothing")
    assert code == 3
    assert "there is no context 'nothing'" in told


# -- help and the command line -----------------------------------------------------------------


def _commands() -> list[tuple[str, click.Command]]:
    group = LazyGroup(COMMANDS)
    context = click.Context(group)
    found = [(name, group.get_command(context, name)) for name in group.list_commands(context)]
    return [(name, one) for name, one in found if one is not None and name not in ("serve", "up", "demo")]


@pytest.mark.parametrize(("name", "declared"), _commands())
def test_every_command_has_help_with_examples_and_documented_options(name: str, declared: click.Command) -> None:
    assert declared.help
    if isinstance(declared, click.Group):
        return
    shown = declared.get_help(click.Context(declared, info_name=f"wadm {name}"))
    assert f"wadm {name}" in shown.partition("Examples:")[2].partition("Options:")[0]
    for option in declared.params:
        assert not isinstance(option, click.Option) or option.hidden or option.help, option.name
    assert "0 done, 1 failed, 2 invalid, 3 not found, 4 timed out, 5 no server" in shown


def test_options_of_wash_and_nats_are_understood(wadm: Wadm) -> None:
    of_wash = ("-r", "example.com", "-p", "4333", "-t", "500", "--ctl-credsfile", "/c.creds", "-x", "l")
    _, out, _ = wadm("context", "show", *of_wash, "-o", "json")
    rows = {row["setting"]: row["value"] for row in json.loads(out)}
    assert (rows["servers"], rows["timeout"], rows["lattice"]) == ("nats://example.com:4333", "0.5s", "l")
    assert rows["authentication"] == "creds file /c.creds"
    _, out, _ = wadm("context", "show", "--tlsca", "/ca.pem", "-s", "nats://a,nats://b", "-o", "json")
    rows = {row["setting"]: row["value"] for row in json.loads(out)}
    assert (rows["tls_ca"], rows["servers"]) == ("/ca.pem", "nats://a, nats://b")


@pytest.mark.parametrize("arguments", [("nothing",), ("list", "--bogus"), ("deploy",), ("get",), ("list", "-o", "xml")])
def test_a_wrong_command_line(wadm: Wadm, arguments: tuple[str, ...]) -> None:
    code, out, told = wadm(*arguments)
    assert (code, out) == (2, "")
    assert told.startswith("error: ")


def test_yaml_of_the_command_line_is_yaml_as_wadm_reads_it() -> None:
    from wadm.cli.output import as_yaml

    text = as_yaml({"version": "1.10", "no": "no", "number": "0x10", "list": [{"a": "~"}], "long": "x " * 200})
    assert read_yaml(text.encode()).after is None
    assert "list:\n  - a: '~'\n" in text
    assert max(map(len, text.splitlines())) > 300


# -- completion --------------------------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script(wadm: Wadm, shell: str) -> None:
    code, out, _ = wadm("completion", shell)
    assert code == 0
    assert f"_WADM_COMPLETE={shell}_complete" in out


def test_the_shell_is_taken_from_the_environment(wadm: Wadm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert "zsh_complete" in wadm("completion")[1]
    monkeypatch.setenv("SHELL", "/bin/tcsh")
    assert wadm("completion")[0] == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_in_bash(tmp_path: Path) -> None:
    wrapper = tmp_path / "wadm"
    wrapper.write_text(f'#!/bin/sh\nexec {sys.executable} -m wadm "$@"\n')
    wrapper.chmod(0o755)
    script = """
        source <(wadm completion bash)
        COMP_WORDS=(wadm un); COMP_CWORD=1
        _wadm_completion wadm; echo "${COMPREPLY[@]}"
        COMPREPLY=(); COMP_WORDS=(wadm deploy --rep); COMP_CWORD=2
        _wadm_completion wadm; echo "${COMPREPLY[@]}"
    """
    environment = without_settings() | {"PATH": f"{tmp_path}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["undeploy uncordon", "--replace"]
