"""Log lines on standard error, as text or as JSON, in the shapes of the original
(docs/protocol/api.md#logs-and-traces).

A logger is bound to a target (the module's name) and to context (lattice, application) once; a line is a message
and fields. Values from outside cannot break a line: control characters are escaped and long texts cut.

Not structlog, although its habit of binding context is kept: importing it draws in a terminal library that costs
a fifth of a second and ten megabytes at every start (docs/decisions).
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

    def of(self, target: str) -> int:
        """Return the level of the longest directive that names the target or a parent of it."""
        while target:
            if target in self.targets:
                return self.targets[target]
            target = target.rpartition(".")[0]
        return self.default


class Sink:
    """Where lines go, and in which shape."""

    def __init__(self, stream: TextIO | None = None, structured: bool = False, levels: Levels | None = None) -> None:
        self._stream = stream
        self.structured = structured
        self.levels = levels or Levels()

    def write(self, level: int, target: str, message: str, fields: Mapping[str, Any]) -> None:
        """Write one line. A standard error that is closed or full is no reason to stop."""
        stream = self._stream or sys.stderr
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        try:
            if self.structured:
                line = as_json(now, level, target, message, fields)
            else:
                line = as_text(now, level, target, message, fields, colour=stream.isatty())
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            return


_sink = Sink()
_added: Callable[[], Mapping[str, Any]] | None = None


def add_fields(fields: Callable[[], Mapping[str, Any]] | None) -> None:
    """Have every line bear these fields too: what is known of the moment in which it is written."""
    global _added
    _added = fields


def configure(level: str | None = None, structured: bool = False, stream: TextIO | None = None) -> Levels:
    """Set where and what all loggers write; return the levels. ``level`` as in ``RUST_LOG``."""
    global _sink
    _sink = Sink(stream, structured, Levels(level or ""))
    root = logging.getLogger()
    root.handlers = [_FromLibraries()]
    root.setLevel(logging.WARNING)
    return _sink.levels


def use(sink: Sink) -> Sink:
    """Have all loggers write to another sink; return the one before."""
    global _sink
    before, _sink = _sink, sink
    return before


class Logger:
    """Writes lines under one target, with bound context in front of each line's own fields."""

    __slots__ = ("_context", "_target")

    def __init__(self, target: str, context: Mapping[str, Any] | None = None) -> None:
        self._target = target
        self._context = dict(context or {})

    def bind(self, **context: Any) -> Logger:
        """Return a logger that adds ``context`` to every line."""
        return Logger(self._target, {**self._context, **context})

    def debug(self, message: str, **fields: Any) -> None:
        """Write what only a developer asks for."""
        self._log(10, message, fields)

    def info(self, message: str, **fields: Any) -> None:
        """Write what an operator may want to know."""
        self._log(20, message, fields)

    def warning(self, message: str, **fields: Any) -> None:
        """Write what an operator should look at some time."""
        self._log(30, message, fields)

    def error(self, message: str, **fields: Any) -> None:
        """Write what needs somebody now."""
        self._log(40, message, fields)

    def exception(self, message: str, **fields: Any) -> None:
        """Write an error nobody thought of, with where it came from. To be called while handling it."""
        self._log(40, message, {**fields, "trace": traceback.format_exc(limit=-12)})

    def _log(self, level: int, message: str, fields: Mapping[str, Any]) -> None:
        if level >= _sink.levels.of(self._target):
            added = _added() if _added is not None else {}
            _sink.write(level, self._target, message, {**self._context, **fields, **added})


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


def as_text(now: str, level: int, target: str, message: str, fields: Mapping[str, Any], colour: bool = False) -> str:
    """Return a line for people: time, level, target, message, fields."""
    label = f"{_LABELS.get(level, level):>5}"
    if colour:
        label = f"\x1b[{_COLOURS.get(level, 0)}m{label}\x1b[0m"
    parts = [f"{now} {label} {target}: {_cut(message)}"]
    parts += [f"{key}={_quoted(value)}" for key, value in fields.items() if key != "trace"]
    line = " ".join(parts)
    return _escaped(line, colour) + ("\n" + fields["trace"].rstrip() if "trace" in fields else "")


def as_json(now: str, level: int, target: str, message: str, fields: Mapping[str, Any]) -> str:
    """Return a line for machines, keys as the original has them."""
    said = {"message": _cut(message)} | {key: _plain(value) for key, value in fields.items()}
    line = {"timestamp": now, "level": _LABELS.get(level, str(level)), "fields": said, "target": target}
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False)


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | bool) or value is None else _cut(str(value))


def _quoted(value: Any) -> str:
    text = _cut(str(value))
    return text if _PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}… ({len(text)} characters)"


def _escaped(line: str, colour: bool) -> str:
    if colour:  # the colour's own escapes come first and are ours
        head, mark, rest = line.partition("\x1b[0m")
        return head + mark + _escaped(rest, colour=False)
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


class _FromLibraries(logging.Handler):
    """Brings the warnings of libraries into our shape."""

    def emit(self, record: logging.LogRecord) -> None:
        level = max(floor for floor in (5, 10, 20, 30, 40) if floor <= max(record.levelno, 5))
        if level < _sink.levels.of(record.name):
            return
        fields = {"error": record.exc_info[1]} if record.exc_info and record.exc_info[1] else {}
        _sink.write(level, record.name, record.getMessage(), fields)
