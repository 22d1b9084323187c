"""What people are told of a plan, and of why an application is as it is: the engine says it, programs read it.

Times are seconds since 1970, 0 where there is none. JSON keys are the field names.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from wadm.model.status import ApplicationStatus

Effect = Literal["start", "scale", "update live", "restart", "stop", "put", "delete"]

# -- what would happen ----------------------------------------------------------------------


class PlannedStep(Struct, frozen=True):
    """One thing that would be done. ``round`` counts from 1: what a round needs is there after the one before.

    ``host`` is what people call it, empty for links and configurations, which belong to the lattice.
    """

    round: int
    effect: Effect
    what: str
    host: str
    reason: str


class Consequence(Struct, frozen=True):
    """An application besides the planned one whose status would be another."""

    application: str
    before: str
    after: str


class Planned(Struct, frozen=True):
    """What deploying (or undeploying) would do. ``id`` names this very outcome: it is the same as long as that is.

    ``status`` is how the application would be once all steps are done.
    """

    application: str
    version: str | None
    id: str
    steps: tuple[PlannedStep, ...]
    status: ApplicationStatus
    consequences: tuple[Consequence, ...] = ()
    warnings: tuple[str, ...] = ()
    """What it would share with other applications that only one can have, and who would miss it."""


# -- why it is so ---------------------------------------------------------------------------


class Waiting(Struct, frozen=True):
    """A command that is on its way or held back. ``next`` is when it is looked at again, or tried again."""

    command: str
    reason: str
    since: float
    asked: float
    state: str
    next: float
    attempts: int
    error: str


class OnHost(Struct, frozen=True):
    """What runs of a scaler's thing on one host."""

    host: str
    host_id: str
    image: str
    count: int
    owner: str
    health: str = ""


class Unfit(Struct, frozen=True):
    """A host that a share cannot use, and the label because of which (``has`` is ``None`` where it lacks it); another
    reason has no label. ``why`` follows the host's name: ``has zone=b``, ``does not answer``."""

    host: str
    host_id: str
    label: str
    wanted: str
    has: str | None
    why: str = ""


class ShareView(Struct, frozen=True):
    """One spread: how many it wants, which hosts match."""

    name: str
    target: int
    requirements: dict[str, str]
    matching: int
    hosts: tuple[str, ...]
    unfit: tuple[Unfit, ...]


class ScalerView(Struct, frozen=True):
    """One scaler, explained."""

    id: str
    kind: str
    name: str
    status: str
    message: str
    since: float
    waiting_for: str
    next: str
    wants: str
    running: tuple[OnHost, ...]
    shares: tuple[ShareView, ...]
    waiting: tuple[Waiting, ...]
    note: str = ""
    """What is not known yet of something that is as it should be."""


class ApplicationView(Struct, frozen=True):
    """An application, explained. ``planned`` is what would be asked now; normally it is on its way already."""

    application: str
    version: str | None
    status: str
    message: str
    hosts: int
    scalers: tuple[ScalerView, ...]
    configurations: dict[str, str]
    planned: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    silent: tuple[str, ...] = ()
    """Hosts of the lattice that do not answer at the moment, as people call them."""
    lost: tuple[str, ...] = ()
    """Hosts that fell silent and have not come back."""
    paused: bool = False
    """Whether nothing is moved, because most hosts fell silent together."""


# -- what is remembered ---------------------------------------------------------------------


class Missing(Struct, frozen=True):
    """An application that the bucket has lost though nobody deleted it, as a server remembers it: its versions, oldest
    first, and the one that is deployed."""

    name: str
    versions: tuple[str, ...]
    deployed_version: str | None = None
