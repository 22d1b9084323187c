"""Make before break: nothing that serves is stopped before what replaces it runs.

Judged at the moment at which a server asks a host to stop something of an application that is deployed, by what hosts
run and what is stored at that moment. What is asked for in a manifest is read by :mod:`wadm.sim.wanted`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from wadm.hosts.components import RunningComponent
from wadm.hosts.providers import RunningProvider
from wadm.sim.calls import Call
from wadm.sim.checks import APPSPEC, MANAGED_BY, View, look
from wadm.sim.wanted import Wanted, WantedShare, Workload
from wadm.sim.world import World

Running = RunningComponent | RunningProvider
TRIAL = "-next"
"""What the id of a new image ends with that is tried beside the old one."""


def judge(world: World, call: Call) -> str | None:
    """Return why what a call asks to be stopped must not be yet, ``None`` where it may."""
    kind, host, id_ = call.key
    view, name = look(world), world.names.get(host, "")
    if name not in view.hosts:
        return None
    stopping = {world.names.get(one, "") for one in world.calls.stopping(kind, id_)} - {name}
    return too_early(view, name, kind, id_, stopping)


def too_early(view: View, host: str, kind: str, id_: str, stopping: Collection[str]) -> str | None:
    """Return why something must not be stopped yet, ``None`` where it may. ``host`` is a name, ``stopping`` are the
    names of others that have been asked to stop it."""
    running = {name: one for name in view.hosts if (one := _find(view, name, kind, id_)) is not None}
    stopped = running.get(host)
    application = _application(stopped)
    if application is None or application not in view.applications:
        return None
    _, deployed, wants = view.applications[application]
    if deployed is None:
        return None
    mine = {name: one for name, one in running.items() if _application(one) == application}
    workload = next((one for one in wants.workloads if (one.kind, one.id) == (kind, id_)), None)
    if kind == "component" and any(f"{one.id}{TRIAL}" == id_ for one in wants.workloads):
        return None  # Nobody is linked to a trial.
    if workload is not None and kind == "component" and _is_tried(view, host, workload):
        away = len(mine) - 1 < _hosts_for(view, workload) - 1
        return f"{id_} is stopped on {host} while it is away from another host, too" if away else None
    if workload is None:
        return _of_an_earlier_version(view, application, wants, kind)
    if workload.kind == "provider" and _fits(workload, view.labels[host]):
        return _replaced_in_place(view, host, workload, mine, stopping)
    return _replaced_elsewhere(view, host, workload, mine, stopping)


def _is_tried(view: View, host: str, workload: Workload) -> bool:
    """Whether a component cannot be updated live, because it is called over the lattice, and the new image has been
    shown to run on its host.

    A link that is wanted and not in force yet counts, too: whoever is linked to an updated component later goes on
    calling its old code.
    """
    trial = _find(view, host, "component", f"{workload.id}{TRIAL}")
    if not _is_wanted(trial, workload) or not _fits(workload, view.labels[host]):
        return False
    wanted = (link for _, _, wants in view.applications.values() for link in wants.links)
    return any(link.target == workload.id for link in (*view.links, *wanted))


def _hosts_for(view: View, workload: Workload) -> int:
    """Return on how many hosts a workload can run, where each of its shares gets a host of its own if there is one."""
    if workload.daemon:
        return sum(_fits(workload, labels) for labels in view.labels.values())
    share_on: dict[str, WantedShare] = {}

    def finds_host(share: WantedShare, asked: set[str]) -> bool:
        for host, labels in view.labels.items():
            if host not in asked and share.fits(labels):
                asked.add(host)
                if host not in share_on or finds_host(share_on[host], asked):
                    share_on[host] = share
                    return True
        return False

    return sum(finds_host(share, set()) for share in workload.shares if share.target)


def _replaced_elsewhere(
    view: View, host: str, workload: Workload, mine: Mapping[str, Running], stopping: Collection[str]
) -> str | None:
    others = {name: one for name, one in mine.items() if name != host and name not in stopping}
    right = sum(_count(one) for name, one in others.items() if _serves(view, name, one, workload))
    if not any(share.target for share in workload.shares):
        return None
    if not right:
        return f"{workload.id} is stopped on {host} and runs as wanted nowhere"
    left = sum(_count(one) for name, one in others.items() if _works(one))
    least = min(sum(map(_count, mine.values())), _placeable(view, workload))
    if left < least:
        return f"{workload.id} is stopped on {host}, {left} are left, {least} could run"
    return None


def _placeable(view: View, workload: Workload) -> int:
    """Return how many of a workload there are hosts for, if each of its shares gets a host of its own."""
    fitting = [share for share in workload.shares if any(share.fits(labels) for labels in view.labels.values())]
    if workload.daemon:
        return sum(_fits(workload, labels) for labels in view.labels.values())
    if workload.kind == "component":
        return sum(share.target for share in fitting)
    return min(sum(share.target for share in fitting), sum(_fits(workload, one) for one in view.labels.values()))


def _replaced_in_place(
    view: View, host: str, workload: Workload, mine: Mapping[str, Running], stopping: Collection[str]
) -> str | None:
    """Judge a stop where the provider may stay. A host has one of an id at most, so several hosts take turns."""
    others = {name: one for name, one in mine.items() if name != host and name not in stopping}
    # What an earlier version has left, with the same image, on a host that fits no more is not the new one.
    fitting = {name: one for name, one in others.items() if _fits(workload, view.labels[name])}
    ill = sorted(name for name, one in fitting.items() if _is_wanted(one, workload) and not _works(one))
    if ill:
        return f"{workload.id} is stopped on {host} though the new one on {ill[0]} does not work"
    if len(others) < min(len(mine), _placeable(view, workload)) - 1:
        return f"{workload.id} is stopped on {host} while it is away from another host, too"
    return None


def _of_an_earlier_version(view: View, application: str, wants: Wanted, kind: str) -> str | None:
    if kind == "provider":
        return None  # It may have to give way to one that listens on its address.
    for workload in wants.workloads:
        runs = any(_application(_find(view, name, workload.kind, workload.id)) == application for name in view.hosts)
        if any(share.target for share in workload.shares) and not runs:
            return f"a component of an earlier version is stopped while {workload.id} runs nowhere yet"
    return None


def _find(view: View, host: str, kind: str, id_: str) -> Running | None:
    there = view.hosts[host].host
    assert there is not None
    return there.components.get(id_) if kind == "component" else there.providers.get(id_)


def _application(one: Running | None) -> str | None:
    if one is None or one.annotations.get(MANAGED_BY) != "wadm":
        return None
    return one.annotations.get(APPSPEC)


def _count(one: Running) -> int:
    return one.max_instances if isinstance(one, RunningComponent) else 1


def _works(one: Running) -> bool:
    return isinstance(one, RunningComponent) or (one.alive and not one.sick)


def _is_wanted(one: Running | None, workload: Workload) -> bool:
    return one is not None and one.image == workload.image


def _fits(workload: Workload, labels: Mapping[str, str]) -> bool:
    return any(share.target and share.fits(labels) for share in workload.shares)


def _serves(view: View, host: str, one: Running, workload: Workload) -> bool:
    return _is_wanted(one, workload) and _works(one) and _fits(workload, view.labels[host])
