"""Requests from many, fairly: whoever floods keeps nobody else waiting.

An item comes with a *path* of three names: the lattice it is for, the account it comes from, the client within that.
Whenever there is room, the lattice whose turn it is starts one item, of the account whose turn it is there, of the
client whose turn it is. A client's items start in the order in which they came, the next one when the one before has
been *admitted*: has been read, and waits in line for the application it is about.

Nobody is given a fixed share, since nobody knows how many there are. Instead a lattice may have as much as is left
over (of the items that wait, of their bytes, of those that run), an account half as much, a client a quarter. So one
lattice alone gets half of everything, a second one half of the rest, and there is always room for one more
(dynamic thresholds: Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeAlias, TypeVar

T = TypeVar("T")

RUNNING: Final = 128
"""Items under way."""
WAITING: Final = 20_000
"""Items that may wait, and ..."""
WAITING_BYTES: Final = 256 * 1024 * 1024
"""... their bytes."""

Admit = Callable[[], None]
Path: TypeAlias = tuple[Hashable, Hashable, Hashable]
"""Lattice, account, client."""
LEVELS: Final = 3


class _Node(Generic[T]):
    """A lattice, an account or a client: what it has waiting and running, and which of those below may start."""

    __slots__ = (
        "admitting",
        "bytes",
        "children",
        "in_line",
        "items",
        "key",
        "level",
        "parent",
        "ready",
        "running",
        "waiting",
    )

    def __init__(self, key: Hashable, parent: _Node[T] | None) -> None:
        self.key = key
        self.parent = parent
        self.level: int = 0 if parent is None else parent.level + 1
        self.waiting = self.bytes = self.running = 0
        self.children: dict[Hashable, _Node[T]] = {}
        self.ready: deque[_Node[T]] = deque()
        """Children that may start something, each once, the next one first."""
        self.in_line = False
        """Whether it stands among its parent's ready ones."""
        self.items: deque[tuple[T, int]] = deque()
        """What waits, with its size: of clients only, as is whether the last one started is being admitted."""
        self.admitting = False

    def fits(self, amount: float, free: float) -> bool:
        """Whether it may have more of something, as it has so much and so much is left over."""
        return amount < free / (1 << max(0, self.level - 1))


class FairQueue(Generic[T]):
    """Runs what is offered. ``run(item, admit)`` must not raise; it calls ``admit`` once the next one may start."""

    def __init__(
        self,
        run: Callable[[T, Admit], Awaitable[None]],
        running: int = RUNNING,
        waiting: int = WAITING,
        waiting_bytes: int = WAITING_BYTES,
    ) -> None:
        self._run = run
        self._most_running = running
        self._most_waiting = waiting
        self._most_bytes = waiting_bytes
        self._root: _Node[T] = _Node((), None)
        self._tasks: set[asyncio.Task[None]] = set()
        self._ending = False

    @property
    def lattices(self) -> int:
        """How many lattices have something waiting or under way."""
        return len(self._root.children)

    def has(self, lattice: Hashable) -> bool:
        """Whether a lattice has something waiting or under way."""
        return lattice in self._root.children

    def offer(self, path: Path, item: T, size: int = 0) -> bool:
        """Take an item on; ``False`` where too much waits already, of all or of whom the path names."""
        free, free_bytes = self._most_waiting - self._root.waiting, self._most_bytes - self._root.bytes
        if free <= 0:
            return False
        node, share, share_bytes = self._root, float(free), float(free_bytes)
        for key in path:
            child = node.children.get(key)
            if child is None:
                break
            # Under a flood this is all that most requests come to, so no function is called for it.
            if child.waiting >= share or (size and child.bytes >= share_bytes):
                return False
            node, share, share_bytes = child, share / 2, share_bytes / 2
        if size > free_bytes:
            return False
        client = self._client(path)
        client.items.append((item, size))
        for node in _upwards(client):
            node.waiting += 1
            node.bytes += size
        self._line_up(client)
        self._start()
        return True

    async def drain(self, timeout: float) -> None:
        """Wait until everything that was taken on is done, up to ``timeout`` seconds; then cancel what is not."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time(), return_when=asyncio.FIRST_COMPLETED)
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _client(self, path: Path) -> _Node[T]:
        node = self._root
        for key in path:
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = _Node(key, node)
            node = child
        return node

    def _line_up(self, client: _Node[T]) -> None:
        """Have a client stand in line that may start something, and those above it."""
        if not client.items or client.admitting:
            return
        for node in _upwards(client):
            if node.in_line or node.parent is None:
                return
            node.in_line = True
            node.parent.ready.append(node)

    def _start(self) -> None:
        while not self._ending and len(self._tasks) < self._most_running and (client := self._next(self._root)):
            self._start_one(client)

    def _next(self, node: _Node[T]) -> _Node[T] | None:
        """Return the client whose turn it is below a node, taking it out of the line; ``None`` where all that wait have
        as much under way as they may."""
        if node.level == LEVELS:
            return node
        free = self._most_running - self._root.running
        for _ in range(len(node.ready)):
            child = node.ready.popleft()
            found = self._next(child) if child.fits(child.running, free) else None
            child.in_line = found is None or bool(child.ready)
            if child.in_line:
                node.ready.append(child)
            if found is not None:
                return found
        return None

    def _start_one(self, client: _Node[T]) -> None:
        item, size = client.items.popleft()
        client.admitting = True
        for node in _upwards(client):
            node.waiting -= 1
            node.bytes -= size
            node.running += 1
        task = asyncio.create_task(self._run_one(client, item))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def _run_one(self, client: _Node[T], item: T) -> None:
        def admit() -> None:
            client.admitting = False
            self._line_up(client)
            self._start()

        try:
            await self._run(item, admit)
        except asyncio.CancelledError:
            self._ending = True  # whoever cancels one of ours ends the whole
            raise
        finally:
            client.admitting = False
            for node in _upwards(client):
                node.running -= 1
                if node.parent is not None and not (node.waiting or node.running):
                    node.parent.children.pop(node.key, None)
            self._line_up(client)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()


def _upwards(node: _Node[T]) -> list[_Node[T]]:
    """Return a node and those above it, up to the root."""
    found = [node]
    while node.parent is not None:
        node = node.parent
        found.append(node)
    return found
