"""Showing how statuses change: a picture that is redrawn on a terminal, a line a change elsewhere."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import TYPE_CHECKING, TextIO

from wadm.cli.output import echo, terminal
from wadm.cli.views import progress, times
from wadm.client.watch import Goal, NotReached, StatusWatch

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live

    from wadm.client.client import Client
    from wadm.model.status import ApplicationStatus

PATIENCE = 1.0
"""Seconds after which a status from before the asking is shown: nothing has changed it."""
FAILED = "failed"
REDRAWS = 2
"""Times a second that a picture is redrawn: it shows times that pass."""


class Board:
    """The statuses of applications that are waited for. ``keep``: the last picture stays when it ends.
    ``said`` holds the last line of each that an earlier board has told; such a line is not told again."""

    def __init__(
        self,
        versions: Mapping[str, str | None],
        now: Callable[[], float],
        file: TextIO,
        keep: bool = False,
        said: dict[str, str] | None = None,
    ) -> None:
        self.versions = dict(versions)
        self._now = now
        self.current: dict[str, ApplicationStatus] = {}
        self._said = {} if said is None else said
        self._file = file
        self._keep = keep
        self._live: Live | None = None

    def __enter__(self) -> Board:
        if self._file.isatty():
            from rich.live import Live

            self._live = Live(
                get_renderable=self._picture,
                console=terminal(self._file),
                refresh_per_second=REDRAWS,
                transient=not self._keep,
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            if kind is not None:
                self._live.transient = False  # whoever interrupts it wants to know how it stands
            self._live.stop()

    def update(self, name: str, status: ApplicationStatus) -> None:
        """Show a status."""
        self.current[name] = status
        if self._live is not None:
            self._live.refresh()
            return
        line = progress.line(name, status, self.versions.get(name))
        if self._said.get(name) != line:  # what changed may be a time, which a line does not tell
            self._said[name] = line
            echo(f"{times.clock(self._now())}  {line}", file=self._file)

    def _picture(self) -> RenderableType:
        return progress.board(self.current, self.versions, self._now())


async def follow_on(client: Client, versions: Mapping[str, str | None]) -> None:
    """Show applications' statuses and every change of them, until interrupted."""
    with Board(versions, client.transport.now, sys.stdout, keep=True) as board:

        async def one(name: str) -> None:
            async for status in client.watch_status(name):
                board.update(name, status)

        async with asyncio.TaskGroup() as group:
            for name in versions:
                group.create_task(one(name))


class Waiting:
    """Waits for several applications at once. Enter it before what is waited for is asked for."""

    def __init__(self, client: Client, names: Sequence[str]) -> None:
        self._client = client
        self._names = names
        self.idle: set[str] = set()
        """Those of them that are not waited for."""
        self._watches: dict[str, StatusWatch] = {}
        self._said: dict[str, str] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Waiting:
        for name in self._names:
            self._watches[name] = await self._stack.enter_async_context(self._client.watching(name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def until(
        self, goal: Goal, timeout: float, versions: Mapping[str, str | None], fail_fast: bool = False
    ) -> dict[str, ApplicationStatus | NotReached]:
        """Wait for the goal, showing progress on stderr; return the last status of each, or why it was given up.

        One that has failed for good is not waited for any longer, or with ``fail_fast`` one that has failed at all
        (NotReached says :data:`FAILED` then).
        """
        with Board(versions, self._client.transport.now, sys.stderr, said=self._said) as board:

            async def show_what_stays(name: str, before: ApplicationStatus | None) -> None:
                """Show how it was before anything was asked, where nothing comes of the asking."""
                await self._client.transport.sleep(PATIENCE)
                if before is not None and self._watches[name].current is before:
                    board.update(name, before)

            async def one(name: str) -> ApplicationStatus | NotReached:
                watch = self._watches[name]
                before = watch.current
                end = _either(goal, fail_fast)
                later = asyncio.create_task(show_what_stays(name, before))
                try:
                    async for status in watch.until(end, timeout):
                        if status is not before:  # how it was before anything was asked is no progress
                            board.update(name, status)
                except NotReached as error:
                    return error
                finally:
                    later.cancel()
                assert watch.current is not None
                if _has_failed(watch.current, fail_fast):
                    return NotReached(FAILED, watch.current)
                return watch.current

            names = [name for name in self._names if name not in self.idle]
            ends = await asyncio.gather(*(one(name) for name in names))
        return dict(zip(names, ends, strict=True))


def _either(goal: Goal, fail_fast: bool) -> Goal:
    """Return the goal that is reached by this one, and by a failure. (One from before counts once it has held.)."""
    return lambda status: _has_failed(status, fail_fast) or (goal(status) if callable(goal) else status.type == goal)


def _has_failed(status: ApplicationStatus, fail_fast: bool) -> bool:
    """Whether nothing more is tried, or (``fail_fast``) something has failed."""
    return status.type == "failed" and (fail_fast or is_final(status))


def is_final(status: ApplicationStatus) -> bool:
    """Whether a part of an application has failed, and is not tried again before somebody deploys again."""
    return any(scaler.type == "failed" and scaler.explanation.final for scaler in status.scalers)
