"""Pauses between attempts at the same thing: each twice as long as the one before, up to a limit.

The engine has a rule of its own (:func:`wadm.engine.expectations.backoff`): its pauses are drawn from what is tried, so
that a replay waits as long.
"""

from __future__ import annotations

import random


class Backoff:
    """The pauses of one series of attempts, in seconds."""

    def __init__(self, first: float, most: float, spread: float = 0.0) -> None:
        """``spread`` is the part of a pause by which it is longer or shorter by chance, so that clients that failed
        together do not all come back in the same instant."""
        self._first = first
        self._most = most
        self._spread = spread
        self.failures = 0
        """Attempts since the last success."""

    def next(self) -> float:
        """Return the pause after one more failure."""
        self.failures += 1
        return self.after(self.failures)

    def after(self, failures: int) -> float:
        """Return the pause after that many failures in a row."""
        pause: float = min(self._first * 2.0 ** min(failures - 1, 32), self._most)
        if self._spread:
            pause *= random.uniform(1 - self._spread, 1 + self._spread)  # noqa: S311 - nothing secret
        return pause

    def reset(self) -> None:
        """Begin anew, after a success."""
        self.failures = 0
