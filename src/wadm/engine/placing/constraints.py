"""Why a host may not run a workload: one small class for each reason.

``docs/checklists/constraint.md`` has the steps to add one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ClassVar, Final

from msgspec import Struct

from wadm.engine.scalers import WorkloadScaler
from wadm.model.cordons import Cordon
from wadm.model.lattice import Entity, Host, Lattice, Provider, Requirements, owner
from wadm.model.names import same_image


class Constraint(ABC):
    """A rule that hosts must keep to run one workload."""

    freezes: ClassVar[bool] = False
    """Whether a host that breaks it is left as it is: what runs there stays, and nothing is added. Else nothing of the
    workload may run there."""
    excuses: ClassVar[bool] = False
    """Whether a daemon that does not run on a host that breaks it is not missed there."""

    @abstractmethod
    def why_not(self, host: Host) -> str:
        """Return how a host breaks it, in words that follow its name: ``has zone=b``. Nothing where it does not."""

    def excluded(self, hosts: Iterable[Host]) -> Collection[str]:
        """Return the ids of the hosts that break it. Override it where that is known without asking each."""
        return {host.id for host in hosts if self.why_not(host)}


class HasLabels(Constraint):
    """A host must have the labels of the spread. The lattice answers for many hosts from an index."""

    def __init__(self, wanted: Requirements) -> None:
        self._wanted = wanted

    def mismatch(self, host: Host) -> tuple[str, str, str | None] | None:
        """Return the first label that is not as wanted: its key, the wanted value, and the host's, if it has one."""
        for label, wanted in self._wanted:
            has = host.labels.get(label)
            if has != wanted:
                return label, wanted, has
        return None

    def why_not(self, host: Host) -> str:
        """Name the first label that differs."""
        found = self.mismatch(host)
        if found is None:
            return ""
        label, _, has = found
        return f"has no label {label}" if has is None else f"has {label}={has}"


class IdIsFree(Constraint):
    """Nobody else runs something under the id on the host: a host runs one thing of an id."""

    def __init__(self, foreign: Mapping[str, Entity]) -> None:
        self._foreign = foreign

    def why_not(self, host: Host) -> str:
        """Name who has the id there."""
        entity = self._foreign.get(host.id)
        if entity is None:
            return ""
        application = owner(entity)
        return f"runs {entity.id} for application {application}" if application else f"runs another {entity.id}"

    def excluded(self, hosts: Iterable[Host]) -> Collection[str]:
        """Return the hosts on which it is taken."""
        return self._foreign.keys()


class Answers(Constraint):
    """The host answers. What runs on a silent one counts, as far as anybody knows."""

    freezes = True

    def __init__(self, silent: Mapping[str, float]) -> None:
        self._silent = silent

    def why_not(self, host: Host) -> str:
        """Say that it does not."""
        return "does not answer" if host.id in self._silent else ""

    def excluded(self, hosts: Iterable[Host]) -> Collection[str]:
        """Return the silent hosts."""
        return self._silent.keys()


class IsNotCordoned(Constraint):
    """Nobody has taken the host out of use: nothing new is placed there, what runs there stays."""

    freezes = True
    excuses = True

    def __init__(self, cordoned: Mapping[str, Cordon]) -> None:
        self._cordoned = cordoned

    def why_not(self, host: Host) -> str:
        """Say since when, by whom and what for."""
        cordon = self._cordoned.get(host.id)
        return "" if cordon is None else taken_out(cordon)

    def excluded(self, hosts: Iterable[Host]) -> Collection[str]:
        """Return the hosts that are cordoned."""
        return self._cordoned.keys()


class IsNotDrained(IsNotCordoned):
    """Nobody drains the host: what runs there is to run elsewhere."""

    freezes = False


