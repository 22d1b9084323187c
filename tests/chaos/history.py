"""What was asked, answered and seen, line by line in a file, and what must be true of it.

A line is a JSON object with ``at`` (seconds since 1970) and ``kind``:

* ``ask``/``answer``: a request, with its number; ``answer`` has the ``result``, ``""`` where there was none;
* ``call``: a control call that changes something, as it went over NATS;
* ``epoch``: a status, as a digest (``said``), with the epoch of the lease under which it was said;
* ``begin``, ``ready``, ``end``: of a run, ``ready`` once all that is steady runs; ``fault``, ``healed``, ``whole``:
  what was done, and how it ended; ``wrong``: what the checker found; ``judged``: when it had looked, with what was
  ``stored`` then.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wadm.sim.ledger import Change, Contradiction, Ledger, Stored

PUT_RIGHT = 1.0
"""Seconds within which a status of a former owner is told again by its successor."""
UNSURE = 10.0
"""Seconds after which what nobody answered has been stored, or never will be: a server gives a write up before."""


class History:
    """A history being written. What was written before is kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = path.open("a", buffering=1)

    def note(self, kind: str, **what: Any) -> None:
        """Add a line."""
        self._file.write(json.dumps({"at": round(time.time(), 4), "kind": kind, **what}) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """Return all lines."""
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def close(self) -> None:
        """End it."""
        self._file.close()


def check(
    lines: Iterable[dict[str, Any]], stored: Mapping[str, Stored], before: Mapping[str, Stored] | None = None
) -> list[str]:
    """Return what is wrong with a part of a history, given what was stored before it and after it, by application.

    While everybody rests before and after, the parts can be checked one by one: what may be stored multiplies with
    every request of which nobody knows what came.
    """
    lines = list(lines)
    return [*_check_answers(lines, stored, before or {}), *_check_owners(lines)]


def unjudged(lines: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Stored]]:
    """Return the lines since the history was checked last or a run began, and what was stored then."""
    for number in range(len(lines) - 1, -1, -1):
        if lines[number]["kind"] == "begin":
            return list(lines[number:]), {}
        if lines[number]["kind"] == "judged":
            known = {name: Stored(tuple(one[0]), one[1]) for name, one in lines[number]["stored"].items()}
            return list(lines[number:]), known
    return list(lines), {}


def change(operation: str, version: str) -> Change:
    """Return what a request does to what is stored."""
    return {
        "put": lambda stored: stored.put(version),
        "deploy": lambda stored: stored.deploy(version),
        "undeploy": Stored.undeploy,
        "delete": Stored.delete,
    }[operation]


NOBODY = "nobody"
"""The result of a request that NATS had nobody to give to."""
OUTCOME_UNKNOWN = "not known whether this was done"
"""What an error says where the request may have had its effect; after any other it has had none."""


def was_refused(result: str, message: str) -> bool:
    """Whether an answer says that a request has had no effect."""
    return result in ("noop", "notfound", NOBODY) or (result == "error" and OUTCOME_UNKNOWN not in message)


DONE = {"created", "newversion", "acknowledged", "deleted"}


def _check_answers(
    lines: list[dict[str, Any]], stored: Mapping[str, Stored], before: Mapping[str, Stored]
) -> list[str]:
    """What was acknowledged is stored, and the requests about each application took place in some order.

    Of an application whose answers contradict each other nothing more is said: what is stored of it is not known.
    """
    wrong: list[str] = []
    clock = [0.0]
    ledgers: dict[str, Ledger] = {}
    asked: dict[int, tuple[Ledger, int, str]] = {}
    contradicted: set[str] = set()
    for line in lines:
        clock[0] = line["at"]
        if line["kind"] == "ask":
            if line["application"] not in ledgers:
                ledgers[line["application"]] = Ledger(lambda: clock[0], UNSURE)
                ledgers[line["application"]].is_now(before.get(line["application"], Stored()))
            ledger = ledgers[line["application"]]
            what = f"{line['operation']} {line['application']} {line['version']} (request {line['number']})"
            number = ledger.asks(what, change(line["operation"], line["version"]))
            asked[line["number"]] = (ledger, number, line["application"])
        elif line["kind"] == "answer":
            ledger, number, application = asked.pop(line["number"])
            if application in contradicted:
                continue
            try:
                if line["result"] in DONE:
                    ledger.done(number)
                elif was_refused(line["result"], line["message"]):
                    ledger.refused(number)
                else:
                    ledger.gives_up(number)
            except Contradiction as contradiction:
                wrong.append(f"{application}: {contradiction}")
                contradicted.add(application)
    for ledger, number, _ in asked.values():
        ledger.gives_up(number)
    for application, ledger in sorted(ledgers.items()):
        if application not in contradicted and (found := stored.get(application, Stored())) not in ledger.may_be():
            wrong.append(f"{application} is stored as {found}: {ledger}")
    return wrong


def _check_owners(lines: list[dict[str, Any]]) -> list[str]:
    """What is said under an older epoch after something was said under a newer one is put right at once.

    A process that is stopped may have handed a message to its connection: nobody can take it back, and it is sent when
    the process goes on. Whoever holds the lease hears it, and says again what is so, where that is something else.
    """
    wrong, newest = [], 0
    told: dict[str, str] = {}
    stale: dict[str, dict[str, Any]] = {}
    for line in lines:
        wrong += [_old(stale.pop(about)) for about, old in list(stale.items()) if line["at"] - old["at"] > PUT_RIGHT]
        if line["kind"] != "epoch":
            continue
        if line["epoch"] >= newest:
            told[line["about"]] = line["said"]
            stale.pop(line["about"], None)
        elif line["said"] != told.get(line["about"]):
            stale[line["about"]] = line
        newest = max(newest, line["epoch"])
    return [*wrong, *map(_old, stale.values())]


def _old(line: dict[str, Any]) -> str:
    return f"at {line['at']}: epoch {line['epoch']} speaks of {line['about']} after a newer one, and that stays"


def needless(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the calls about applications that nobody changed while no fault touched a host.

    Such an application runs as it should before and after, so each of these calls is needless: it may have stopped what
    served. Calls during a fault of a host are needed, or cannot be told from those that are.
    """
    found, begun, host_fault = [], False, False
    for line in lines:
        if line["kind"] in ("begin", "end", "ready"):
            begun = line["kind"] == "ready"
        elif line["kind"] == "fault":
            host_fault = line["of"] == "host"
        elif line["kind"] == "whole":
            host_fault = False
        elif line["kind"] == "call" and line["steady"] and begun and not host_fault:
            found.append(line)
    return found
