"""Registries that could not be reached a moment ago, so that working without a network is not slowed down again and
again: they are asked once in some minutes."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

REMEMBERED: Final = 300.0
"""Seconds."""
_MOST: Final = 100
"""Registries that are remembered; of more, the last."""


class Unreachable:
    """The registries, with when each was last found so, in a file that all commands of a user share. A file that
    cannot be read or written is as none."""

    def __init__(self, path: Path, now: Callable[[], float] = time.time) -> None:
        self._path = path
        self._now = now
        self._found = self._read()

    def since(self, registry: str) -> float | None:
        """Return how many seconds ago a registry could not be reached; ``None`` where it should be asked."""
        found = self._found.get(registry)
        ago = None if found is None else self._now() - found
        return ago if ago is not None and 0 <= ago < REMEMBERED else None

    def note(self, unreached: Iterable[str], reached: Iterable[str]) -> None:
        """Remember which registries could not be reached, and which could."""
        old = self._read()
        answered = set(reached)
        kept = {
            name: when for name, when in old.items() if name not in answered and 0 <= self._now() - when < REMEMBERED
        }
        new = {**kept, **dict.fromkeys(sorted(set(unreached) - answered), self._now())}
        if new == old:
            return
        self._found = dict(list(new.items())[-_MOST:])
        part = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part.write_text(json.dumps(self._found))
            part.replace(self._path)

    def _read(self) -> dict[str, float]:
        try:
            stored = json.loads(self._path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        found = stored.items() if isinstance(stored, dict) else ()
        return {name: float(when) for name, when in found if isinstance(when, int | float)}


def unreachable(environment: Mapping[str, str]) -> Unreachable:
    """Return those of this user."""
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Unreachable(Path(base) / "wadm" / "unreachable-registries.json")
