"""Conditions under which a message is still to be sent, looked at as late as possible: when it goes onto the wire.

Between a decision to send and the sending, a message may wait in a queue, and the whole process may stand still. Who
must not say anything after some moment (an owner whose lease has ended) sets a condition around what it sends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Condition = Callable[[], bool]

_condition: ContextVar[Condition | None] = ContextVar("sent_only_while", default=None)


@contextmanager
def sent_only_while(condition: Condition) -> Iterator[None]:
    """Have what is sent from here, and from tasks begun here, dropped if the condition does not hold by then."""
    token = _condition.set(condition)
    try:
        yield
    finally:
        _condition.reset(token)


def current_condition() -> Condition | None:
    """Return the condition under which what is sent now is to be sent."""
    return _condition.get()
