"""Commands on their way: through the command stream, to the hosts, and what became of each back to the owner.

The stream is the record of what was asked (``wadm.cmd.<lattice>``). What comes out of it is carried out only while the
owner still waits for that very command: what an earlier owner left, what is delivered twice and what somebody else put
there is acknowledged and dropped, because the next plan says what is wanted now.

Commands go out in the stream's order, so each host hears them in order; how many are unanswered at a time is bounded
over all, so that a host that hangs delays nobody else for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from wadm.background import BackgroundTasks, report_unexpected
from wadm.errors import Malformed, NoResponders, NotSent, Refused, TimedOut, TooLarge, Unavailable, WadmError
from wadm.model.commands import Action, Command, Outcome, host_of
from wadm.server import tracing
from wadm.server.logging import Limited, Logger
from wadm.server.metrics import LatticeMetrics
from wadm.server.view import LatticeRef
from wadm.transport.base import Delivery, Subscription, Transport
from wadm.wire import subjects
from wadm.wire.commands import decode_command, encode_command, request_for
from wadm.wire.control import decode_reply

CALL_TIMEOUT = 2.0
"""Seconds that a host has to answer a control call, as in the original."""
NOT_OURS = 1.0
"""Seconds before a command comes again that was not for this server, or not at this moment."""
IN_DOUBT = "the server could not be sure of its lease on the lattice"
AT_A_TIME = 256
"""Control calls of a lattice that may be unanswered at a time."""

Report = Callable[[Outcome], None]


class Commands:
    """Sends a lattice's commands and reports what became of each."""

    def __init__(
        self,
        transport: Transport,
        lattice: str,
        account: str | None,
        stream: str,
        report: Report,
        is_wanted: Callable[[Command], bool],
        may_act: Callable[[], bool],
        log: Logger,
        at_a_time: int = AT_A_TIME,
        metrics: LatticeMetrics | None = None,
    ) -> None:
        self._transport = transport
        self._lattice = lattice
        self._account = account
        self._scope = LatticeRef(lattice, account).scope
        self._stream = stream
        self._report = report
        self._is_wanted = is_wanted
        self._may_act = may_act
        self._log = log
        self._limited = Limited(log)
        self._metrics = metrics or LatticeMetrics()
        self._subject = subjects.command(lattice)
        self._free = asyncio.Semaphore(at_a_time)
        self._clock = asyncio.get_running_loop().time
        self._running: set[tuple[str, ...]] = set()
        self._tasks = BackgroundTasks("A command was not carried out")
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        """Drop what an earlier owner left in the stream, and take up what will come."""
        await self._transport.purge_stream(self._stream, self._subject)
        durable = subjects.durable(self._stream, self._lattice, self._account)
        # An earlier owner that ended without a word has left a pull behind, which would take the first commands.
        await self._transport.forget_consumer(self._stream, durable)
        self._subscription = await self._transport.consume(self._stream, durable, self._subject, self._receive)

    async def stop(self) -> None:
        """Take up nothing more, and let go of what is unanswered."""
        if self._subscription is not None:
            await self._subscription.stop()
        await self._tasks.stop()

    async def send(self, actions: Iterable[Action]) -> None:
        """Publish commands. One that the stream does not take is reported as unanswered."""
        await asyncio.gather(*(self._publish(action.command) for action in actions))

    async def _publish(self, command: Command) -> None:
        self._metrics.sent[type(command)] += 1
        try:
            await self._transport.append(self._subject, encode_command(command))
        except (Malformed, TooLarge) as error:
            self._report(Outcome(command, "refused", str(error)))
        except WadmError as error:
            self._limited.warning("stream", "cannot publish commands; they will be planned again", error=str(error))
            self._report(Outcome(command, "unanswered", f"the command stream did not take it: {error}"))
        except Exception as error:  # noqa: BLE001 - a command that is not sent must not count as under way
            self._failed(command, error)

    def _receive(self, delivery: Delivery) -> None:
        try:
            command = decode_command(delivery.message.data)
        except Malformed as error:
            delivery.ack()
            self._limited.warning("command", "dropped a command that cannot be read", error=str(error))
            return
        if not self._may_act():
            # It may be another owner's, which waits for it. If it is ours, it need not come again in time, as it comes
            # a few times only: it is planned again.
            delivery.nak(NOT_OURS)
            if self._is_wanted(command):
                self._report(Outcome(command, "unreachable", IN_DOUBT))
            return
        delivery.ack()
        if command.key in self._running or not self._is_wanted(command):
            self._limited.warning("stale", "dropped a command that is not wanted any more", key=command.key)
            return
        self._running.add(command.key)
        self._tasks.start(self._carry_out(command))

    async def _carry_out(self, command: Command) -> None:
        try:
            await self._carry_out_in_turn(command)
        except Exception as error:  # noqa: BLE001 - a command that nobody carries out must not count as under way
            self._failed(command, error)

    def _failed(self, command: Command, error: Exception) -> None:
        report_unexpected(error, "A command was not carried out; it will be planned again", key=command.key)
        self._report(Outcome(command, "unanswered", "the server met an error of its own"))

    async def _carry_out_in_turn(self, command: Command) -> None:
        try:
            async with self._free:
                began = self._clock()
                # It may have waited for its turn for longer than the lease was good.
                doubt = Outcome(command, "unreachable", IN_DOUBT)
                outcome = await self._call(command) if self._may_act() else doubt
        finally:
            self._running.discard(command.key)
        trace = tracing.trace_of(self._scope, command.model_name)
        self._metrics.calls.observe(max(0.0, self._clock() - began), trace)
        self._metrics.outcomes[type(command), outcome.result] += 1
        self._report(outcome)

    async def _call(self, command: Command) -> Outcome:
        with tracing.chained(
            self._scope,
            command.model_name,
            f"command.{type(command).__name__}",
            lattice=self._lattice,
            application=command.model_name,
            host=host_of(command),
            about=command.key[-1],
        ) as span:
            outcome = await self._ask(command)
            if span is not None:
                span.set_attribute("result", outcome.result)
                span.set_attribute("message", outcome.message)
            return outcome

    async def _ask(self, command: Command) -> Outcome:
        call, body = request_for(command)
        subject = subjects.control(self._lattice, call, self._account)
        try:
            reply = decode_reply((await self._transport.request(subject, body, CALL_TIMEOUT)).data)
        except NoResponders:
            return Outcome(command, "unreachable")
        except NotSent:
            return Outcome(command, "unreachable", IN_DOUBT)
        except (TimedOut, Unavailable):
            return Outcome(command, "unanswered")
        except (Malformed, Refused, TooLarge) as error:
            return Outcome(command, "refused", str(error))
        return Outcome(command, "accepted" if reply.success else "refused", reply.message)
