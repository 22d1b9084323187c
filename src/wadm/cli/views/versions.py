"""The stored versions of an application, the newest on top."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from wadm.cli.views.table import or_nothing, table
from wadm.cli.views.times import duration, moment, ulid_time
from wadm.wire.api import Version


def versions(stored: Sequence[Version], now: float) -> RenderableType:
    """Return the versions, oldest first in ``stored``. When one was put is known where the server named it."""
    result = table("VERSION", "DEPLOYED", "PUT")
    for one in reversed(stored):
        put = ulid_time(one.version)
        when = f"{moment(put)} ({duration(now - put)} ago)" if put is not None else ""
        result.add_row(one.version, Text("✓ yes", style="green") if one.deployed else or_nothing(""), or_nothing(when))
    return result
