"""Statuses on ``wadm.status.{lattice}.{name}`` and in API replies
(docs/protocol/api.md#status-message).

What the original's clients read is written as the original writes it. What it cannot say, our
:class:`~wadm.model.status.Explanation`, goes beside each scaler's ``status`` under the key ``explanation``.
"""

from __future__ import annotations

from math import isfinite

from msgspec import UNSET, Raw, Struct, UnsetType, json
from msgspec.structs import replace

from wadm.errors import Malformed
from wadm.model.status import SEVERITY, ApplicationStatus, Explanation, ScalerStatus, StatusType
from wadm.wire.reading import read

_TYPES: dict[str, StatusType] = {
    **{known: known for known in SEVERITY},
    "compensating": "reconciling",  # names that older versions stored
    "ready": "deployed",
}

# -- writing -----------------------------------------------------------------------------------


class StateDocument(Struct, frozen=True):
    """A status type, with a message where there is something to say."""

    type: str
    message: str | UnsetType = UNSET


class ScalerDocument(Struct, frozen=True):
    """One thing that must hold. ``explanation`` is ours: what is waited for, since when, and what comes next."""

    id: str
    kind: str
    name: str
    status: StateDocument
    explanation: Explanation | UnsetType = UNSET


class StatusDocument(Struct, frozen=True):
    """The status of an application, as it is written."""

    status: StateDocument
    scalers: list[ScalerDocument] | UnsetType = UNSET
    version: str = ""  # this and the next: deprecated, still always written
    components: tuple[()] = ()


def encode_status(status: ApplicationStatus) -> bytes:
    """Return the message for the status stream."""
    scalers = [
        ScalerDocument(s.id, s.kind, s.name, _state(s.type, s.message), _explanation(s.explanation))
        for s in status.scalers
    ]
    return json.encode(StatusDocument(_state(status.type, status.message), scalers or UNSET))


def _state(kind: StatusType, message: str) -> StateDocument:
    return StateDocument(kind, message or UNSET)


def _explanation(explanation: Explanation) -> Explanation | UnsetType:
    """Leave out what says nothing: an empty explanation, and times that are none or never come."""
    shown = replace(explanation, since=_time(explanation.since), next_try=_time(explanation.next_try))
    return UNSET if shown == _NOTHING else shown


_NOTHING = Explanation()


def _time(seconds: float) -> float:
    # The very object of the default is what is left out in writing.
    return seconds if seconds and isfinite(seconds) else _NOTHING.since


# -- reading -----------------------------------------------------------------------------------


class _StoredState(Struct, frozen=True):
    type: str
    message: str | None = None


class _StoredScaler(Struct, frozen=True, kw_only=True):
    id: str = ""
    kind: str = ""
    name: str = ""
    status: _StoredState
    explanation: Explanation = _NOTHING


class _StoredStatus(Struct, frozen=True):
    status: _StoredState
    scalers: tuple[_StoredScaler, ...] = ()


_status = json.Decoder(_StoredStatus)


def decode_status(data: bytes | Raw) -> ApplicationStatus:
    """Read a status that we or the original stored; raise :class:`~wadm.errors.Malformed` where it is none."""
    stored = read(_status, data, "status")
    scalers = tuple(
        ScalerStatus(s.id, s.kind, s.name, _type(s.status), s.status.message or "", s.explanation)
        for s in stored.scalers
    )
    return ApplicationStatus(_type(stored.status), stored.status.message or "", scalers)


def _type(state: _StoredState) -> StatusType:
    try:
        return _TYPES[state.type]
    except KeyError:
        raise Malformed(f"status: unknown type {state.type[:64]!r}") from None
