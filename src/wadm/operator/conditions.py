"""Conditions: what is said of an object, since when, and why.

The types follow what others look for. ``Ready``, and ``Reconciling`` and ``Stalled`` where they are true, are what
Flux (kstatus) and ``kubectl wait`` read; ``phase`` beside them is what Argo CD's rule for the original reads.

================ =============================================================================================
Accepted         the object means something: its manifest is valid, its settings are known, its name is free
Connected        the wadm server of its lattice answers
Deployed         the version that the object asks for runs, and nothing is missing
Ready            the same as Deployed; of a host config: all its pods are ready
Reconciling      it is being worked on, or waited for (left out where it is not)
Stalled          it will not get better by waiting: it cannot be, or nothing has happened for as long as the progress
                 deadline (left out where it is not)
Reachable        requests from the cluster reach the HTTP servers of the application (left out where it has none)
================ =============================================================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from msgspec import Struct

from wadm.errors import ManifestInvalid, WadmError
from wadm.model.manifest import Problem
from wadm.model.status import ApplicationStatus, ScalerStatus, StatusType

Verdict = Literal["True", "False", "Unknown"]

MESSAGE_MAX: Final = 4096
SHORT_MAX: Final = 300
"""Most characters of a text that is said in full in another condition."""
PROGRESS_DEADLINE: Final = 600.0
"""Seconds without any progress after which something that is not ready is stalled, as with Deployments."""
HEALING: Final = frozenset({"NoLattice", "LatticeChanging", "Missing", "Refused"})
"""Reasons of refusals that pass when something else is there, as what is applied together often is a moment later."""
SCALERS_MAX: Final = 100
"""Scalers that a status lists; an application with more says how many are left out."""


class Condition(Struct, frozen=True):
    """One condition, before it is known since when."""

    type: str
    status: Verdict
    reason: str
    message: str = ""


PHASES: Final[dict[StatusType, str]] = {
    "undeployed": "Undeployed",
    "waiting": "Waiting",
    "reconciling": "Reconciling",
    "deployed": "Deployed",
    "failed": "Failed",
    "unhealthy": "Unhealthy",
}
"""Words of the original (and two that came later) for the statuses of wadm."""


def merged(before: Iterable[dict[str, Any]], now: Iterable[Condition], generation: int, at: float) -> list[Any]:
    """Return conditions as Kubernetes keeps them: the time is that of the last change of ``status``."""
    known = {condition["type"]: condition for condition in before}
    result = []
    for condition in now:
        old = known.get(condition.type)
        since = old["lastTransitionTime"] if old and old["status"] == condition.status else timestamp(at)
        result.append(
            {
                "type": condition.type,
                "status": condition.status,
                "reason": condition.reason,
                "message": condition.message[:MESSAGE_MAX],
                "observedGeneration": generation,
                "lastTransitionTime": since,
            }
        )
    return result


def timestamp(seconds: float) -> str:
    """Return a time in seconds since 1970 as Kubernetes writes it."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# -- applications ------------------------------------------------------------------------------


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of an application at one moment; conditions and phase follow from it.

    ``refusal`` is why the object means nothing, ``unavailable`` what is wrong with the way to wadm. ``version`` is the
    one that the object asks for, empty while wadm has not been given it.
    """

    owner: Literal["kubernetes", "wadm"]
    lattice: str = ""
    refusal: Condition | None = None
    warnings: Sequence[str] = ()
    unavailable: str = ""
    version: str = ""
    deployed_version: str = ""
    latest_version: str = ""
    status: ApplicationStatus | None = None
    deleting: str = ""
    """What is still waited for, where the object is being deleted."""
    reachable: Condition | None = None
    before: dict[str, Any] | None = None
    """The status as it is, where the object has not changed since and nothing newer is known of it."""
    deadline: float = PROGRESS_DEADLINE
    """Seconds without progress after which it is stalled."""


def phase(facts: Facts) -> str:
    """Return the application's state in a word."""
    if facts.deleting:
        return "Undeploying"
    if facts.refusal is not None:
        return "Waiting" if facts.refusal.reason in HEALING else "Failed"
    if facts.before:
        return str(facts.before.get("phase", "Waiting"))
    if facts.deployed_version != facts.version and (facts.status is not None or facts.deployed_version):
        return "Reconciling"
    if facts.status is None:
        return "Waiting"
    if not facts.deployed_version:
        return "Undeployed"  # whatever was said of it while it was deployed
    return PHASES[facts.status.type]


