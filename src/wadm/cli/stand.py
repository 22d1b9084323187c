"""How an application stands, from all that can be asked: its status, its manifest, its lattice, its hosts."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from wadm.cli.facts import scaler_facts, timed
from wadm.cli.situation import Situation, in_the_way, missing_shared, situation
from wadm.cli.standing import quietly, store_troubles
from wadm.cli.told import told
from wadm.cli.views import states
from wadm.cli.views.names import scaler as scaler_name
from wadm.cli.views.times import duration, moment
from wadm.client.client import Client
from wadm.errors import WadmError
from wadm.model.lattice import Inventory, scaler_of
from wadm.model.manifest import LinkProperties, Manifest
from wadm.model.status import ApplicationStatus
from wadm.wire.api import Version

if TYPE_CHECKING:
    from rich.console import RenderableType


class Stand(Struct, frozen=True):
    """What `wadm status` shows. ``hints`` say what is wrong besides, ``remarks`` what is good to know."""

    name: str
    version: str | None
    status: ApplicationStatus
    now: float
    hints: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    situation: Situation = Situation()
    running: Mapping[str, int] = {}
    hosts: Mapping[str, str] = {}

    @property
    def good(self) -> bool:
        """Whether all is as wanted."""
        return states.effective(self.status, self.version) == "deployed"

    def as_data(self) -> dict[str, object]:
        """Return what programs read."""
        data: dict[str, object] = {
            "name": self.name,
            "version": self.version,
            "state": states.effective(self.status, self.version),
            "status": scaler_facts(self.status, self.name, self.situation.view, self.hosts),
            "hints": self.hints,
            "remarks": self.remarks,
        }
        return dict(timed(data, self.now))

    def view(self, wide: bool) -> RenderableType:
        """Return what people read."""
        from rich.console import Group
        from rich.padding import Padding
        from rich.text import Text

        from wadm.cli.views.status import status

        views = {one.id: one for one in self.situation.view.scalers} if self.situation.view else {}
        shown = status(
            self.name, self.status, self.version, self.now, self.running, wide, self.hints, views, self.hosts
        )
        parts: list[RenderableType] = [shown, *([""] if self.remarks else [])]
        parts += [Padding(Text(f"i {one}", style="dim"), (0, 0, 0, 2)) for one in self.remarks]
        return Group(*parts)


async def stand_of(client: Client, name: str, wide: bool) -> Stand:
    """Return how an application stands. Raises NotFound."""
    began = client.transport.now()
    versions, current = await asyncio.gather(client.versions(name), client.status(name))
    took = client.transport.now() - began
    version = next((one.version for one in versions if one.deployed), None)
    if version is None:
        return await _undeployed(client, name, current)
    good = current.type == "deployed"
    manifest = await _manifest(client, name, version)
    unknown = any(not one.explanation.wanted for one in current.scalers)
    inventories = await quietly(client.inventories(), ()) if wide or unknown else None
    shared, found, addresses = await asyncio.gather(
        missing_shared(client, manifest),
        situation(client, name, took, good),
        quietly(told(client, manifest, _at_work(name, current), inventories), ([], []))
        if manifest is not None
        else _nothing(),
    )
    remarks = [*addresses[0], *_newer(name, version, versions)]
    labels = await _labels(client, current)
    return Stand(
        name,
        version,
        current,
        client.transport.now(),
        (*shared, *addresses[1], *found.hints, *labels, *_secrets(manifest, current)),
        tuple(remarks),
        found,
        _running(inventories or ()),
        _hosts(inventories or ()) if wide else {},
    )


async def _undeployed(client: Client, name: str, current: ApplicationStatus) -> Stand:
    way, store, history = await asyncio.gather(
        in_the_way(client, name), store_troubles(client), quietly(client.history(name), ())
    )
    now = client.transport.now()
    hints = [*way, *(trouble.sentence for trouble in store)]
    remarks = []
    if history and history[-1].action == "undeploy":
        last = history[-1]
        who = f" by {last.author}" if last.author else ""
        why = f" ({last.message})" if last.message else ""
        remarks.append(
            f"undeployed{who} at {moment(last.time)} ({duration(now - last.time)} ago){why}; deploy it again with: "
            f"wadm deploy {name}"
        )
    return Stand(name, None, current, now, tuple(hints), tuple(remarks))


_NONE_HAS: Final = re.compile(r"with (.+?) \(spread [^;]+; (?:more than )?\d+ hosts are there, none has th")


async def _labels(client: Client, current: ApplicationStatus) -> list[str]:
    """Return which values the labels have that no host has as wanted, where there are too many hosts to name each."""
    wanted = {
        part.partition("=")[0]
        for scaler in current.scalers
        for found in _NONE_HAS.finditer(scaler.explanation.waiting_for)
        for part in found[1].split(", ")
    }
    if not wanted:
        return []
    hosts = await quietly(client.hosts(), ())
    said = []
    for label in sorted(wanted):
        values = Counter(host.labels[label] for host in hosts if label in host.labels)
        there = ", ".join(
            f"{label}={value} ({number})"
            for value, number in sorted(values.most_common(8), key=lambda pair: (-pair[1], pair[0]))
        )
        said.append(f"of the hosts' labels there are: {there}" if there else f"no host has a label {label}")
    return said


def _secrets(manifest: Manifest | None, current: ApplicationStatus) -> list[str]:
    """Return which secrets of which backends are meant, where a host says only that it could not fetch them."""
    said = " ".join(f"{one.message} {one.explanation.last_error}" for one in current.scalers if one.type != "deployed")
    if manifest is None or "secret" not in said.lower():
        return []
    backends = {one.name: one.properties.get("backend", "") for one in manifest.spec.policies}
    wanted: dict[str, None] = {}
    for component in manifest.spec.components:
        links = [one.properties for one in component.traits or () if isinstance(one.properties, LinkProperties)]
        ends = [end for link in links for end in (link.source, link.target) if end is not None]
        for secret in (*component.properties.secrets, *(one for end in ends for one in end.secrets)):
            backend = backends.get(secret.policy) or "(none)"
            wanted[f"{secret.name} of {component.name} is the key {secret.key} of the secrets backend {backend}"] = None
    return [f"secret {one}: see that it answers and has that key" for one in wanted]


def _at_work(name: str, current: ApplicationStatus) -> frozenset[str]:
    """Return the scalers, by the names that people know, of what runs, and of the links that are in the lattice."""
    return frozenset(
        scaler_name(one.name, name) for one in current.scalers if one.type == "deployed" or one.explanation.running
    )


async def _nothing() -> tuple[list[str], list[str]]:
    return [], []


async def _manifest(client: Client, name: str, version: str) -> Manifest | None:
    try:
        return await client.get(name, version)
    except WadmError:
        return None


def _newer(name: str, version: str, versions: Sequence[Version]) -> list[str]:
    newest = versions[-1].version
    if newest == version:
        return []
    return [f"a newer version is stored, {newest}: deploy it with `wadm deploy {name}`, or leave it at {version}"]


def _running(inventories: Sequence[Inventory]) -> Counter[str]:
    """Count what runs by the scaler it runs for."""
    running: Counter[str] = Counter()
    for inventory in inventories:
        for component in inventory.components:
            running[scaler_of(component)] += component.count
        for provider in inventory.providers:
            running[scaler_of(provider)] += 1
    return running


def _hosts(inventories: Sequence[Inventory]) -> dict[str, str]:
    """Return on which hosts the things of each scaler run, with how many."""
    hosts: dict[str, list[str]] = {}
    for inventory in inventories:
        called = inventory.friendly_name or inventory.host_id[:12]
        for component in inventory.components:
            hosts.setdefault(scaler_of(component), []).append(f"{called} ({component.count})")
        for provider in inventory.providers:
            hosts.setdefault(scaler_of(provider), []).append(called)
    return {scaler: ", ".join(names) for scaler, names in hosts.items()}
