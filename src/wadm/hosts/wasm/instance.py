"""Guests: instances of components, each in a store of its own, driven by the event loop."""

from __future__ import annotations

import asyncio
import ctypes
from collections.abc import Callable, Coroutine, Generator
from ctypes import addressof, c_void_p, string_at
from typing import TYPE_CHECKING, Any, Final, Protocol

from msgspec import Struct
from wasmtime import _ffi as ffi

from wadm.background import report_unexpected
from wadm.hosts.wasm import capi
from wadm.hosts.wasm.capi import VALUE_SIZE, Trap, check
from wadm.hosts.wasm.context import ComponentContext
from wadm.hosts.wasm.values import Lower

if TYPE_CHECKING:
    from wadm.hosts.wasm.linking import ExportedFunction, LinkedComponent

_NO_LIMIT: Final = -1
_guests: dict[int, Guest] = {}
"""Those that run, by the address of their store's context: all that a call from the guest brings along."""
_driven: list[Guest | None] = [None]
"""The guest whose fiber is being run."""


def guest_of(context: int) -> Guest | None:
    """Return the guest that called, by its store's context."""
    return _guests.get(context)


class Call(Protocol):
    """A connection that a guest has opened."""

    def cut(self) -> None:
        """Close it at once."""


class PendingCall(Struct, frozen=True):
    """A call of a host function that waits: the rest of the work, what it waits for, and where its result goes."""

    work: Coroutine[Any, Any, Any]
    awaited: Any
    lower: Lower | None
    results: int
    label: str


