"""``wadm replay``: what a recording shows, of a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from wadm.cli.main import main

RECORDING = Path(__file__).parents[1] / "recordings" / "address-conflicts.jsonl"


def test_it_shows_what_was_known_and_decided_and_that_this_version_decides_the_same(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["replay", str(RECORDING)]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Lattice default at 20")
    assert "Known: " in told
    assert "Decided last" in told
    assert told.rstrip().endswith("This version decides the same.")


def test_a_moment_shows_what_was_known_then(capsys: pytest.CaptureFixture[str]) -> None:
    began = json.loads(RECORDING.read_text().splitlines()[1])["at"]
    assert main(["replay", str(RECORDING), "--at", str(began), "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["at"] == told["began"] == began
    assert all(not host["components"] for host in told["hosts"])


def test_a_decision_that_is_another_now_is_shown_and_ends_with_1(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wadm.engine.intake.Intake.event", lambda *_: None)
    assert main(["replay", str(RECORDING)]) == 1
    told = capsys.readouterr()
    assert "This version decides otherwise: " in told.out
    assert "  then: {" in told.out
    assert told.err.startswith("error: this version would decide otherwise: ")


def test_it_is_saved_as_it_was_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    copy = tmp_path / "copy.jsonl"
    assert main(["replay", str(RECORDING), "--save", str(copy)]) == 0
    assert copy.read_bytes() == RECORDING.read_bytes()


def test_what_is_saved_into_a_link_goes_where_it_leads(tmp_path: Path) -> None:
    there, link = tmp_path / "there", tmp_path / "link"
    link.symlink_to(there)
    assert main(["replay", str(RECORDING), "--save", str(link)]) == 0
    assert link.is_symlink()
    assert there.read_bytes() == RECORDING.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([str(RECORDING), "--at", "1000"], "error: the recording begins only at 20"),
        ([str(RECORDING), "--at", "yesterday"], "'yesterday' is not a time: write 2026-11-30T22:04:00Z"),
        (["/nonexistent"], "error: /nonexistent does not exist"),
        ([str(Path(__file__))], "error: line 1 is not one of a recording: "),
        ([str(RECORDING), "--save", "/nonexistent/x"], "error: /nonexistent/x cannot be written: No such file"),
    ],
)
def test_what_cannot_be_done_is_said(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *arguments]) != 0
    assert said in capsys.readouterr().err
