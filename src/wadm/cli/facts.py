"""What JSON says beside the fields it has always had: the words that people read, and times that programs need not
compute.

A field that holds seconds since 1970 keeps its name and its value. Beside ``since`` stand ``since_at`` (RFC 3339, UTC)
and ``since_seconds_ago``; beside a time to come, such as ``next_try``, ``next_try_at`` and ``next_try_in_seconds``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from wadm.cli.views import names, states
from wadm.cli.views.causes import cause
from wadm.model.insight import ApplicationView
from wadm.model.status import ApplicationStatus

_PAST = frozenset({"time", "since", "asked"})
_FUTURE = frozenset({"next_try", "next"})


def timed(data: Any, now: float) -> Any:
    """Return data with times that can be read beside those in seconds since 1970."""
    value = msgspec.to_builtins(data)
    return _timed(value, now)


def _timed(value: Any, now: float) -> Any:
    if isinstance(value, list | tuple):
        return [_timed(one, now) for one in value]
    if not isinstance(value, dict):
        return value
    result: dict[str, Any] = {}
    for key, one in value.items():
        result[key] = _timed(one, now)
        if isinstance(one, int | float) and not isinstance(one, bool) and one > 0:
            if key in _PAST:
                result |= {f"{key}_at": rfc3339(one), f"{key}_seconds_ago": round(max(0.0, now - one), 3)}
            elif key in _FUTURE:
                result |= {f"{key}_at": rfc3339(one), f"{key}_in_seconds": round(max(0.0, one - now), 3)}
    return result


def rfc3339(time: float) -> str:
    """Return a time (seconds since 1970) as RFC 3339 has it, in UTC.

    >>> rfc3339(0.5)
    '1970-01-01T00:00:00.500Z'
    """
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def scaler_facts(
    status: ApplicationStatus,
    application: str,
    view: ApplicationView | None = None,
    hosts: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a status as JSON data, each scaler with the words of the text beside its own: ``scaler`` (the column
    SCALER), ``scaler_kind`` (KIND), ``why`` and ``todo``."""
    views = {one.id: one for one in view.scalers} if view is not None else {}
    data: dict[str, Any] = msgspec.to_builtins(status)
    for one, told in zip(status.scalers, data.get("scalers", ()), strict=True):
        told |= {"scaler": names.scaler(one.name, application), "scaler_kind": names.kind(one.kind)}
        if one.type != "deployed":
            found = cause(one, views.get(one.id))
            told |= {"why": found.why, "todo": found.todo}
        if hosts and one.id in hosts:
            told["hosts"] = hosts[one.id]
    return data


def effective(status: ApplicationStatus, version: str | None) -> str:
    """Return the word that the column STATUS shows."""
    return states.effective(status, version)
