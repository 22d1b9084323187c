"""What the owner of a lattice answers to other servers: what would happen, and why something is as it is.

Only the owner knows the lattice, while requests reach any server; that one asks here. Questions do not go through the
owner's inbox: they change nothing. The requests that are none, to end a pause and
to cordon hosts, do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, json

from wadm.background import BackgroundTasks, report_unexpected
from wadm.engine.cordoning import host_named, with_cordon, without_cordon
from wadm.engine.forecast import Forecast
from wadm.engine.planning import Planning
from wadm.engine.steps import Steps
from wadm.errors import Malformed, WadmError
from wadm.model.cordons import Cordon
from wadm.model.manifest import Manifest
from wadm.server.logging import Limited, Logger
from wadm.server.replies import Replies
from wadm.transport.base import Message, Subscription, Transport
from wadm.wire import api, subjects
from wadm.wire.insight import (
    STARTING,
    Ask,
    cordons_found,
    encode_explanation,
    encode_forecast,
    in_use_again,
    resumed,
    taken_out,
)
from wadm.wire.manifests import manifest_from_builtins, manifest_to_builtins
from wadm.wire.reply_subjects import ReplyRules

if TYPE_CHECKING:
    from wadm.server.owner import LatticeRunner


STEPS_AT_ONCE: Final = 300
"""Steps of a forecast that are done in one go."""


LONGEST_AUTHOR: Final = 200
LONGEST_MESSAGE: Final = 1000
"""Characters that are kept of who cordons a host, and of what for."""


class Question(Struct, frozen=True, omit_defaults=True):
    """What is asked: about a manifest, or about the application of that name (``plan`` without one: undeploying it)."""

    name: str
    manifest: Any = None
    ask: Ask = Ask()
    """The request that came in, of what is about hosts."""


_question = json.Decoder(Question)


class QueryService:
    """Answers questions about one lattice for as long as its owner runs."""

    def __init__(
        self, owner: LatticeRunner, transport: Transport, scope: str, log: Logger, reply_rules: ReplyRules | None = None
    ) -> None:
        self._owner = owner
        rules = (reply_rules or ReplyRules()).for_servers()
        self._replies = Replies(transport, rules, Limited(log), owner.metrics.replies_refused)
        self._transport = transport
        self._scope = scope
        self._log = log
        self._subscriptions: list[Subscription] = []
        self._tasks = BackgroundTasks("A question about the lattice was not answered")

    async def open(self) -> None:
        """Begin to answer."""
        answers = {
            "plan": self._plan,
            "explain": self._explain,
            "resume": self._resume,
            "cordon": self._cordon,
            "drain": self._drain,
            "uncordon": self._uncordon,
            "cordons": self._cordons,
        }
        for question, answer in answers.items():
            subject = subjects.owner(self._scope, question)
            self._subscriptions.append(await self._transport.subscribe(subject, self._handler(answer)))

    async def close(self) -> None:
        """Answer no more."""
        for subscription in self._subscriptions:
            await subscription.stop()
        self._tasks.cancel()

    def _handler(self, answer: Callable[[Question], Awaitable[bytes]]) -> Callable[[Message], None]:
        def handle(message: Message) -> None:
            if self._replies.permitted(message):
                self._tasks.start(self._reply(message, answer))

        return handle

    async def _reply(self, message: Message, answer: Callable[[Question], Awaitable[bytes]]) -> None:
        try:
            reply = await answer(_question.decode(message.data))
        except (WadmError, ValueError, RecursionError) as error:
            reply = api.error(str(error))
        except Exception as error:  # noqa: BLE001 - a question must not go unanswered
            report_unexpected(error, "A question about the lattice cannot be answered", lattice=self._scope)
            reply = api.error("Internal error")
        self._replies.send(message, reply)

    def _ready(self) -> LatticeRunner:
        """Return the owner once it knows the lattice; until then whoever asks is told what it waits for."""
        if not self._owner.controller.taken_over:
            raise Malformed(
                f"{STARTING}: {len(self._owner.lattice.hosts)} have answered so far. Try again in a few seconds."
            )
        return self._owner

    async def _plan(self, question: Question) -> bytes:
        return encode_forecast(await self.foresee(question.name, question.manifest))

    async def foresee(self, name: str, builtins: Any) -> Forecast:
        """Foresee what deploying a manifest (as plain data), or undeploying, would do; ask for what is not known."""
        owner = self._ready()
        manifest = None if builtins is None else manifest_from_builtins(builtins)
        related = {} if manifest is None else owner.reader.shared(manifest)
        desired = owner.controller.desired(name, manifest, related)
        await owner.learn_configs(desired.configs)
        facts = owner.reader.facts(name, versions=True)
        return await _in_turns(owner.controller.forecast(desired, facts, owner.now()))

    async def _resume(self, question: Question) -> bytes:
        return resumed(self._ready().resume())

    async def _cordons(self, question: Question) -> bytes:
        owner = self._ready()
        return cordons_found(owner.controller.cordons(owner.now()))

    async def _cordon(self, question: Question) -> bytes:
        return await self._take_out(question.ask, drain=False)

    async def _drain(self, question: Question) -> bytes:
        return await self._take_out(question.ask, drain=True)

    async def _take_out(self, ask: Ask, drain: bool) -> bytes:
        owner = self._ready()
        now = owner.now()
        host = None if ask.label else host_named(ask.host, owner.lattice)
        cordon = Cordon(
            since=now,
            host="" if host is None else host.id,
            called="" if host is None else host.friendly_name or host.id,
            label=ask.label,
            author=_in_a_line(ask.author, LONGEST_AUTHOR),
            message=_in_a_line(ask.message, LONGEST_MESSAGE),
            drain=drain,
            deadline=now + ask.deadline if ask.deadline else 0.0,
            force=ask.force,
        )
        await owner.change_cordons(lambda before: with_cordon(before, cordon), cordon.author)
        told = tuple(one for one in owner.controller.cordons(owner.now()) if one.cordon.key == cordon.key)
        return taken_out(cordon, told)

    async def _uncordon(self, question: Question) -> bytes:
        owner, ask = self._ready(), question.ask
        by = _in_a_line(ask.author, LONGEST_AUTHOR)
        await owner.change_cordons(lambda before: without_cordon(before, ask.host, ask.label, owner.lattice), by)
        return in_use_again(ask.host or ask.label, owner.controller.cordons(owner.now()))

    async def _explain(self, question: Question) -> bytes:
        owner, name = self._ready(), question.name
        planning: Planning | None = None
        while planning is None or planning.plan is None:
            planning = owner.controller.plan(owner.reader.facts(name, versions=True), owner.now(), planning)
            if planning is None:
                raise Malformed(f"Nothing is known of application {name}: it is not deployed in this lattice")
            planning.advance(STEPS_AT_ONCE, owner.now())
            await asyncio.sleep(0)
        return encode_explanation(owner.controller.explain(name, planning.plan))


async def _in_turns(steps: Steps[Forecast]) -> Forecast:
    """Do something of many steps, and let others go on in between."""
    while True:
        try:
            for _ in range(STEPS_AT_ONCE):
                next(steps)
        except StopIteration as done:
            result: Forecast = done.value
            return result
        await asyncio.sleep(0)


def _in_a_line(text: str, longest: int) -> str:
    return " ".join(text.split())[:longest]


def ask_about(name: str, manifest: Manifest | None = None, ask: Ask = Ask()) -> bytes:  # noqa: B008 - immutable
    """Return the body of a question."""
    return json.encode(Question(name, None if manifest is None else manifest_to_builtins(manifest), ask))
