"""Manifests are read where they hold up nobody, within limits."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
from collections.abc import AsyncIterator

import pytest

from tests.server.lab import component, manifest, until
from wadm.errors import ManifestInvalid
from wadm.server import reading
from wadm.server.reading import LARGE, Checked, InProcesses, check, serve


@pytest.fixture
async def processes() -> AsyncIterator[InProcesses]:
    found = InProcesses()
    yield found
    await found.stop()


def large(**properties: object) -> bytes:
    parts = [component(f"c{number}", **properties) for number in range(400)]
    return json.dumps(manifest("shop", "v1", parts)).encode()


async def test_a_large_manifest_comes_out_as_a_small_one_does(processes: InProcesses) -> None:
    body = large()
    assert len(body) > LARGE
    assert await processes.check(body, None) == check(body, None)
    assert len(processes._idle) == 1, "it waits for more to do"
    with pytest.raises(ManifestInvalid) as refused:
        await processes.check(body[:-1], None)
    with pytest.raises(ManifestInvalid) as here:
        check(body[:-1], None)
    assert refused.value.problems == here.value.problems
    same = large(id="same")
    assert (await processes.check(same, None)).refused == check(same, None).refused
    assert len(processes._idle) == 1


async def test_a_small_one_needs_no_process(processes: InProcesses) -> None:
    await processes.check(json.dumps(manifest("shop")).encode(), None)
    assert not processes._idle


async def test_what_takes_too_long_is_ended_and_told_and_the_next_one_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Amid a call that Python cannot interrupt: the system ends the process after a second of processor time."""
    busy = "re.fullmatch('(x+x+)+y', 'x' * 4000)"
    code = f"import re; from wadm.server import reading; reading.check = lambda *_: {busy}; reading.main()"
    monkeypatch.setattr(reading, "_COMMAND", ("-c", code))
    processes = InProcesses(cpu_seconds=1)
    with pytest.raises(ManifestInvalid, match="takes more than 1 s of processor time"):
        await processes.check(large(), None)
    assert not processes._idle
    monkeypatch.undo()
    assert isinstance(await processes.check(large(), None), Checked)
    await processes.stop()


async def test_a_request_that_is_given_up_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "_COMMAND", ("-c", "import time; time.sleep(600)"))
    processes = InProcesses(patience=0.3)
    with pytest.raises(ManifestInvalid):
        await processes.check(large(), None)
    waiting = asyncio.create_task(processes.check(large(), None))
    await asyncio.sleep(0.1)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert not processes._idle


async def test_where_no_process_can_be_started_it_is_read_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading.sys, "executable", "/nowhere/python")
    assert isinstance(await InProcesses().check(large(), None), Checked)


async def test_an_idle_process_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "IDLE", 0.05)
    processes = InProcesses()
    await processes.check(large(), None)
    (worker,) = processes._idle
    await asyncio.wait_for(worker._process.wait(), 10)
    assert not processes._idle
    assert worker._ending is not None
    await worker._ending


async def test_one_process_is_there_from_the_start_and_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "IDLE", 0.05)
    processes = InProcesses()
    await processes.prepare()
    (first,) = processes._idle
    await asyncio.sleep(0.2)
    assert processes._idle == [first]
    await asyncio.gather(*(processes.check(large(), None) for _ in range(2)))
    await until(lambda: len(processes._idle) == 1)
    (kept,) = processes._idle
    kept._process.kill()
    await kept._process.wait()
    assert await processes.check(large(), None) == check(large(), None), "another one takes its place"
    await processes.stop()
    assert not processes._idle


def test_what_the_process_does() -> None:
    requests = [(json.dumps(manifest("shop")).encode(), None), (b"{", "application/json")]
    framed = b"".join(reading._LENGTH.pack(len(data)) + data for data in map(pickle.dumps, requests))
    answers = io.BytesIO()
    before = reading.resource.getrlimit(reading.resource.RLIMIT_CPU)
    limits: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading.gc, "disable", lambda: None)
        patch.setattr(reading.resource, "setrlimit", lambda what, to: limits.append(what))
        serve(io.BytesIO(framed), answers, 5)
    assert limits.count(reading.resource.RLIMIT_CPU) == len(requests)
    assert reading.resource.getrlimit(reading.resource.RLIMIT_CPU) == before
    answers.seek(0)
    found = [pickle.loads(answers.read(reading._LENGTH.unpack(answers.read(8))[0])) for _ in requests]
    assert found[0].manifest.name == "shop"
    assert [problem.code for problem in found[1]] == ["E100"]
