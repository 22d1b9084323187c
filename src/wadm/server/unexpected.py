"""The exception handler of a server's event loop: unexpected errors are logged and counted, and end nothing."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Mapping
from typing import Any, Final

from wadm.server.logging import Limited, get_logger
from wadm.server.metrics import ServerMetrics

_OF_ASYNCIO: Final = frozenset({"message", "exception", "task", "future", "handle", "protocol", "transport"})

_limited = Limited(get_logger("wadm.server.unexpected"))


class UnexpectedErrors:
    """To be passed to ``loop.set_exception_handler`` (:func:`wadm.background.report_unexpected`)."""

    def __init__(self, metrics: ServerMetrics) -> None:
        self._metrics = metrics

    def __call__(self, loop: asyncio.AbstractEventLoop, context: Mapping[str, Any]) -> None:
        """Count an error, and log it with where it came from. The same error is not logged again for a while."""
        self._metrics.unexpected_errors += 1
        error, message = context.get("exception"), str(context.get("message") or "An unexpected error")
        fields = {key: value for key, value in context.items() if key not in _OF_ASYNCIO}
        if isinstance(error, BaseException):
            fields["reason"] = f"{type(error).__name__}: {error}"
            fields["trace"] = "".join(traceback.format_exception(error, limit=-12))
        _limited.error(_place(error), message, **fields)


def _place(error: object) -> str:
    """Return the type of an error and the line that raised it, by which the same error is known again."""
    frames = traceback.extract_tb(error.__traceback__) if isinstance(error, BaseException) else []
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__} {where}"
