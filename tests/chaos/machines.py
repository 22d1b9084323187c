"""Places for processes: network namespaces on one bridge where the machine allows, else this machine's own network.

Each place has an address. What goes between two can be cut in one direction or lost in part, where there are
namespaces; what cannot be done here is named by :func:`lacking`.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

FIRST_NET = 100
SLOW_LINES = (
    ("netem", "delay", "300ms", "50ms"),
    ("tbf", "rate", "200kbit", "burst", "4kb", "latency", "800ms"),
)


def _run(*command: str, check: bool = True) -> bool:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.returncode == 0


@cache
def lacking() -> dict[str, str]:
    """Return what this machine cannot do, and why: ``namespaces``, ``cut``, ``loss``, ``latency``, ``disk``,
    ``slow disk``."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        why = "needs root and the program ip"
        return dict.fromkeys(("namespaces", "cut", "loss", "latency", "disk", "slow disk"), why)
    found = {}
    name = f"wadm-probe-{os.getpid()}"
    if not _run("ip", "netns", "add", name, check=False):
        found |= dict.fromkeys(("namespaces", "cut", "loss", "latency"), "network namespaces are not allowed")
    else:
        inside = ("ip", "netns", "exec", name)
        drop = ("-A", "INPUT", "-s", "192.0.2.1", "-j", "DROP")
        if shutil.which("iptables") is None or not _run(*inside, "iptables", *drop, check=False):
            found |= dict.fromkeys(("cut", "loss"), "needs iptables")
        elif not _run(*inside, "iptables", "-A", "INPUT", *_losing("0.5"), check=False):
            found["loss"] = "iptables cannot drop at random"
        slow = [("tc", "qdisc", "replace", "dev", "lo", "root", *how) for how in SLOW_LINES]
        if shutil.which("tc") is None or not any(_run(*inside, *how, check=False) for how in slow):
            found["latency"] = "needs tc with netem or tbf"
        _run("ip", "netns", "del", name)
    folder = Path(f"/tmp/{name}")
    folder.mkdir()
    if _run("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder), check=False):
        _run("umount", str(folder))
    else:
        found["disk"] = "file systems cannot be mounted"
    folder.rmdir()
    if missing := [name for name in ("mkfs.ext4", "fsfreeze") if shutil.which(name) is None]:
        found["slow disk"] = f"needs {' and '.join(missing)}"
    elif not _can_freeze(Path(f"/tmp/{name}")):
        found["slow disk"] = "a file cannot be mounted as a disk and frozen"
    return found


def _can_freeze(folder: Path) -> bool:
    """Whether a file can be mounted as a disk whose writes can be held up."""
    disk = Disk(folder, 8)
    try:
        disk.mount_file()
        disk.freeze()
    except RuntimeError:
        return False
    finally:
        disk.close()
        shutil.rmtree(folder, ignore_errors=True)
    return True


def _losing(part: str) -> tuple[str, ...]:
    return ("-m", "statistic", "--mode", "random", "--probability", part, "-j", "DROP")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Keep other processes of this machine from choosing the same net in the same moment."""
    with (Path(tempfile.gettempdir()) / "wadm-networks.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Network:
    """A bridge with a place for each name. ``open`` it first, ``close`` it last."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.split = "namespaces" not in lacking()
        """Whether each place has a network of its own."""
        self._tag = f"w{os.getpid() % 100000}"
        self._net = ""
        self.places: dict[str, str] = {}
        """The address of each place."""

    def open(self, names: Sequence[str]) -> None:
        """Make the places."""
        if not self.split:
            self.places = dict.fromkeys(names, "127.0.0.1")
            return
        with _one_at_a_time():
            taken = subprocess.run(["ip", "-o", "-4", "addr"], capture_output=True, text=True, check=True).stdout
            self._net = next(f"10.213.{n}" for n in range(FIRST_NET, 250) if f"10.213.{n}." not in taken)
            _run("ip", "link", "add", self._tag, "type", "bridge")
            _run("ip", "addr", "add", f"{self._net}.1/24", "dev", self._tag)
        _run("ip", "link", "set", self._tag, "up")
        for number, name in enumerate(names):
            place, inner, outer = self._place(name), f"{self._tag}i{number}", f"{self._tag}o{number}"
            _run("ip", "netns", "add", place)
            _run("ip", "link", "add", outer, "type", "veth", "peer", "name", inner)
            _run("ip", "link", "set", outer, "master", self._tag, "up")
            _run("ip", "link", "set", inner, "netns", place)
            inside = ("ip", "netns", "exec", place)
            _run(*inside, "ip", "link", "set", "lo", "up")
            _run(*inside, "ip", "link", "set", inner, "name", "eth0")
            _run(*inside, "ip", "addr", "add", f"{self._net}.{number + 10}/24", "dev", "eth0")
            _run(*inside, "ip", "link", "set", "eth0", "up")
            self.places[name] = f"{self._net}.{number + 10}"

    @property
    def here(self) -> str:
        """The address at which places reach what runs outside of them."""
        return f"{self._net}.1" if self.split else "127.0.0.1"

    def close(self) -> None:
        """Remove the places."""
        if self.split:
            for name in self.places:
                _run("ip", "netns", "del", self._place(name), check=False)
            _run("ip", "link", "del", self._tag, check=False)

    def command(self, name: str, command: Sequence[str]) -> list[str]:
        """Return a command as it is run at a place."""
        return ["ip", "netns", "exec", self._place(name), *command] if self.split else list(command)

    def processes(self, name: str) -> list[int]:
        """Return the process ids of all that runs at a place, where each place has a network of its own."""
        found = subprocess.run(["ip", "netns", "pids", self._place(name)], capture_output=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def cut(self, receiver: str, sender: str) -> None:
        """Have nothing that one sends reach the other."""
        self._rule(receiver, "-A", "INPUT", "-s", self.places[sender], "-j", "DROP")

    def lose(self, name: str, part: float) -> None:
        """Have a part of what is sent to a place be lost."""
        self._rule(name, "-A", "INPUT", *_losing(str(part)))

    def delay(self, name: str) -> None:
        """Have what a place sends take longer: by a delay, or by a narrow line where the kernel knows no delays."""
        inside = ("ip", "netns", "exec", self._place(name), "tc", "qdisc", "replace", "dev", "eth0", "root")
        if not any(_run(*inside, *how, check=False) for how in SLOW_LINES):
            raise RuntimeError("neither netem nor tbf")

    def heal(self, name: str) -> None:
        """Have all that is sent to and from a place arrive again."""
        if self.split:
            self._rule(name, "-F")
            inside = ("ip", "netns", "exec", self._place(name))
            _run(*inside, "tc", "qdisc", "del", "dev", "eth0", "root", check=False)

    def _rule(self, name: str, *rule: str) -> None:
        _run("ip", "netns", "exec", self._place(name), "iptables", "-w", *rule)

    def _place(self, name: str) -> str:
        return f"{self._tag}-{name}"


class Disk:
    """A small file system that can be filled and, where the machine allows, held up. ``open`` it first."""

    def __init__(self, path: Path, megabytes: int) -> None:
        self.path = path
        self._megabytes = megabytes
        self._image = path.with_name(f"{path.name}.image")
        self._mounted = False
        path.mkdir(parents=True, exist_ok=True)

    def open(self) -> None:
        """Mount it: a file with a file system in it, else memory, else it is a directory like any other."""
        if "slow disk" not in lacking():
            self.mount_file()
        elif "disk" not in lacking():
            _run("mount", "-t", "tmpfs", "-o", f"size={self._megabytes}m", "tmpfs", str(self.path))
            self._mounted = True

    def mount_file(self) -> None:
        """Make a file system in a file and mount it; RuntimeError where this machine cannot."""
        with self._image.open("wb") as file:
            file.truncate(self._megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", str(self._image))
        _run("mount", "-o", "loop", str(self._image), str(self.path))
        self._mounted = True

    def fill(self) -> None:
        """Leave no room."""
        block = b"x" * 65536
        with suppress(OSError), (self.path / "filling").open("wb", buffering=0) as file:
            while file.write(block) == len(block):
                pass

    def free(self) -> None:
        """Give the room back."""
        (self.path / "filling").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Hold up every write until :meth:`thaw`."""
        _run("fsfreeze", "--freeze", str(self.path))

    def thaw(self) -> None:
        """Let the writes go on."""
        _run("fsfreeze", "--unfreeze", str(self.path), check=False)

    def close(self) -> None:
        """Remove it."""
        if self._mounted:
            self.thaw()
            _run("umount", "-l", str(self.path), check=False)
        self._image.unlink(missing_ok=True)


class Process:
    """A process at a place, that can be killed, stopped and started again."""

    def __init__(
        self, network: Network, place: str, command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        self.place = place
        self._command = network.command(place, command)
        self._log = log
        clean = {
            key: value for key, value in os.environ.items() if not key.startswith(("WADM_", "RUST_", "WASMCLOUD_"))
        }
        self._environ = {**clean, **(environ or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.stopped = False

    def start(self) -> None:
        """Start it, with the same command as before."""
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environ
            )
        self.stopped = False

    @property
    def pid(self) -> int:
        """The process id; 0 before the first start."""
        return 0 if self._process is None else self._process.pid

    @property
    def lives(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Have it stand still."""
        self._signal(signal.SIGSTOP)
        self.stopped = True

    def go_on(self) -> None:
        """Have it go on."""
        self._signal(signal.SIGCONT)
        self.stopped = False

    def kill(self) -> None:
        """End it without a word."""
        self._signal(signal.SIGKILL)
        self._wait()

    def end(self, patience: float = 15) -> None:
        """Have it end in an orderly way; kill it where it does not."""
        self._signal(signal.SIGTERM)
        if not self._wait(patience):
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)

    def _wait(self, patience: float = 15) -> bool:
        if self._process is None:
            return True
        until = time.monotonic() + patience
        while self._process.poll() is None:
            if time.monotonic() > until:
                return False
            time.sleep(0.02)
        return True


CLOCK = """
import os, time
_time, _path = time.time, os.environ.get("CHAOS_CLOCK")
def _offset():
    try:
        with open(_path) as file:
            return float(file.read() or 0)
    except (OSError, ValueError):
        return 0.0
if _path:
    time.time = lambda: _time() + _offset()
    time.time_ns = lambda: int((_time() + _offset()) * 1e9)
"""
"""What a Python process runs first whose clock can be set wrong: by a file, and only its own."""


def clock_environment(directory: Path, name: str) -> dict[str, str]:
    """Return the environment of a Python process whose clock can be set wrong by writing seconds to a file."""
    folder = directory / "clock"
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(CLOCK)
    return {"CHAOS_CLOCK": str(folder / name), "PYTHONPATH": os.pathsep.join([str(folder), *sys.path[:1]])}
