"""Providers on the hosts of their placement: what must be asked for each (the rules are in ``workloads``)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wadm.engine.listening import idles
from wadm.engine.placing.assign import Assignment
from wadm.engine.swaps import begin_swap, is_wanted
from wadm.engine.wording import serves_meanwhile
from wadm.model.commands import StartProvider, StopProvider
from wadm.model.lattice import Entity, Provider, owner
from wadm.model.names import same_image
from wadm.model.provider_starts import SUBSCRIBES_WITHIN

if TYPE_CHECKING:
    from wadm.engine.workloads import Progress


def plan_provider(progress: Progress, host: str, wanted: Assignment, entity: Entity | None) -> None:
    """Plan one host that a provider is placed on."""
    scaler, work = progress.scaler, progress.work
    work.commands.considered.add(("provider", host, scaler.entity_id))
    swap = progress.swaps.get(host)
    given_up = swap is not None and bool(swap.given_up)
    if isinstance(entity, Provider) and is_wanted(entity, scaler) and not given_up:
        if idles(scaler.entity_id, host, work.lattice) and owner(entity) is not None:
            _start_anew(progress, host, entity)
        else:
            _running(progress, host, entity)
        return
    progress.wrong.append(host)
    if not isinstance(entity, Provider):
        _start(progress, host, wanted)
    elif is_wanted(entity, scaler):
        assert swap is not None
        stop = StopProvider(scaler.entity_id, host, scaler.application, entity.annotations)
        progress.ensure(stop, f"{scaler.image} is given up, {swap.reference} is started again: {swap.given_up}")
    elif progress.ready and not given_up and (not progress.restarting or (swap is not None and not progress.lacking)):
        progress.restarting = True
        work.workloads.swaps[host, scaler.entity_id] = swap or begin_swap(scaler, work, host, entity)
        stop = StopProvider(scaler.entity_id, host, scaler.application, scaler.annotations(wanted.share))
        progress.ensure(stop, _why_stopped(progress, host, entity))
    elif work.lattice.certainty.unseen:
        progress.unsure = True  # The others of it may not serve at the moment.


def _start_anew(progress: Progress, host: str, provider: Provider) -> None:
    """Stop one that serves nothing, as it could not listen where it was told to: once gone, it is started again."""
    scaler, work = progress.scaler, progress.work
    progress.wrong.append(host)
    work.workloads.starting.add(scaler.entity_id)
    stop = StopProvider(scaler.entity_id, host, scaler.application, provider.annotations)
    progress.ensure(stop, "the address is free that it could not listen on; only a new start makes it try again")


def _running(progress: Progress, host: str, provider: Provider) -> None:
    """Note one that runs as wanted, and how it is."""
    scaler, work = progress.scaler, progress.work
    progress.right(host, 1)
    start = work.lattice.provider_starts.get(host, scaler.entity_id)
    silent_for = start.silent_for(work.now) if start is not None else None
    if silent_for is not None and silent_for < SUBSCRIBES_WITHIN:
        work.look_again(work.now + SUBSCRIBES_WITHIN - silent_for)
    elif silent_for is not None and work.lattice.provider_starts.reports(host):
        progress.sick.append(host)
        progress.never_well = True
    if provider.health in ("failed", "silent"):
        progress.sick.append(host)
        progress.silent = progress.silent or provider.health == "silent"
        progress.never_well = progress.never_well or silent_for is not None
    elif host not in progress.swaps and host not in progress.sick:
        progress.serving[host] = provider


def _start(progress: Progress, host: str, wanted: Assignment) -> None:
    scaler, called = progress.scaler, progress.work.host(host)
    name, swap = scaler.entity_id, progress.swaps.get(host)
    lattice = progress.work.lattice
    state = lattice.certainty.of_host(lattice.hosts[host])
    if state == "unseen":
        progress.unsure = True
    elif state == "unheard":
        progress.wait_for_inventory(host)
    elif swap is not None and swap.given_up:
        back = StartProvider(name, host, swap.reference, scaler.application, dict(swap.annotations), swap.config)
        progress.ensure(back, f"{scaler.image} was given up on {called}: {swap.given_up}")
    else:
        annotations = scaler.annotations(wanted.share)
        command = StartProvider(name, host, scaler.image, scaler.application, annotations, scaler.config)
        why = f"spread {wanted.share} wants it on {called}, it does not run there"
        progress.start(command, why if swap is None else f"it replaces {swap.reference} on {called}")


def _why_stopped(progress: Progress, host: str, provider: Provider) -> str:
    scaler, called = progress.scaler, progress.work.host(host)
    other = "other settings are" if same_image(provider.image, scaler.image) else f"{scaler.image} is"
    elsewhere = len(progress.mine.keys() - {host})
    gap = (
        serves_meanwhile(elsewhere)
        if elsewhere
        else f"this interrupts {scaler.entity_id}, of which a host runs only one"
    )
    return f"{provider.image} runs on {called}, {other} wanted; {gap}"
