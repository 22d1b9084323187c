"""Conditions: what is said of an object, since when, and why.

The types follow what others look for. ``Ready``, and ``Reconciling`` and ``Stalled`` where they are true, are what
Flux (kstatus) and ``kubectl wait`` read; ``phase`` beside them is what Argo CD's rule for the original reads.

================ =============================================================================================
Accepted         the object means something: its manifest is valid, its settings are known, its name is free
Connected        the wadm server of its lattice answers
Deployed         the version that the object asks for runs, and nothing is missing
Ready            the same as Deployed; of a host config: all its pods are ready
Reconciling      it is being worked on (left out where it is not)
Stalled          it will not get better by waiting (left out where it is not)
Reachable        requests from the cluster reach the HTTP servers of the application (left out where it has none)
================ =============================================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

from msgspec import Struct

from wadm.errors import ManifestInvalid
from wadm.model.manifest import Problem
from wadm.model.status import ApplicationStatus, ScalerStatus, StatusType

Verdict = Literal["True", "False", "Unknown"]

MESSAGE_MAX: Final = 4096
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


def phase(facts: Facts) -> str:
    """Return the application's state in a word."""
    if facts.deleting:
        return "Undeploying"
    if facts.refusal is not None:
        return "Failed"
    if facts.status is None:
        return "Waiting"
    if facts.deployed_version != facts.version:
        return "Reconciling"
    if not facts.deployed_version:
        return "Undeployed"  # whatever was said of it while it was deployed
    return PHASES[facts.status.type]


def application_conditions(facts: Facts) -> list[Condition]:
    """Return all conditions of an application."""
    state = phase(facts)
    deployed = _deployed(facts, state)
    conditions = [_accepted(facts), _connected(facts), deployed, Condition("Ready", *_rest(deployed))]
    if facts.refusal is not None or state == "Failed":
        conditions.append(Condition("Stalled", "True", deployed.reason, deployed.message))
    elif state in ("Waiting", "Reconciling", "Undeploying"):
        conditions.append(Condition("Reconciling", "True", deployed.reason, deployed.message))
    if facts.reachable is not None:
        conditions.append(facts.reachable)
    return conditions


def _rest(condition: Condition) -> tuple[Verdict, str, str]:
    return condition.status, condition.reason, condition.message


def _accepted(facts: Facts) -> Condition:
    if facts.refusal is not None:
        return facts.refusal
    if facts.warnings:
        return Condition("Accepted", "True", "AcceptedWithWarnings", "; ".join(facts.warnings))
    return Condition("Accepted", "True", "Accepted")


def _connected(facts: Facts) -> Condition:
    if facts.unavailable:
        return Condition("Connected", "False", "WadmUnavailable", facts.unavailable)
    if not facts.lattice:
        return Condition("Connected", "Unknown", "NoLattice")
    return Condition("Connected", "True", "Connected", f"lattice {facts.lattice}")


def _deployed(facts: Facts, state: str) -> Condition:
    if facts.deleting:
        return Condition("Deployed", "False", "Undeploying", facts.deleting)
    if facts.refusal is not None:
        return Condition("Deployed", "False", facts.refusal.reason, facts.refusal.message)
    if facts.status is None:
        waiting = facts.unavailable or "nothing has been heard from wadm yet"
        return Condition("Deployed", "False", "WadmUnavailable" if facts.unavailable else "Waiting", waiting)
    if state == "Reconciling" and facts.deployed_version != facts.version:
        wish = f"version {facts.version} is to be deployed" if facts.version else "a new version is to be stored"
        return Condition(
            "Deployed", "False", "NewVersion", f"{wish}{': ' * bool(facts.unavailable)}{facts.unavailable}"
        )
    if state == "Deployed":
        return Condition("Deployed", "True", "Deployed", f"version {facts.deployed_version} runs")
    return Condition("Deployed", "False", state, _why(facts.status))


def _why(status: ApplicationStatus) -> str:
    """Return what is missing, in words: what the scalers wait for, else what wadm says of them."""
    reasons = [_scaler_words(scaler) for scaler in status.scalers if scaler.type != "deployed"]
    return "; ".join(dict.fromkeys(filter(None, reasons))) or status.message


def _scaler_words(scaler: ScalerStatus) -> str:
    explanation = scaler.explanation
    words = explanation.last_error or explanation.waiting_for or scaler.message
    return f"{scaler.name}: {words}" if words and scaler.name else words


def application_status(facts: Facts, generation: int, before: dict[str, Any], at: float) -> dict[str, Any]:
    """Return the whole status of an Application object."""
    scalers = facts.status.scalers if facts.status else ()
    conditions = application_conditions(facts)
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
        "conditions": merged(before.get("conditions", ()), conditions, generation, at),
    }


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


def invalid(error: ManifestInvalid) -> Condition:
    """Return the refusal of a manifest, with every field that is wrong."""
    return Condition("Accepted", "False", "Invalid", "; ".join(map(_problem, error.problems)) or str(error))


def _problem(problem: Problem) -> str:
    where = f"{problem.path}: " if problem.path and problem.path not in problem.message else ""
    return f"{where}{problem.message}{f' ({problem.hint})' if problem.hint else ''}"


def warning(problem: Problem) -> str:
    """Return a warning of the server in a line."""
    return _problem(problem)
