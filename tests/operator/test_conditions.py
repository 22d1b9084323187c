"""What is said of an application, and since when."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.world import application
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Problem
from wadm.model.status import ApplicationStatus, Explanation, ScalerStatus
from wadm.operator import conditions, manifests
from wadm.operator.conditions import Condition, Facts

DEPLOYED = ApplicationStatus("deployed")
WAITING = ScalerStatus(
    "s1", "SpreadScaler", "shop-web", "reconciling", "old words", Explanation(waiting_for="a host with zone=a")
)


def facts(**changes: Any) -> Facts:
    given: dict[str, Any] = {
        "owner": "kubernetes",
        "lattice": "main",
        "version": "v1",
        "deployed_version": "v1",
        "latest_version": "v1",
        "status": DEPLOYED,
    }
    return Facts(**given | changes)


def said(of: Facts) -> dict[str, tuple[str, str]]:
    return {one.type: (one.status, one.reason) for one in conditions.application_conditions(of)}


REFUSED = Condition("Accepted", "False", "Invalid", "spec.components[0]: no")


@pytest.mark.parametrize(
    ("of", "phase", "deployed", "kstatus"),
    [
        (facts(), "Deployed", "True", None),
        (facts(status=ApplicationStatus("reconciling", "", (WAITING,))), "Reconciling", "False", "Reconciling"),
        (facts(status=ApplicationStatus("waiting")), "Waiting", "False", "Reconciling"),
        (facts(status=ApplicationStatus("failed", "boom")), "Failed", "False", "Reconciling"),
        (facts(status=ApplicationStatus("unhealthy")), "Unhealthy", "False", "Reconciling"),
        (facts(version="v2"), "Reconciling", "False", "Reconciling"),
        (facts(version=""), "Reconciling", "False", "Reconciling"),
        (facts(refusal=REFUSED), "Failed", "False", "Stalled"),
        (facts(status=None, unavailable="nobody there"), "Waiting", "False", "Reconciling"),
        (facts(unavailable="nobody there"), "Deployed", "True", None),
        (facts(deleting="still running"), "Undeploying", "False", "Reconciling"),
        (facts(owner="wadm", version="", deployed_version=""), "Undeployed", "False", None),
    ],
    ids=[
        "runs", "reconciling", "waiting", "failed", "unhealthy", "other version", "not stored", "refused",
        "wadm away from the start", "wadm away since", "deleting", "undeployed mirror",
    ],
)  # fmt: skip
def test_phase_and_what_tools_read(of: Facts, phase: str, deployed: str, kstatus: str | None) -> None:
    assert conditions.phase(of) == phase
    told = said(of)
    assert told["Deployed"][0] == deployed
    assert told["Ready"] == told["Deployed"]
    assert {"Reconciling", "Stalled"} & told.keys() == ({kstatus} if kstatus else set())


def test_without_progress_it_is_stalled_after_the_deadline_and_any_progress_begins_it_anew() -> None:
    waits = facts(status=ApplicationStatus("failed", "no host", (WAITING,)), deadline=60.0)
    first = conditions.application_status(waits, 1, {}, 1000.0)
    assert {"Reconciling"} == {"Reconciling", "Stalled"} & {one["type"] for one in first["conditions"]}
    assert conditions.application_status(waits, 1, first, 1059.0)["progress"] == first["progress"]
    late = conditions.application_status(waits, 1, first, 1060.0)
    stalled = next(one for one in late["conditions"] if one["type"] == "Stalled")
    assert stalled["reason"] == "ProgressDeadlineExceeded"
    assert stalled["message"] == "no progress for 60 s: shop-web: a host with zone=a"
    moved = facts(status=ApplicationStatus("reconciling", "", (WAITING,)), deadline=60.0)
    again = conditions.application_status(moved, 1, late, 1061.0)
    assert {"Reconciling"} == {"Reconciling", "Stalled"} & {one["type"] for one in again["conditions"]}
    assert "progress" not in conditions.application_status(facts(), 1, again, 1062.0)


def test_nothing_is_said_without_words() -> None:
    for of in (
        facts(),
        facts(status=ApplicationStatus("undeployed"), version="", deployed_version=""),
        facts(lattice=""),
    ):
        assert all(one.message for one in conditions.application_conditions(of)), of


def test_a_wadm_that_is_away_is_said_beside_what_was_last_known() -> None:
    told = said(facts(unavailable="nobody there"))
    assert told["Connected"] == ("False", "WadmUnavailable")


def test_the_reason_is_what_the_scalers_wait_for() -> None:
    status = conditions.application_status(facts(status=ApplicationStatus("reconciling", "", (WAITING,))), 1, {}, 0)
    assert status["message"] == "shop-web: a host with zone=a"
    assert status["scalers"][0]["message"] == "a host with zone=a"


def test_times_are_of_the_last_change_of_status() -> None:
    first = conditions.merged((), [Condition("Deployed", "False", "Waiting", "a")], 1, 1000.0)
    second = conditions.merged(first, [Condition("Deployed", "False", "Other", "b")], 2, 2000.0)
    third = conditions.merged(second, [Condition("Deployed", "True", "Deployed")], 2, 3000.0)
    assert [one[0]["lastTransitionTime"] for one in (first, second, third)] == [
        "1970-01-01T00:16:40Z",
        "1970-01-01T00:16:40Z",
        "1970-01-01T00:50:00Z",
    ]
    assert second[0]["observedGeneration"] == 2


def test_long_lists_of_scalers_are_cut_and_say_so() -> None:
    scalers = tuple(ScalerStatus(str(n), "LinkScaler", f"l{n}", "deployed") for n in range(130))
    status = conditions.application_status(facts(status=ApplicationStatus("deployed", "", scalers)), 1, {}, 0)
    assert (len(status["scalers"]), status["omittedScalers"]) == (100, 30)


def test_a_bad_manifest_names_all_that_is_wrong() -> None:
    problems = [Problem("not a type", "spec.components[0].type", hint="did you mean component?"), Problem("second")]
    condition = conditions.invalid(ManifestInvalid(problems))
    assert condition.message == "spec.components[0].type: not a type (did you mean component?); second"


def test_the_cause_comes_before_what_is_quoted() -> None:
    body = application("shop")
    del body["spec"]["components"][1]["traits"][1]["properties"]["source"]["config"][0]["name"]
    with pytest.raises(ManifestInvalid) as caught:
        manifests.wanted(body | {"metadata": body["metadata"] | {"namespace": "wild"}})
    message = conditions.invalid(caught.value).message
    assert message.startswith(
        "spec.components[1].traits[1].properties: each entry of source.config needs a name (Link trait deserialized"
    )
