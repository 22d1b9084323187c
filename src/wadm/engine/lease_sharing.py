"""Who looks after which lattice: every instance computes it for itself from the same records, and takes or releases
leases towards it (:mod:`wadm.server.ownership`)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Literal

Step = Literal["keep", "take", "release", "leave"]


def share_out(owners: Mapping[str, str], sessions: Collection[str]) -> dict[str, str]:
    """Return who should look after each lattice, given who does now (``""`` or somebody gone: nobody).

    Loads differ by one at most, and nothing moves that need not. Every instance computes this for itself from the
    same records. With four lattices at ``a`` and one at ``b``, a newcomer ``c`` gets two of ``a``'s: 2, 1, 2.
    """
    held: dict[str, list[str]] = {session: [] for session in sorted(sessions)}
    unowned: list[str] = []
    for lattice in sorted(owners):
        held.get(owners[lattice], unowned).append(lattice)
    for lattice in unowned:
        _least(held, lattice).append(lattice)
    while held:
        most = max(held.values(), key=len)
        least = _least(held, most[-1]) if most else most
        if len(most) - len(least) <= 1:
            break
        least.append(most.pop())
    return {lattice: session for session, lattices in held.items() for lattice in lattices}


def _least(held: Mapping[str, list[str]], lattice: str) -> list[str]:
    """Return the shortest list; of several, the one whose session the lattice prefers, so that ties spread too."""

    def preference(session: str) -> bytes:
        return hashlib.blake2b(f"{session}/{lattice}".encode(), digest_size=8).digest()

    return held[min(held, key=lambda session: (len(held[session]), preference(session)))]


def next_step(owner: str, me: str, wanted: str, sessions: Collection[str]) -> Step:
    """Return what ``me`` does about a lattice that ``owner`` has and ``wanted`` should have."""
    if owner == me:
        return "keep" if wanted == me else "release"
    if owner in sessions or wanted != me:
        return "leave"
    return "take"
