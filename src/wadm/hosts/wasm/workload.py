"""A component that serves: its code, how many instances of it may run, and what each may use."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from msgspec import Struct

from wadm.hosts.wasm.capi import Trap
from wadm.hosts.wasm.context import ComponentContext
from wadm.hosts.wasm.http.exchange import Exchange
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.linking import ExportedFunction, LinkedComponent
from wadm.hosts.wasm.metrics import ComponentCounts
from wadm.hosts.wasm.values import Err
from wadm.hosts.wasm.wasi.http import IncomingRequest

HTTP_HANDLER: Final = "wasi:http/incoming-handler"
MESSAGE_HANDLER: Final = "wasmcloud:messaging/handler"
MAX_WAITING: Final = 1024
"""Requests that wait for an instance of a component; beyond that they are refused."""


class Limits(Struct, frozen=True):
    """What one instance may use. The defaults are those of wasmCloud's hosts."""

    memory: int = 256 << 20
    """Bytes."""
    time: float = 600.0
    """Seconds, from when it is called until it is done."""


class Overloaded(Exception):
    """So many requests wait for an instance that no more are taken."""


class Slots:
    """At most ``limit`` at the same time; who comes first is served first. The limit may change at any time."""

    def __init__(self, limit: int) -> None:
        self.taken = 0
        self._limit = limit
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many wait for one."""
        return len(self._waiting)

    def set_limit(self, limit: int) -> None:
        """Change how many may be taken; those taken stay so."""
        self._limit = limit
        self._admit()

    def take_free(self) -> bool:
        """Take one if that is possible without waiting; return whether it was."""
        if self.taken < self._limit and not self._waiting:
            self.taken += 1
            return True
        return False

    async def take(self) -> None:
        """Wait for one and take it. Raises Overloaded."""
        if self.take_free():
            return
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back()
            else:
                turn.cancel()
                self._waiting.remove(turn)
            raise

    def give_back(self) -> None:
        """Let the next have it."""
        self.taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self.taken < self._limit:
            turn = self._waiting.popleft()
            if not turn.done():
                self.taken += 1
                turn.set_result(None)


class Code:
    """A linked component with those of its exports that a host calls."""

    def __init__(self, linked: LinkedComponent) -> None:
        self.linked = linked
        self.handle_request = _find(linked, HTTP_HANDLER, "handle")
        self.handle_message = _find(linked, MESSAGE_HANDLER, "handle-message")


def _find(linked: LinkedComponent, interface: str, function: str) -> ExportedFunction | None:
    name = linked.exported(interface)
    return None if name is None else linked.function(name, function)


class Workload:
    """A component on this host. Each call has an instance of its own, and is over when that is.

    The code may be replaced at any time: calls that have begun go on with the one they began with.
    """

    def __init__(
        self,
        name: str,
        context: ComponentContext,
        code: Code,
        max_instances: int,
        limits: Limits,
        counts: ComponentCounts | None = None,
    ) -> None:
        self.name = name
        self.code = code
        self.limits = limits
        self.failures = 0
        """Calls that ended in an error since it was started."""
        self._context = context
        self._slots = Slots(max_instances)
        self._counts = ComponentCounts() if counts is None else counts
        self._counts.load = lambda: (self._slots.taken, self._slots.waiting)
        self._idle = asyncio.Event()
        self._idle.set()

    def set_max_instances(self, count: int) -> None:
        """Change how many instances may run at the same time."""
        self._slots.set_limit(count)

    async def drain(self, grace: float) -> None:
        """Wait, some seconds at most, until no call is running."""
        try:
            async with asyncio.timeout(grace):
                await self._idle.wait()
        except TimeoutError:
            pass

    async def serve(self, request: IncomingRequest, exchange: Exchange) -> None:
        """Have an instance answer a request. The exchange gets a response, whatever becomes of it."""
        began = time.monotonic()
        try:
            async with self._instance() as (guest, code):
                # What goes wrong is answered before the instance, and with it its response, is thrown away.
                await self._serve_with(guest, code.handle_request, request, exchange)
        except Overloaded:
            exchange.refuse(503, "too many requests wait for the component that serves this")
        except TimeoutError:
            self._failed(f"had no instance free for a request within {self.limits.time:g} s")
            exchange.refuse(503, "the component that serves this is busy")
        except asyncio.CancelledError:
            exchange.abort("the host ends")
            raise
        finally:
            self._counts.codes[exchange.status] += 1
            self._counts.answering.observe(time.monotonic() - began)

    async def _serve_with(
        self, guest: Guest, function: ExportedFunction | None, request: IncomingRequest, exchange: Exchange
    ) -> None:
        try:
            if function is None:
                raise Trap(f"it exports no {HTTP_HANDLER}")
            await self._run(guest, function, guest.push(request), guest.push(exchange))
        except TimeoutError:
            self._counts.timeouts += 1
            self._failed(f"took more than {self.limits.time:g} s to answer, and was ended")
            exchange.refuse(504, "the component that serves this took too long")
        except Trap as trap:
            self._counts.traps += 1
            self._failed(f"ended in an error: {summary(trap)}")
            exchange.fail(str(trap))
        else:
            if not exchange.begun:
                self._failed("gave no response")
                exchange.fail("no response")
            elif not exchange.ended:
                self._failed("ended within its response")
                exchange.abort("the component ended within its response")
            elif exchange.error is not None:
                self._failed(f"failed: {exchange.error}")

    async def receive(self, message: tuple[str, bytes, str | None]) -> None:
        """Have an instance handle a message: its subject, body and where to reply to. What goes wrong is logged."""
        subject = message[0]
        self._counts.messages += 1
        try:
            async with self._instance() as (guest, code):
                if code.handle_message is None:
                    raise Trap(f"it exports no {MESSAGE_HANDLER}")
                outcome = await self._run(guest, code.handle_message, message)
        except Overloaded:
            self._failed(f"has {MAX_WAITING} messages waiting: one on {subject} was dropped")
        except TimeoutError:
            self._counts.timeouts += 1
            self._failed(f"took more than {self.limits.time:g} s for a message on {subject}, and was ended")
        except Trap as trap:
            self._counts.traps += 1
            self._failed(f"ended in an error on a message on {subject}: {summary(trap)}")
        else:
            if isinstance(outcome, Err):
                self._failed(f"could not handle a message on {subject}: {outcome.value}")

    @asynccontextmanager
    async def _instance(self) -> AsyncIterator[tuple[Guest, Code]]:
        """Give an instance, once one may run, of the code of that moment. Raises Overloaded, TimeoutError."""
        if not self._slots.take_free():
            async with asyncio.timeout(self.limits.time):
                await self._slots.take()
        self._idle.clear()
        code = self.code
        guest = Guest(code.linked, self._context, self.limits.memory)
        try:
            yield guest, code
        finally:
            guest.close()
            self._slots.give_back()
            if not self._slots.taken:
                self._idle.set()

    async def _run(self, guest: Guest, function: ExportedFunction, *arguments: Any) -> Any:
        """Have an instance call a function of its component. Raises TimeoutError, Trap."""
        async with asyncio.timeout(self.limits.time):
            await guest.start()
            return await guest.call(function, *arguments)

    def _failed(self, what: str) -> None:
        self.failures += 1
        self._context.log("error", f"{self.name} {what}")


def summary(trap: Trap) -> str:
    """Return the cause of a trap without the stack of the guest: the innermost one that wasmtime names."""
    text, _, causes = str(trap).rpartition("Caused by:")
    lines = [line.strip() for line in (causes or text).splitlines() if line.strip()]
    return re.sub(r"^\d+: ", "", lines[-1]) if lines else "it gave no reason"