def application_conditions(facts: Facts, overdue: bool = False) -> list[Condition]:
    """Return all conditions of an application; ``overdue``: there was no progress for as long as the deadline."""
    state = phase(facts)
    deployed = _deployed(facts, state)
    conditions = [_accepted(facts), _connected(facts), deployed, Condition("Ready", *_rest(deployed))]
    final = facts.refusal is not None and facts.refusal.reason not in HEALING
    moving = state in ("Waiting", "Reconciling", "Undeploying", "Failed", "Unhealthy")
    conditions += going(deployed, final, moving, overdue, facts.deadline)
    if facts.reachable is not None:
        conditions.append(facts.reachable)
    return conditions


def going(ready: Condition, final: bool, moving: bool, overdue: bool, deadline: float) -> list[Condition]:
    """Return ``Stalled`` or ``Reconciling``, whichever is true of something that is not ready.

    ``final``: it cannot be as it is asked for, however long one waits. ``moving``: it is on its way.
    """
    message = ready.message if len(ready.message) <= SHORT_MAX else f"{ready.message[: SHORT_MAX - 1]}…"
    if final:
        return [Condition("Stalled", "True", ready.reason, message)]
    if not moving:
        return []
    if overdue:
        words = f"no progress for {deadline:.0f} s: {message}"
        return [Condition("Stalled", "True", "ProgressDeadlineExceeded", words)]
    return [Condition("Reconciling", "True", ready.reason, message)]


def progress(before: dict[str, Any], mark: str, at: float) -> dict[str, str]:
    """Return what is noted of progress: ``mark`` stands for how far it has come, with the time when it came there."""
    noted: dict[str, str] = before.get("progress") or {}
    return noted if noted.get("mark") == mark else {"mark": mark, "since": timestamp(at)}


def seconds_left(noted: dict[str, str], deadline: float, at: float) -> float:
    """Return how many seconds are left until the deadline, negative once it is over."""
    return datetime.fromisoformat(noted["since"]).timestamp() + deadline - at


def _rest(condition: Condition) -> tuple[Verdict, str, str]:
    return condition.status, condition.reason, condition.message


def _accepted(facts: Facts) -> Condition:
    if facts.refusal is not None:
        return facts.refusal
    if facts.warnings:
        return Condition("Accepted", "True", "AcceptedWithWarnings", "; ".join(facts.warnings))
    return Condition("Accepted", "True", "Accepted", "the manifest is valid")


def _connected(facts: Facts) -> Condition:
    if facts.unavailable:
        return Condition("Connected", "False", "WadmUnavailable", facts.unavailable)
    if not facts.lattice:
        return Condition("Connected", "Unknown", "NoLattice", "the lattice is not known")
    return Condition("Connected", "True", "Connected", f"the wadm server of lattice {facts.lattice} answers")


def _deployed(facts: Facts, state: str) -> Condition:
    if facts.deleting:
        return Condition("Deployed", "False", "Undeploying", facts.deleting)
    if facts.refusal is not None:
        return Condition("Deployed", "False", facts.refusal.reason, facts.refusal.message)
    if facts.status is None and not (state == "Reconciling" and facts.deployed_version):
        waiting = facts.unavailable or "nothing has been heard from wadm yet"
        return Condition("Deployed", "False", "WadmUnavailable" if facts.unavailable else "Waiting", waiting)
    if state == "Reconciling" and facts.deployed_version != facts.version:
        wish = f"version {facts.version} is to be deployed" if facts.version else "a new version is to be stored"
        cause = f"{facts.unavailable}: " if facts.unavailable else ""
        return Condition("Deployed", "False", "NewVersion", cause + wish)
    if state == "Deployed":
        return Condition("Deployed", "True", "Deployed", f"version {facts.deployed_version} runs")
    return Condition("Deployed", "False", state, _why(facts.status) if facts.status else _SILENT["waiting"])


def _why(status: ApplicationStatus) -> str:
    """Return what is missing, in words: what the scalers wait for, else what wadm says of them."""
    reasons = [_scaler_words(scaler) for scaler in status.scalers if scaler.type != "deployed"]
    said = "; ".join(dict.fromkeys(filter(None, reasons))) or status.message
    return said or _SILENT.get(status.type, f"wadm says that it is {status.type}, and not why")


_SILENT: Final[dict[StatusType, str]] = {
    "undeployed": "it is stored and not deployed",
    "waiting": "wadm has not looked at it yet",
}
"""What is said of a status that comes without a word."""


def _scaler_words(scaler: ScalerStatus) -> str:
    explanation = scaler.explanation
    words = explanation.last_error or explanation.waiting_for or scaler.message
    return f"{scaler.name}: {words}" if words and scaler.name else words


