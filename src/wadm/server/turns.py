"""Many requests side by side, and each client in its turn, so that one that floods does not keep others waiting.

Each client has a queue of its own; whenever there is room, the client whose turn it is starts one. A client's requests
start in the order in which they came, the next one when the one before has been *admitted*: has been read, and waits in
line for the application it is about.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Final, Generic, TypeVar

from wadm.background import BackgroundTasks

T = TypeVar("T")

AT_A_TIME: Final = 128
"""Requests under way over all clients."""
PER_CLIENT: Final = 32
"""Requests of one client under way."""
WAITING: Final = 20_000
"""Requests that may wait over all clients, and ..."""
WAITING_PER_CLIENT: Final = 5_000
"""... of one."""

Admit = Callable[[], None]


class _Client(Generic[T]):
    __slots__ = ("admitting", "in_line", "running", "waiting")

    def __init__(self) -> None:
        self.waiting: deque[T] = deque()
        self.running = 0
        self.admitting = False
        self.in_line = False

    def may_start(self, most: int) -> bool:
        return bool(self.waiting) and not self.admitting and self.running < most


class Turns(Generic[T]):
    """Runs what is offered. ``run(item, admit)`` must not raise; it calls ``admit`` once the next one may start."""

    def __init__(
        self,
        run: Callable[[T, Admit], Awaitable[None]],
        at_a_time: int = AT_A_TIME,
        per_client: int = PER_CLIENT,
        waiting: int = WAITING,
        waiting_per_client: int = WAITING_PER_CLIENT,
    ) -> None:
        self._run = run
        self._at_a_time = at_a_time
        self._per_client = per_client
        self._most_waiting = waiting
        self._most_waiting_per_client = waiting_per_client
        self._clients: dict[Hashable, _Client[T]] = {}
        self._in_turn: deque[Hashable] = deque()
        """Clients that may start something, each once."""
        self._waiting = 0
        self._tasks = BackgroundTasks("A request was not answered")
        self._ending = False

    def offer(self, client: Hashable, item: T) -> bool:
        """Take an item on; ``False`` where too many wait already."""
        state = self._clients.get(client)
        if self._waiting >= self._most_waiting or (
            state is not None and len(state.waiting) >= self._most_waiting_per_client
        ):
            return False
        if state is None:
            state = self._clients[client] = _Client()
        state.waiting.append(item)
        self._waiting += 1
        self._line_up(client, state)
        self._start()
        return True

    async def drain(self, timeout: float) -> None:
        """Wait until everything that was taken on is done, up to ``timeout`` seconds; then cancel what is not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        self._ending = True
        await self._tasks.stop()

    def _line_up(self, client: Hashable, state: _Client[T]) -> None:
        if state.may_start(self._per_client) and not state.in_line:
            state.in_line = True
            self._in_turn.append(client)

    def _start(self) -> None:
        while self._in_turn and not self._ending and len(self._tasks) < self._at_a_time:
            client = self._in_turn.popleft()
            state = self._clients[client]
            state.in_line = False
            if state.may_start(self._per_client):
                self._start_one(client, state)

    def _start_one(self, client: Hashable, state: _Client[T]) -> None:
        state.running += 1
        state.admitting = True
        self._waiting -= 1
        self._tasks.start(self._run_one(client, state, state.waiting.popleft())).add_done_callback(self._ended)

    async def _run_one(self, client: Hashable, state: _Client[T], item: T) -> None:
        def admit() -> None:
            state.admitting = False
            self._line_up(client, state)
            self._start()

        try:
            await self._run(item, admit)
        except asyncio.CancelledError:
            self._ending = True  # whoever cancels one of ours ends the whole
            raise
        finally:
            state.running -= 1
            state.admitting = False
            if state.waiting:
                self._line_up(client, state)
            elif not state.running:
                self._clients.pop(client, None)

    def _ended(self, _: asyncio.Task[None]) -> None:
        self._start()


class Locks:
    """A lock per key, there only while somebody holds it or waits for it. First come, first served."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def hold(self, key: Hashable) -> AsyncIterator[None]:
        """Hold the lock of a key. The place in line is taken before anything is awaited."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = (lock, users + 1)
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks[key]
            if users == 1:
                del self._locks[key]
            else:
                self._locks[key] = (lock, users - 1)
