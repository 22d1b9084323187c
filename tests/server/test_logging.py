"""Log lines: shapes of the original, one line each whatever is in them."""

from __future__ import annotations

import io
import json
import logging as stdlib
from collections.abc import Iterator

import pytest

from wadm.server import logging
from wadm.server.logging import Levels, Limited, get_logger


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = stdlib.getLogger()
    before = root.handlers[:], root.level
    yield io.StringIO()
    logging.configure()
    root.handlers, root.level = before


def test_a_line_of_text_has_time_level_target_message_and_fields(stream: io.StringIO) -> None:
    logging.configure(stream=stream)
    get_logger("wadm.server.api").bind(lattice="default").info("Serving", topic="wadm.api.>", note="two words", n=3)
    time, rest = stream.getvalue().split(" ", 1)
    assert time.endswith("Z")
    assert rest == ' INFO wadm.server.api: Serving lattice=default topic=wadm.api.> note="two words" n=3\n'


def test_a_line_of_json_has_the_keys_of_the_original(stream: io.StringIO) -> None:
    logging.configure(structured=True, stream=stream)
    get_logger("wadm.server.api", lattice="default").warning("Careful", reason=ValueError("odd"), times=2)
    line = json.loads(stream.getvalue())
    assert list(line) == ["timestamp", "level", "fields", "target"]
    assert line["level"] == "WARN"
    assert line["fields"] == {"message": "Careful", "lattice": "default", "reason": "odd", "times": 2}
    assert next(iter(line["fields"])) == "message"


@pytest.mark.parametrize("structured", [True, False])
@pytest.mark.parametrize("value", ["a\nb", "\x1b[31mred", "\u2028", "\r\n INFO forged", "x" * 100_000])
def test_nothing_from_outside_breaks_a_line(stream: io.StringIO, structured: bool, value: str) -> None:
    logging.configure(structured=structured, stream=stream)
    get_logger("wadm.t").info("Dropped", value=value)
    written = stream.getvalue()
    assert written.count("\n") == 1
    assert "\x1b" not in written
    assert len(written) < 3000


def test_an_error_nobody_thought_of_says_where_it_came_from(stream: io.StringIO) -> None:
    logging.configure(stream=stream)
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        get_logger("wadm.t").exception("Failed")
    assert "test_logging.py" in stream.getvalue()


@pytest.mark.parametrize(
    ("directives", "target", "level"),
    [
        ("", "wadm.server", 20),
        ("debug", "wadm.server", 10),
        ("warn,wadm=debug", "wadm.server.api", 10),
        ("warn,wadm::server=debug", "wadm.server.api", 10),
        ("warn,wadm::server=debug", "wadm.client", 30),
        ("warn,wadm=debug,wadm.server.api=error", "wadm.server.api", 40),
        ("off", "wadm", 100),
        ("info,wadm[span]=debug", "wadm", 10),
        ("loud", "wadm", 20),
    ],
)
def test_levels_are_read_as_in_rust_log(directives: str, target: str, level: int, stream: io.StringIO) -> None:
    logging.configure(directives)
    assert stdlib.getLogger(target).getEffectiveLevel() == level


def test_directives_that_say_nothing_are_told() -> None:
    assert Levels("info,loud,wadm=shout").misread == ["loud", "wadm=shout"]


def test_warnings_of_libraries_take_our_shape(stream: io.StringIO) -> None:
    logging.configure(stream=stream)
    stdlib.getLogger("nats").warning("slow %s", "consumer")
    stdlib.getLogger("nats").info("chatter")
    assert stream.getvalue().endswith(" WARN nats: slow consumer\n")


def test_a_flood_is_one_line_and_a_count(stream: io.StringIO) -> None:
    logging.configure(stream=stream)
    now = 0.0
    limited = Limited(get_logger("wadm.t"), interval=10, clock=lambda: now)
    for _ in range(1000):
        limited.warning("event", "Dropped", reason="odd")
    now = 10.0
    limited.warning("event", "Dropped", reason="odd")
    limited.warning("request", "Refused")
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("Dropped reason=odd")
    assert second.endswith("Dropped reason=odd times=1000")
    assert third.endswith("Refused")
    assert limited.counts == {"event": 1001, "request": 1}


def test_a_closed_standard_error_is_no_reason_to_stop(stream: io.StringIO) -> None:
    stream.close()
    logging.configure(stream=stream)
    get_logger("wadm.t").info("Nobody reads this")
