"""A recording in a stream: what can be read of it where messages are lacking."""

from __future__ import annotations

import os

from wadm.wire.recordings import SegmentWriter, lines


def segment(name: str, *texts: bytes) -> list[tuple[str, bytes]]:
    """Return the messages of a segment, a line each."""
    writer, messages = SegmentWriter(), []
    for number, text in enumerate(texts):
        writer.write(text + b"\n")
        messages.append((f"{name}.{number}", writer.take()))
    return messages


def test_segments_come_one_after_another_though_their_messages_are_mixed() -> None:
    one, other = segment("a.0", b"1", b"2"), segment("b.0", b"3", b"4")
    assert lines([one[0], other[0], one[1], other[1]]) == [b"1", b"2", b"3", b"4"]


def test_a_segment_without_its_beginning_is_left_out() -> None:
    assert lines([*segment("a.0", b"1", b"2")[1:], *segment("a.1", b"3")]) == [b"3"]


def test_a_segment_ends_where_a_message_is_lacking() -> None:
    whole = segment("a.0", b"1", b"2", b"3")
    assert lines([whole[0], whole[2]]) == [b"1"]


def test_a_line_may_be_longer_than_a_message() -> None:
    line = os.urandom(1000).hex().encode()
    (_, data), *_ = segment("a.0", line)
    parts = [(f"a.0.{number}", data[start : start + 100]) for number, start in enumerate(range(0, len(data), 100))]
    assert len(parts) > 3
    assert lines(parts) == [line]


def test_what_is_no_part_of_a_recording_is_passed_over() -> None:
    whole = segment("a.0", b"1", b"2")
    assert lines([("", b"x"), ("nonsense", b"x"), ("a.0.0", b"no zlib"), *whole]) == [b"1", b"2"]
