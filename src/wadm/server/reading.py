"""Reading the manifests that are sent: a small one at once, a large one where it holds up nobody.

A megabyte of hostile YAML keeps a processor for a second or two, however linear its reader is. So what is large is read
in a process of its own: the others of this server go on meanwhile, and one that takes too long can be ended, which a
thread cannot. One process is there from the start, so that the first large manifest waits for nothing either; another
is started when it is needed, and ends when it has had nothing to do for a while.
"""

from __future__ import annotations

import asyncio
import gc
import math
import os
import pickle
import resource
import struct
import sys
from contextlib import suppress
from typing import BinaryIO, Final, Protocol

from msgspec import Struct

from wadm.engine.validate import refusal, validate
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Manifest, Problem
from wadm.server.logging import Limited, get_logger
from wadm.wire import yaml  # noqa: F401  (loaded with the server, not when the first manifest comes)
from wadm.wire.manifests import read_manifest

LARGE: Final = 32 * 1024
"""Bytes from which on a manifest is read aside. The most costly text of this size takes some 60 ms."""
PROCESSES: Final = 2
"""Processes that read at a time."""
CPU_SECONDS: Final = 5
"""Processor time that reading one manifest may take. The most costly megabyte takes two seconds."""
PATIENCE: Final = 60.0
"""Seconds after which a process that does not answer is ended, however little of a processor it got."""
MEMORY: Final = 2 * 1024**3
"""Bytes of address space of a process that reads."""
IDLE: Final = 60.0
"""Seconds without work after which a process ends."""

_COMMAND: Final = ("-c", "from wadm.server.reading import main; main()")
_LENGTH: Final = struct.Struct("!Q")

log = get_logger("wadm.server.reading")


class Checked(Struct, frozen=True):
    """A manifest that could be read, what there is to say about it, and why it is refused, if it is."""

    manifest: Manifest
    problems: list[Problem]
    refused: Problem | None = None


def check(body: bytes, content_type: str | None) -> Checked:
    """Read and validate a manifest. Raises :class:`~wadm.errors.ManifestInvalid`."""
    manifest = read_manifest(body, content_type)
    problems = validate(manifest, limits=None)
    wrong = any(problem.level == "error" for problem in problems)
    return Checked(manifest, problems, refusal(manifest) if wrong else None)


class Reading(Protocol):
    """Where manifests are read."""

    async def prepare(self) -> None:
        """Have what the first large manifest needs. It is no error where that cannot be had."""

    async def check(self, body: bytes, content_type: str | None) -> Checked:
        """Read and validate a manifest. Raises :class:`~wadm.errors.ManifestInvalid`."""

    async def stop(self) -> None:
        """End what is being read."""


class InThreads:
    """Reads in this process: for simulators and tests, and where no process can be started."""

    async def prepare(self) -> None:
        """Nothing is needed."""

    async def check(self, body: bytes, content_type: str | None) -> Checked:
        """Read and validate a manifest."""
        return check(body, content_type) if len(body) < LARGE else await asyncio.to_thread(check, body, content_type)

    async def stop(self) -> None:
        """Nothing is to be ended."""


class InProcesses:
    """Reads what is large in processes of its own."""

    def __init__(self, most: int = PROCESSES, cpu_seconds: int = CPU_SECONDS, patience: float = PATIENCE) -> None:
        self._gate = asyncio.Semaphore(most)
        self._cpu_seconds = cpu_seconds
        self._patience = patience
        self._idle: list[_Worker] = []
        self._kept = 0
        """Idle processes that do not end."""
        self._fallback = InThreads()
        self._limited = Limited(log)

    async def prepare(self) -> None:
        """Start a process that stays."""
        self._kept = 1
        try:
            (await _Worker.start(self._cpu_seconds)).rest(self._idle, self._kept)
        except OSError as error:
            self._limited.warning("process", "No process can be started to read large manifests", reason=error)

    async def check(self, body: bytes, content_type: str | None) -> Checked:
        """Read and validate a manifest, within limits of processor time and memory."""
        if len(body) < LARGE:
            return check(body, content_type)
        async with self._gate:
            try:
                worker = self._take_idle() or await _Worker.start(self._cpu_seconds)
            except OSError as error:
                self._limited.warning("process", "No process can be started to read large manifests", reason=error)
                return await self._fallback.check(body, content_type)
            return await self._ask(worker, body, content_type)

    def _take_idle(self) -> _Worker | None:
        """Return a process that has nothing to do and that nobody has ended meanwhile."""
        while self._idle:
            worker = self._idle.pop()
            if worker.lives:
                return worker
            worker.forget()
        return None

    async def stop(self) -> None:
        """End the processes."""
        while self._idle:
            await self._idle.pop().end()

    async def _ask(self, worker: _Worker, body: bytes, content_type: str | None) -> Checked:
        try:
            async with asyncio.timeout(self._patience):
                answer = await worker.ask(body, content_type)
        except (TimeoutError, asyncio.IncompleteReadError, OSError):
            await worker.end()
            self._limited.warning("costly", "A manifest was too costly to read", size=len(body))
            raise ManifestInvalid([_too_costly(self._cpu_seconds)]) from None
        except BaseException:
            await worker.end()
            raise
        worker.rest(self._idle, self._kept)
        if isinstance(answer, Checked):
            return answer
        raise ManifestInvalid(answer)


