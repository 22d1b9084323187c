"""What was decided in a recorded case is decided again."""

from __future__ import annotations

from pathlib import Path

import pytest

from wadm.engine import recording

FILES = sorted(Path(__file__).parent.glob("*.jsonl"))


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_nothing_is_decided_otherwise(file: Path) -> None:
    segments = recording.read(file.read_bytes().splitlines())
    assert any(entry.decided for segment in segments for entry in segment.entries)
    for segment in segments:
        assert next(recording.Replay(segment).run(), None) is None
