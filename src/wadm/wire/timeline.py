"""Timelines and revisions as they are kept in streams.

A message of a timeline holds the entries of a moment, so that a storm of commands is few messages. A message of the
revisions is either a change of what is deployed or, later, what became of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from msgspec import Struct, json

from wadm.model.timeline import Entry, Revision
from wadm.wire.reading import read


class _Moment(Struct, frozen=True):
    entries: tuple[Entry, ...]


class Change(Struct, frozen=True, omit_defaults=True):
    """A change of what is deployed, or (``outcome`` not empty) what became of the last one."""

    time: float
    action: str = ""
    version: str | None = None
    author: str = ""
    message: str = ""
    outcome: str = ""


_moment = json.Decoder(_Moment)
_change = json.Decoder(Change)


def encode_moments(entries: Sequence[Entry], most: int) -> Iterator[bytes]:
    """Yield messages of a timeline that hold the entries, each of ``most`` bytes as far as single entries allow."""
    encoded = [json.encode(entry) for entry in entries]
    begin, size = 0, 0
    for end, entry in enumerate(encoded):
        if end > begin and size + len(entry) + _AROUND > most:
            yield json.encode(_Moment(tuple(entries[begin:end])))
            begin, size = end, 0
        size += len(entry) + 1
    if begin < len(entries):
        yield json.encode(_Moment(tuple(entries[begin:])))


_AROUND = len(b'{"entries":[]}')


EARLY = 5.0
"""Seconds by which an outcome may be stored before its change."""


def _is_of(outcome: Change, change: Change) -> bool:
    return outcome.version == change.version and abs(change.time - outcome.time) < EARLY


def decode_moment(data: bytes) -> tuple[Entry, ...]:
    """Return the entries of one message; raise :class:`~wadm.errors.Malformed`."""
    return read(_moment, data, "timeline").entries


def encode_change(change: Change) -> bytes:
    """Return one message of the revisions."""
    return json.encode(change)


def decode_change(data: bytes) -> Change:
    """Return what one message of the revisions says; raise :class:`~wadm.errors.Malformed`."""
    return read(_change, data, "revision")


def revisions(changes: Iterable[tuple[int, Change]]) -> list[Revision]:
    """Put together the revisions, oldest first, from changes with their numbers in the stream, oldest first.

    What became of a change is told by the outcomes that follow it; one that was followed by another change before
    anything became of it was superseded. The outcome of a change that needs no command may be stored just before the
    change itself: the server that plans learns of a deployment before the one that stored it has noted it.
    """
    found: list[dict[str, Any]] = []
    early: Change | None = None
    for _, change in changes:
        if change.outcome:
            early = change
            if found and not found[-1]["outcome"] and found[-1]["version"] == change.version:
                early = None
                found[-1]["outcome"] = change.outcome
                found[-1]["seconds"] = round(max(0.0, change.time - found[-1]["time"]), 3)
            continue
        if found and not found[-1]["outcome"]:
            found[-1]["outcome"] = "superseded"
            found[-1]["seconds"] = round(max(0.0, change.time - found[-1]["time"]), 3)
        found.append(
            {
                "action": change.action,
                "version": change.version,
                "time": change.time,
                "author": change.author,
                "message": change.message,
                "outcome": early.outcome if early is not None and _is_of(early, change) else "",
                "seconds": 0.0,
            }
        )
        early = None
    return [Revision(number=i, **one) for i, one in enumerate(found, 1)]