def _too_costly(seconds: int) -> Problem:
    return Problem(
        f"Unable to parse manifest: reading it takes more than {seconds} s of processor time, or too much memory",
        code="E100",
        hint="make it smaller, or split the application",
    )


class _Worker:
    """A process that reads one manifest after the other."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        self._stdin, self._stdout = process.stdin, process.stdout
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, cpu_seconds: int) -> _Worker:
        """Start one. Raises ``OSError`` where that is not possible."""
        return cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                *_COMMAND,
                str(cpu_seconds),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: value for name, value in os.environ.items() if not name.startswith(("WADM_", "NATS_"))},
                limit=1024 * 1024,
                start_new_session=True,  # Ctrl+C is for the server, which ends its processes itself
            )
        )

    @property
    def lives(self) -> bool:
        """Whether the process is there."""
        return self._process.returncode is None

    def forget(self) -> None:
        """Let go of a process that has ended."""
        if self._timer is not None:
            self._timer.cancel()
        self._stdin.close()

    async def ask(self, body: bytes, content_type: str | None) -> Checked | list[Problem]:
        """Return what is in a manifest, or what is wrong with it."""
        if self._timer is not None:
            self._timer.cancel()
        data = pickle.dumps((body, content_type))
        self._stdin.write(_LENGTH.pack(len(data)) + data)
        await self._stdin.drain()
        (length,) = _LENGTH.unpack(await self._stdout.readexactly(_LENGTH.size))
        answer = await self._stdout.readexactly(length)
        found: Checked | list[Problem] = pickle.loads(answer)  # noqa: S301 - our own process wrote it
        return found

    def rest(self, idle: list[_Worker], kept: int) -> None:
        """Wait among the idle ones for more to do; end after a while, unless so many are kept."""

        def end() -> None:
            if len(idle) <= kept:
                return
            idle.remove(self)
            self._ending = asyncio.ensure_future(self.end())

        idle.append(self)
        self._timer = asyncio.get_running_loop().call_later(IDLE, end)

    async def end(self) -> None:
        """End the process, whatever it does."""
        if self._timer is not None:
            self._timer.cancel()
        with suppress(ProcessLookupError):
            self._process.kill()
        self._stdin.close()
        await self._process.wait()


def serve(requests: BinaryIO, answers: BinaryIO, cpu_seconds: int) -> None:
    """Read manifests until there are no more: what the process does."""
    gc.disable()  # documents are trees: looking for cycles among their parts takes as long as reading them
    with suppress(OSError, ValueError):  # not every system can
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    while len(head := requests.read(_LENGTH.size)) == _LENGTH.size:
        body, content_type = pickle.loads(requests.read(_LENGTH.unpack(head)[0]))  # noqa: S301 - the server wrote it
        _limit_processor_time(cpu_seconds)
        answer: Checked | list[Problem]
        try:
            answer = check(body, content_type)
        except ManifestInvalid as invalid:
            answer = list(invalid.problems)
        except MemoryError:
            answer = [_too_costly(cpu_seconds)]
        data = pickle.dumps(answer)
        answers.write(_LENGTH.pack(len(data)) + data)
        answers.flush()


def _limit_processor_time(seconds: int) -> None:
    """Have the system end this process once it has used so much more: also amid a call that Python cannot interrupt."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Be such a process."""
    with suppress(ManifestInvalid):
        check(b"{", None)  # loads what reading needs
    serve(sys.stdin.buffer, sys.stdout.buffer, int(sys.argv[1]))
