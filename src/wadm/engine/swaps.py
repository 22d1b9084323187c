"""Replacing a provider in place: the rules by which the new one stays, or the old one is started again.

A host refuses a second provider with an id that it runs, so the old one is stopped first, and nothing serves there in
between. What ran is recorded before it is stopped (:class:`~wadm.model.swaps.Swap`). From then on:

    the new one                                                 then
    ----------------------------------------------------------  -----------------------------------------------------
    is being started, or its host cannot be reached             it is waited for
    was refused, or shows no sign for a minute                  it is given up
    runs, and has reported that it is well                      it stays; the swap is over
    runs on a host that never reported the old one's health     it stays; the swap is over
    runs, and has reported that it is ill                       it is given up
    runs, and has not reported within ``REPORTS_WITHIN``        it is given up: it has crashed, or hangs
    was given up                                                it is stopped, and the old one started again
    was given up, and reports its health after all              it stays; the swap is over
    any of these, and what it replaced is wanted again          the swap is over: there is nothing to go back to

What is given up is not tried again before its application is deployed again. While a swap is not over, no other host
begins one: with several hosts, a new version that does not come to run is tried on one of them alone.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from wadm.engine.command_kind import PATIENCE_WORKLOAD
from wadm.engine.expectations import Pending
from wadm.engine.plan import PlanBuilder
from wadm.engine.scalers import WorkloadScaler
from wadm.model.commands import StartProvider
from wadm.model.lattice import Entity, Provider, owner, scaler_of
from wadm.model.names import is_builtin, same_image
from wadm.model.provider_starts import REPORTS_WITHIN, SUBSCRIBES_WITHIN, ProviderStart
from wadm.model.swaps import Swap


class Verdict(Struct, frozen=True):
    """How a swap is: over, given up and why, or waited for; ``until`` is when it is to be judged again, if ever."""

    state: Literal["waits", "over", "given up"]
    why: str = ""
    until: float | None = None


WAITS, OVER = Verdict("waits"), Verdict("over")


def judge_running(
    swap: Swap, provider: Provider, start: ProviderStart | None, now: float, elsewhere: bool = False
) -> Verdict:
    """Judge a swap whose new provider runs; ``elsewhere``: other hosts have one of its id, too, of which any may be the
    one that does not answer."""
    if provider.health in ("failed", "silent"):
        return Verdict("given up", "its health check failed")
    if start is None or start.reported is not None:
        return OVER
    if swap.given_up:
        return Verdict("given up", swap.given_up)
    if start.builtin or not swap.reported:
        return OVER
    # Found running by a new owner, it may have reported before: the next report is due within 30 s.
    since, within = (start.started, REPORTS_WITHIN) if start.started is not None else (start.listed, SUBSCRIBES_WITHIN)
    if now >= since + within:
        which = f"it, or {provider.id} on another host," if elsewhere else "it"
        return Verdict("given up", f"no health report {within:g} s after its start: {which} has crashed, or hangs")
    return Verdict("waits", until=since + within)


def judge_start(swap: Swap, pending: Pending | None, image: str, now: float) -> Verdict:
    """Judge a swap whose new provider does not run, by what is pending for it. A host that has not answered may be at
    work on it, and is given its time."""
    if swap.given_up:
        return Verdict("given up", swap.given_up)
    if pending is None or not isinstance(pending.command, StartProvider) or pending.command.reference != image:
        return WAITS
    may_come = pending.unasked or (pending.lingering and now < pending.since + PATIENCE_WORKLOAD)
    return Verdict("given up", pending.error) if pending.held and pending.error and not may_come else WAITS


def open_swaps(
    scaler: WorkloadScaler, work: PlanBuilder, mine: dict[str, Entity], places: frozenset[str]
) -> dict[str, Swap]:
    """Return the swaps of a provider that are not over, by host, each with why it is given up if it is."""
    found = {}
    for swap in work.record.swaps:
        if swap.provider_id != scaler.entity_id:
            continue
        if is_wanted(Provider(swap.provider_id, swap.reference, dict(swap.annotations)), scaler):
            continue  # Given up, it would be started again, and given up again.
        host, entity = swap.host_id, mine.get(swap.host_id)
        if swap.successor != scaler.id:
            # Another version is wanted since. What is known to have run well is what the one before that replaced.
            swap = replace(swap, successor=scaler.id, begun=work.now, given_up="")
            if isinstance(entity, Provider) and is_wanted(entity, scaler):
                continue
        verdict = WAITS
        if entity is None:
            verdict = judge_start(swap, work.pending(("provider", host, scaler.entity_id)), scaler.image, work.now)
        elif isinstance(entity, Provider) and is_wanted(entity, scaler):
            start = work.lattice.provider_starts.get(host, scaler.entity_id)
            verdict = judge_running(swap, entity, start, work.now, elsewhere=len(mine) > 1)
        if verdict.until is not None:
            work.look_again(verdict.until)
        if verdict.state == "over" or (host not in places and not swap.given_up):
            continue
        found[host] = replace(swap, given_up=verdict.why) if verdict.why else swap
    return found


def begin_swap(scaler: WorkloadScaler, work: PlanBuilder, host: str, provider: Provider) -> Swap:
    """Return what has to be recorded before a provider is stopped for another image, or for other settings."""
    earlier = work.needed.earlier(scaler_of(provider))
    if earlier is not None:
        reference, config = earlier.image, earlier.config
    elif same_image(provider.image, scaler.image):
        reference, config = scaler.image, scaler.config
    else:
        reference, config = reference_of(provider.image), scaler.config
    start = work.lattice.provider_starts.get(host, scaler.entity_id)
    reported = start is not None and _reports(start, work, host)
    return Swap(
        host,
        scaler.entity_id,
        reference,
        tuple(provider.annotations.items()),
        config,
        scaler.id,
        reported=reported,
        begun=work.now,
    )


def _reports(start: ProviderStart, work: PlanBuilder, host: str) -> bool:
    """Whether a host has reported a provider's health. Of one that was started, or found by a new owner, a moment ago
    that is assumed where the host is known to report at all."""
    if start.reported is not None:
        return True
    since = start.listed if start.started is None else start.started
    recently = work.now < since + SUBSCRIBES_WITHIN
    return recently and not start.builtin and work.lattice.provider_starts.reports(host)


def is_wanted(provider: Provider, scaler: WorkloadScaler) -> bool:
    """Whether a provider is as a scaler wants it. One that wadm did not start is, if its image is: it counts, and is
    left alone. So is one that was started by the other kind of scaler: that is no reason to stop it."""
    return same_image(provider.image, scaler.image) and (
        scaler_of(provider) == scaler.id
        or owner(provider) is None
        or scaler_of(provider) == scaler.id_for(scaler.image, daemon=not scaler.daemon)
    )


def reference_of(shown: str) -> str:
    """Return a reference that a host can start, from an image as it shows it, without its scheme."""
    if is_builtin(shown):
        return f"wasmcloud+builtin://{shown}"
    return f"file://{shown}" if shown.startswith("/") else shown
