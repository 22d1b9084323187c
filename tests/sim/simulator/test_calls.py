"""What the checks make of the calls of servers."""

from __future__ import annotations

import pytest

from wadm.sim.calls import Call, Calls, Outcome

PUT = "wasmbus.ctl.v1.default.config.put.settings"
PUT_LINK = "wasmbus.ctl.v1.default.link.put"
PUT_LINK_BODY = b'{"source_id": "web", "wit_namespace": "wasi", "wit_package": "http", "name": "default"}'
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

    def too_early(self, call: Call) -> str | None:
        return None

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


@pytest.mark.parametrize(
    ("at", "holder", "late"),
    [(20.0, "server-1", False), (20.0, "server-2", True), (20.0, "", True), (300.0, "server-1", True)],
)
def test_a_link_is_not_late_for_whoever_asked_for_it_some_minutes_ago(at: float, holder: str, late: bool) -> None:
    judge = Judge()
    calls = Calls(judge)
    call = calls.begins("server", PUT_LINK, PUT_LINK_BODY)
    assert call is not None
    calls.ended(call, "unanswered")
    judge.time = at
    calls.put_by_host("link", "web", holder)
    assert (("link", "web") in calls.late) is late


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
