"""What people are told of what is waited for: hosts, why none will do, which are silent; and what serves until then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from wadm.engine.placing.assign import Missing
from wadm.engine.placing.constraints import NO_RULES, HasLabels, HostRules
from wadm.engine.plan import PlanBuilder
from wadm.engine.scalers import Desired, WorkloadScaler
from wadm.model.lattice import Entity, EntityKind, Lattice, Pause, Provider, Requirements, owner, scaler_of
from wadm.model.names import SCALER
from wadm.model.swaps import Swap

HOSTS_NAMED = 3
"""Hosts that are told of one by one."""
ANNOTATIONS_TOLD = 4
HOSTS_COUNTED = 20
"""Hosts that are counted. In a larger lattice the number is not told: it would change with every host that joins, and
every change of a status is a message to all who watch."""


def how_much(desired: Desired) -> str:
    """Return what there is to plan of an application: ``1 scaler with 10000 spreads and 3 configurations``."""
    if not desired.scalers and not desired.configs:
        return "the removal"
    spreads = sum(len(workload.shares) for workload in desired.workloads)
    parts = [f"{spreads} spreads"] if spreads > len(desired.workloads) else []
    if desired.configs:
        parts.append(_counted(len(desired.configs), "configuration"))
    return f"{_counted(len(desired.scalers), 'scaler')}{' with ' * bool(parts)}{' and '.join(parts)}"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def missing_hosts(missing: Missing, kind: EntityKind, lattice: Lattice, rules: HostRules = NO_RULES) -> str:
    """Return what is waited for where a spread has too few hosts, and why those that are there will not do.

    For example: ``a host with zone=moon (spread moon); 1 host is there: alpha (NAAAAAAA) has zone=a``.
    """
    share = missing.share
    labels = ", ".join(f"{key}={value}" for key, value in share.requirements)
    lacking = missing.barred or (share.target - missing.found if kind == "provider" and missing.found else 1)
    hosts = f"{lacking} more host{'s' * (lacking > 1)}" if missing.found else "a host"
    wanted = f"{hosts} with {labels}" if labels else hosts
    return f"{wanted} (spread {share.name}); {_those_there(share.requirements, missing.found, lattice, rules)}"


def _those_there(requirements: Requirements, used: int, lattice: Lattice, rules: HostRules) -> str:
    number = len(lattice.hosts)
    if not number:
        lost = ", ".join(sorted(lattice.certainty.lost.values())[:HOSTS_NAMED])
        return f"no host is there, {lost} is lost" if lost else "no host is there"
    there = f"more than {HOSTS_COUNTED} hosts are there" if number > HOSTS_COUNTED else f"{number} hosts are there"
    if number == 1:
        there = "1 host is there"
    if used:
        return f"{there}, and {used} of them can be used"
    if number > HOSTS_NAMED and not lattice.eligible(requirements):
        return f"{there}, none has {'that label' if len(requirements) == 1 else 'those labels'}"
    labels = HasLabels(requirements)
    if number <= HOSTS_NAMED:
        unfit = [(host, labels.why_not(host) or rules.why_not(host)) for _, host in sorted(lattice.hosts.items())]
    else:
        unfit = [(lattice.hosts[host], rules.why_not(lattice.hosts[host])) for host in lattice.eligible(requirements)]
    told = [f"{host.called} {why}" for host, why in unfit if why]
    if not told:
        return f"{there}, and something is in the way"  # which the message names
    more = f"; and {len(told) - HOSTS_NAMED} more" if len(told) > HOSTS_NAMED else ""
    return f"{there}: {'; '.join(told[:HOSTS_NAMED])}{more}"


# -- ids that others use -----------------------------------------------------------------------


def used_by(entity_id: str, others: Mapping[str, Entity], lattice: Lattice) -> str:
    """Return who has an id, and where. ``others`` are what runs under it for somebody else, by host.

    For example: ``The id shop-api is used by registry.example/api:1, which wadm did not start, on alpha (NAAAAAAA): it
    has no annotations. Give one of the two another id, or stop that one.``
    """
    host, entity = min(others.items())
    more = f" and {len(others) - 1} more" if len(others) > 1 else ""
    where = f"{lattice.hosts[host].called}{more}"
    application = owner(entity)
    if application is not None:
        return f"The id {entity_id} is used by application {application} on {where}."
    annotations = ", ".join(f"{key}={value}" for key, value in sorted(entity.annotations.items())[:ANNOTATIONS_TOLD])
    marked = f"its annotations are {annotations}" if annotations else "it has no annotations"
    return (
        f"The id {entity_id} is used by {entity.image}, which wadm did not start, on {where}: {marked}. "
        "Give one of the two another id, or stop that one."
    )


# -- silent hosts ------------------------------------------------------------------------------


def paused(pause: Pause) -> str:
    """Return why nothing is moved, since when, and what comes next.

    For example: ``2 of 3 hosts do not answer since 12:00:05 UTC (alpha (NAAAAAAA), beta (NBBBBBBB)). Nothing
    is moved until they are back, or until 12:05:05 UTC; `wadm resume` ends the wait at once.``
    """
    more = pause.silent - len(pause.names)
    names = ", ".join(pause.names) + (f" and {more} more" if more > 0 else "")
    next_ = goes_on(pause)
    cause = f"{pause.silent} of {pause.of} hosts do not answer since {_time_of_day(pause.since)} ({names})"
    return f"{cause}. {next_[0].upper()}{next_[1:]}."


def goes_on(pause: Pause) -> str:
    """Return when a pause ends, and how to end it."""
    until = f"until {_time_of_day(pause.until)}" if pause.until else "some minutes after the first is"
    return f"nothing is moved until they are back, or {until}; `wadm resume` ends the wait at once"


def silent_hosts(lattice: Lattice) -> str:
    """Return the names of the silent hosts, the first few."""
    names = sorted(
        lattice.hosts[host].called for host in lattice.certainty.silent.keys() | lattice.certainty.unseen.keys()
    )
    more = len(names) - HOSTS_NAMED
    return ", ".join(names[:HOSTS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _time_of_day(at: float) -> str:
    minutes, seconds = divmod(int(at) % 86400, 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{seconds:02} UTC"


# -- what serves until then --------------------------------------------------------------------


def until_then(earlier: Sequence[tuple[str, Entity]], work: PlanBuilder) -> str:
    """Return what goes on until its replacement runs, given with its host; nothing where nothing does.

    For example: ``until then x/web:1 goes on running on alpha (NAAAAAAA) and beta (NBBBBBBB)``.
    """
    if not earlier:
        return ""
    images = " and ".join(sorted({entity.image for _, entity in earlier}))
    goes = "go" if " and " in images else "goes"
    return f"until then {images} {goes} on running on {some_hosts(sorted({host for host, _ in earlier}), work)}"


def given_up_texts(swaps: Mapping[str, Swap], scaler: WorkloadScaler, work: PlanBuilder) -> list[str]:
    """Say of which hosts a new image was given up, and why, and what is with the one before."""
    texts = []
    for host, swap in sorted(swaps.items()):
        if swap.given_up:
            there = work.lattice.find("provider", host, swap.provider_id)
            back = isinstance(there, Provider) and scaler_of(there) == dict(swap.annotations).get(SCALER, "")
            again = "runs there again" if back else "is started there again"
            texts.append(
                f"{scaler.image} was given up on {work.host(host)}: {swap.given_up}. {swap.reference} {again}."
            )
    return texts


def some_hosts(hosts: Iterable[str], work: PlanBuilder) -> str:
    """Return what hosts are called; after the first few, how many more there are."""
    names = [work.host(host) for host in hosts]
    if len(names) > HOSTS_NAMED:
        return f"{', '.join(names[:HOSTS_NAMED])} and {len(names) - HOSTS_NAMED} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def serves_meanwhile(hosts: int) -> str:
    """Say that what is restarted on one host runs on so many others.

    >>> serves_meanwhile(1)
    '1 other host serves meanwhile'
    """
    return f"{hosts} other host{'s' * (hosts > 1)} serve{'s' * (hosts == 1)} meanwhile"
