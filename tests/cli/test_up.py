"""``wadm up`` as a person runs it: a process of its own, real signals, a real NATS server."""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.processes import without_settings
from wadm.cli.embedded_nats import embedded_nats
from wadm.cli.host_groups import HostGroup, read
from wadm.client.client import Client
from wadm.client.connection import open_client
from wadm.client.settings import Settings

LAST_LINE = "Ctrl-C stops everything.\n"
HELLO = Path(__file__).parents[2] / "examples/hello.yaml"


class Up:
    """A running ``wadm up``."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.said = self._read()

    def _read(self) -> str:
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if line == LAST_LINE:
                break
        return said

    @property
    def url(self) -> str:
        found = re.search(r"nats://127\.0\.0\.1:\d+", self.said)
        assert found, self.said + self.end()
        return found[0]

    async def client(self, lattice: str = "default") -> Client:
        return await open_client(Settings(servers=(self.url,), lattice=lattice))

    def stop(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(10)

    def end(self) -> str:
        """What it says on stderr, to its end."""
        assert self.process.stderr is not None
        return self.process.stderr.read()


@contextmanager
def wadm_up(*arguments: str, temporary: Path) -> Iterator[Up]:
    process = subprocess.Popen(
        [sys.executable, "-m", "wadm", "up", *arguments],
        env=without_settings() | {"TMPDIR": str(temporary)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            yield Up(process)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


@pytest.fixture
def temporary() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


async def test_says_what_runs_where_and_what_is_only_simulated(temporary: Path) -> None:
    with wadm_up("--port", "0", "--hosts", "2:zone=east", "--hosts", "1", temporary=temporary) as up:
        nats, wadm, dashboard, hosts, labels, nothing, _ = up.said.splitlines()
        assert nats == f"NATS server    {up.url}, data in a temporary directory, gone at the end"
        assert wadm.startswith("wadm ")
        assert re.fullmatch(r"Dashboard      http://127\.0\.0\.1:\d+/#token=[\w-]{32}", dashboard)
        assert hosts == "3 hosts, SIMULATED: they answer as wasmCloud does, and run no WebAssembly"
        assert labels.split() == ["2", "labelled", "zone=east"]
        assert nothing == ""
        client = await up.client()
        labels_of_hosts = [inventory.labels for inventory in await client.inventories()]
        await client.close()
    assert [labels["wasmcloud.dev/simulated"] for labels in labels_of_hosts] == ["true"] * 3
    assert sorted(labels.get("zone", "") for labels in labels_of_hosts) == ["", "east", "east"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_all_of_it_and_leaves_nothing(number: signal.Signals, temporary: Path) -> None:
    with wadm_up("--port", "0", "--hosts", "1", temporary=temporary) as up:
        port = int(up.url.rpartition(":")[2])
        assert any(temporary.iterdir())
        assert up.stop(number) == 0
        assert up.end() == "\nStopping what was started ...\n"
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
    assert list(temporary.iterdir()) == []


async def test_what_is_kept_is_there_the_next_time(temporary: Path, tmp_path: Path) -> None:
    arguments = ("--port", "0", "--data-dir", str(tmp_path / "data"))
    with wadm_up(*arguments, temporary=temporary) as up:
        assert f"data in {tmp_path / 'data'}" in up.said
        client = await up.client()
        await client.put(HELLO)
        await client.close()
        assert up.stop(signal.SIGINT) == 0
    with wadm_up(*arguments, temporary=temporary) as up:
        client = await up.client()
        assert [one.name for one in await client.list()] == ["hello"]
        await client.close()


async def test_hosts_are_in_the_lattice_that_is_named(temporary: Path) -> None:
    with wadm_up("--port", "0", "--hosts", "2", "--lattice", "orchard", temporary=temporary) as up:
        elsewhere, there = await up.client(), await up.client("orchard")
        assert (len(await elsewhere.hosts()), len(await there.hosts())) == (0, 2)
        assert await there.list() == ()
        await elsewhere.close()
        await there.close()


async def test_a_port_that_is_taken_is_an_error_with_a_way_out(temporary: Path, tmp_path: Path) -> None:
    async with embedded_nats(tmp_path, 0) as nats:
        with wadm_up("--port", str(nats.port), temporary=temporary) as up:
            assert up.process.wait(20) == 1
            error, hint = up.end().splitlines()
    assert error == f"error: port {nats.port} is in use, perhaps by another NATS server"
    assert f"wadm --nats-server 127.0.0.1:{nats.port}" in hint


@pytest.mark.parametrize("when", ["it runs", "it starts"])
def test_it_ends_when_its_nats_server_does(when: str, temporary: Path) -> None:
    with wadm_up("--port", "0", "--hosts", "1", temporary=temporary) as up:
        if when == "it runs":
            assert up.url
        os.kill(nats_server_of(temporary), signal.SIGKILL)
        assert up.process.wait(20) == 1
        assert "the NATS server ended by itself (exit status -9)" in up.end()


def nats_server_of(temporary: Path) -> int:
    """Return the process id of the NATS server, as soon as it serves."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        for log in temporary.glob("*/nats-server.log"):
            if "Server is ready" in (said := log.read_text()):
                return int(said.partition("]")[0].removeprefix("["))
        time.sleep(0.01)
    raise AssertionError("no NATS server serves")


@pytest.mark.parametrize(
    ("text", "group"),
    [
        ("3", HostGroup(3)),
        ("0", HostGroup(0)),
        ("2:zone=east", HostGroup(2, {"zone": "east"})),
        ("2:zone=east,tier=", HostGroup(2, {"zone": "east", "tier": ""})),
        ("1:a=b=c", HostGroup(1, {"a": "b=c"})),
    ],
)
def test_groups_of_hosts(text: str, group: HostGroup) -> None:
    assert read(text) == group


@pytest.mark.parametrize("text", ["", "-1", "three", "3:", "3:zone", "3:=east", ":zone=east", "3:zone=east,", "３"])
def test_what_is_no_group_of_hosts(text: str) -> None:
    with pytest.raises(ValueError, match="neither a number"):
        read(text)
