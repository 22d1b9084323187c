"""Providers that have stopped to tell of their health: all that shows of one that crashed for good or hangs.

A host asks each provider for its health every 30 s and tells what it answers. Where nothing answers it tells nothing,
and goes on to list the provider among what it runs (lattice reference, 2.8). So a provider that has told of its health
regularly, and then does not for long while its host is there, is taken for ill until it tells again.
"""

from __future__ import annotations

from msgspec import Struct

REGULAR = 3
"""Reports after which a provider counts as one that reports: not every kind of provider does."""
TOO_LONG = 100.0
"""Seconds without a report that are too long: three were due."""


class _Pulse(Struct):
    last: float
    reports: int


class Pulses:
    """When each provider of a lattice last told of its health, by host and id."""

    def __init__(self) -> None:
        self._beating: dict[tuple[str, str], _Pulse] = {}
        """In the order of their last reports."""

    def heard(self, host_id: str, provider_id: str, now: float) -> None:
        """Note a report."""
        before = self._beating.pop((host_id, provider_id), None)
        self._beating[host_id, provider_id] = _Pulse(now, before.reports + 1 if before is not None else 1)

    def ceased(self, now: float) -> list[tuple[str, str]]:
        """Return the providers, as host and id, of which no report has come for too long; each is returned once."""
        found = []
        while self._beating:
            key, pulse = next(iter(self._beating.items()))
            if now - pulse.last < TOO_LONG:
                break
            del self._beating[key]
            if pulse.reports >= REGULAR:
                found.append(key)
        return found
