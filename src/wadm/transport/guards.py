"""Conditions under which a message is still to be sent, looked at as late as possible: when it goes onto the wire.

Between a decision to send and the sending, a message may wait in a queue, and the whole process may stand still. Who
must not say anything after some moment (an owner whose lease has ended) sets a condition around what it sends.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token

Condition = Callable[[], bool]

_condition: ContextVar[Condition | None] = ContextVar("sent_only_while", default=None)


class sent_only_while:  # noqa: N801 - used as a function is; a generator would take several times as long
    """Have what is sent from here, and from tasks begun here, dropped if the condition does not hold by then."""

    __slots__ = ("_before", "_wanted")
    _before: Token[Condition | None]

    def __init__(self, condition: Condition) -> None:
        self._wanted = condition

    def __enter__(self) -> None:
        self._before = _condition.set(self._wanted)

    def __exit__(self, *_: object) -> None:
        _condition.reset(self._before)


def current_condition() -> Condition | None:
    """Return the condition under which what is sent now is to be sent."""
    return _condition.get()
