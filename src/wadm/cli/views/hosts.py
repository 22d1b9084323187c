"""The hosts of a lattice: a line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from wadm.cli.standing import Heard
from wadm.cli.views import names
from wadm.cli.views.cordons import one_by_one
from wadm.cli.views.table import one_line, or_nothing, table
from wadm.cli.views.times import duration
from wadm.model.cordons import CordonStanding
from wadm.model.lattice import Inventory
from wadm.wire.control import HostPing

_GIVEN = ("hostcore.", "wasmcloud.dev/")
"""What the labels begin with that nobody chose."""


def hosts(
    found: Sequence[HostPing], inventories: Mapping[str, Inventory], lattice: str, wide: bool = False
) -> RenderableType:
    """Return the hosts; ``inventories`` by host id, of those that told what they run."""
    if not found:
        return Text(f"No host answers in lattice {lattice}.")
    running = ("COMPONENTS", "PROVIDERS") if wide else ("RUNS",)
    result = table("NAME", "ID", "VERSION", "UPTIME", *running, "LABELS", flexible="LABELS")
    for host in found:
        inventory = inventories.get(host.host_id)
        labels = labels_of(host.labels)
        result.add_row(
            or_nothing(host.friendly_name),
            host.host_id if wide else names.host_id(host.host_id),
            or_nothing(host.version),
            duration(host.uptime_seconds),
            *(or_nothing(number) for number in _running(inventory, wide)),
            or_nothing(labels) if wide or not labels else one_line(labels),
        )
    return result


def with_silent(shown: RenderableType, silent: Mapping[str, Heard], now: float) -> RenderableType:
    """Return the hosts with those below that were heard lately and do not answer."""
    lines = [
        Text(
            f"{one.name or 'a host'} ({names.host_id(host_id)}) was heard {duration(now - one.at)} ago and does not "
            "answer: see whether it and its network are up",
            style="yellow",
        )
        for host_id, one in sorted(silent.items())
    ]
    return Group(shown, "", *lines) if lines else shown


def with_cordons(shown: RenderableType, cordons: Sequence[CordonStanding]) -> RenderableType:
    """Return the hosts with those below that are cordoned or drained."""
    return Group(shown, "", one_by_one(cordons, "yellow")) if cordons else shown


def _running(inventory: Inventory | None, wide: bool) -> tuple[str, ...]:
    """Return how many components and providers run on a host, or how many things in all."""
    if inventory is None:
        return ("", "") if wide else ("",)
    components, providers = len(inventory.components), len(inventory.providers)
    return (str(components), str(providers)) if wide else (str(components + providers),)


def labels_of(labels: Mapping[str, str]) -> str:
    """Return labels in one line, those that people chose before those that hosts give themselves."""
    ordered = sorted(labels.items(), key=lambda label: (label[0].startswith(_GIVEN), label[0]))
    return " ".join(f"{key}={value}" for key, value in ordered)
