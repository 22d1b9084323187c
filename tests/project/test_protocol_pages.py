"""The protocol pages say what the code does: their tables are compared with it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from wadm.engine.placing.targets import allocate
from wadm.engine.traits.link import KNOWN_INTERFACES
from wadm.model import commands, names
from wadm.model.manifest import Spread, SpreadProperties
from wadm.model.status import SEVERITY
from wadm.wire import host_events
from wadm.wire.commands import encode_command
from wadm.wire.operations import OPERATIONS

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"`([^`]+)`")


def section(page: str, heading: str) -> str:
    """Return what stands below a heading of a page, up to the next one."""
    text = (ROOT / f"docs/protocol/{page}.md").read_text()
    return re.split(r"^#", re.split(rf"^#+ {heading}$", text, flags=re.MULTILINE)[1], flags=re.MULTILINE)[0]


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the one table below a heading, without its head."""
    lines = [line for line in section(page, heading).splitlines() if line.startswith("|")]
    assert lines[1].strip("| -") == ""
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("row", rows("reconciliation", "Examples of scaler ids"))
def test_scaler_ids(row: list[str]) -> None:
    [texts], [expected] = (CODE.findall(cell) for cell in row)
    assert names.scaler_id(*texts.split("·")) == expected


@pytest.mark.parametrize("row", rows("reconciliation", "Spread arithmetic"))
def test_spread_arithmetic(row: list[str]) -> None:
    instances, weights, shares = ([int(number) for number in cell.split(", ")] for cell in row)
    spreads = tuple(Spread(str(i), {}, weight) for i, weight in enumerate(weights))
    assert [share.target for share in allocate(SpreadProperties(*instances, spreads))] == shares


def test_annotations_of_what_runs() -> None:
    keys = [CODE.findall(row[0]) for row in rows("reconciliation", "Annotations of what runs")]
    assert keys == [[names.MANAGED_BY], [names.APPSPEC], [names.SCALER], [names.SPREAD]]


def test_aggregate_status() -> None:
    assert tuple(CODE.findall(section("reconciliation", "Aggregate status"))[: len(SEVERITY)]) == SEVERITY


COMMANDS = (
    commands.ScaleComponent("api", "N", 1, "x/api:1", "shop", {}, ("c",)),
    commands.StartProvider("kv", "N", "x/kv:1", "shop", {}, ("c",)),
    commands.StopProvider("kv", "N", "shop", {}),
    commands.PutLink("api", "kv", "default", "wasi", "keyvalue", ("store",), "shop"),
    commands.DeleteLink("api", "wasi", "keyvalue", "default", "shop"),
    commands.PutConfig("c", {}),
    commands.DeleteConfig("c"),
)


def test_the_command_stream() -> None:
    told = {
        row[0].strip("`"): CODE.findall(row[1].replace("?`", "`")) for row in rows("reconciliation", "Command stream")
    }
    sent = [json.loads(encode_command(command)) for command in COMMANDS]
    assert told == {kind: list(fields) for message in sent for kind, fields in message.items()}


def test_events_of_hosts() -> None:
    told = {f"{host_events.PREFIX}{kind}" for row in rows("lattice", "Event types") for kind in CODE.findall(row[0])}
    assert told == {kind.__struct_config__.tag for kind in get_args(host_events.HostMessage)}


def test_reply_texts_are_those_of_simulated_hosts() -> None:
    source = "".join(path.read_text() for path in (ROOT / "src/wadm/hosts").glob("*.py"))
    texts = [text for row in rows("lattice", "Reply texts") for cell in row[1:] for text in CODE.findall(cell)]
    fixed = [text.strip("… ") for text in texts if not re.search(r"\b(?:ID|X|OLD)\b", text)]
    assert len(fixed) > 20
    assert [text for text in fixed if text not in source] == []


def test_calls_are_those_that_simulated_hosts_answer() -> None:
    source = (ROOT / "src/wadm/hosts/host.py").read_text()
    answered = {(noun, verb, int(more)) for noun, verb, more in re.findall(r'\("(\w+)", "(\w+)", (\d)\)', source)}
    calls = [row[0].strip("`").split(".") for row in rows("lattice", "Calls")]
    assert {(noun, verb, len(more)) for noun, verb, *more in calls} == answered


def test_operations_of_the_original() -> None:
    [[without, _], [get, _], [with_name, _]] = rows("api", "Subjects of requests")
    told = {(operation, False) for operation in CODE.findall(without + get)}
    told |= {(operation, True) for operation in CODE.findall(get + with_name)}
    assert told == {(one.name, one.named) for one in OPERATIONS if one.original}


def test_interfaces_that_are_known() -> None:
    lines = [line for line in section("manifest", "Rules").splitlines() if line.startswith("| `")]
    told = {}
    for line in lines:
        namespace, packages = line.strip("| ").split(" | ")
        pairs = (package.split(": ") for package in packages.split("; "))
        told[namespace.strip("`")] = {name.strip("`"): tuple(interfaces.split(", ")) for name, interfaces in pairs}
    assert told == KNOWN_INTERFACES


def test_rules_are_told_in_the_order_of_their_errors() -> None:
    codes = re.findall(r"^\| (E\d{3})", section("manifest", "Rules"), flags=re.MULTILINE)
    assert codes == sorted(codes)
    assert codes[0] == "E001"
