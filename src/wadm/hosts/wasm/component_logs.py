"""What components write and log, on the log of their host: bounded, and with who said it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from typing import Final

_log = logging.getLogger("wadm.component")

LINES_PER_SECOND: Final = 200
LONGEST: Final = 4096
"""Characters of one line; the rest is left out."""
APPLICATION: Final = "wasmcloud.dev/appspec"
_LEVELS: Final = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}


class ComponentLog:
    """The log of one component. What is beyond so many lines a second is counted, and left out.

    ``keep`` is given each line that is not, with its level.
    """

    def __init__(self, component_id: str, annotations: Mapping[str, str], keep: Callable[[str, str], None]) -> None:
        application = annotations.get(APPLICATION, "")
        self._keep = keep
        self._prefix = f"{application} {component_id}" if application else component_id
        self._second = 0
        self._lines = 0
        self._left_out = 0

    def __call__(self, level: str, text: str) -> None:
        """Log a line."""
        second = int(time.monotonic())
        if second != self._second:
            if self._left_out:
                missed = f"{self._left_out} lines were left out"
                _log.warning("%s: %s", self._prefix, missed)
                self._keep("warn", missed)
            self._second, self._lines, self._left_out = second, 0, 0
        self._lines += 1
        if self._lines > LINES_PER_SECOND:
            self._left_out += 1
            return
        text = text[:LONGEST]
        said = f"{level}: {text}" if level in ("stdout", "stderr") else text
        _log.log(_LEVELS.get(level, logging.INFO), "%s: %s", self._prefix, said)
        self._keep(level, text)
