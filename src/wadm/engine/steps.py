"""Work that can be interrupted: a generator that yields after each step, and returns its result at the end.

A step is a bounded piece of work: one scaler, some shares of a spread, one thing that is left over. Who drives the
generator counts the steps, so that long work takes many short turns; the result does not depend on where it was
interrupted, as long as what it reads has not changed.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TypeAlias, TypeVar

T = TypeVar("T")

Steps: TypeAlias = Generator[None, None, T]

SHARES_A_STEP = 16
"""Shares of a spread, or hosts, that are looked at in one step."""


def is_time_to_yield(number: int) -> bool:
    """Whether a step ends before the item of this number, counted from 0, of those that are looked at together."""
    return number % SHARES_A_STEP == SHARES_A_STEP - 1


def finish(steps: Steps[T]) -> T:
    """Do all that is left, and return the result."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            result: T = done.value
            return result


def count(steps: Steps[T]) -> tuple[int, T]:
    """Do all that is left; return how many steps that took, and the result."""
    number = 0
    while True:
        try:
            next(steps)
        except StopIteration as done:
            return number, done.value
        number += 1
