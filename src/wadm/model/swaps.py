"""Swaps: a provider that is replaced in place on a host, which runs one of an id at most."""

from __future__ import annotations

from msgspec import Struct


class Swap(Struct, frozen=True):
    """What ran before a provider was stopped for its replacement, so that it can be started again.

    ``reference``, ``annotations`` (as pairs) and ``config`` are of what ran before; ``successor`` is the id of the
    scaler that replaces it. ``reported``: whether the host had reported the health of what ran before. ``begun`` is in
    seconds since 1970. ``given_up`` says why the successor was given up, nothing while it is tried.
    """

    host_id: str
    provider_id: str
    reference: str
    annotations: tuple[tuple[str, str], ...]
    config: tuple[str, ...]
    successor: str
    reported: bool
    begun: float
    given_up: str = ""

    @property
    def at(self) -> tuple[str, str]:
        """The host and the provider."""
        return (self.host_id, self.provider_id)


Swaps = tuple[Swap, ...]
"""The swaps of an application that are not over, at most one for each host and provider, sorted by those."""


def joined(*some: Swap) -> Swaps:
    """Return swaps in order; of several for one host and provider the last."""
    return tuple(swap for _, swap in sorted({swap.at: swap for swap in some}.items()))
