"""Hosts that are cordoned or drained, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.text import Text

from wadm.cli.views.times import moment
from wadm.model.cordons import Cordon, CordonedHost, CordonStanding

TOLD = 20
"""Things left on a host that are told of one by one."""


def one_by_one(found: Sequence[CordonStanding], style: str = "") -> Text:
    """Return how far each host is, with what is left there and why."""
    return Text("\n".join(line for standing in found for line in _lines(standing)), style=style)


def _lines(standing: CordonStanding) -> Iterator[str]:
    cordon = standing.cordon
    if not standing.hosts:
        remove = f"--label {cordon.label}" if cordon.label else cordon.called or cordon.host
        yield f"{cordon.about}: no such host is there ({_asked(cordon)}). wadm uncordon {remove} removes it"
    for host in standing.hosts:
        yield f"{host.name}: {_state(host)} ({_asked(cordon)})"
        yield from (f"  {one.kind} {one.id} of {one.application}: {one.why}" for one in host.left[:TOLD])
        if len(host.left) > TOLD:
            yield f"  and {len(host.left) - TOLD} more"
        if cordon.drain and host.others:
            yield f"  wadm did not start {', '.join(host.others)}: it goes with the host"


def _state(host: CordonedHost) -> str:
    return f"{host.state}, {host.why}" if host.why else host.state


def _asked(cordon: Cordon) -> str:
    by = f" by {cordon.author}" if cordon.author else ""
    label = f", by label {cordon.label}" if cordon.label else ""
    done = "drained" if cordon.drain else "cordoned"
    return f"{done} since {moment(cordon.since)}{by}{label}" + (f": {cordon.message}" if cordon.message else "")
