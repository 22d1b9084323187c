"""Line plots as SVG, drawn with nothing but text: logarithmic axes, a legend, values that can be read."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from msgspec import Struct

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 50, 55
COLOURS = ("#1f6feb", "#d1480f", "#1a7f37", "#8250df", "#7d4e00")


class Series(Struct, frozen=True):
    """A line: a name, and points of which both numbers are above 0."""

    name: str
    points: Sequence[tuple[float, float]]


def plot(title: str, across: str, up: str, series: Iterable[Series]) -> str:
    """Return an SVG image with the lines on logarithmic axes."""
    lines = [one for one in series if one.points]
    xs = [x for one in lines for x, _ in one.points]
    ys = [y for one in lines for _, y in one.points]
    to_x = _Scale(xs, LEFT, WIDTH - RIGHT)
    to_y = _Scale(ys, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="#24292f" role="img" aria-label="{escape(title)}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        _text(WIDTH / 2, 20, title, "middle", 'font-size="15"'),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 12, across, "middle"),
        f'<g transform="rotate(-90)">{_text(-(TOP + HEIGHT - BOTTOM) / 2, 16, up, "middle")}</g>',
    ]
    for value in to_x.ticks():
        x = to_x(value)
        parts += [_line(x, TOP, x, HEIGHT - BOTTOM), _text(x, HEIGHT - BOTTOM + 16, _number(value), "middle")]
    for value in to_y.ticks():
        y = to_y(value)
        parts += [_line(LEFT, y, WIDTH - RIGHT, y), _text(LEFT - 6, y + 4, _number(value), "end")]
    for number, one in enumerate(lines):
        colour = COLOURS[number % len(COLOURS)]
        path = " ".join(f"{to_x(x):.1f},{to_y(y):.1f}" for x, y in one.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in one.points:
            hint = f"<title>{escape(one.name)}: {_number(x)}, {_number(y)}</title>"
            parts.append(f'<circle cx="{to_x(x):.1f}" cy="{to_y(y):.1f}" r="4" fill="{colour}">{hint}</circle>')
        y = 38
        x = LEFT + number * (WIDTH - LEFT - RIGHT) / len(lines)
        parts.append(f'<circle cx="{x + 4:.1f}" cy="{y - 4}" r="4" fill="{colour}"/>')
        parts.append(_text(x + 12, y, one.name, "start"))
    return "\n".join([*parts, "</svg>", ""])


class _Scale:
    """Places the logarithm of a value between two ends, which lie on powers of ten or 2 or 5 times one."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        steps = [digit * 10.0**power for power in range(-5, 8) for digit in (1, 2, 5)]
        self._low = max(step for step in steps if step <= low)
        self._high = min(step for step in steps if step >= high and step > self._low)
        self._steps = [step for step in steps if self._low <= step <= self._high]
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        part = math.log(value / self._low) / math.log(self._high / self._low)
        return self._begin + part * (self._end - self._begin)

    def ticks(self) -> list[float]:
        few = [step for step in self._steps if f"{step:e}"[0] == "1"]
        return self._steps if len(self._steps) < 10 else few


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{escape(text)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#d0d7de"/>'
