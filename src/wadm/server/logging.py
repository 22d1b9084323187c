"""Log lines on standard error, as text or as JSON, in the shapes of the original
(docs/protocol/api.md#logs-and-traces).

A logger is bound to a target (the module's name) and to context (lattice, application) once; a line is a message
and fields. Values from outside cannot break a line: control characters are escaped and long texts cut.

The standard library's logging carries the lines: two formatters have the shapes, and levels are those of its loggers.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

LEVELS: Final = {"trace": 5, "debug": 10, "info": 20, "warn": 30, "warning": 30, "error": 40, "off": 100}
"""Level names as ``RUST_LOG`` and ``--log-level`` take them."""

DEFAULT_LEVEL: Final = "info"
LONGEST_VALUE: Final = 2000
"""Characters of one value; what is beyond is cut, so that a hostile payload cannot fill a disk."""

_LABELS: Final = {5: "TRACE", 10: "DEBUG", 20: "INFO", 30: "WARN", 40: "ERROR"}
_COLOURS: Final = {5: 35, 10: 34, 20: 32, 30: 33, 40: 31}
_PLAIN = re.compile(r"[\x21\x23-\x3c\x3e-\x7e]+")  # no space, quote, equals sign: needs no quoting
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Levels:
    """Which lines are wanted: a default level and levels of targets, as in ``info,wadm::server=debug``."""

    def __init__(self, directives: str = "") -> None:
        self.default = LEVELS[DEFAULT_LEVEL]
        self.targets: dict[str, int] = {}
        self.misread: list[str] = []
        """Directives that say nothing."""
        for directive in filter(None, (part.strip() for part in directives.split(","))):
            self._read(directive)

    def _read(self, directive: str) -> None:
        target, sign, level = directive.rpartition("=")
        target = target.partition("[")[0].strip().replace("::", ".")
        if level.strip().lower() not in LEVELS:
            self.misread.append(directive)
        elif not sign:
            self.default = LEVELS[level.strip().lower()]
        elif target:
            self.targets[target] = LEVELS[level.strip().lower()]


class StandardError(logging.StreamHandler[TextIO]):
    """Writes lines to standard error, whatever that is at the moment. One that is closed or full stops nothing."""

    def __init__(self, stream: TextIO | None = None, structured: bool = False) -> None:
        logging.Handler.__init__(self)
        self._stream = stream
        self.setFormatter(JsonFormatter() if structured else TextFormatter(colour=_is_terminal(self.stream)))

    @property
    def stream(self) -> TextIO:  # type: ignore[override]
        """Where lines go."""
        return self._stream or sys.stderr

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802
        """Go on."""


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


_PROGRAM: Final = logging.getLogger("wadm")
_set: list[str] = []
"""Loggers that have a level of their own."""
_added: Callable[[], Mapping[str, Any]] | None = None


def add_fields(fields: Callable[[], Mapping[str, Any]] | None) -> None:
    """Have every line bear these fields too: what is known of the moment in which it is written."""
    global _added
    _added = fields


def configure(level: str | None = None, structured: bool = False, stream: TextIO | None = None) -> Levels:
    """Set what is written and where; return the levels. ``level`` as in ``RUST_LOG``.

    Of libraries only warnings and errors are written, unless a directive names them.
    """
    levels = Levels(level or "")
    root = logging.getLogger()
    root.handlers = [StandardError(stream, structured)]
    root.setLevel(max(logging.WARNING, levels.default))
    while _set:
        logging.getLogger(_set.pop()).setLevel(logging.NOTSET)
    for target, least in {_PROGRAM.name: levels.default, **levels.targets}.items():
        logging.getLogger(target).setLevel(least)
        _set.append(target)
    return levels


def divert(handler: logging.Handler | None, level: str = DEFAULT_LEVEL) -> Callable[[], None]:
    """Have a handler take what the program itself logs, ``None``: nobody; return what puts it back."""
    before = _PROGRAM.handlers, _PROGRAM.propagate, _PROGRAM.level

    def put_back() -> None:
        _PROGRAM.handlers, _PROGRAM.propagate = before[:2]
        _PROGRAM.setLevel(before[2])

    _PROGRAM.handlers, _PROGRAM.propagate = [] if handler is None else [handler], False
    _PROGRAM.setLevel(LEVELS["off" if handler is None else level])
    return put_back


class Logger:
    """Writes lines under one target, with bound context in front of each line's own fields."""

    __slots__ = ("_context", "_logger")

    def __init__(self, target: str, context: Mapping[str, Any] | None = None) -> None:
        self._logger = logging.getLogger(target)
        self._context = dict(context or {})

    def bind(self, **context: Any) -> Logger:
        """Return a logger that adds ``context`` to every line."""
        return Logger(self._logger.name, {**self._context, **context})

    def debug(self, message: str, **fields: Any) -> None:
        """Write what only a developer asks for."""
        self._log(logging.DEBUG, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Write what an operator may want to know."""
        self._log(logging.INFO, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Write what an operator should look at some time."""
        self._log(logging.WARNING, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Write what needs somebody now."""
        self._log(logging.ERROR, message, fields)

    def exception(self, message: str, **fields: Any) -> None:
        """Write an error nobody thought of, with where it came from. To be called while handling it."""
        self._log(logging.ERROR, message, {**fields, "trace": traceback.format_exc(limit=-12)})

    def _log(self, level: int, message: str, fields: Mapping[str, Any]) -> None:
        logger = self._logger
        if not logger.isEnabledFor(level):
            return
        added = _added() if _added is not None else {}
        record = logger.makeRecord(logger.name, level, "", 0, message, (), None)
        record.fields = {**self._context, **fields, **added}
        logger.handle(record)


def fields_of(record: logging.LogRecord) -> Mapping[str, Any]:
    """Return the fields of a line; of what a library logs, the error if there is one."""
    fields: Mapping[str, Any] | None = getattr(record, "fields", None)
    if fields is not None:
        return fields
    return {"error": record.exc_info[1]} if record.exc_info and record.exc_info[1] else {}


def get_logger(target: str, **context: Any) -> Logger:
    """Return a logger for a module."""
    return Logger(target, context)


class Limited:
    """Logs what comes from outside and may come in floods: one line a kind and ``interval`` seconds, and a count.

    Kinds are ours ("request", "event"), never taken from outside, so that the table stays small.
    """

    def __init__(self, log: Logger, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self.log = log
        self.counts: Counter[str] = Counter()
        """How often each kind was met."""
        self._interval = interval
        self._clock = clock
        self._last: dict[str, tuple[float, int]] = {}

    def warning(self, kind: str, message: str, **fields: Any) -> None:
        """Count, and log unless a line of this kind was written less than ``interval`` seconds ago."""
        self._say(self.log.warning, kind, message, fields)

    def error(self, kind: str, message: str, **fields: Any) -> None:
        """Do the same with an error."""
        self._say(self.log.error, kind, message, fields)

    def _say(self, say: Callable[..., None], kind: str, message: str, fields: Mapping[str, Any]) -> None:
        self.counts[kind] += 1
        now, count = self._clock(), self.counts[kind]
        when, told = self._last.get(kind, (float("-inf"), count - 1))
        if now - when < self._interval:
            return
        self._last[kind] = (now, count)
        more = {"times": count - told} if count - told > 1 else {}
        say(message, **fields, **more)


class TextFormatter(logging.Formatter):
    """A line for people: time, level, target, message, fields."""

    def __init__(self, colour: bool = False) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, and below it where an error came from."""
        level, fields = _level(record), fields_of(record)
        label = f"{_LABELS[level]:>5}"
        if self._colour:
            label = f"\x1b[{_COLOURS[level]}m{label}\x1b[0m"
        said = [f"{record.name}: {_cut(record.getMessage())}"]
        said += [f"{key}={_quoted(value)}" for key, value in fields.items() if key != "trace"]
        trace = "\n" + fields["trace"].rstrip() if "trace" in fields else ""
        return f"{_time(record)} {label} {_escaped(' '.join(said))}{trace}"


class JsonFormatter(logging.Formatter):
    """A line for machines, keys as the original has them."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line."""
        fields = {key: _plain(value) for key, value in fields_of(record).items()}
        line = {
            "timestamp": _time(record),
            "level": _LABELS[_level(record)],
            "fields": {"message": _cut(record.getMessage()), **fields},
            "target": record.name,
        }
        return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _level(record: logging.LogRecord) -> int:
    return max(level for level in _LABELS if level <= max(record.levelno, 5))


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | bool) or value is None else _cut(str(value))


def _quoted(value: Any) -> str:
    text = _cut(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"


def _escaped(line: str) -> str:
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
