"""The engine that all guests of a process share, and the clock that interrupts those that compute for long."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

import wasmtime

from wadm.hosts.wasm import capi

SLICE = 0.002
"""Seconds that a guest may compute before others have their turn. A request takes some ten rounds of the event loop,
and beside guests that compute each round takes a slice: `python -m bench.spinning_guests`."""
GUARD: Final = 32 << 20
RESERVATION: Final = 64 << 20
"""Bytes of addresses kept for the memory of each guest, which it may outgrow. wasmtime's own 4 GB each would be the
limit for how many guests fit into one process where addresses are bounded (ulimit -v, containers)."""

SETTINGS: Final = f"epochs,{RESERVATION}+{GUARD}"
"""What compiled code depends on besides the version of wasmtime. Part of the name in the cache of compiled images."""


def _configuration() -> wasmtime.Config:
    configuration = wasmtime.Config()
    configuration.epoch_interruption = True
    configuration.parallel_compilation = False  # compiling is background work, and has one core
    wasmtime._ffi.wasmtime_config_memory_reservation_set(configuration.ptr(), RESERVATION)
    wasmtime._ffi.wasmtime_config_memory_guard_size_set(configuration.ptr(), GUARD)
    return configuration


class Engine:
    """wasmtime's engine, with a thread that moves its epoch on while any guest runs.

    A guest whose slice is used up waits for its :attr:`turn`: however many compute, one slice of one of them lies
    between two rounds of the event loop, so that those that mostly wait hardly notice.
    """

    def __init__(self) -> None:
        self.engine = wasmtime.Engine(_configuration())
        capi.keep_to_the_end(self)
        self.address = capi.address(self.engine)
        self.turn = asyncio.Lock()
        self._running = 0
        self._wanted = threading.Event()
        self._closed = False
        self._ticker = threading.Thread(target=self._tick, name="epochs of guests", daemon=True)
        self._ticker.start()

    def close(self) -> None:
        """End the thread. No guest may run any more."""
        self._closed = True
        self._wanted.set()
        self._ticker.join()

    def began(self) -> None:
        """Note that one more guest runs."""
        self._running += 1
        if self._running == 1:
            self._wanted.set()

    def ended(self) -> None:
        """Note that one guest less runs."""
        self._running -= 1
        if not self._running and not self._closed:
            self._wanted.clear()

    def _tick(self) -> None:
        pause = threading.Event()
        while self._wanted.wait() and not self._closed:
            pause.wait(SLICE)
            capi.increment_epoch(self.address)
