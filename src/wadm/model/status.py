"""What people are told: the status of a scaler and of an application."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from msgspec import Struct

StatusType = Literal["waiting", "undeployed", "reconciling", "deployed", "failed", "unhealthy"]

SEVERITY: tuple[StatusType, ...] = ("failed", "undeployed", "waiting", "reconciling", "unhealthy", "deployed")
"""Of several statuses the first in this list wins (docs/protocol/reconciliation.md#aggregate-status)."""


class Explanation(Struct, frozen=True, omit_defaults=True):
    """Why a scaler is as it is, beyond what the original's status can say. Empty fields say nothing.

    ``waiting_for`` and ``next`` are sentences for people; times are seconds since 1970. ``note`` is what is not known
    yet of something that is as it should be. ``final``: nothing more is tried before somebody deploys again.
    """

    waiting_for: str = ""
    since: float = 0.0
    next: str = ""
    next_try: float = 0.0
    attempts: int = 0
    last_error: str = ""
    wanted: int = 0
    running: int = 0
    note: str = ""
    final: bool = False


class ScalerStatus(Struct, frozen=True):
    """One scaler's status. ``type``, ``message``, ``kind``, ``name``, ``id`` are what the original's clients read."""

    id: str
    kind: str
    name: str
    type: StatusType
    message: str = ""
    explanation: Explanation = Explanation()


class ApplicationStatus(Struct, frozen=True):
    """An application's status: its scalers' in manifest order, and what they add up to."""

    type: StatusType
    message: str = ""
    scalers: tuple[ScalerStatus, ...] = ()


UNDEPLOYED = ApplicationStatus("undeployed", "Manifest has been undeployed")
NO_HOSTS_MESSAGE = "Waiting for status: Lattice contains no hosts, deployment not started."


def aggregate(scalers: Iterable[ScalerStatus]) -> ApplicationStatus:
    """Add up the statuses of an application's scalers.

    Without any scaler it is deployed: there is nothing left to do.
    """
    scalers = tuple(scalers)
    worst: StatusType = min((s.type for s in scalers), key=SEVERITY.index, default="deployed")
    message = ", ".join(text for s in scalers if (text := s.message.strip()))
    return ApplicationStatus(worst, message, scalers)