class Guest:
    """One instance of a component in a store of its own. Use it once, then :meth:`close` it.

    What the host hands to it (streams, requests, ...) is in its ``table``, by number. ``component`` is what its host
    functions know of the component that it is an instance of.
    """

    __slots__ = (
        "_instance", "_next", "_store", "calls", "component", "context", "link_names", "linked", "pending", "slices",
        "table",
    )  # fmt: skip

    def __init__(self, linked: LinkedComponent, component: ComponentContext, memory_limit: int = _NO_LIMIT) -> None:
        self.linked = linked
        self.component = component
        self.table: dict[int, Any] = {}
        self.link_names: dict[tuple[str, str], str] = {}
        """By which of its links it calls the interfaces of a package (namespace and name), where it chose one."""
        self.calls: set[Call] = set()
        """The connections that it has opened."""
        self.pending: PendingCall | None = None
        self.slices = 0
        """How often it computed until it was interrupted."""
        self._next = 1
        self._store = capi.store_new(linked.engine.address, None, None)
        self._instance = ffi.wasmtime_component_instance_t()
        self.context: int = capi.store_context(self._store)
        _guests[self.context] = self
        linked.engine.began()
        if memory_limit != _NO_LIMIT:
            capi.store_limit(self._store, memory_limit, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT, _NO_LIMIT)
        capi.set_epoch_deadline(self.context, 1)
        capi.yield_at_deadline(self.context, 1)

    def close(self) -> None:
        """Free all that it has, and end what its resources stand for."""
        if not self._store:
            return
        store, self._store = self._store, None
        capi.store_delete(store)
        _guests.pop(self.context, None)
        self.linked.engine.ended()
        for number in tuple(self.table):
            self.drop(number)
        for call in tuple(self.calls):
            call.cut()

    # -- resources ---------------------------------------------------------------------------

    def push(self, thing: Any) -> int:
        """Keep something for the guest; return its number."""
        number = self._next
        self._next += 1
        self.table[number] = thing
        return number

    def drop(self, number: int) -> None:
        """Forget something, and tell it so where it wants to know (``on_drop``)."""
        thing = self.table.pop(number, None)
        on_drop: Callable[[], None] | None = getattr(thing, "on_drop", None)
        if on_drop is not None:
            try:
                on_drop()
            except Exception as error:  # noqa: BLE001 - it must not unwind through the guest
                report_unexpected(error, "A resource of a component could not be ended")

    # -- calls -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Instantiate the component. Raises Trap where that fails."""
        error = c_void_p()
        linked = self.linked
        await self._drive(
            capi.instantiate(
                linked.linker, self.context, linked.component_address, addressof(self._instance), addressof(error)
            )
        )
        check(error.value)

    async def call(self, function: ExportedFunction, *arguments: Any) -> Any:
        """Call an exported function and return its result. Raises Trap where the guest ends in an error."""
        target = ffi.wasmtime_component_func_t()
        if not capi.instance_function(addressof(self._instance), self.context, function.index, addressof(target)):
            raise Trap("the component does not export the function any more")
        count = len(function.lowers)
        buffer = ctypes.create_string_buffer(VALUE_SIZE * (count + 1))
        at = addressof(buffer)
        result, error = at + VALUE_SIZE * count, c_void_p()
        for (lower, offset), value in zip(function.lowers, arguments, strict=True):
            lower(value, at + offset, self.context)
        has_result = function.lift is not None
        try:
            await self._drive(
                capi.call(addressof(target), self.context, at, count, result, int(has_result), addressof(error))
            )
        finally:
            for _, offset in function.lowers:
                capi.value_delete(at + offset)
        check(error.value)
        if function.lift is None:
            return None
        value = function.lift(string_at(result, VALUE_SIZE), 0, self.context)
        capi.value_delete(result)
        return value

    async def _drive(self, future: int) -> None:
        """Run the guest's fiber until the call is done. While a host function waits, wait for that; when a slice is
        used up, let others have their turn. A cancellation drops the call, and with it the fiber."""
        try:
            while not self._run(future):
                if self.pending is not None:
                    await self._finish_pending()
                    continue
                self.slices += 1
                async with self.linked.engine.turn:
                    await asyncio.sleep(0)
                    if self._run(future):
                        return
                if self.pending is not None:
                    await self._finish_pending()
        finally:
            capi.future_delete(future)

    def _run(self, future: int) -> bool:
        _driven[0] = self
        return bool(capi.future_poll(future))

    async def _finish_pending(self) -> None:
        pending = self.pending
        assert pending is not None
        try:
            value = await _Resumed(pending.work, pending.awaited)
            if pending.lower is not None:
                pending.lower(value, pending.results, self.context)
        except Trap:
            raise
        except Exception as error:
            report_unexpected(error, f"{pending.label} failed, and ended the component that called it")
            raise Trap(f"{pending.label} failed: {error!r}") from error
        self.pending = None


class _Resumed:
    """Goes on with a coroutine that was begun by hand, and has yielded ``awaited``."""

    __slots__ = ("_awaited", "_work")

    def __init__(self, work: Coroutine[Any, Any, Any], awaited: Any) -> None:
        self._work = work
        self._awaited = awaited

    def __await__(self) -> Generator[Any, Any, Any]:
        awaited = self._awaited
        while True:
            try:
                sent = yield awaited
            except BaseException as error:  # noqa: BLE001 - handed on, cancellation too
                try:
                    awaited = self._work.throw(error)
                except StopIteration as stop:
                    return stop.value
            else:
                try:
                    awaited = self._work.send(sent)
                except StopIteration as stop:
                    return stop.value


def _is_pending_over(environment: Any) -> bool:
    guest = _driven[0]
    return guest is None or guest.pending is None


_done = capi.CONTINUATION(lambda environment: True)
_when_pending_is_over = capi.CONTINUATION(_is_pending_over)
_NOTHING_ELSE: Final = bytes(16)  # no environment, no finalizer
DONE: Final = (ctypes.cast(_done, c_void_p).value or 0).to_bytes(8, "little") + _NOTHING_ELSE
"""A continuation for a host function that is done at once."""
PENDING: Final = (ctypes.cast(_when_pending_is_over, c_void_p).value or 0).to_bytes(8, "little") + _NOTHING_ELSE
"""A continuation for a host function that waits: done when the guest has no pending call."""
