"""Follows a page of the documentation as a reader would: its commands are run, and what it shows is compared.

A block of ``sh`` is run, line by line; a block of ``text`` right behind it is what that prints. What differs from run
to run (times, names of hosts, ids, who and where somebody is) may differ. Comments that no reader sees say what happens
meanwhile::

    <!-- world: a b -->       the page begins with hosts in zones a and b
    <!-- wait: 60 -->         a minute passes
    <!-- freeze: b -->        the host in zone b answers nobody any more (thaw: it does again)
    <!-- join: c -->          a host in zone c comes
    <!-- unfetchable: x:2 --> no host can fetch an image whose name holds this

With ``WADM_UPDATE_DOCS=1`` what is shown is written anew where it differs; read it then.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.cli.world import World
from wadm.hosts.behaviour import HostBehaviour, containing
from wadm.hosts.core import HostSpec
from wadm.hosts.host import ModelHost

COLUMNS = 100
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$|^<!-- (\w+): (.*?) -->$", re.DOTALL | re.MULTILINE)
_NEEDS_NATS = ("wadm doctor", "wadm up", "wadm simulate", "wadm serve", "wadm context", "wadm demo")
_VARIABLE = (
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ"), "MOMENT"),
    (re.compile(r"\d\d:\d\d:\d\dZ"), "CLOCK"),
    (re.compile(r"\b[a-z]+-[a-z]+-\d{4}\b"), "HOST"),
    (re.compile(r"\bN[A-Z2-7]{7,55}\b"), "ID"),
    (re.compile(r"\bplan(?: |=)[0-9a-f]{12}\b|--plan [0-9a-f]{12}"), "PLAN"),
    (re.compile(r"\b\S+@\S+"), "WHO"),
    (re.compile(r"\b(?:\d+d)?(?:\d+h)?(?:\d+m)?(?:\d+(?:\.\d+)?s)?(?= ago| in the|\b)(?<=[dhms])"), "TIME"),
    (re.compile(r"\S*/(?=[\w-]+\.yaml)"), ""),
    (re.compile(r" +"), " "),
)


class Block(NamedTuple):
    """A part of a page that something is done with; ``shown`` is where the text behind it stands, if there is one."""

    kind: str
    text: str
    shown: tuple[int, int] | None = None


def blocks(page: str) -> Iterator[Block]:
    """Yield what is to be done, in the order of the page."""
    found = list(_BLOCK.finditer(page))
    for number, one in enumerate(found):
        if one[3]:
            yield Block(one[3], one[4])
            continue
        following = found[number + 1] if number + 1 < len(found) else None
        behind = following is not None and following[1] == "text" and not page[one.end() : following.start()].strip()
        shown = (following.start(2), following.end(2)) if behind and following is not None else None
        if one[1] == "sh":
            yield Block("sh", one[2], shown)


def normal(text: str) -> str:
    """Return a text without what differs from run to run."""
    for pattern, word in _VARIABLE:
        text = pattern.sub(word, text)
    return "\n".join(line.rstrip() for line in text.strip().splitlines())


class Reader:
    """Somebody who does what a page says."""

    def __init__(self, page: Path, directory: Path) -> None:
        self.page = page
        self.directory = directory
        self.text = page.read_text()
        self.world: World | None = None
        self.done: list[str] = []
        self.ended: list[tuple[str, int]] = []

    def follow(self) -> None:
        """Do it all; raise AssertionError where the page is not true."""
        edits: list[tuple[tuple[int, int], str]] = []
        try:
            for block in blocks(self.text):
                if block.kind != "sh":
                    getattr(self, f"_{block.kind}")(block.text)
                    continue
                out = "".join(self._line(line) for line in _commands(block.text))
                if block.shown is None:
                    continue
                expected = self.text[slice(*block.shown)]
                if normal(out) != normal(expected):
                    if not os.environ.get("WADM_UPDATE_DOCS"):
                        assert normal(out) == normal(expected), f"{self.page.name}: {block.text}"
                    edits.append((block.shown, out.rstrip() + "\n"))
        finally:
            if self.world is not None:
                self.world.close()
        for (start, end), text in reversed(edits):
            self.text = self.text[:start] + text + self.text[end:]
        if edits:
            self.page.write_text(self.text)

    # -- commands --------------------------------------------------------------------------------

    def _line(self, line: str) -> str:
        self.done.append(line)
        if line.startswith(_NEEDS_NATS):
            return ""  # those have tests of their own
        if not line.startswith("wadm "):
            done = subprocess.run(
                ["sh", "-ec", line], cwd=self.directory, capture_output=True, text=True, check=False, timeout=60
            )
            assert done.returncode == 0, (line, done.stderr)
            return done.stdout
        assert self.world is not None, f"{self.page.name} does not say <!-- world: ... -->"
        command, _, target = line.partition(" > ")
        may_fail = command.endswith(" || true")
        words = shlex.split(command.removesuffix(" || true"))[1:]
        result = self.world.wadm(*words, columns=COLUMNS)
        assert result.code == 0 or may_fail or "--exit-code" in words, (line, result)
        if target:
            (self.directory / target.strip()).write_text(result.out)
            return ""
        remarks, errors = _beside(result.err)
        return remarks + result.out + errors

    # -- what happens meanwhile ---------------------------------------------------------------------

    def _world(self, zones: str) -> None:
        self.world = World(*zones.split())

    def _wait(self, seconds: str) -> None:
        assert self.world is not None
        self.world.run(asyncio.sleep(float(seconds)))

    def _host(self, zone: str) -> ModelHost:
        assert self.world is not None
        return next(host for host in self.world.fleet.hosts.values() if host.spec.labels.get("zone") == zone)

    def _freeze(self, zone: str) -> None:
        self._do(self._host(zone).freeze)

    def _thaw(self, zone: str) -> None:
        self._do(self._host(zone).thaw)

    def _do(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            work()

        assert self.world is not None
        self.world.run(run())

    def _join(self, zone: str) -> None:
        assert self.world is not None
        self.world.run(self.world.fleet.add(HostSpec(f"host-{zone}", {"zone": zone})))
        self._wait("2")

    def _unfetchable(self, text: str) -> None:
        assert self.world is not None
        for host in self.world.fleet.hosts.values():
            host.habits = HostBehaviour(images=containing(text))


def _beside(text: str) -> tuple[str, str]:
    """Return what a person at a terminal sees of remarks, and of the error at the end: neither the log of the server in
    memory, nor the lines that tell of progress where nothing can be redrawn."""
    lines = [f"{line}\n" for line in text.splitlines() if not _PROGRESS.match(line)]
    end = next((number for number, line in enumerate(lines) if line.startswith("error:")), len(lines))
    return "".join(lines[:end]), "".join(lines[end:])


_PROGRESS = re.compile(r"\d\d:\d\d:\d\dZ  |\d{4}-\d\d-\d\dT")


def _commands(block: str) -> Iterator[str]:
    """Yield the commands of a block: lines, those that end in a backslash joined, what stands between << as it is."""
    lines = iter(block.splitlines())
    for line in lines:
        while line.endswith("\\"):
            line = line[:-1] + next(lines).lstrip()
        if (here := re.search(r"<<\s*'?(\w+)'?", line)) is not None:
            body = [line]
            for more in lines:
                body.append(more)
                if more == here[1]:
                    break
            line = "\n".join(body)
        if line.strip() and not line.startswith("#"):
            yield line
