"""``wadm replay``: what a recorded server knew and decided, and what this version would decide otherwise."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wadm.cli import exits, files
from wadm.cli.command import command, option
from wadm.cli.options import connected, printing
from wadm.cli.output import Output
from wadm.cli.session import Session
from wadm.cli.views.table import count

if TYPE_CHECKING:
    from rich.console import RenderableType

    from wadm.engine.recording import Segment
    from wadm.engine.retelling import Moment

DECISIONS = 10
"""Turns before the moment whose decisions are shown."""


class _Time(click.ParamType):  # type: ignore[type-arg, unused-ignore]
    """A moment: ISO 8601, or seconds since 1970; in seconds to the command."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return it in seconds since 1970."""
        from datetime import UTC, datetime

        if isinstance(value, float):
            return value
        try:
            return float(value)
        except ValueError:
            pass
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is not a time: write 2026-11-30T22:04:00Z, or seconds since 1970", param, ctx)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@command(
    "replay",
    examples="""
    wadm replay
    wadm replay -x prod --at 2026-11-30T22:04:00Z
    wadm replay -x prod --save tests/recordings/prod.jsonl
    wadm replay tests/recordings/prod.jsonl
    """,
)
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@option("--at", "at", type=_Time(), metavar="TIME", help="The moment to show (default: the last one recorded).")
@option("--save", metavar="FILE", help="Write the recording into this file, too.")
@option(
    "--stream-prefix",
    default="",
    envvar="WADM_STREAM_PREFIX",
    metavar="NAME",
    help="As the server's --stream-prefix.",
)
@printing("text", "json", "yaml")
@connected
def replay(
    file: str | None, at: float | None, save: str | None, stream_prefix: str, session: Session, output: Output
) -> None:
    """Show what a server knew of a lattice at one moment, what it decided and why, and list what this version of wadm
    would have decided otherwise. The recording is that of the lattice (`wadm serve --record`), or FILE (- is standard
    input), as --save writes it.

    Nothing is asked of the lattice: the recorded inputs are fed to a controller again. Values of configurations are
    hidden in a recording; equal ones stay equal. Ends with 1 where something would be decided otherwise.
    """
    from wadm.engine import recording

    lines = _lines(file, session, stream_prefix)
    if save is not None:
        files.write(Path(save), b"".join(line + b"\n" for line in lines))
    segments = [one for one in recording.read(lines) if one.entries]
    if not segments:
        raise exits.Failure("the recording holds nothing that can be replayed yet", exits.NOT_FOUND)
    moment = _replay(segments, at)

    def view() -> RenderableType:
        from wadm.cli.views.replay import replayed

        return replayed(moment)

    output.show(moment, view)
    if moment.differences:
        number = count(len(moment.differences), "decision")
        raise exits.Failure(f"this version would decide otherwise: {number}", exits.FAILED)


def _lines(file: str | None, session: Session, stream_prefix: str) -> list[bytes]:
    if file is None:
        from wadm.client import recordings

        lines = session.run(lambda client: recordings.read(client, f"{stream_prefix}wadm_recording"))
        if not lines:
            lattice = session.settings.lattice
            hint = "start the server with --record, or name a FILE"
            raise exits.Failure(f"nothing is recorded of lattice {lattice}", exits.NOT_FOUND, hint)
        return lines
    return files.read(file).splitlines()


def _replay(segments: list[Segment], at: float | None) -> Moment:
    from wadm.engine.retelling import retell

    moment = math.inf if at is None else at
    covering = [one for one in segments if one.began <= moment]
    if not covering:
        from wadm.cli.views.times import moment as shown

        first = min(one.began for one in segments)
        raise exits.Failure(f"the recording begins only at {shown(first)}", exits.NOT_FOUND)
    return retell(max(covering, key=lambda one: one.began), moment, DECISIONS)
