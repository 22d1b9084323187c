"""What a server is taken to know of the newest change of a thing, by what it has heard."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.sim.calls import Call
from wadm.sim.known import Known

PROVIDER, COMPONENT = ("provider", "host", "kv"), ("component", "host", "web")
START = Call(50.0, "server", "start", PROVIDER, {})
SCALE = Call(50.0, "server", "scale", COMPONENT, {"count": 2, "component_ref": "web:1"})
STOP = Call(20.0, "server", "stop", PROVIDER, {}, outcome="accepted")
ALL = {"providers": [{"id": "kv"}], "components": [{"id": "web", "max_instances": 2, "image_ref": "web:1"}]}
NOTHING: dict[str, Any] = {"providers": [], "components": []}


def _event(number: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"id": str(number), "source": "host", "time": f"12:00:{number}", "data": data}


@pytest.fixture
def known() -> Known:
    """Who has heard of the start of a provider and of a component."""
    known = Known()
    for number, kind, data in (
        (10, "provider_started", {"provider_id": "kv"}),
        (11, "component_scaled", {"component_id": "web", "max_instances": 2, "image_ref": "web:1"}),
    ):
        known.sends(kind, _event(number, data))
        known.hears("server", kind, _event(number, data))
    return known


@pytest.mark.parametrize("call", [START, SCALE], ids=["provider", "component"])
class TestWhatRuns:
    def test_is_known_by_its_event(self, known: Known, call: Call) -> None:
        assert known.knows(call)

    def test_is_not_known_to_whoever_has_not_heard_the_event(self, known: Known, call: Call) -> None:
        known.hears("server", "host_started", _event(12, {}))
        assert not known.knows(call)
        assert not known.knows(Call(50.0, "another", call.verb, call.key, call.body))

    @pytest.mark.parametrize(("runs", "knows"), [(ALL, True), (NOTHING, False)], ids=["listed", "not listed"])
    def test_is_known_for_as_long_as_heartbeats_list_it(
        self, known: Known, call: Call, runs: dict[str, Any], knows: bool
    ) -> None:
        """The event that told of its end was lost."""
        known.hears("server", "host_heartbeat", _event(30, runs))
        assert known.knows(call) is knows

    @pytest.mark.parametrize(("asked_after", "knows"), [(2, False), (0, True)], ids=["newer list", "older list"])
    def test_is_known_until_a_list_asked_for_later_lacks_it(
        self, known: Known, call: Call, asked_after: int, knows: bool
    ) -> None:
        known.learns("server", {"host_id": "host", **NOTHING}, asked_after)
        assert known.knows(call) is knows

    @pytest.mark.parametrize("kind", ["host_started", "host_stopped"])
    def test_is_not_known_after_its_host_began_or_ended(self, known: Known, call: Call, kind: str) -> None:
        known.hears("server", kind, _event(30, {}))
        assert not known.knows(call)


def test_a_provider_is_not_known_to_run_once_its_host_has_answered_that_it_stopped_it(known: Known) -> None:
    known.learns_of_stop("server", STOP, asked_after=2)
    assert not known.knows(START)
    assert known.knows(SCALE)


def test_the_answer_to_a_stop_says_nothing_against_a_later_start(known: Known) -> None:
    known.learns_of_stop("server", STOP, asked_after=0)
    assert known.knows(START)


def test_what_was_stopped_is_known_by_the_event_that_came_before_the_answer(known: Known) -> None:
    known.sends("provider_stopped", _event(20, {"provider_id": "kv"}))
    known.hears("server", "provider_stopped", _event(20, {"provider_id": "kv"}))
    known.learns_of_stop("server", STOP, asked_after=2)
    assert known.knows(STOP)