def taken_out(cordon: Cordon) -> str:
    """Return what was done to a host, in words that follow its name.

    For example: ``is cordoned since 10:12 UTC by ada: kernel upgrade``. On which day, `wadm hosts` tells.
    """
    done = "is drained" if cordon.drain else "is cordoned"
    hours, minutes = divmod(int(cordon.since) % 86400 // 60, 60)
    since = f"{hours:02}:{minutes:02} UTC"
    by = f" by {cordon.author}" if cordon.author else ""
    return f"{done} since {since}{by}" + (f": {cordon.message}" if cordon.message else "")


def emptied(lattice: Lattice) -> dict[str, Cordon]:
    """Return the hosts that what runs there may leave now, because they are drained.

    None while most hosts are silent; never one that does not answer, or has not said what it is and runs: nothing is
    moved on ignorance.
    """
    if lattice.pause is not None:
        return {}
    certainty, hosts = lattice.certainty, lattice.hosts
    return {
        host_id: cordon
        for host_id, cordon in lattice.cordoned().items()
        if cordon.drain and certainty.of_host(hosts[host_id]) == "certain"
    }


class Workload(Struct):
    """What constraints are made for: a scaler, and what runs under its id already."""

    scaler: WorkloadScaler
    lattice: Lattice
    mine: dict[str, Entity]
    """What counts for it, by host."""
    foreign: dict[str, Entity]
    """What runs under its id for somebody else, by host."""


CONSTRAINTS: Final[list[Callable[[Workload], Constraint | None]]] = [
    lambda workload: IdIsFree(workload.foreign) if workload.foreign else None,
    lambda workload: Answers(workload.lattice.certainty.silent) if workload.lattice.certainty.silent else None,
    lambda workload: IsNotDrained(emptied(workload.lattice)) if workload.lattice.cordons else None,
    lambda workload: IsNotCordoned(workload.lattice.cordoned()) if workload.lattice.cordons else None,
]
"""Each makes a constraint for a workload, or none where every host keeps it. Labels are looked up for each spread."""


class HostRules(Struct):
    """What the constraints on one workload come to, as sets of hosts."""

    constraints: tuple[Constraint, ...] = ()
    forbidden: Collection[str] = frozenset()
    """Hosts that may run nothing of it."""
    frozen: Collection[str] = frozenset()
    """Hosts that are left as they are: what runs there stays, nothing is placed there."""
    excused: Collection[str] = frozenset()
    """Hosts on which a daemon is not missed."""
    failed: Mapping[str, float] = {}
    """Hosts that have failed to start it again and again, and when (in seconds): they come last, first the one for
    which that is longest ago."""

    def why_not(self, host: Host) -> str:
        """Return why nothing of it is placed on a host, whatever its labels."""
        return next((why for constraint in self.constraints if (why := constraint.why_not(host))), "")


NO_RULES: Final = HostRules()


def workload_of(scaler: WorkloadScaler, lattice: Lattice) -> Workload:
    """Return a scaler with what runs under its id: for it, and for somebody else."""
    present = lattice.where(scaler.entity_kind, scaler.entity_id)
    mine = {host: entity for host, entity in present.items() if _may_be_ours(scaler, entity)}
    foreign = {host: entity for host, entity in present.items() if host not in mine}
    return Workload(scaler, lattice, mine, foreign)


def rules_for(workload: Workload, failed: Mapping[str, float]) -> HostRules:
    """Return which hosts may run a workload. ``failed``: those that could not start it lately, and when that was."""
    constraints = tuple(one for make in CONSTRAINTS if (one := make(workload)) is not None)
    if not constraints and not failed:
        return NO_RULES
    hosts = workload.lattice.hosts
    forbidden = [one.excluded(hosts.values()) for one in constraints if not one.freezes]
    frozen = [one.excluded(hosts.values()) for one in constraints if one.freezes]
    excused = [one.excluded(hosts.values()) for one in constraints if one.excuses]
    return HostRules(constraints, _union(forbidden), _union(frozen), _union(excused), failed)


def _union(parts: list[Collection[str]]) -> Collection[str]:
    return parts[0] if len(parts) == 1 else frozenset().union(*parts)


def _may_be_ours(scaler: WorkloadScaler, entity: Entity) -> bool:
    """Whether something with the scaler's id counts for it. What was started for its application does. What wadm did
    not start is never touched: a provider with the wanted image serves as it is, everything else is in the way."""
    application = owner(entity)
    if application is None and isinstance(entity, Provider):
        return same_image(entity.image, scaler.image)
    return application == scaler.application
