"""What a simulation is made of, drawn from its seed: how big, how hostile, with which faults at all.

Each kind of fault is left out of about half of the simulations, so that in some a single one is met alone, and what one
fault brings to light is not hidden by another.
"""

from __future__ import annotations

import random
from typing import Final

from msgspec import Struct
from msgspec.structs import fields

from wadm.hosts.behaviour import HostBehaviour
from wadm.sim.network import Trouble

ROOM: Final = 1024 * 1024
LITTLE_ROOM: Final = 9_000
"""Bytes for an application: enough for a few versions."""


class Rates(Struct, frozen=True):
    """How often things happen during the attack: times a minute, on the average."""

    host_killed: float = 0.0
    host_stopped: float = 0.0
    host_frozen: float = 0.0
    host_cut_off: float = 0.0
    host_relabelled: float = 0.0
    provider_crashed: float = 0.0
    provider_restarted: float = 0.0
    """A provider process ends, and its host starts it again without a word."""
    server_killed: float = 0.0
    server_frozen: float = 0.0
    server_stopped: float = 0.0
    server_cut_off: float = 0.0
    server_doubled: float = 0.0
    clock_stepped: float = 0.0
    nats_stopped: float = 0.0
    trap: float = 0.0
    """A server dies, stands still or loses its connection at the moment at which it writes something: before it is
    written, or when it is and the server does not know yet."""
    put: float = 0.0
    deploy: float = 0.0
    undeploy: float = 0.0
    delete: float = 0.0
    delete_version: float = 0.0
    stranger: float = 0.0
    """Somebody starts, stops, links or configures something that is not wadm's."""
    meddler: float = 0.0
    """Somebody stops or deletes something that is wadm's."""
    rewriter: float = 0.0
    """Somebody writes a stored application again as it is, so that others' writes meet another revision."""
    mass_silence: float = 0.0
    """Most hosts, or all, lose their connection or stand still at the same moment."""


class Options(Struct, frozen=True):
    """A simulation."""

    seed: int
    hosts: int
    servers: int
    applications: int
    attack: float
    """Seconds that the attack lasts."""
    shared: bool
    """Whether the first application shares its parts with the others."""
    room: int
    """Bytes that an application may take; where there are few, the oldest versions are forgotten."""
    persistence: str
    """Where the server keeps its streams and buckets: ``file`` or ``memory``."""
    habits: HostBehaviour
    """How hosts behave during the attack."""
    failing_images: float
    """The chance that an image cannot be had, drawn for each pull during the attack."""
    trouble: Trouble
    rates: Rates

    def __str__(self) -> str:
        lines = [
            f"seed {self.seed}: {self.hosts} hosts, {self.servers} servers, {self.applications} applications, "
            f"attack of {self.attack:.0f} s, streams in {self.persistence}"
            + (", shared parts" if self.shared else "")
            + (f", {self.room} bytes for each" if self.room < ROOM else "")
        ]
        for title, part in (("habits", self.habits), ("network", self.trouble), ("a minute", self.rates)):
            told = [f"{name}={value}" for name, value in _set(part) if not callable(value)]
            lines.append(f"  {title}: {', '.join(told) or 'as it should be'}")
        if self.failing_images:
            lines.append(f"  images that cannot be had: {self.failing_images}")
        return "\n".join(lines)


def _set(part: Struct) -> list[tuple[str, object]]:
    return [(f.name, getattr(part, f.name)) for f in fields(part) if getattr(part, f.name) != f.default]


