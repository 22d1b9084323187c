"""The words, signs and colours of statuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wadm.model.status import NO_HOSTS_MESSAGE, UNDEPLOYED, ApplicationStatus, StatusType

if TYPE_CHECKING:
    from rich.text import Text

_LOOKS: dict[StatusType, tuple[str, str]] = {
    "deployed": ("✓", "green"),
    "reconciling": ("↻", "yellow"),
    "waiting": ("…", "yellow"),
    "unhealthy": ("!", "red"),
    "failed": ("✗", "red"),
    "undeployed": ("○", "dim"),
}


def state(kind: StatusType) -> Text:
    """Return a status type as sign and word."""
    from rich.text import Text  # not at the top: what programs read is made without it

    sign, style = _LOOKS[kind]
    return Text(f"{sign} {kind}", style=style)


def style(kind: StatusType) -> str:
    """Return the colour of a status type."""
    return _LOOKS[kind][1]


def effective(status: ApplicationStatus, deployed_version: str | None) -> StatusType:
    """Return what an application's status means to people.

    A server that has heard of no host, ever, has no status to tell: it lists the application as waiting even where
    nobody deployed it, and asked for the one it says undeployed even where it is.
    """
    if status.type == "waiting" and deployed_version is None:
        return "undeployed"
    if status.type == "undeployed" and deployed_version is not None and not status.scalers:
        return "waiting"  # nobody has looked at it yet
    return status.type


def message(status: ApplicationStatus) -> str:
    """Return what is said of an application as a whole."""
    if status.message == NO_HOSTS_MESSAGE:
        return "no status yet: no host has been heard in this lattice"
    return "" if status.message == UNDEPLOYED.message else status.message


def settled(status: ApplicationStatus) -> tuple[int, int]:
    """Return how many of the scalers are as they should be, and how many there are."""
    return sum(scaler.type == "deployed" for scaler in status.scalers), len(status.scalers)
