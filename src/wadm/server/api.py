"""The API's server side: takes requests off NATS, runs each in its turn and in order, and answers every one.

Requests about one application are carried out one after another, in the order in which they came, as the original
does; others run side by side. Whatever is wrong with a request, its sender gets an answer, and a request without a
reply subject is carried out all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from wadm.background import report_unexpected
from wadm.errors import Malformed, ManifestInvalid, Unreadable, WadmError
from wadm.server.api_context import ApiContext, Handler, Refusal, Request
from wadm.server.fair_queue import Admit, FairQueue
from wadm.server.insights import NotAnswered
from wadm.server.keyed_locks import KeyedLocks
from wadm.server.logging import Limited, get_logger
from wadm.server.metrics import ServerMetrics
from wadm.server.operations import HANDLERS
from wadm.server.putting import put, read_put
from wadm.server.replies import Replies
from wadm.server.requesters import LATTICES, requester
from wadm.server.tracing import begin_chain, describe, span, trace_id
from wadm.server.view import LatticeRef
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire import api, operations, subjects
from wadm.wire.operations import PUT, Operation
from wadm.wire.reply_subjects import ReplyRules

BUSY: Final = "The server is busy, try again in a moment: too many requests are waiting"
INTERNAL: Final = "Internal error"
DRAIN_TIMEOUT: Final = 2.0
REFUSED_A_LINE: Final = 1024
"""Refused requests after which, or after a second, it is looked whether to log them."""

TRACEPARENT: Final = "traceparent"
"""The header in which a request says which trace it belongs to (W3C Trace Context)."""

log = get_logger("wadm.server.api")


class Api:
    """Serves the API under a subject prefix."""

    def __init__(
        self,
        models: ApiContext,
        prefix: str,
        multitenant: bool = False,
        handlers: Mapping[tuple[str, bool], Handler] = HANDLERS,
        metrics: ServerMetrics | None = None,
        reply_rules: ReplyRules | None = None,
        transport: Transport | None = None,
    ) -> None:
        self._models = models
        self._transport = transport or models.transport
        """Where requests come in and answers go out."""
        self._prefix = prefix
        self._multitenant = multitenant
        self._handlers = handlers
        self._queue: FairQueue[Message] = FairQueue(self._serve)
        self._locks = KeyedLocks()
        self._busy = api.error(BUSY)
        self._asked_last = ("", "")
        """The subject of the last request, and its lattice: in a flood the next one has the same."""
        self._told_until = 0.0
        self._lattice_at = len(prefix.split(".")) + multitenant
        self._subscription: Subscription | None = None
        self._limited = Limited(log)
        self._metrics = metrics or ServerMetrics()
        rules = reply_rules or ReplyRules(api_prefix=prefix)
        self._replies = Replies(self._transport, rules, self._limited, self._metrics.replies_refused)
        self._clock = asyncio.get_running_loop().time

    async def start(self) -> None:
        """Take requests, sharing them with other servers."""
        subject = subjects.api_filter(self._prefix, self._multitenant)
        self._subscription = await self._transport.subscribe(subject, self._receive, subjects.API_QUEUE)
        log.info("Serving the API", subject=subject)

    async def stop(self) -> None:
        """Take no more requests, and answer those that were taken."""
        if self._subscription is not None:
            await self._subscription.stop()
        await self._queue.drain(DRAIN_TIMEOUT)

    def _receive(self, message: Message) -> None:
        if not self._queue.offer(requester(message, self._lattice(message.subject)), message, len(message.data)):
            self._refuse(message)

    def _refuse(self, message: Message) -> None:
        self._metrics.refused += 1
        if not self._metrics.refused % REFUSED_A_LINE or self._clock() >= self._told_until:
            self._told_until = self._clock() + 1.0
            self._limited.warning("flood", "Refused requests, too many are waiting", subject=message.subject)
        self._replies.send(message, self._busy)

    def _lattice(self, subject: str) -> str:
        """Return the lattice of a request, with its account; of very many that nobody knows, all are one."""
        if subject == self._asked_last[0] and self._queue.has(self._asked_last[1]):
            return self._asked_last[1]
        lattice = self._find_lattice(subject)
        self._asked_last = (subject, lattice)
        return lattice

    def _find_lattice(self, subject: str) -> str:
        tokens = subject.split(".", self._lattice_at + 1)
        lattice = ".".join((*tokens[: self._multitenant], *tokens[self._lattice_at : self._lattice_at + 1]))
        if self._queue.lattices < LATTICES or self._queue.has(lattice):
            return lattice
        scope = lattice.replace(".", "-")
        return lattice if self._models.store.view.has_applications(scope) else ""

    async def _serve(self, message: Message, admit: Admit) -> None:
        if not self._replies.permitted(message):
            return
        began = self._clock()
        with span("model", (message.headers or {}).get(TRACEPARENT, "")):
            self._replies.send(message, await self._answer_or_refuse(message, admit))
            self._metrics.answering.observe(max(0.0, self._clock() - began), trace_id())

    async def _answer_or_refuse(self, message: Message, admit: Admit) -> bytes:
        try:
            return await self._answer(message, admit)
        except (ManifestInvalid, Refusal) as error:
            return api.error(str(error), error.problems)
        except Unreadable as error:
            self._limited.warning("stored", "What is stored cannot be read", subject=message.subject, reason=error)
            return api.error(api.STORAGE_ERROR)
        except (Malformed, NotAnswered) as error:
            return api.error(str(error))  # raised by what reads requests, in the words to answer with
        except WadmError as error:
            self._limited.warning("storage", "A request failed", subject=message.subject, reason=error)
            return api.error(api.storage_error(error))
        except Exception as error:  # noqa: BLE001 - a request must not go unanswered
            report_unexpected(error, "A request met an error in the server", subject=message.subject)
            return api.error(INTERNAL)

    async def _answer(self, message: Message, admit: Admit) -> bytes:
        parsed = subjects.parse_api(message.subject, self._prefix, self._multitenant)
        place = LatticeRef(parsed.lattice, parsed.account)
        request = Request(place, parsed.name or "", message.data, message.headers or {})
        operation = operations.find(parsed.category, parsed.operation, parsed.name is not None)
        assert operation is not None  # else parsing had refused the subject
        describe(operation.request, lattice=parsed.lattice, application=request.name)
        if operation.named and operation.changes:  # the trace goes on with what hosts are asked for
            begin_chain(place.scope, request.name)
        return await self._carry_out(operation, request, admit)

    async def _carry_out(self, operation: Operation, request: Request, admit: Admit) -> bytes:
        scope = request.place.scope
        self._metrics.requests[operation.name] += 1
        if operation is PUT:
            checked = await read_put(self._models, request)
            admit()
            async with self._locks.hold((scope, checked.manifest.name.strip())):
                return await put(self._models, request, checked)
        handler = self._handlers[operation.name, operation.named]
        admit()
        if not request.name:
            return await handler(self._models, request)
        async with self._locks.hold((scope, request.name)):
            return await handler(self._models, request)
