"""What the host functions know of the component whose instance calls them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Pairs = Sequence[tuple[str, bytes]]


class Unlinked(Exception):
    """The component has no link for what it calls; the text is for whoever reads its error."""


class Bucket(Protocol):
    """A key-value store. All methods raise :class:`~wadm.errors.WadmError` where they do not work."""

    async def get(self, key: str) -> bytes | None:
        """Return what is under a key."""

    async def set(self, key: str, value: bytes) -> None:
        """Put something under a key."""

    async def delete(self, key: str) -> None:
        """Have nothing under a key any more."""

    async def keys(self) -> list[str]:
        """Return all keys."""

    async def increment(self, key: str, delta: int) -> int:
        """Add to the number under a key, 0 where there is none, whoever else does so; return the sum."""


class ComponentContext(Protocol):
    """A component on this host: what all its instances share."""

    @property
    def config(self) -> Mapping[str, str]:
        """What its configurations hold, a later one before an earlier one."""

    def log(self, level: str, text: str) -> None:
        """Log a line of its. ``level``: one of ``wasi:logging``, or ``stdout``, ``stderr``."""

    async def open_bucket(self, link_name: str, identifier: str) -> Bucket:
        """Return the store that its link leads to. Raises Unlinked, and WadmError where it cannot be had."""

    async def request(self, link_name: str, subject: str, body: bytes, timeout: float) -> tuple[str, bytes, str]:
        """Send a message and return the answer: its subject, body and where to reply to. Raises Unlinked, and
        WadmError where nobody answers in time (seconds)."""

    def publish(self, link_name: str, subject: str, body: bytes, reply_to: str) -> None:
        """Send a message. Raises Unlinked, and WadmError."""
