"""What may be wrong with a model host, and how slow it is."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

from msgspec import Struct

Delay = float | tuple[float, float]
"""Seconds: always the same, or drawn evenly from a range."""

Verdict = Callable[[str], str | None]
"""Tells of an image reference what is wrong with it, or ``None``."""

HEARTBEAT_INTERVAL = 30.0
BUILTINS = ("http-server", "messaging-nats")


def nothing_wrong(reference: str) -> str | None:
    """Have no objection to any image."""
    return None


def containing(*parts: str, error: str = "Not authorized: url not found") -> Verdict:
    """Object, in the words of ``error``, to images whose reference contains one of ``parts``."""

    def verdict(reference: str) -> str | None:
        return error if any(part in reference for part in parts) else None

    return verdict


class HostBehaviour(Struct, frozen=True):
    """How a model host behaves. The defaults are those of a healthy, quick host.

    Chances are between 0 (never) and 1 (always) and drawn anew each time.
    """

    heartbeat_interval: float = HEARTBEAT_INTERVAL
    first_heartbeat: float | None = None
    """Seconds until the first heartbeat; ``None``: one interval, as a real host does."""

    pull_delay: Delay = 0.0
    """How long it takes to pull an image that this host has not pulled before."""
    images: Verdict = nothing_wrong
    """Why an image cannot be had: the innermost cause, the host's own words are put around it."""
    allow_latest: bool = False
    """Whether images tagged ``latest`` are pulled; a host refuses them unless told otherwise."""
    builtins: tuple[str, ...] = BUILTINS
    """The built-in providers that are switched on."""
    secrets: bool = True
    """Whether a secrets backend is configured."""
    policy: Verdict = nothing_wrong
    """The policy service: with which message it refuses an image."""
    capacity: int | None = None
    """The most components and providers it runs (a real host knows no such bound: it runs out of memory)."""
    failing_updates: float = 0.0
    """The chance that a live update fails, of which a host tells nobody."""

    provider_start: Verdict = nothing_wrong
    """Why a provider that was pulled does not start."""
    provider_crash: Verdict = nothing_wrong
    """Why a provider ends as soon as it has started, and again whenever its host starts it anew: of all that a host
    tells nobody."""
    provider_lifetime: Delay | None = None
    """After how long a provider dies for good, of which a host tells nobody but by its health events ceasing."""
    provider_subscribes: Delay = 0.05
    """How long after its start a provider process hears of links; before, it hears nothing."""
    unhealthy_probes: float = 0.0
    """The chance that a provider answers a health probe with *unhealthy*."""

    ack_delay: Delay = 0.0
    """How late answers are sent, after what they answer has been done (or begun)."""
    ack_lost: float = 0.0
    """The chance that an answer is lost, though the request has its effect."""
    request_lost: float = 0.0
    """The chance that a request never arrives."""
    event_lost: float = 0.0
    event_doubled: float = 0.0
    event_delay: Delay = 0.0
    """How late events are sent; drawn from a range, they overtake one another."""


HEALTHY: Final = HostBehaviour()


def draw(delay: Delay, rng: random.Random) -> float:
    """Return how many seconds it takes this time."""
    return rng.uniform(*delay) if isinstance(delay, tuple) else delay