def draw_options(seed: int, minutes: float | None = None) -> Options:
    """Return the simulation that belongs to a seed; ``minutes`` is how long the attack is to last, else it is drawn."""
    rng = random.Random(f"options {seed}")  # noqa: S311 - must repeat

    def maybe(most: float, chance: float = 0.5) -> float:
        return round(rng.uniform(0, most), 3) if rng.random() < chance else 0.0

    # Drawn apart, so that earlier seeds stay what they were.
    links = random.Random(f"links {seed}")  # noqa: S311 - must repeat
    subscribes = (0.02, round(links.choice((0.1, 0.1, 2.0, 12.0)), 3))
    restarted = round(links.uniform(0, 2), 3) if links.random() < 0.4 else 0.0

    attack = round(rng.uniform(40, 120), 1)
    if rng.random() < 0.2:
        return _draw_succession(seed, rng, attack if minutes is None else minutes * 60)
    return Options(
        seed=seed,
        hosts=rng.choice((1, 2, 3, 3, 4, 5, 6)),
        servers=rng.choice((1, 1, 2, 2, 3)),
        applications=rng.choice((1, 1, 2, 3)),
        attack=attack if minutes is None else minutes * 60,
        shared=rng.random() < 0.4,
        room=rng.choice((ROOM, ROOM, ROOM, LITTLE_ROOM)),
        persistence=rng.choice(("file", "file", "memory")),
        habits=HostBehaviour(
            pull_delay=(0.0, maybe(20.0)),
            failing_updates=maybe(0.5),
            provider_subscribes=subscribes,
            unhealthy_probes=maybe(0.2, 0.2),
            ack_delay=(0.0, maybe(3.0, 0.3)),
            ack_lost=maybe(0.3),
            request_lost=maybe(0.2, 0.3),
            event_lost=maybe(0.3),
            event_doubled=maybe(0.3),
            event_delay=(0.0, maybe(5.0)),
        ),
        failing_images=maybe(0.4, 0.3),
        trouble=Trouble(
            event_lost=maybe(0.2, 0.3),
            event_doubled=maybe(0.2, 0.3),
            event_late=maybe(0.2),
            request_lost=maybe(0.1, 0.3),
            reply_lost=maybe(0.1, 0.3),
            reply_doubled=maybe(0.3, 0.3),
            reply_late=maybe(0.2, 0.3),
            delivery_lost=maybe(0.2, 0.3),
            delivery_doubled=maybe(0.3, 0.3),
            write_refused=maybe(0.1, 0.3),
            write_unheard=maybe(0.1, 0.3),
            write_slow=maybe(0.2, 0.3),
            read_stale=maybe(0.2, 0.3),
            watch_late=maybe(0.3, 0.3),
        ),
        rates=Rates(
            host_killed=maybe(3),
            host_stopped=maybe(3),
            host_frozen=maybe(3),
            host_cut_off=maybe(3),
            host_relabelled=maybe(3),
            provider_crashed=maybe(1, 0.3),
            provider_restarted=restarted,
            server_killed=maybe(6),
            server_frozen=maybe(3),
            server_stopped=maybe(3, 0.3),
            server_cut_off=maybe(3, 0.3),
            server_doubled=maybe(1, 0.2),
            clock_stepped=maybe(2, 0.3),
            nats_stopped=maybe(1.5, 0.3),
            trap=maybe(4),
            put=rng.uniform(1, 5),
            deploy=rng.uniform(2, 10),
            undeploy=maybe(2),
            delete=maybe(2),
            delete_version=maybe(2),
            stranger=maybe(4, 0.4),
            meddler=maybe(4, 0.4),
            rewriter=maybe(4, 0.2),
            mass_silence=maybe(1, 0.3),
        ),
    )


def _draw_succession(seed: int, rng: random.Random, attack: float) -> Options:
    """Return a simulation in which a lattice changes hands again and again, and little else goes wrong."""

    def maybe(most: float, chance: float = 0.5) -> float:
        return round(rng.uniform(0, most), 3) if rng.random() < chance else 0.0

    return Options(
        seed=seed,
        hosts=rng.choice((1, 2, 3)),
        servers=3,
        applications=rng.choice((1, 2)),
        attack=attack,
        shared=rng.random() < 0.3,
        room=ROOM,
        persistence="file",
        habits=HostBehaviour(pull_delay=(0.0, maybe(3.0)), ack_lost=maybe(0.3, 0.3), event_lost=maybe(0.2, 0.3)),
        failing_images=0.0,
        trouble=Trouble(
            delivery_doubled=maybe(0.3, 0.3),
            write_refused=maybe(0.1, 0.3),
            write_unheard=maybe(0.2),
            write_slow=maybe(0.4),
            watch_late=maybe(0.3, 0.3),
            latest=8.0,
        ),
        rates=Rates(
            server_killed=maybe(4),
            server_frozen=maybe(6),
            server_stopped=maybe(3, 0.3),
            server_cut_off=maybe(4),
            nats_stopped=maybe(0.5, 0.3),
            trap=rng.uniform(4, 12),
            put=rng.uniform(4, 8),
            deploy=rng.uniform(6, 15),
            undeploy=maybe(3),
            delete=maybe(2),
            delete_version=maybe(2),
        ),
    )
