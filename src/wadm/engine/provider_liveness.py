"""Providers that have stopped to tell of their health: all that shows of one that crashed for good or hangs.

A host asks each provider process for its health 5 s after its start and every 30 s from then on, and tells what it
answers. Where nothing answers it tells nothing, and goes on to list the provider among what it runs. One that has ended
it starts again without a word (docs/protocol/lattice.md#provider-restart). So:

    a provider                                          is
    --------------------------------------------------  -------------------------------------------------------------
    of which a report is due for a while                asked, if that is permitted (``wasmbus.rpc.LATTICE.ID.health``)
    that answers, from all hosts that it runs on        well
    of which NATS says that nobody listens, and says    ill: it has ended, or crashes as soon as it is started again.
    so again a host's pause between starts later        It counts only where some provider has answered before: hosts
                                                        may speak with providers over another NATS
    of which nobody knows more                          ill, once three reports are missing since the last one

until it tells again.
"""

from __future__ import annotations

from collections.abc import Iterable

LATE = 40.0
"""Seconds without a report after which one is late: it was due after 30."""
TOO_LONG = 100.0
"""Seconds without a report that are too long: three were due."""
LOOKS_AGAIN = 6.0
"""Seconds after which a host has certainly looked again at a provider that it has started anew."""

At = tuple[str, str]
"""Host and id of a provider."""


class ProviderLiveness:
    """When each provider of a lattice last told of its health, by host and id."""

    def __init__(self) -> None:
        self._last: dict[At, float] = {}
        """In the order of their last reports."""
        self._nobody: dict[str, float] = {}
        """Providers that nobody listens for, and since when that is known."""

    def heard(self, host_id: str, provider_id: str, now: float) -> None:
        """Note a report."""
        self._last.pop((host_id, provider_id), None)
        self._last[host_id, provider_id] = now
        self._nobody.pop(provider_id, None)

    def forget(self, host_id: str, provider_id: str) -> None:
        """Note that a provider was stopped, or started anew: what it told before says nothing any more."""
        self._last.pop((host_id, provider_id), None)
        self._nobody.pop(provider_id, None)

    def late(self, now: float) -> list[str]:
        """Return the ids of the providers of which a report is late."""
        found = []
        for (_, provider_id), last in self._last.items():
            if now - last < LATE:
                break
            found.append(provider_id)
        return found

    def ceased(self, now: float) -> list[At]:
        """Return the providers of which no report has come for too long; each is returned once."""
        found = []
        while self._last:
            at, last = next(iter(self._last.items()))
            if now - last < TOO_LONG:
                break
            del self._last[at]
            found.append(at)
        return found

    # -- answers to questions ----------------------------------------------------------------

    def answers(self, provider_id: str, hosts: Iterable[str], now: float) -> None:
        """Note that a provider has answered from all its hosts."""
        self._nobody.pop(provider_id, None)
        for host_id in hosts:
            if (host_id, provider_id) in self._last:
                self.heard(host_id, provider_id, now)

    def nobody_listens(self, provider_id: str, now: float) -> bool:
        """Note that nobody listens for a provider; return whether that has been so for long enough."""
        since = self._nobody.setdefault(provider_id, now)
        return now - since >= LOOKS_AGAIN
