"""What servers have heard of the health of providers: all that they can know of it.

A host tells a change once, and from then on only that nothing has changed
(docs/protocol/lattice.md#status-says-nothing). So who did not hear that a provider is healthy again
goes on to hear that it is as it was, and has to take it for ill.
"""

from __future__ import annotations

from typing import Final

FAILED: Final = "health_check_failed"
TELLING: Final = (FAILED, "health_check_passed", "provider_started", "provider_stopped")
"""The events that change what is known of a provider's health."""


class HealthHeard:
    """The providers that each server was told are ill, and not that they are well again."""

    def __init__(self) -> None:
        self._ill: dict[str, set[tuple[str, str]]] = {}

    def heard(self, who: str, kind: str, host_id: str, provider_id: str) -> None:
        """Take note that a server has heard an event of a kind that is telling."""
        ill = self._ill.setdefault(who, set())
        if kind == FAILED:
            ill.add((host_id, provider_id))
        else:
            ill.discard((host_id, provider_id))

    def ill(self, who: str) -> frozenset[tuple[str, str]]:
        """Return the providers that a server has to take for ill, as host and id."""
        return frozenset(self._ill.get(who, ()))
