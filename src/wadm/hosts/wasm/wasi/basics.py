"""``wasi:clocks``, ``wasi:random`` and ``wasi:cli``."""

from __future__ import annotations

import asyncio
import os
import time

from wadm.hosts.wasm.capi import Trap
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.wasi.io import InputStream, OutputStream, Pollable

_MAX_RANDOM = 1 << 20
"""Bytes of one call for random bytes."""


def _timer(when: int) -> Pollable:
    async def wait() -> None:
        await asyncio.sleep(max(0.0, (when - time.monotonic_ns()) / 1e9))

    return Pollable(lambda: time.monotonic_ns() >= when, wait)


class MonotonicClock:
    """``wasi:clocks/monotonic-clock``, in nanoseconds."""

    @staticmethod
    def now(guest: Guest) -> int:
        return time.monotonic_ns()

    @staticmethod
    def resolution(guest: Guest) -> int:
        return 1

    @staticmethod
    def subscribe_instant(guest: Guest, when: int) -> int:
        return guest.push(_timer(when))

    @staticmethod
    def subscribe_duration(guest: Guest, duration: int) -> int:
        return guest.push(_timer(time.monotonic_ns() + duration))


class WallClock:
    """``wasi:clocks/wall-clock``: seconds and nanoseconds."""

    @staticmethod
    def now(guest: Guest) -> tuple[int, int]:
        return divmod(time.time_ns(), 10**9)

    @staticmethod
    def resolution(guest: Guest) -> tuple[int, int]:
        return 0, 1


class Random:
    """``wasi:random``; what may be insecure is secure all the same."""

    @staticmethod
    def get_random_bytes(guest: Guest, size: int) -> bytes:
        if size > _MAX_RANDOM:
            raise Trap(f"{size} random bytes were asked for in one call: {_MAX_RANDOM} are the most")
        return os.urandom(size)

    @staticmethod
    def get_random_u64(guest: Guest) -> int:
        return int.from_bytes(os.urandom(8), "little")

    get_insecure_random_bytes = get_random_bytes
    get_insecure_random_u64 = get_random_u64

    @staticmethod
    def insecure_seed(guest: Guest) -> tuple[int, int]:
        return Random.get_random_u64(guest), Random.get_random_u64(guest)


class Environment:
    """``wasi:cli/environment``: empty, as on hosts of wasmCloud."""

    @staticmethod
    def get_environment(guest: Guest) -> list[tuple[str, str]]:
        return []

    @staticmethod
    def get_arguments(guest: Guest) -> list[str]:
        return []

    @staticmethod
    def initial_cwd(guest: Guest) -> None:
        return None


class Exit:
    """``wasi:cli/exit``."""

    @staticmethod
    def exit(guest: Guest, status: object) -> None:
        raise Trap("the component called exit")

    @staticmethod
    def exit_with_code(guest: Guest, code: int) -> None:
        raise Trap(f"the component called exit with code {code}")


class _Lines:
    """Takes what a component writes to stdout or stderr into its log, line by line."""

    closed = False

    def __init__(self, guest: Guest, stream: str) -> None:
        self._component = guest.component
        self._stream = stream
        self._rest = b""

    def write(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > 4096:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            self._component.log(self._stream, line.decode(errors="replace"))

    def has_room(self) -> bool:
        return True

    async def drain(self) -> None:
        pass


class _LineStream(OutputStream):
    def on_drop(self) -> None:
        """Let go of a line without an end."""
        lines = self.sink
        assert isinstance(lines, _Lines)
        if lines._rest:
            lines.write(b"\n")


class Stdio:
    """``wasi:cli/stdin``, ``stdout`` and ``stderr``."""

    @staticmethod
    def get_stdin(guest: Guest) -> int:
        return guest.push(InputStream())

    @staticmethod
    def get_stdout(guest: Guest) -> int:
        return guest.push(_LineStream(_Lines(guest, "stdout")))

    @staticmethod
    def get_stderr(guest: Guest) -> int:
        return guest.push(_LineStream(_Lines(guest, "stderr")))


class Terminal:
    """``wasi:cli/terminal-*``: there is none."""

    @staticmethod
    def get_terminal_stdin(guest: Guest) -> None:
        return None

    get_terminal_stdout = get_terminal_stdin
    get_terminal_stderr = get_terminal_stdin
