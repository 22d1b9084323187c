"""What others make of our objects: kstatus, by which Flux and Helm wait, and the rule for Argo CD of our documentation.

Some objects are recorded: a real API server had them while the operator ran (:mod:`.recorded`). Others are made with
the operator's functions, such as those that take an hour. Both judges are asked in one run of a Go program that holds
kstatus itself and the Lua that Argo CD has (``tests/operator/verdicts/build`` builds it); without it these tests are
skipped.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.operator.recorded import EXPECTED, RECORDINGS
from tests.operator.world import ROOT, application
from wadm.errors import Unavailable
from wadm.model.status import ApplicationStatus, Explanation, ScalerStatus, StatusType
from wadm.operator import conditions, hosts, names
from wadm.operator.conditions import Condition, Facts

NOW = 1_790_000_000.0
LONG_AGO = NOW - 3600
GENERATION = 3

Verdicts = dict[str, dict[str, str]]


def scaler(status: StatusType = "reconciling", waiting_for: str = "a host") -> ScalerStatus:
    return ScalerStatus("s", "SpreadScaler", "web", status, "", Explanation(waiting_for=waiting_for))


def of_wadm(kind: StatusType, *scalers: ScalerStatus) -> ApplicationStatus:
    return ApplicationStatus(kind, "", scalers)


def app(metadata: dict[str, Any] | None = None, *, since: float = NOW, before: Any = None, **facts: Any) -> Any:
    """An Application as the operator writes it, in the state it has been in since that time."""
    given: dict[str, Any] = {
        "owner": "kubernetes", "lattice": "main", "version": "v1", "deployed_version": "v1", "latest_version": "v1",
    }  # fmt: skip
    known = Facts(**given | facts)
    first = conditions.application_status(known, GENERATION, before or {}, since)
    body = application("shop")
    body["metadata"] |= {"namespace": "wild", "generation": GENERATION, **(metadata or {})}
    return body | {"status": conditions.application_status(known, GENERATION, first, NOW)}


def refused(reason: str) -> Condition:
    return Condition("Accepted", "False", reason, "that is why")


def workload(wanted: int, ready: int, updated: int | None = None, generation: int = 1) -> Any:
    status = {"readyReplicas": ready, "updatedReplicas": wanted if updated is None else updated, "replicas": wanted}
    return {
        "metadata": {"generation": generation},
        "spec": {"replicas": wanted},
        "status": {"observedGeneration": 1, **status},
    }


CONNECTED = Condition("Connected", "True", "Connected", "the wadm server of lattice main answers")
AWAY = Condition("Connected", "False", "WadmUnavailable", "no wadm server")


def whc(
    refusal: Condition | None = None, running: Any = None, connected: Condition = CONNECTED, overdue: bool = False
) -> Any:
    """A host config as the operator writes it."""
    told = hosts.host_conditions(refusal, (), connected, running, overdue)
    return {
        "apiVersion": names.HOST_CONFIGS.api_version,
        "kind": names.HOST_CONFIGS.kind,
        "metadata": {"name": "hosts", "namespace": "wild", "generation": GENERATION},
        "spec": {"lattice": "main", "version": "1.9.2"},
        "status": {"observedGeneration": GENERATION, "conditions": conditions.merged((), told, GENERATION, NOW)},
    }


def new(kind: str = "Application") -> Any:
    """An object that the operator has not seen yet; the API server adds the default of its status."""
    body = app() if kind == "Application" else whc()
    return body | {"status": {"observedGeneration": -1}}


def changed(body: Any) -> Any:
    """An object that somebody has changed since the operator saw it."""
    return body | {"metadata": body["metadata"] | {"generation": GENERATION + 1}}


def failing(body: Any, error: Exception) -> Any:
    words = conditions.failure(error, 4.0)
    return body | {"status": conditions.with_failure(body["status"], words, GENERATION, NOW)}


RUNS = of_wadm("deployed", scaler("deployed"))
DELETED = {"deletionTimestamp": "2026-01-01T00:00:00Z", "finalizers": ["wasmcloud.dev/undeploy"]}

SITUATIONS: dict[str, tuple[Any, str, str]] = {
    # situation: object, kstatus, Argo CD
    "app: nobody has seen it": (new(), "InProgress", "Progressing"),
    "app: it runs": (app(status=RUNS), "Current", "Healthy"),
    "app: it runs and wadm is away": (app(status=RUNS, unavailable="no wadm server"), "Current", "Healthy"),
    "app: it runs and the operator was restarted": (
        app(status=None, before=app(status=RUNS)["status"] | {"applied": {}}) | {"status": app(status=RUNS)["status"]},
        "Current", "Healthy",
    ),
    "app: it runs and its spec has changed": (changed(app(status=RUNS)), "InProgress", "Progressing"),
    "app: a new version is to run": (app(status=RUNS, version="v2"), "InProgress", "Progressing"),
    "app: its version is not stored yet": (app(status=RUNS, version=""), "InProgress", "Progressing"),
    "app: wadm waits": (app(status=of_wadm("waiting")), "InProgress", "Progressing"),
    "app: wadm reconciles": (app(status=of_wadm("reconciling", scaler())), "InProgress", "Progressing"),
    "app: no host is there yet": (app(status=of_wadm("failed", scaler("failed"))), "InProgress", "Progressing"),
    "app: no host has come for an hour": (
        app(status=of_wadm("failed", scaler("failed")), since=LONG_AGO), "Failed", "Degraded",
    ),
    "app: nothing happens, sooner than usual too long": (
        app(status=of_wadm("reconciling", scaler()), since=NOW - 61, deadline=60.0), "Failed", "Degraded",
    ),
    "app: nothing happens, not yet too long": (
        app(status=of_wadm("reconciling", scaler()), since=NOW - 59, deadline=60.0), "InProgress", "Progressing",
    ),
    "app: unhealthy": (app(status=of_wadm("unhealthy", scaler("unhealthy"))), "InProgress", "Progressing"),
    "app: unhealthy for an hour": (
        app(status=of_wadm("unhealthy", scaler("unhealthy")), since=LONG_AGO), "Failed", "Degraded",
    ),
    "app: invalid": (app(status=None, refusal=refused("Invalid")), "Failed", "Degraded"),
    "app: invalid while the version before runs": (app(status=RUNS, refusal=refused("Invalid")), "Failed", "Degraded"),
    "app: too large": (app(status=None, refusal=refused("TooLarge")), "Failed", "Degraded"),
    "app: its name is taken": (app(status=None, refusal=refused("NameTaken")), "Failed", "Degraded"),
    "app: no host config is there yet": (
        app(status=None, refusal=refused("NoLattice")), "InProgress", "Progressing",
    ),
    "app: no host config has come for an hour": (
        app(status=None, refusal=refused("NoLattice"), since=LONG_AGO), "Failed", "Degraded",
    ),
    "app: several lattices": (app(status=None, refusal=refused("AmbiguousLattice")), "Failed", "Degraded"),
    "app: nothing was heard of wadm yet": (
        app(status=None, version="", deployed_version=""), "InProgress", "Progressing",
    ),
    "app: wadm is away from the start": (
        app(status=None, version="", deployed_version="", unavailable="x"), "InProgress", "Progressing",
    ),
    "app: it moved and still has to leave": (app(status=RUNS, warnings=("still in old/shop",)), "Current", "Healthy"),
    "app: looking at it fails": (
        failing(app(status=of_wadm("waiting")), Unavailable("x")), "InProgress", "Progressing",
    ),
    "app: being deleted": (app(DELETED, status=RUNS, deleting="1 host"), "Terminating", "Progressing"),
    "app: it runs and is not reachable": (
        app(status=RUNS, reachable=Condition("Reachable", "False", "LoopbackAddress", "x")), "Current", "Healthy",
    ),
    "mirror: stored, not deployed": (
        app(owner="wadm", version="", deployed_version="", status=of_wadm("undeployed")), "InProgress", "Suspended",
    ),
    "mirror: it runs": (app(owner="wadm", status=RUNS), "Current", "Healthy"),
    "hosts: nobody has seen them": (new("WasmCloudHostConfig"), "InProgress", "Progressing"),
    "hosts: all are ready": (whc(running=workload(3, 3)), "Current", "Healthy"),
    "hosts: all are ready and wadm is away": (whc(running=workload(3, 3), connected=AWAY), "Current", "Healthy"),
    "hosts: none is wanted": (whc(running=workload(0, 0)), "Current", "Healthy"),
    "hosts: not asked for yet": (whc(), "InProgress", "Progressing"),
    "hosts: some start": (whc(running=workload(3, 1)), "InProgress", "Progressing"),
    "hosts: old ones are replaced": (whc(running=workload(3, 3, updated=1)), "InProgress", "Progressing"),
    "hosts: a change was not seen yet": (whc(running=workload(3, 3, generation=2)), "InProgress", "Progressing"),
    "hosts: nothing happens": (whc(running=workload(3, 1), overdue=True), "Failed", "Degraded"),
    "hosts: settings that cannot be": (whc(refused("Invalid")), "Failed", "Degraded"),
    "hosts: a name that is taken": (whc(refused("NameTaken")), "Failed", "Degraded"),
    "hosts: a Secret is not there yet": (whc(refused("Missing")), "InProgress", "Progressing"),
    "hosts: a Secret has not come": (whc(refused("Missing"), overdue=True), "Failed", "Degraded"),
}  # fmt: skip

for line in RECORDINGS.read_text().splitlines():
    situation, recorded_object = json.loads(line)
    SITUATIONS[f"recorded: {situation}"] = (recorded_object, *EXPECTED[situation])


def lua_rule() -> str:
    """The rule that the documentation gives."""
    text = (ROOT / "docs" / "kubernetes.md").read_text()
    found = re.search(r"health\.core\.oam\.dev_Application: \|\n((?:    .*\n)+)", text)
    assert found is not None
    return "".join(line.removeprefix("    ") for line in found[1].splitlines(keepends=True))


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    """Both verdicts on every situation."""
    default = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "wadm-verdicts"
    program = Path(os.environ.get("WADM_VERDICTS") or default)
    if not program.exists():
        pytest.skip(
            "needs kstatus: tests/operator/verdicts/build builds the program that asks it (or set WADM_VERDICTS)"
        )
    rule = tmp_path_factory.mktemp("lua") / "rule.lua"
    rule.write_text(lua_rule())
    lines = "".join(json.dumps(body) + "\n" for body, _, _ in SITUATIONS.values())
    done = subprocess.run([program, rule], input=lines, capture_output=True, text=True, timeout=120, check=True)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(SITUATIONS, answers, strict=True))


def test_there_is_a_recording_of_every_situation() -> None:
    recorded = [name.removeprefix("recorded: ") for name in SITUATIONS if name.startswith("recorded: ")]
    assert recorded == [*EXPECTED]


@pytest.mark.parametrize("situation", SITUATIONS)
def test_whoever_waits_comes_to_the_right_verdict(verdicts: Verdicts, situation: str) -> None:
    _, kstatus, argo = SITUATIONS[situation]
    assert (verdicts[situation]["kstatus"], verdicts[situation]["lua"]) == (kstatus, argo), verdicts[situation]
