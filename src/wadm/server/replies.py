"""The only place from which the server answers anybody.

Every answer goes through :meth:`Replies.send`, and its subject through the rule of :mod:`wadm.wire.reply_subjects`.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from wadm.errors import TooLarge, WadmError
from wadm.server.logging import Limited
from wadm.transport.base import Message, Transport
from wadm.wire import api
from wadm.wire.reply_subjects import Refusal, ReplyRules

_WHY: Final[dict[Refusal, str]] = {
    "not_an_inbox": "it is no inbox; permit it with --reply-prefix if clients of yours await answers there",
    "reserved": "wadm, wasmCloud or NATS listens there, so no client may have the server publish to it",
    "own_inbox": "servers await answers there themselves",
    "malformed": "it has wildcards, empty words or too many characters",
}


class Replies:
    """Answers messages, where the reply subject is one that answers may go to."""

    def __init__(
        self, transport: Transport, rules: ReplyRules, limited: Limited, refused: Counter[str] | None = None
    ) -> None:
        self.refused: Counter[str] = Counter() if refused is None else refused
        """Messages whose reply subject was refused, by kind."""
        self._transport = transport
        self._rules = rules
        self._limited = limited

    def permitted(self, message: Message) -> bool:
        """Whether a message may be answered or asks for no answer; one that may not is counted, and logged by kind.

        Ask before anything is done for the message: nobody could be told of it.
        """
        if not message.reply:
            return True
        refusal = self._rules.refusal(message.reply)
        if refusal:
            self._refuse(message, refusal)
        return not refusal

    def send(self, message: Message, answer: bytes) -> None:
        """Send an answer, if one is asked for. What does not fit into a message is shortened, else refused in words."""
        if not message.reply:
            return
        if refusal := self._rules.refusal(message.reply):
            self._refuse(message, refusal)
            return
        try:
            try:
                self._transport.publish(message.reply, answer)
            except TooLarge as error:
                self._limited.warning("reply", "A reply is too large", subject=message.subject, reason=error)
                self._transport.publish(message.reply, api.shortened(answer, str(error)))
        except WadmError as error:
            self._limited.warning("reply", "A reply could not be sent", subject=message.subject, reason=error)

    def _refuse(self, message: Message, refusal: Refusal) -> None:
        self.refused[refusal] += 1
        self._limited.warning(
            f"reply {refusal}",
            "Refused a request for the subject that its answer was to go to",
            subject=message.subject,
            reply=message.reply,
            reason=_WHY[refusal],
        )
