"""An option of the server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct


class Flag(Struct, frozen=True, kw_only=True):
    """An option: how it is spelled, which setting it sets (``subject.field``), and what its text may be.

    ``read`` turns the text into the value and raises ``ValueError`` with the reason; ``None`` makes it a switch.
    """

    setting: str
    help: str
    long: str = ""
    short: str = ""
    env: str
    value: str = ""
    read: Callable[[str], Any] | None = None
    default: str = ""
    """The default as the help shows it."""
    repeatable: bool = False
    hidden: bool = False
    needs: tuple[str, ...] = ()
    clashes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The spelling that errors use, with its value."""
        spelled = self.long or self.short
        return f"{spelled} <{self.value}>" if self.value else spelled