def application_status(facts: Facts, generation: int, before: dict[str, Any], at: float) -> dict[str, Any]:
    """Return the whole status of an Application object."""
    if facts.before and facts.refusal is None and not facts.deleting:
        return _unchanged(facts, facts.before, generation, at)
    scalers = facts.status.scalers if facts.status else ()
    noted = progress(before, _mark(facts, generation), at)
    overdue = seconds_left(noted, facts.deadline, at) <= 0
    conditions = application_conditions(facts, overdue)
    on_its_way = any(one.type in ("Reconciling", "Stalled") for one in conditions)
    return {
        "phase": phase(facts),
        "owner": facts.owner,
        "lattice": facts.lattice,
        "observedGeneration": generation,
        "version": facts.version,
        "deployedVersion": facts.deployed_version,
        "latestVersion": facts.latest_version,
        "message": next(one.message for one in conditions if one.type == "Deployed")[:MESSAGE_MAX],
        "scalers": [_scaler(scaler) for scaler in scalers[:SCALERS_MAX]],
        "omittedScalers": max(0, len(scalers) - SCALERS_MAX),
        **({"progress": noted} if on_its_way else {}),
        "conditions": merged(before.get("conditions", ()), conditions, generation, at),
    }


def _mark(facts: Facts, generation: int) -> str:
    """Return what stands for how far an application has come: something else means that there was progress."""
    scalers = facts.status.scalers if facts.status else ()
    reached = sorted((one.kind, one.name, one.type == "deployed", one.explanation.running) for one in scalers)
    said = (generation, facts.version, facts.deployed_version, phase(facts), bool(facts.deleting), reached)
    return hashlib.sha256(repr(said).encode()).hexdigest()[:12]


def _unchanged(facts: Facts, before: dict[str, Any], generation: int, at: float) -> dict[str, Any]:
    """Return the status as it was, and beside it what is wrong with the way to wadm, if anything is."""
    told = [Condition(one["type"], one["status"], one["reason"], one["message"]) for one in before["conditions"]]
    if facts.reachable is not None:
        told = [facts.reachable if one.type == "Reachable" else one for one in told]
    if facts.unavailable:
        told = [_connected(facts) if one.type == "Connected" else one for one in told]
    conditions = merged(before["conditions"], told, generation, at)
    return before | {"observedGeneration": generation, "conditions": conditions}


def _scaler(scaler: ScalerStatus) -> dict[str, Any]:
    explanation = scaler.explanation
    told: dict[str, Any] = {
        "name": scaler.name,
        "kind": scaler.kind,
        "status": PHASES[scaler.type],
        "message": (explanation.waiting_for or scaler.message)[:MESSAGE_MAX],
    }
    if explanation.since:
        told["since"] = timestamp(explanation.since)
    if explanation.last_error:
        told["lastError"] = explanation.last_error[:MESSAGE_MAX]
    if explanation.wanted:
        told |= {"wanted": explanation.wanted, "running": explanation.running}
    return told


def failure(error: Exception, again: float) -> str:
    """Return what is said of a pass that failed: why, and when the next attempt is."""
    cause = str(error) if isinstance(error, WadmError) else f"the operator made a mistake: {error!r}"
    return f"{cause.rstrip('.')}; the next attempt is in {again:.0f} s at most"


def with_failure(before: dict[str, Any], words: str, generation: int, at: float) -> dict[str, Any]:
    """Return a status that says, beside what it says already, that the last pass failed."""
    told = [
        Condition(one["type"], one["status"], one["reason"], one["message"])
        for one in before.get("conditions") or ()
        if one["type"] not in ("Reconciling", "Stalled")
    ]
    if not any(one.type == "Ready" for one in told):
        told.append(Condition("Ready", "False", "PassFailed", words))
    told.append(Condition("Reconciling", "True", "PassFailed", words))
    return before | {"conditions": merged(before.get("conditions") or (), told, generation, at)}


def invalid(error: ManifestInvalid) -> Condition:
    """Return the refusal of a manifest, with every field that is wrong."""
    return Condition("Accepted", "False", "Invalid", "; ".join(map(_problem, error.problems)) or str(error))


_QUOTING: Final = ("E013", "E014")
"""Problems whose message quotes what is there at length, as the original's does; the cause is in the hint."""


def _problem(problem: Problem) -> str:
    where = f"{problem.path}: " if problem.path and problem.path not in problem.message else ""
    message, hint = problem.message, problem.hint
    if hint and problem.code in _QUOTING:
        message, hint = hint, message
    return f"{where}{message}{f' ({hint})' if hint else ''}"


def warning(problem: Problem) -> str:
    """Return a warning of the server in a line."""
    return _problem(problem)
