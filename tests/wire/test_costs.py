"""What reading costs grows with the text and no faster: counted in steps and bytes, never in seconds."""

from __future__ import annotations

import inspect
import json
import re
import sys
import tracemalloc
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml as pyyaml
from rich.console import Console

import wadm.client.sources
import wadm.dashboard.gateway
import wadm.server.flag_values
import wadm.server.logging
import wadm.transport.nats.connection
from bench.costly_texts import JSON, YAML, Shape
from tests.wire.backtracking import Steps, alphabet, patterns
from wadm.cli.manifests import look_at
from wadm.cli.views.problems import problems
from wadm.engine.validate import validate
from wadm.errors import ManifestInvalid, WadmError
from wadm.wire import yaml
from wadm.wire.documents import MAX_EXPANDED
from wadm.wire.events import decode_event
from wadm.wire.manifests import read_manifest, read_manifest_with_positions
from wadm.wire.stored import decode_application, encode_application

SMALL = 1_500
"""Bytes; the costs at twice and four times as much are compared."""
LINEAR = 2.5
"""How much more twice as much may cost. Quadratic would be 4."""
SLACK = 2_000
"""Steps that do not count: what is done once, such as a hundred problems that are told."""


def steps(work: Callable[[], object]) -> int:
    """Return how many functions are called, of Python and of C."""
    count = 0

    def called(frame: Any, event: str, arg: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(called)
    try:
        work()
    except WadmError:
        pass
    finally:
        sys.setprofile(before)
    return count


def most_bytes(work: Callable[[], object]) -> int:
    """Return the most memory that is in use meanwhile."""
    tracemalloc.start()
    try:
        work()
    except WadmError:
        pass
    finally:
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return most


def check_growth(cost: Callable[[int], int], slack: int, what: str) -> None:
    at = [cost(SMALL * factor) for factor in (1, 2, 4)]
    assert at[1] <= LINEAR * at[0] + slack, f"{what}: {at}"
    assert at[2] <= LINEAR * at[1] + slack, f"{what}: {at}"


def read_and_check(data: bytes) -> None:
    validate(read_manifest(data))


def read_with_positions(data: bytes) -> None:
    manifest, positions = read_manifest_with_positions(data)
    for problem in (*positions.repeated_keys(), *validate(manifest)):
        positions.locate(problem)


def refusals(data: bytes) -> list[ManifestInvalid]:
    try:
        read_manifest(data)
    except ManifestInvalid as refused:
        return [refused]
    return []


ALL = {**YAML, **JSON}


@pytest.mark.parametrize("name", ALL)
def test_reading_takes_steps_in_proportion_to_the_text(name: str) -> None:
    shape: Shape = ALL[name]
    check_growth(lambda size: steps(lambda: read_with_positions(shape(size))), SLACK, name)


@pytest.mark.parametrize("name", ALL)
def test_reading_takes_memory_in_proportion_to_the_text(name: str) -> None:
    shape: Shape = ALL[name]
    check_growth(lambda size: most_bytes(lambda: read_with_positions(shape(size))), 300_000, name)


@pytest.mark.parametrize("name", ALL)
def test_what_is_said_of_a_text_is_short(name: str) -> None:
    problems = [problem for refused in refusals(ALL[name](20_000)) for problem in refused.problems]
    assert max((len(text) for p in problems for text in (p.message, p.path, p.hint)), default=0) < 9_000


# -- the command line -------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_the_command_line_takes_steps_in_proportion_to_the_text(name: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"

    def cost(size: int) -> int:
        file.write_bytes(ALL[name](size))
        return steps(lambda: look_at([str(file)]))

    check_growth(cost, SLACK, name)


@pytest.mark.parametrize("name", ALL)
def test_what_the_command_line_prints_of_a_text_is_short(name: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.yaml"
    file.write_bytes(ALL[name](50_000))
    for one in look_at([str(file)]).checked:
        told = StringIO()
        text = one.source.text.decode(errors="replace")
        Console(file=told, width=10_000).print(problems("manifest.yaml", text, one.problems))
        printed = sum(len(line.rstrip()) for line in told.getvalue().splitlines())
        assert printed < 4_000 * (1 + len(one.problems))


# -- what is right but large ------------------------------------------------------------------


def manifest_of(**parts: Any) -> bytes:
    metadata = {"name": "large", "annotations": {"version": "v1", **parts.pop("annotations", {})}}
    spec = {"components": [], **parts}
    return json.dumps({"apiVersion": "a", "kind": "b", "metadata": metadata, "spec": spec}).encode()


def component_of(number: int, **properties: Any) -> dict[str, Any]:
    traits = properties.pop("traits", [])
    return {"name": f"c{number}", "type": "component", "properties": {"image": "i:1", **properties}, "traits": traits}


def link_of(number: int, target: str) -> dict[str, Any]:
    said = {"target": {"name": target}, "namespace": "w", "package": "p", "interfaces": ["i"], "name": f"l{number}"}
    return {"type": "link", "properties": said}


def policy_of(number: int) -> dict[str, Any]:
    return {"name": f"p{number}", "properties": {"backend": "b"}, "type": "policy.secret.wasmcloud.dev/v1alpha1"}


LARGE: dict[str, Callable[[int], bytes]] = {
    "components": lambda n: manifest_of(components=[component_of(i) for i in range(n)]),
    "a long image": lambda n: manifest_of(components=[component_of(0, image="${" * n * 10)]),
    "ids": lambda n: manifest_of(components=[component_of(i, id=f"id-{i}") for i in range(n)]),
    "one name": lambda n: manifest_of(components=[component_of(0) for _ in range(n)]),
    "links of one": lambda n: manifest_of(components=[component_of(0, traits=[link_of(i, "c0") for i in range(n)])]),
    "links in a chain": lambda n: manifest_of(
        components=[component_of(i, traits=[link_of(i, f"c{i + 1}")]) for i in range(n)]
    ),
    "links to nowhere": lambda n: manifest_of(components=[component_of(0, traits=[link_of(i, "x") for i in range(n)])]),
    "one link again and again": lambda n: manifest_of(
        components=[component_of(0, traits=[link_of(0, "c0") for _ in range(n)])]
    ),
    "spreads": lambda n: manifest_of(
        components=[
            component_of(
                0,
                traits=[
                    {
                        "type": "spreadscaler",
                        "properties": {
                            "instances": n,
                            "spread": [{"name": f"s{i}", "requirements": {"z": f"{i}"}} for i in range(n)],
                        },
                    }
                ],
            )
        ]
    ),
    "scalers": lambda n: manifest_of(
        components=[component_of(0, traits=[{"type": "spreadscaler", "properties": {"instances": 1}}] * n)]
    ),
    "configurations": lambda n: manifest_of(
        components=[component_of(0, config=[{"name": f"k{i}", "properties": {"a": "b"}} for i in range(n)])]
    ),
    "one configuration": lambda n: manifest_of(
        components=[component_of(i, config=[{"name": "same", "properties": {"a": f"{i}"}}]) for i in range(n)]
    ),
    "secrets": lambda n: manifest_of(
        components=[
            component_of(i, secrets=[{"name": f"s{i}", "properties": {"policy": "p", "key": "k"}}]) for i in range(n)
        ],
        policies=[policy_of(i) for i in range(n)],
    ),
    "annotations": lambda n: manifest_of(annotations={f"a{i}": "x" for i in range(n)}),
    "bad annotations": lambda n: manifest_of(annotations={f"{i}..{i}": "x" for i in range(n)}),
}  # fmt: skip


@pytest.mark.parametrize("name", LARGE)
def test_what_is_right_is_checked_and_stored_in_steps_in_proportion(name: str) -> None:
    def there_and_back(data: bytes) -> None:
        from wadm.engine.history import put_version

        read_with_positions(data)
        stored = encode_application(put_version(None, read_manifest(data)))
        decode_application("large", stored)

    check_growth(lambda size: steps(lambda: there_and_back(LARGE[name](size // 50))), SLACK, name)


# -- aliases ----------------------------------------------------------------------------------


def test_an_alias_repeats_no_more_text_than_a_document_may_have() -> None:
    text = "x" * 100_000
    config = "".join(f"k{n}: *a, " for n in range(MAX_EXPANDED // len(text) + 2))
    manifest = (
        "apiVersion: a\nkind: b\nmetadata: {name: n, annotations: {}}\nspec: {components: [{name: c, type: component, "
        f"properties: {{image: &a {text}, config: [{{name: k, properties: {{{config}}}}}]}}}}]}}"
    )
    with pytest.raises(ManifestInvalid, match="repetition limit exceeded"):
        read_manifest(manifest.encode())


# -- regular expressions ----------------------------------------------------------------------


def hostile(pattern: re.Pattern[str], size: int) -> list[str]:
    """Return texts of one and of two characters of the pattern again and again, with ends that do and do not fit."""
    characters = alphabet(pattern)
    units = [*characters, *(a + b for a in characters for b in characters if a != b)]
    return [unit * (size // len(unit)) + end for unit in units for end in ("", "\x7f", characters[0])]


SEARCHES = ("search", "sub", "findall", "finditer", "split")
"""Methods that begin anew at every character."""


def is_searched_for(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    source = inspect.getsource(sys.modules[module])
    return any(f"{attribute}.{method}(" in source for method in SEARCHES)


@pytest.mark.parametrize("name", patterns())
def test_a_pattern_takes_steps_in_proportion_to_the_text(name: str) -> None:
    pattern, full = patterns()[name], not is_searched_for(name)
    counted = Steps(pattern)
    sizes = (24, 48) if full else (200, 400)  # a search may look some way ahead each time, as long as that is bounded
    most = [max(counted.of(text, full=full) for text in hostile(pattern, size)) for size in sizes]
    assert most[1] <= LINEAR * most[0] + 50, most


def test_the_count_sees_a_pattern_that_tries_over_and_over() -> None:
    bad = Steps(re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"))
    assert bad.of("1" * 80 + "e") > 3 * bad.of("1" * 40 + "e")
    searched = Steps(re.compile(r"\$\{[^}]*\}"))
    assert searched.of("${" * 80, full=False) > 3 * searched.of("${" * 40, full=False)


def test_numbers_are_read_the_same_without_a_way_back() -> None:
    old = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
    pieces = ["", "1", ".", "e", "+", "-", "12", "E", "x"]
    for text in {a + b + c + d + e for a in pieces for b in pieces for c in pieces for d in pieces for e in pieces}:
        assert bool(old.fullmatch(text)) is bool(yaml._FLOAT.fullmatch(text)), text


# -- without libyaml --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["number with an exponent that does not come", "lists side by side", "many keys"])
def test_the_scanner_that_stands_in_for_libyaml_is_no_worse(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml, "_Loader", pyyaml.SafeLoader)
    check_growth(lambda size: steps(lambda: read_and_check(YAML[name](size))), SLACK, name)


# -- what hosts say ---------------------------------------------------------------------------

EVENTS: dict[str, Callable[[int], Any]] = {
    "providers": lambda n: {"providers": [{"id": f"p{i}", "name": "x", "annotations": {"a": "b"}} for i in range(n)]},
    "components": lambda n: {
        "components": [{"id": f"c{i}", "image_ref": "i", "max_instances": 1, "revision": 0} for i in range(n)]
    },
    "one component": lambda n: {
        "components": [
            {"id": "c", "image_ref": "i", "max_instances": 1, "annotations": {"a": f"{i}"}} for i in range(n)
        ]
    },
    "labels": lambda n: {"labels": {f"l{i}": "x" for i in range(n)}},
    "a long label": lambda n: {"labels": {"l": "x" * n * 10}},
}  # fmt: skip


@pytest.mark.parametrize("name", EVENTS)
def test_a_heartbeat_is_read_in_steps_in_proportion(name: str) -> None:
    def event(size: int) -> bytes:
        data = {
            "components": [], "providers": [], "labels": {}, "friendly_name": "f", "uptime_seconds": 1,
            "uptime_human": "1s", "version": "1", "host_id": "H", **EVENTS[name](size // 50),
        }  # fmt: skip
        head = {"specversion": "1.0", "id": "1", "source": "H", "type": "com.wasmcloud.lattice.host_heartbeat"}
        return json.dumps({**head, "data": data}).encode()

    check_growth(lambda size: steps(lambda: decode_event(event(size))), SLACK, name)


MODULES = (wadm.client.sources, wadm.dashboard.gateway, wadm.server.flag_values, wadm.server.logging, wadm.transport)
"""Imported so that their patterns are among those that are looked at."""
