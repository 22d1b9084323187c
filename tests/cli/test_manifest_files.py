"""Manifests as they lie in directories: all of them are looked at, whatever is wrong with some, before any build."""

from __future__ import annotations

import json
import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import Result, World
from wadm.cli import manifests
from wadm.cli.main import main

GOOD = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: NAME, annotations: {version: v1}}
spec:
  components:
    - name: web
      type: component
      properties: {image: "registry.example/web:1"}
      traits:
        - {type: spreadscaler, properties: {instances: 1}}
"""


def a_manifest(name: str = "shop") -> str:
    return GOOD.replace("NAME", name)


@pytest.fixture
def validate(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Result:
        code = main(["validate", *arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


def test_nothing_need_be_built(validate: Any, tmp_path: Path) -> None:
    """A missing artefact is a warning with its place, and hides nothing else."""
    (tmp_path / "wadm.yaml").write_text(
        a_manifest()
        .replace("registry.example/web:1", "file://./build/web.wasm")
        .replace("instances: 1", "instances: x")
    )
    done = validate(str(tmp_path / "wadm.yaml"))
    assert done.code == 2
    assert (
        f"wadm.yaml:8:27  warning W043\n  the image file://./build/web.wasm is not there: {tmp_path}/build" in done.err
    )
    assert "error E014" in done.err


@pytest.mark.parametrize("command", ["undeploy", "delete"])
def test_taking_down_needs_the_name_only(world: World, tmp_path: Path, command: str) -> None:
    file = tmp_path / "wadm.yaml"
    file.write_text(a_manifest())
    assert world.wadm("deploy", str(file), "--wait").code == 0
    file.write_text(
        a_manifest().replace("registry.example/web:1", "file://gone.wasm").replace("type: component", "type: x")
    )
    assert world.wadm(command, str(file)).code == 0


@pytest.mark.parametrize("command", ["plan", "diff"])
def test_looking_ahead_needs_no_artefact(world: World, tmp_path: Path, command: str) -> None:
    file = tmp_path / "wadm.yaml"
    file.write_text(a_manifest())
    world.wadm("deploy", str(file), "--wait")
    file.write_text(a_manifest().replace("registry.example/web:1", "file://gone.wasm").replace("v1}", "v2}"))
    done = world.wadm(command, str(file))
    assert (done.code, "gone.wasm" in done.out) == (0, True)


@pytest.mark.parametrize("command", ["put", "deploy"])
def test_what_is_to_run_must_be_built(world: World, tmp_path: Path, command: str) -> None:
    file = tmp_path / "wadm.yaml"
    file.write_text(a_manifest().replace("registry.example/web:1", "file://gone.wasm"))
    done = world.wadm(command, str(file))
    assert done.code == 3
    assert f"{file}:8: the image file://gone.wasm is not there: {tmp_path}/gone.wasm" in done.err
    assert "hint:  build it first" in done.err


def test_relative_images_are_beside_the_file_that_a_link_points_to(world: World, tmp_path: Path) -> None:
    (tmp_path / "proj/build").mkdir(parents=True)
    (tmp_path / "proj/build/a b.wasm").touch()
    (tmp_path / "proj/wadm.yaml").write_text(a_manifest().replace("registry.example/web:1", "file://./build/a b.wasm"))
    (tmp_path / "link.yaml").symlink_to(tmp_path / "proj/wadm.yaml")
    assert world.wadm("put", str(tmp_path / "link.yaml")).code == 0
    assert f"file://{tmp_path}/proj/build/a%20b.wasm" in world.wadm("get", "shop").out


def test_a_directory_is_read_with_all_below_it(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "team/api").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for place, name in (("a.yaml", "a"), ("team/b.YML", "b"), ("team/api/c.json", "c"), (".git/d.yaml", "d")):
        (tmp_path / place).write_text(a_manifest(name))
    done = validate(str(tmp_path), "-o", "json")
    found = [str(Path(one["source"]).relative_to(tmp_path)) for one in json.loads(done.out)]
    assert found == ["a.yaml", "team/api/c.json", "team/b.YML"]
    named = validate(str(tmp_path))
    assert f"skipped: {tmp_path}/.git (such a directory is looked into only where it is named itself)" in (
        named.out + named.err
    )


def test_a_directory_that_leads_back_to_itself_is_read_once(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest())
    (tmp_path / "loop").symlink_to(tmp_path)
    assert len(json.loads(validate(str(tmp_path), "-o", "json").out)) == 1
    named = validate(str(tmp_path))
    assert f"skipped: {tmp_path}/loop (its files are read already, over another path)" in named.out + named.err


BROKEN: dict[str, tuple[str | bytes, str]] = {
    "api-version-misspelt": (a_manifest().replace("core.oam.dev", "core.oam.dv"), "W041"),
    "api-version-of-capitals": (a_manifest().replace("core.oam.dev", "Core.OAM.dev"), "W041"),
    "no-api-version": (a_manifest().partition("\n")[2], "E102"),
    "kind-misspelt": (a_manifest().replace("Application", "Aplication"), "W041"),
    "spec-misspelt": (a_manifest().replace("spec:", "sepc:"), "E103"),
    "syntax": (a_manifest().replace("    - name: web", "\t- name: web"), "E100"),
    "half": (a_manifest()[:90] + "'", "E100"),
    "not-utf-8": (a_manifest().encode() + b"# gr\xfc\xdfe\n", "E100"),
    "repeated-key": (a_manifest().replace("version: v1", "version: v1, version: v2"), "E110"),
    "not-yet-built": (a_manifest().replace("registry.example/web:1", "file://no.wasm"), "W043"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_manifest_in_a_directory_is_not_passed_over(validate: Any, tmp_path: Path, case: str) -> None:
    content, code = BROKEN[case]
    (tmp_path / "a.yaml").write_text(a_manifest("fine"))
    (tmp_path / "b.yaml").write_bytes(content.encode() if isinstance(content, str) else content)
    done = validate(str(tmp_path))
    assert code in done.err, done.err
    assert "a.yaml is valid" in done.err
    assert done.code == (2 if code.startswith("E") else 0)


@pytest.mark.parametrize(("name", "text"), [("a.yaml", "[[], []]"), ("a.json", '{"a": '), ("b.yaml", "a: [b")])
def test_what_cannot_be_read_is_read_once_in_each_notation(
    validate: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    """A costly text costs no more than the two tries that a server takes, and is told in one notation."""
    tried = []
    before = manifests.read_manifest_with_positions

    def read(data: bytes, content_type: str | None = None) -> Any:
        tried.append(content_type)
        return before(data, content_type)

    monkeypatch.setattr(manifests, "read_manifest_with_positions", read)
    (tmp_path / name).write_text(text)
    result = validate(str(tmp_path / name))
    assert result.code == 2
    assert tried == ["application/yaml", "application/json"]
    assert "Caused by" not in result.out + result.err


def test_what_is_passed_over_is_named_with_the_reason(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest())
    (tmp_path / "service.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {}\n")
    (tmp_path / "argo.yaml").write_text("apiVersion: argoproj.io/v1alpha1\nkind: Application\nspec: {source: {}}\n")
    (tmp_path / "values.yaml").write_text("replicas: 3\n")
    (tmp_path / "chart.yaml").write_text("image: {{ .Values.image }}:{{ .Values.tag }}\n")
    (tmp_path / "empty.yaml").write_text("")
    (tmp_path / "README.md").write_text("# hello\n")
    done = validate(str(tmp_path))
    assert done.code == 0
    skipped = [line for line in done.err.splitlines() if line.startswith("skipped:")]
    for name, reason in (
        ("service.yaml", "its apiVersion is v1, its kind Service"),
        ("argo.yaml", "its apiVersion is argoproj.io/v1alpha1"),
        ("values.yaml", "it has no apiVersion, and does not look like an application"),
        ("chart.yaml", "it is neither readable YAML nor JSON"),
        ("empty.yaml", "it is empty"),
        ("README.md", "its name does not end in .yaml, .yml or .json"),
    ):
        assert [line for line in skipped if name in line and reason in line], (name, done.err)


def test_what_cannot_be_read_does_not_hide_the_rest(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest())
    (tmp_path / "gone.yaml").symlink_to(tmp_path / "nowhere.yaml")
    done = validate(str(tmp_path), str(tmp_path / "missing.yaml"))
    assert done.code == 2
    assert "a.yaml is valid" in done.err
    assert "gone.yaml: a symbolic link that leads nowhere" in done.err
    assert "there is no file" in done.err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest())
    (tmp_path / "b.yaml").touch(mode=0)
    done = validate(str(tmp_path))
    assert (done.code, "b.yaml: Permission denied" in done.err) == (2, True)


def test_names_that_are_not_utf_8(validate: Any, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/gr\xfc\xdfe.yaml"
    with open(path, "wb") as file:  # noqa: PTH123
        file.write(a_manifest().encode())
    (one,) = json.loads(validate(str(tmp_path), "-o", "json").out)
    assert one["source"].endswith("/gr\ufffd\ufffde.yaml")


def test_several_documents_in_a_file(world: World, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    service = "apiVersion: v1\nkind: Service\nmetadata: {name: x}\n"
    file.write_text(f"# all\n---\n{a_manifest('a')}---\n{service}---\n{a_manifest('b')}...\n---\n# nothing\n")
    done = world.wadm("deploy", str(file), "--wait")
    assert (done.code, done.out) == (0, "Deployed a version v1.\nDeployed b version v1.\n")
    assert f"skipped: {file} (document 2) (its apiVersion is v1, its kind Service)" in done.err


def test_more_documents_than_one_file_can_have_are_refused_at_once(validate: Any, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text("a: 1\n---\n" * 20_000)
    said = f"{file} holds 20000 documents in 40000 lines, which is too much for one file: split it"
    refused = validate(str(file))
    assert refused.code != 0
    assert said in refused.err
    assert said in validate(str(tmp_path)).err


def test_of_a_long_line_the_place_is_shown(validate: Any, tmp_path: Path) -> None:
    """A manifest in JSON is often one line."""
    file = tmp_path / "long.json"
    long = "x" * 3_000
    file.write_text(f'{{"apiVersion":"{long}","kind":"b","wrong":1,"metadata":{{"name":"{long}"}}}}')
    shown = validate(str(file)).err.splitlines()
    marked = [(line, line[mark.index("^") :]) for line, mark in pairwise(shown) if mark.strip("| ") == "^"]
    assert any(part.startswith('"wrong"') for _, part in marked)
    assert max(len(line) for line, _ in marked) < 250


def test_problems_of_a_document_have_their_place_in_the_file(validate: Any, tmp_path: Path) -> None:
    file = tmp_path / "all.yaml"
    file.write_text(f"{a_manifest('a')}---\n{a_manifest('b').replace('type: component', 'type: componnt')}")
    done = validate(str(file))
    assert f"{file}:18:13  error E106" in done.err
    assert f"✓ {file} (document 1) is valid" in done.err
    assert f"✗ {file} (document 2) is invalid: 1 error" in done.err


@pytest.mark.parametrize("command", ["put", "deploy", "plan"])
def test_manifests_by_option(world: World, command: str) -> None:
    done = world.wadm(command, "-f", "-", stdin=a_manifest())
    assert (done.code, "shop" in done.out) == (0, True)


def test_an_application_and_an_id_in_two_files(validate: Any, tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(a_manifest())
    (tmp_path / "b.yaml").write_text(a_manifest())
    (tmp_path / "c.yaml").write_text(
        a_manifest("other").replace("properties: {image", "properties: {id: shop-web, image")
    )
    done = validate(str(tmp_path))
    assert f"shop v1 is in {tmp_path}/a.yaml too: only one can be stored" in done.err
    assert f"web is called shop-web in the lattice, and so is a component of shop in {tmp_path}/a.yaml" in done.err


@pytest.mark.parametrize("command", ["put", "deploy", "plan"])
def test_a_repeated_key_is_refused(world: World, tmp_path: Path, command: str) -> None:
    """The server would take the last of them, as the original does."""
    file = tmp_path / "wadm.yaml"
    file.write_text(a_manifest().replace("version: v1", "version: v1, version: v2"))
    done = world.wadm(command, str(file), columns=200)
    assert (done.code, done.out) == (2, "")
    assert f'{file}:3:51  error E110\n  duplicate entry with key "version"' in done.err


def test_one_that_cannot_be_deployed_keeps_the_others_from_being_deployed(world: World, tmp_path: Path) -> None:
    file = tmp_path / "wadm.yaml"
    file.write_text(a_manifest())
    done = world.wadm("deploy", str(file), "nosuchapp")
    assert (done.code, done.out) == (3, "")
    assert json.loads(world.wadm("list", "-o", "json").out) == []


def test_a_directory_without_a_slash(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "proj").mkdir()
    monkeypatch.chdir(tmp_path)
    done = world.wadm("deploy", "proj")
    assert done.code == 3
    assert "to take the manifests of the directory proj, write proj/ with a slash" in done.err


def test_pruning_by_label(world: World, tmp_path: Path) -> None:
    def labelled(name: str, team: str) -> str:
        return a_manifest(name).replace("annotations:", f"labels: {{team: {team}}}, annotations:")

    for name, team in (("a", "shop"), ("b", "shop"), ("c", "other")):
        (tmp_path / f"{name}.yaml").write_text(labelled(name, team))
    assert world.wadm("deploy", f"{tmp_path}/", "--wait").code == 0
    (tmp_path / "b.yaml").unlink()
    (tmp_path / "c.yaml").unlink()
    done = world.wadm("deploy", f"{tmp_path}/", "--prune", "-l", "team=shop", "--yes")
    assert (done.code, "Undeploying b, which is not among the manifests any more" in done.err) == (0, True)
    deployed = {one["name"]: one["deployed_version"] for one in json.loads(world.wadm("list", "-o", "json").out)}
    assert deployed == {"a": "v1", "b": None, "c": "v1"}
    assert world.wadm("deploy", f"{tmp_path}/", "--prune").code == 2
    (tmp_path / "b.yaml").write_text(labelled("b", "shop"))
    assert world.wadm("deploy", f"{tmp_path}/", "--wait").code == 0
    (tmp_path / "b.yaml").unlink()
    told = json.loads(world.wadm("deploy", f"{tmp_path}/", "--prune", "-l", "team=shop", "--yes", "-o", "json").out)
    assert told == [{"name": "a", "version": "v1"}, {"name": "b", "version": None, "pruned": True}]


def test_nothing_is_pruned_where_something_is_not_deployed(world: World, tmp_path: Path) -> None:
    def labelled(name: str) -> str:
        return a_manifest(name).replace("annotations:", "labels: {team: shop}, annotations:")

    (tmp_path / "a.yaml").write_text(labelled("a"))
    (tmp_path / "b.yaml").write_text(labelled("b"))
    assert world.wadm("deploy", f"{tmp_path}/", "--wait").code == 0
    (tmp_path / "b.yaml").unlink()
    moon = "instances: 1, spread: [{name: moon, requirements: {zone: moon}}]"
    elsewhere = labelled("a").replace("version: v1", "version: v2").replace("instances: 1", moon)
    (tmp_path / "a.yaml").write_text(elsewhere)
    done = world.wadm("deploy", f"{tmp_path}/", "--prune", "-l", "team=shop", "--yes", "--wait", "--timeout", "5s")
    assert (done.code, "Nothing is pruned, as not all is deployed." in done.err) == (4, True)
    deployed = {one["name"]: one["deployed_version"] for one in json.loads(world.wadm("list", "-o", "json").out)}
    assert deployed == {"a": "v2", "b": "v1"}
