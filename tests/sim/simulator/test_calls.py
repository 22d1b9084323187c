"""What the checks make of the calls of servers."""

from __future__ import annotations

import pytest

from wadm.sim.calls import Call, Calls, Outcome

PUT = "wasmbus.ctl.v1.default.config.put.settings"
STOP = "wasmbus.ctl.v1.default.provider.stop.host"
STOP_BODY = b'{"provider_id": "kv"}'
ANSWERS: list[tuple[float, Outcome]] = [(0.0, "unanswered"), (5.0, "accepted")]


class Judge:
    """Has a clock, and objects to nothing."""

    forgot = False

    def __init__(self) -> None:
        self.time = 0.0
        self.session = "server-1"

    def now(self) -> float:
        return self.time

    def is_so(self, call: Call) -> bool:
        return False

    def holder(self, lattice: str) -> str:
        return self.session

    def failed(self, check: str, what: str) -> None:
        raise AssertionError(f"{check}: {what}")


def test_a_put_is_late_though_a_later_one_was_answered() -> None:
    """A host that stood still carries out the first, after another host has carried out the second."""
    judge = Judge()
    calls = Calls(judge)
    for at, outcome in ANSWERS:
        judge.time = at
        call = calls.begins("server", PUT, b"{}")
        assert call is not None
        calls.ended(call, outcome)
    judge.time = 20.0
    calls.put_by_host("config", "settings")
    assert calls.late == {("config", "settings")}


def test_what_a_host_puts_and_answers_is_not_late() -> None:
    judge = Judge()
    calls = Calls(judge)
    call = calls.begins("server", PUT, b"{}")
    assert call is not None
    calls.ended(call, "accepted")
    judge.time = 20.0
    calls.put_by_host("config", "settings")
    assert calls.late == set()


def test_a_server_that_took_the_lattice_anew_does_not_know_what_it_asked_before() -> None:
    judge = Judge()
    calls = Calls(judge)
    call = calls.begins("server", STOP, STOP_BODY)
    assert call is not None
    calls.ended(call, "accepted")
    with pytest.raises(AssertionError, match="asks again for what is under way"):
        calls.begins("server", STOP, STOP_BODY)
    judge.session = "server-2"
    calls.begins("server", STOP, STOP_BODY)
