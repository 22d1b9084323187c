"""What deploying would do: by host, in the order in which it happens, with the reasons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from wadm.cli.views import names, states
from wadm.cli.views.causes import cause
from wadm.cli.views.table import count
from wadm.model.insight import Effect, Planned, PlannedStep

_LOOKS: dict[Effect, tuple[str, str]] = {
    "start": ("+", "green"),
    "scale": ("~", "yellow"),
    "update live": ("~", "yellow"),
    "restart": ("!", "red"),
    "stop": ("-", "red"),
    "put": ("+", "green"),
    "delete": ("-", "red"),
}
_WITHOUT_HOST = "in the lattice"


def plan(planned: Planned, how: str = "", refused: str = "") -> RenderableType:
    """Return a plan. ``how`` is the command that does just this, ``refused`` why none does."""
    parts: list[RenderableType] = [_headline(planned)]
    for host, steps in _by_host(planned.steps).items():
        parts += ["", Text(host, style="bold"), Padding(_steps(steps), (0, 0, 0, 2))]
    parts += ["", _afterwards(planned)]
    for scaler in planned.status.scalers:
        if scaler.type != "deployed":
            line = Text.assemble(
                (names.scaler(scaler.name, planned.application), "bold"), f": {cause(scaler).sentence}"
            )
            parts.append(Padding(line, (0, 0, 0, 2)))
    if planned.consequences:
        parts += ["", Text("Other applications:", style="bold")]
        for one in planned.consequences:
            parts.append(Padding(Text(f"{one.application}: now {one.before}; then {one.after}"), (0, 0, 0, 2)))
    if planned.warnings:
        parts += ["", Text("Mind:", style="bold yellow")]
        parts += [Padding(Text(f"{warning}."), (0, 0, 0, 2)) for warning in planned.warnings]
    if planned.steps and refused:
        parts += ["", Text(refused, style="yellow")]
    elif planned.steps and how:
        parts += ["", Text(f"To do just this: {how}")]
    return Group(*parts)


def _headline(planned: Planned) -> Text:
    text = Text.assemble((planned.application, "bold"))
    text.append(f"  version {planned.version}" if planned.version else "")
    text.append(f"  plan {planned.id}")
    if planned.steps:
        numbers = Counter(step.effect for step in planned.steps)
        text.append(f"  {', '.join(f'{n} × {effect}' for effect, n in numbers.items())}", style="dim")
    return text


def _by_host(steps: Sequence[PlannedStep]) -> dict[str, list[PlannedStep]]:
    """Return the steps by host, those of the lattice as a whole last."""
    found: dict[str, list[PlannedStep]] = {}
    for step in sorted(steps, key=lambda s: (not s.host, s.host, s.round)):
        found.setdefault(step.host or _WITHOUT_HOST, []).append(step)
    return found


def _steps(steps: Sequence[PlannedStep]) -> Table:
    result = Table.grid(padding=(0, 2, 0, 0))
    for options in ({"justify": "right", "style": "dim"}, {}, {"overflow": "fold"}):
        result.add_column(no_wrap="overflow" not in options, **options)  # type: ignore[arg-type]
    for step in steps:
        sign, style = _LOOKS[step.effect]
        effect = Text(f"{sign} {step.effect}", style=style)
        what = step.what.replace(f" on {step.host}", "") if step.host else step.what
        result.add_row(f"{step.round}.", effect, Text.assemble(what, "\n", (step.reason, "dim")))
    return result


def _afterwards(planned: Planned) -> Text:
    if not planned.steps and planned.status.type in ("deployed", "undeployed"):
        return Text("Nothing would be done: it is as wanted.")
    rounds = max((step.round for step in planned.steps), default=0)
    done = f"After {count(len(planned.steps), 'step')} in {count(rounds, 'round')}" if rounds else "Nothing can be done"
    live = any(step.effect == "update live" for step in planned.steps)
    text = Text.assemble(f"{done}: ", states.state(planned.status.type))
    if live:
        text.append("  (live updates lose no request)", style="dim")
    return text
