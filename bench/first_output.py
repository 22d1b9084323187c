"""What a person's command costs until it says something: CPU seconds of ``wadm COMMAND``, against ``wadm up``.

``python -m bench.first_output [ROUNDS] [WORD …]`` runs NATS, a server and two simulated hosts, deploys the example, and
then runs every command (or those whose line has one of the words) ``ROUNDS`` times on a terminal of its own, all in
turn. It prints user and system time of the process: until it has printed something, and of the whole command. Modules
are compiled and in the page cache: the first round is not counted.
"""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.processes import ROOT

GOAL: Final = 0.25
HELLO: Final = str(ROOT / "examples" / "hello.yaml")
NEXT: Final = "next.yaml"
"""The example as another application, which puts and deletes have for themselves."""

ENDING: Final = (
    "--version",
    "--help",
    "help deploy",
    "version",
    f"validate {HELLO}",
    "schema",
    "completion bash",
    "context show",
    "context list",
    "list",
    "list -o json",
    "list -o name",
    "list --all-lattices",
    "status hello",
    "status hello -o wide",
    "status hello -o json",
    "explain hello",
    "events",
    "events hello",
    f"plan {HELLO}",
    "plan hello --undeploy",
    f"diff hello {HELLO}",
    "get hello",
    "history hello",
    "hosts",
    "inventory",
    "links",
    "config",
    "wait hello --for deployed",
    "resume",
    "doctor",
    "status helo",
    f"put {NEXT}",
    f"deploy {NEXT}",
    f"deploy {NEXT} --wait",
    "undeploy next --yes",
    "delete next --yes",
)
STAYING: Final = ("list --watch", "status hello --watch", "events --follow")


def _environment(url: str) -> dict[str, str]:
    unwanted = ("WADM_", "WASMCLOUD_", "NATS_", "PYTHONDONTWRITEBYTECODE")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(unwanted)}
    return kept | {"WADM_NATS_SERVER": url}


@contextlib.contextmanager
def _lattice() -> Iterator[str]:
    """Yield the URL of a NATS server with a wadm and simulated hosts."""
    command = (sys.executable, "-m", "wadm", "up", "--port", "0", "--hosts", "2")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            url = next(word for line in process.stdout for word in line.split() if word.startswith("nats://"))
            yield url.rstrip(",")
        finally:
            process.send_signal(signal.SIGINT)
            process.stdout.read()


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that the threads of a process have used (``/proc/PID/task/*/schedstat``, nanoseconds)."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9


def one_run(command: Sequence[str], environment: dict[str, str], directory: Path, stays: bool) -> tuple[float, float]:
    """Return the CPU seconds of a command on a terminal: until it prints something, and until it ends."""
    ours, its = pty.openpty()
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=its, stderr=its, env=environment, cwd=directory
        ) as process:
            os.close(its)
            os.read(ours, 1)
            first = cpu_of(process.pid)
            if stays:
                process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # what a terminal says once the other side is closed
                while os.read(ours, 1 << 16):
                    pass
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        os.close(ours)
    whole = used.ru_utime + used.ru_stime
    return first or whole, whole


def main(rounds: int, words: Sequence[str]) -> int:
    """Print what each command takes; 1 where one takes more than wanted until it prints something."""
    lines = [line for line in (*ENDING, *STAYING) if not words or any(word in line for word in words)]
    used: dict[str, list[tuple[float, float]]] = {line: [] for line in lines}
    with _lattice() as url, TemporaryDirectory() as place:
        directory, environment = Path(place), _environment(url)
        text = Path(HELLO).read_text(encoding="utf-8")
        for old, new in (("name: hello\n", "name: next\n"), ("127.0.0.1:8000", "127.0.0.1:8001")):
            text = text.replace(old, new, 1)
        (directory / NEXT).write_text(text, encoding="utf-8")
        wadm = (str(Path(sys.executable).with_name("wadm")),)
        subprocess.run((*wadm, "deploy", HELLO, "--wait"), env=environment, check=True, capture_output=True)
        for _ in range(rounds + 1):
            for line in lines:
                used[line].append(one_run((*wadm, *line.split()), environment, directory, line in STAYING))
    print("CPU seconds until the first output: median, least, most; of the whole command: median")
    over = 0
    for line, runs in used.items():
        first = [run[0] for run in runs[1:]]
        whole = statistics.median(run[1] for run in runs[1:])
        median = statistics.median(first)
        over += median > GOAL
        said = f"  more than {GOAL}" if median > GOAL else ""
        shown = line.replace(str(ROOT) + "/", "")
        print(f"{median:.3f} {min(first):.3f} {max(first):.3f}  {whole:.3f}  wadm {shown}{said}")
    return int(over > 0)


if __name__ == "__main__":
    rest = sys.argv[1:]
    number = int(rest.pop(0)) if rest and rest[0].isdigit() else 5
    sys.exit(main(number, rest))
