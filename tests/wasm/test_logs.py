"""What components write is kept for who asks: bounded, with the application and the component named."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("wasmtime", reason="needs the extra: wadm[host]")

from tests.wasm.lattice import Lattice, a_lattice, get
from wadm.client.client import Client
from wadm.client.logs import LogReader
from wadm.client.settings import Settings
from wadm.hosts.wasm.component_logs import LINES_PER_SECOND, LONGEST, ComponentLog
from wadm.hosts.wasm.recent_lines import KEPT, KEPT_CHARACTERS, RecentLines
from wadm.model.component_logs import MAX_LINES, LogRequest


@pytest.fixture
async def lattice(compiled: Path, tmp_path: Path) -> AsyncIterator[Lattice]:
    async with a_lattice(compiled, tmp_path) as one:
        yield one


def kept(*components: str) -> RecentLines:
    lines = RecentLines("N1", lambda: 100.0)
    for component in components:
        lines.begin(component, "shop")
    return lines


def texts(lines: RecentLines, name: str, request: LogRequest | None = None) -> list[str]:
    return [line.text for line in lines.answer(name, request or LogRequest()).lines]


async def test_lines_of_a_component_are_read_by_its_application_or_its_id(lattice: Lattice) -> None:
    port = await lattice.serve(annotations={"wasmcloud.dev/appspec": "shop"})
    client = Client(lattice.transport, Settings())
    shop, alone = LogReader(client, "shop"), LogReader(client, "c")
    await get(port, "/o")
    await get(port, "/Labc")
    found = await shop.read(100)
    assert [(one.component, one.application, one.level, one.text) for one in found] == [
        ("c", "shop", "stdout", "a line on stdout"),
        ("c", "shop", "warn", "hello: /Labc"),
    ]
    assert await shop.read(100) == []
    assert [line.text for line in await alone.read(1)] == ["hello: /Labc"]
    await get(port, "/o")
    assert [line.text for line in await shop.read(100)] == ["a line on stdout"]
    other = LogReader(client, "other")
    assert (await other.read(100), other.hosts, other.components) == ([], 1, set())


async def test_a_trap_is_among_the_lines(lattice: Lattice) -> None:
    port = await lattice.serve()
    assert (await get(port, "/t")).status == 500
    (line,) = await LogReader(Client(lattice.transport, Settings()), "c").read(100)
    assert (line.level, line.text.startswith("c ended in an error: ")) == ("error", True)


@pytest.mark.parametrize("question", [b"nonsense", b"[]", b'{"lines": "x"}', b'{"after": 1}'])
async def test_a_question_that_makes_no_sense_is_not_answered(lattice: Lattice, question: bytes) -> None:
    assert await lattice.transport.gather("wadm.logs.default.c", question, 0.1, 0.1) == []
    (answer,) = await lattice.transport.gather("wadm.logs.default.c", b"", 60, 0.1)
    assert json.loads(answer.data)["lines"] == []


def test_the_newest_lines_are_kept_and_the_newest_are_told() -> None:
    lines = kept("a", "b")
    for number in range(KEPT + 10):
        lines.add("a", "info", f"a{number}")
    lines.add("b", "info", "b")
    assert texts(lines, "b") == ["b"]
    assert texts(lines, "shop", LogRequest(2)) == [f"a{KEPT + 9}", "b"]
    assert texts(lines, "shop", LogRequest(0)) == []
    assert texts(lines, "a", LogRequest(10**9))[0] == f"a{KEPT + 10 - MAX_LINES}"


def test_long_lines_drive_out_the_older_ones() -> None:
    lines = kept("a")
    for _ in range(100):
        lines.add("a", "info", "x" * LONGEST)
    assert sum(map(len, texts(lines, "a", LogRequest(1000)))) <= KEPT_CHARACTERS + LONGEST


def test_what_is_new_is_told_in_parts_that_fit_a_message() -> None:
    lines = kept(*"abcdefgh")
    first = lines.answer("shop", LogRequest())
    for number in range(240):
        lines.add("abcdefgh"[number % 8], "info", f"{number} " + "\x01" * 4000)
    after, found, answers = {first.run: first.last}, [], 0
    while True:
        answer = lines.answer("shop", LogRequest(100, after))
        assert len(json.dumps(answer.lines[0].text)) * len(answer.lines) < 1 << 20
        found += [int(line.text.split()[0]) for line in answer.lines]
        after, answers = {answer.run: answer.last}, answers + 1
        if not answer.more:
            break
    assert answers > 1
    assert found == list(range(240))


def test_a_host_that_was_started_again_tells_from_its_beginning() -> None:
    lines = kept("a")
    lines.add("a", "info", "after the start")
    assert texts(lines, "a", LogRequest(100, {"another run": 1000})) == ["after the start"]


def test_lines_go_with_their_component() -> None:
    lines = kept("a")
    lines.add("a", "info", "x")
    lines.begin("a", "shop")  # another version of it
    assert texts(lines, "a") == ["x"]
    lines.forget("a")
    lines.add("a", "info", "late")
    assert texts(lines, "a") == []
    assert lines.answer("a", LogRequest()).components == ()


def test_a_flood_is_counted_and_left_out(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 1.0
    monkeypatch.setattr("wadm.hosts.wasm.component_logs.time.monotonic", lambda: now)
    caplog.set_level(logging.INFO, "wadm.component")
    told: list[tuple[str, str]] = []
    log = ComponentLog("web", {"wasmcloud.dev/appspec": "shop"}, lambda level, text: told.append((level, text)))
    for _ in range(LINES_PER_SECOND + 5):
        log("stdout", "x" * 2 * LONGEST)
    assert [(level, len(text)) for level, text in told] == [("stdout", LONGEST)] * LINES_PER_SECOND
    now = 2.0
    log("info", "again")
    assert told[-2:] == [("warn", "5 lines were left out"), ("info", "again")]
    assert caplog.messages[-2:] == ["shop web: 5 lines were left out", "shop web: again"]
