"""What people are told of hosts that are waited for: how many there are, and why none of them will do."""

from __future__ import annotations

from wadm.engine.spread import Missing
from wadm.model.lattice import EntityKind, Host, Lattice, Requirements

HOSTS_NAMED = 3
"""Hosts that are told of one by one."""
HOSTS_COUNTED = 20
"""Hosts that are counted. In a larger lattice the number is not told: it would change with every host that joins, and
every change of a status is a message to all who watch."""


def missing_hosts(missing: Missing, kind: EntityKind, lattice: Lattice) -> str:
    """Return what is waited for where a spread has too few hosts, and why those that are there will not do.

    For example: ``a host with zone=moon (spread moon); 1 host is there: alpha (NAAAAAAA) has zone=a``.
    """
    share = missing.share
    labels = ", ".join(f"{key}={value}" for key, value in share.requirements)
    lacking = share.target - missing.found if kind == "provider" and missing.found else 1
    hosts = f"{lacking} more host{'s' * (lacking > 1)}" if missing.found else "a host"
    wanted = f"{hosts} with {labels}" if labels else hosts
    return f"{wanted} (spread {share.name}); {_those_there(share.requirements, missing.found, lattice)}"


def _those_there(requirements: Requirements, used: int, lattice: Lattice) -> str:
    number = len(lattice.hosts)
    if not number:
        lost = ", ".join(sorted(lattice.lost.values())[:HOSTS_NAMED])
        return f"no host is there, {lost} is lost" if lost else "no host is there"
    there = f"more than {HOSTS_COUNTED} hosts are there" if number > HOSTS_COUNTED else f"{number} hosts are there"
    if number == 1:
        there = "1 host is there"
    if used:
        return f"{there}, and {used} of them can be used"
    unfit = [(host, lack) for _, host in sorted(lattice.hosts.items()) if (lack := _lack(host, requirements))]
    if not unfit:
        return f"{there}, and something is in the way"  # which the message names
    if number > HOSTS_NAMED:
        return f"{there}, none has {'that label' if len(requirements) == 1 else 'those labels'}"
    return f"{there}: {'; '.join(f'{host.called} {lack}' for host, lack in unfit)}"


def _lack(host: Host, requirements: Requirements) -> str:
    for label, wanted in requirements:
        has = host.labels.get(label)
        if has is None:
            return f"has no label {label}"
        if has != wanted:
            return f"has {label}={has}"
    return ""
