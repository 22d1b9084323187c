"""Answers: one inbox subscription for everything that is asked, with a token for every question."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Protocol

from nats.nuid import NUID

from wadm.errors import NotPermitted, NotSent, TimedOut, Unavailable
from wadm.transport.base import Message

_NO_RESPONDERS = "503"

_names = NUID()


class Expectation(Protocol):
    """Somebody who waits for what comes in under a token."""

    subject: str
    """What was asked, and the name under which a refusal to send it comes back."""

    def receive(self, message: Message) -> None:
        """Take a message."""

    def sent(self) -> None:
        """Note that the question is on its way."""

    def fail(self, error: Unavailable) -> None:
        """Note that nothing more can come in answer to what was sent."""

    def drop(self, error: NotSent) -> None:
        """Note that the question will not be sent."""


class Inbox:
    """Who waits for what."""

    def __init__(self, subject: str) -> None:
        self._prefix = f"{subject}."
        self._expectations: dict[str, Expectation] = {}
        self._tokens = count(1)

    @property
    def pattern(self) -> str:
        """What to subscribe to, with :meth:`receive`."""
        return f"{self._prefix}*"

    def expect(self, expectation: Expectation) -> str:
        """Give out a token."""
        token = str(next(self._tokens))
        self._expectations[token] = expectation
        return token

    def waiting(self, token: str) -> Expectation | None:
        """Return who waits under a token, if anybody still does."""
        return self._expectations.get(token)

    def forget(self, token: str) -> None:
        """Take a token back."""
        self._expectations.pop(token, None)

    def address(self, token: str) -> str:
        """Return the subject on which the answer is to come."""
        return self._prefix + token

    def receive(self, message: Message) -> None:
        """Hand an answer to whoever waits for it; one that comes too late is nobody's."""
        expectation = self._expectations.get(message.subject[len(self._prefix) :])
        if expectation is not None:
            expectation.receive(message)

    def fail(self, concerned: Callable[[str], bool], reason: str) -> None:
        """Tell those whose subject is concerned that what they sent will not be answered."""
        for expectation in [e for e in self._expectations.values() if concerned(e.subject)]:
            expectation.fail(Unavailable(reason))

    def deny(self, subject: str) -> None:
        """Tell those who sent something on this subject, which is in lower case, that NATS does not permit that."""
        for expectation in [e for e in self._expectations.values() if e.subject.lower() == subject]:
            expectation.fail(NotPermitted(f"NATS does not permit publishing to {expectation.subject}"))


class Call:
    """Waits for one answer."""

    __slots__ = ("future", "on_its_way", "subject")

    def __init__(self, subject: str, future: asyncio.Future[Message]) -> None:
        self.subject = subject
        self.future = future
        self.on_its_way = False

    def receive(self, message: Message) -> None:
        """Take the answer; of several the first."""
        if not self.future.done():
            self.future.set_result(message)

    def sent(self) -> None:
        """Note that the question is on its way."""
        self.on_its_way = True

    def fail(self, error: Unavailable) -> None:
        """End, unless the question has yet to be sent: then it can still go out in the next session."""
        if self.on_its_way and not self.future.done():
            self.future.set_exception(error)

    def drop(self, error: NotSent) -> None:
        """End, as the question will not be sent. One that was sent and is only repeated is still waited for."""
        if not self.on_its_way and not self.future.done():
            self.future.set_exception(error)

    def expire(self, timeout: float) -> None:
        """End for lack of an answer in time."""
        if self.future.done():
            return
        if self.on_its_way:
            self.future.set_exception(TimedOut(f"no answer on {self.subject} within {timeout:g} s"))
        else:
            self.future.set_exception(Unavailable(f"NATS was away for {timeout:g} s"))


def new_inbox(prefix: str) -> str:
    """Return a subject that nobody else uses."""
    return f"{prefix}.{_names.next().decode()}"


def is_no_responders(message: Message) -> bool:
    """Whether this is the server's word that nobody listens."""
    return not message.data and message.headers is not None and message.headers.get("Status") == _NO_RESPONDERS
