"""Signals that end a process in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterable


def heeded(numbers: Iterable[signal.Signals]) -> tuple[signal.Signals, ...]:
    """Return those of these signals that whoever started the process does not want ignored.

    ``nohup`` has SIGHUP ignored, a shell that starts something in the background SIGINT: a handler of ours would end
    the process all the same.
    """
    return tuple(number for number in numbers if signal.getsignal(number) is not signal.SIG_IGN)
