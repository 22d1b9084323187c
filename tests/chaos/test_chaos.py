"""The chaos harness itself: one scripted scenario on a real cluster, and what its checker makes of histories."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.chaos.faults import FAULTS, not_run, runnable
from tests.chaos.history import DONE, NOBODY, History, check, needless, unjudged
from tests.chaos.machines import lacking
from tests.chaos.stage import PROBE, Stage
from tests.natsd import nats_server_binary
from wadm.errors import OutcomeUnknown
from wadm.sim.ledger import Stored
from wadm.wire.api import storage_error

WITHIN = 60.0


@pytest.mark.skipif(nats_server_binary() is None, reason="needs nats-server")
@pytest.mark.skipif("namespaces" in lacking(), reason=f"network namespaces: {lacking().get('namespaces')}")
async def test_an_owner_is_killed_and_a_node_is_lost_and_nothing_is_lost_or_touched(tmp_path: Path) -> None:
    history = History(tmp_path / "history.jsonl")
    stage = Stage(tmp_path, history, seed=1)
    try:
        await stage.open()
        stage.use()
        owner = await stage.owner()
        history.note("fault", name="server killed", of="server")
        stage.processes[owner].kill()
        await stage.recovered(WITHIN)
        assert await stage.owner() not in ("", owner)
        stage.processes[owner].start()
        history.note("fault", name="node killed", of="nats")
        stage.processes["n1"].kill()
        await stage.recovered(WITHIN)
        stage.processes["n1"].start()
        await stage.recovered(WITHIN)
        await stage.rest()
        lines = history.read()
        assert check(lines, await stage.stored()) == []
        assert needless(lines) == []
        acknowledged = [line for line in lines if line["kind"] == "answer" and line["result"] in DONE]
        assert len(acknowledged) > 20
        assert PROBE in await stage.stored()
    finally:
        await stage.close()
        history.close()


def ask(number: int, operation: str, version: str = "v1") -> dict[str, Any]:
    return {
        "at": number,
        "kind": "ask",
        "number": number,
        "application": "a",
        "operation": operation,
        "version": version,
    }


def answer(number: int, result: str, message: str = "") -> dict[str, Any]:
    return {"at": number + 0.5, "kind": "answer", "number": number, "result": result, "message": message}


def test_an_acknowledged_put_that_is_not_stored_is_found() -> None:
    lines = [ask(1, "put"), answer(1, "created")]
    assert check(lines, {"a": Stored(("v1",))}) == []
    assert len(check(lines, {})) == 1


def test_answers_that_fit_no_order_are_found() -> None:
    lines = [ask(1, "put"), answer(1, "created"), ask(2, "delete"), answer(2, "deleted")]
    lines += [ask(3, "deploy"), answer(3, "acknowledged")]
    assert "deploy a v1 (request 3) was confirmed, which cannot be" in check(lines, {})[0]


def test_what_nobody_answered_may_be_stored_or_not() -> None:
    lines = [ask(1, "put"), answer(1, ""), ask(2, "put", "v2")]
    for stored in ({}, {"a": Stored(("v1",))}, {"a": Stored(("v2", "v1"))}):
        assert check(lines, stored) == []


@pytest.mark.parametrize(
    ("result", "message", "may_be"),
    [
        ("error", "Internal storage error", False),
        ("error", storage_error(OutcomeUnknown("no answer")), True),
        (NOBODY, "", False),
    ],
)
def test_an_error_says_whether_what_was_asked_may_have_been_done(result: str, message: str, may_be: bool) -> None:
    lines = [ask(1, "put"), answer(1, result, message)]
    assert check(lines, {}) == []
    assert (check(lines, {"a": Stored(("v1",))}) == []) is may_be


def test_many_requests_that_nobody_took_are_checked_at_once() -> None:
    lines = [line for number in range(60) for line in (ask(number, "put"), answer(number, NOBODY))]
    assert check([*lines, ask(60, "put"), answer(60, "created")], {"a": Stored(("v1",))}) == []


def said(at: float, epoch: int, about: str = "a", what: str = "deployed") -> dict[str, Any]:
    return {"at": at, "kind": "epoch", "epoch": epoch, "about": about, "said": what}


def test_an_owner_that_speaks_after_its_successor_is_found_unless_that_is_put_right() -> None:
    lines = [said(1, 3), said(2, 3), said(3, 7), said(4, 3, what="failed")]
    assert check(lines[:3], {}) == []
    assert check([*lines[:3], said(4, 3)], {}) == []  # the same as is so
    assert len(check(lines, {})) == 1
    assert check([*lines, said(4.1, 7)], {}) == []
    assert len(check([*lines, said(4.1, 7, "b")], {})) == 1
    assert len(check([*lines, said(5.1, 7)], {})) == 1


def test_a_history_is_checked_part_by_part_from_what_was_stored() -> None:
    lines = [{"kind": "begin"}, ask(1, "put"), answer(1, "created")]
    assert unjudged(lines) == (lines, {})
    judged = {"kind": "judged", "at": 2, "stored": {"a": (("v1",), None)}}
    later = [ask(3, "deploy"), answer(3, "acknowledged")]
    part, before = unjudged([*lines, judged, *later])
    assert part == [judged, *later]
    assert check(part, {"a": Stored(("v1",), "v1")}, before) == []
    assert len(check(part, {"a": Stored(("v1",), "v1")})) == 1


def test_after_a_contradiction_no_more_is_said_of_that_application() -> None:
    lines = [ask(1, "deploy"), answer(1, "acknowledged"), ask(2, "deploy"), answer(2, "acknowledged")]
    assert len(check(lines, {})) == 1


def test_calls_about_what_nobody_changed_are_needless_unless_a_host_was_hurt() -> None:
    call = {"at": 1, "kind": "call", "steady": True}
    fault = {"kind": "fault", "of": "host"}
    assert needless([call, {"kind": "ready"}, fault, call, {"kind": "whole"}]) == []
    assert needless([{"kind": "ready"}, call, {**call, "steady": False}]) == [call]
    assert needless([{"kind": "ready"}, {**fault, "of": "nats"}, call]) == [call]


async def test_every_fault_is_run_or_said_not_to_be() -> None:
    run = {fault.name for fault in runnable()}
    assert run | not_run().keys() == {fault.name for fault in FAULTS}
    assert not run & not_run().keys()


def test_a_history_goes_on_where_it_was_interrupted(tmp_path: Path) -> None:
    for number in range(2):
        history = History(tmp_path / "history.jsonl")
        history.note("fault", number=number)
        history.close()
    assert [line["number"] for line in history.read()] == [0, 1]
