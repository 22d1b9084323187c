"""What a person's command costs until it says something: CPU seconds of ``wadm COMMAND``, against ``wadm up``.

``python -m bench.first_output [ROUNDS] [WORD …]`` runs NATS, a server and two simulated hosts, deploys the example, and
then runs every command (or those whose line has one of the words) ``ROUNDS`` times, all in turn. It prints user and
system time of the process and its children: of the whole command, or up to the first line where the command stays.
Modules are compiled and in the page cache: the first round is not counted.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from bench.processes import ROOT, use_of

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


@contextmanager
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


def whole(command: Sequence[str], environment: dict[str, str], directory: Path) -> float:
    """Return the CPU seconds of a command that ends."""
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(
        command, stdin=nowhere, stdout=nowhere, stderr=nowhere, env=environment, cwd=directory
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def until_the_first_line(command: Sequence[str], environment: dict[str, str], directory: Path) -> float:
    """Return the CPU seconds until a command that stays has printed something."""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, cwd=directory
    ) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        used = use_of(process.pid).cpu
        process.send_signal(signal.SIGINT)
        process.communicate()
    return used


def main(rounds: int, words: Sequence[str]) -> int:
    """Print what each command takes; 1 where one takes more than wanted."""
    lines = [line for line in (*ENDING, *STAYING) if not words or any(word in line for word in words)]
    used: dict[str, list[float]] = {line: [] for line in lines}
    with _lattice() as url, TemporaryDirectory() as place:
        directory, environment = Path(place), _environment(url)
        text = Path(HELLO).read_text(encoding="utf-8").replace("name: hello\n", "name: next\n", 1)
        (directory / NEXT).write_text(text, encoding="utf-8")
        wadm = (str(Path(sys.executable).with_name("wadm")),)
        subprocess.run((*wadm, "deploy", HELLO, "--wait"), env=environment, check=True, capture_output=True)
        for _ in range(rounds + 1):
            for line in lines:
                run = until_the_first_line if line in STAYING else whole
                used[line].append(run((*wadm, *line.split()), environment, directory))
    print("CPU seconds: median, least, most")
    for line, times in used.items():
        counted = times[1:]
        median = statistics.median(counted)
        over = f"  more than {GOAL}" if median > GOAL else ""
        print(f"{median:.3f} {min(counted):.3f} {max(counted):.3f}  wadm {line.replace(str(ROOT) + '/', '')}{over}")
    return int(any(statistics.median(times[1:]) > GOAL for times in used.values()))


if __name__ == "__main__":
    rest = sys.argv[1:]
    number = int(rest.pop(0)) if rest and rest[0].isdigit() else 5
    sys.exit(main(number, rest))
