"""What NATS prescribes for subjects, sizes, keys and streams, kept alike by every transport."""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from wadm.errors import Malformed, TooLarge
from wadm.transport.base import Headers, StreamSpec

EXPECTED_REVISION = "Nats-Expected-Last-Subject-Sequence"
"""Header of a write that holds only if the subject's last message has this sequence (0: there is none)."""
ROLLUP = "Nats-Rollup"
KV_OPERATION = "KV-Operation"
PURGE = {KV_OPERATION: "PURGE", ROLLUP: "sub"}
"""Headers of the marker that takes the place of a purged key."""

_HEADER_BLOCK = len("NATS/1.0\r\n\r\n")
_HEADER_LINE = len(": \r\n")
_SUBJECT_MOST = 3800
"""Bytes. A server closes the connection of a client that sends a line of more than 4,096, with reply and sizes."""
_SHOWN_MOST = 100
_UNFIT_FOR_SUBJECT = re.compile(r"[\s\x00]")
_KEY = re.compile(r"(?!\.)[-/_=.A-Za-z0-9]+(?<!\.)")


def check_message(subject: str, data: bytes, headers: Headers | None, max_payload: int) -> int:
    """Return how many bytes of ``max_payload`` a message takes; raise where a server would not take it."""
    check_subject(subject)
    size = len(data)
    if headers:
        size += _HEADER_BLOCK + sum(_bytes(name) + _bytes(value) + _HEADER_LINE for name, value in headers.items())
    if size > max_payload:
        raise TooLarge(f"{size} bytes for {subject}; NATS takes {max_payload} at most")
    return size


def check_subject(subject: str) -> None:
    """Raise where it cannot be a subject."""
    is_plain = subject.isascii() and subject.isprintable() and " " not in subject and len(subject) <= _SUBJECT_MOST
    if not subject or not (is_plain or _fits(subject)):
        raise Malformed(f"not a NATS subject: {_shown(subject)}")


def _fits(subject: str) -> bool:
    return _UNFIT_FOR_SUBJECT.search(subject) is None and _bytes(subject) <= _SUBJECT_MOST


def check_pattern(pattern: str) -> None:
    """Raise where it cannot be subscribed to."""
    check_subject(pattern)
    tokens = pattern.split(".")
    for place, token in enumerate(tokens, 1):
        wild = token == "*" or (token == ">" and place == len(tokens))
        if not token or (not wild and ("*" in token or ">" in token)):
            raise Malformed(f"not a pattern of NATS subjects: {_shown(pattern)}")


def check_key(key: str) -> None:
    """Raise where a key-value bucket would not take the key."""
    if not _KEY.fullmatch(key):
        raise Malformed(f"not a key: {_shown(key)}")


def is_marker(headers: Headers | None) -> bool:
    """Whether a bucket's message says that its key is gone: deleted, purged, or expired by the server."""
    return headers is not None and (headers.get(KV_OPERATION) in ("DEL", "PURGE") or "Nats-Marker-Reason" in headers)


def is_expired(headers: Headers | None) -> bool:
    """Whether a marker was left because the lifetime of the value ended, and not because somebody deleted it."""
    return headers is not None and headers.get("Nats-Marker-Reason") == "MaxAge"


@lru_cache(maxsize=4096)
def matches(pattern: str, subject: str) -> bool:
    """Whether a subject falls under a pattern: ``*`` stands for one token, ``>`` at the end for one or more."""
    wanted, tokens = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        wanted.pop()
        if len(tokens) <= len(wanted):
            return False
    elif len(tokens) != len(wanted):
        return False
    return all(want in ("*", token) for want, token in zip(wanted, tokens, strict=False))


def serves(there: StreamSpec, wanted: StreamSpec) -> bool:
    """Whether a stream can be kept; one with other subjects or another retention has to be made again."""
    return set(there.subjects) == set(wanted.subjects) and there.retention == wanted.retention


def adjusted(there: StreamSpec, wanted: StreamSpec) -> StreamSpec:
    """Return what a stream that is kept has to become.

    It takes over what ``wanted`` bounds. What ``wanted`` leaves open, the storage, the description and a higher number
    of replicas stay: operators set them up on purpose, and the storage cannot be changed.
    """
    return msgspec.structs.replace(
        there,
        max_age=wanted.max_age if wanted.max_age > 0 else there.max_age,
        max_bytes=wanted.max_bytes if wanted.max_bytes > 0 else there.max_bytes,
        max_msgs_per_subject=(
            wanted.max_msgs_per_subject if wanted.max_msgs_per_subject > 0 else there.max_msgs_per_subject
        ),
        replicas=max(wanted.replicas, there.replicas),
        allow_direct=wanted.allow_direct or there.allow_direct,
        no_ack=wanted.no_ack,
    )


def _bytes(text: str) -> int:
    try:
        return len(text.encode())
    except UnicodeEncodeError:  # JSON can bring half a surrogate pair
        raise Malformed(f"not text that can be sent: {_shown(text)}") from None


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_MOST else f"{text[:_SHOWN_MOST]}…")
