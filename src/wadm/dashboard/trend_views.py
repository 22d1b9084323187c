"""Trends over HTTP: from what the gateway keeps, or from Prometheus where that knows more."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal

from msgspec import Struct, json
from starlette.requests import Request
from starlette.responses import Response

from wadm.dashboard import prometheus as queries
from wadm.dashboard.operations import read_query
from wadm.dashboard.prometheus import Prometheus
from wadm.dashboard.replies import JSON, as_json
from wadm.dashboard.slots import DAY, HOUR, Resolution, begin
from wadm.dashboard.trends import MOST_LATTICES, Deployment, Trends
from wadm.errors import WadmError
from wadm.wire.operations import Field

LONGEST: Final = 30 * 86400
TREND_QUERY: Final = (Field("last", "integer", "So many seconds up to now; without it a day.", 300, LONGEST),)
SPARK: Final = 4
"""Slots that are put together as one of a sparkline."""
SAME: Final = 10.0
"""Seconds for which all who ask are told the same sparklines."""
FEW: Final = 300
"""Slots in a trend from Prometheus, at most."""

Row = Sequence[float | None]


class Trend(Struct, frozen=True, kw_only=True):
    """Rows of numbers over time: one number for each ``step`` seconds from ``begin`` on, null where nothing is known.

    ``since`` is when the gateway began to listen. ``problem`` says why Prometheus, where there is one, was not asked
    or did not answer.
    """

    begin: int
    step: int
    source: Literal["gateway", "prometheus"] = "gateway"
    since: float = 0.0
    problem: str = ""
    rows: dict[str, list[float | None]]
    deployments: list[Deployment] = []


class Turn(Struct, frozen=True):
    """From the slot ``at`` on so many were wanted, and so many ran; null where nothing is known."""

    at: int
    wanted: float | None
    running: float | None


class Sparklines(Struct, frozen=True, kw_only=True):
    """What was wanted and what ran of each application, wherever one of both changed."""

    begin: int
    step: int
    slots: int
    since: float = 0.0
    """When the gateway began to listen."""
    applications: dict[str, list[Turn]]


class TrendViews:
    """Answers requests for trends. ``now`` is the server's clock."""

    def __init__(self, trends: Trends, prometheus: Prometheus | None, now: Callable[[], float]) -> None:
        self._trends = trends
        self._prometheus = prometheus
        self._now = now
        self._made: dict[tuple[str, Resolution], tuple[float, bytes]] = {}
        """Sparklines that were made lately: all who look at a list want the same."""

    @property
    def longest(self) -> int:
        """How many seconds back one can look."""
        return LONGEST if self._prometheus is not None else DAY.seconds

    async def lattice(self, request: Request) -> Response:
        """Answer with the trend of a lattice."""
        lattice, last = request.path_params["lattice"], _last(request, "getLatticeTrend")
        resolution, now = _resolution(last), self._now()
        kept = self._kept(lattice, self._trends.of_lattice(lattice, resolution, now), resolution, last, now)
        return await self._answer(lattice, kept, last, lambda step: queries.of_lattice(lattice, step))

    async def application(self, request: Request) -> Response:
        """Answer with the trend of an application."""
        lattice, name = request.path_params["lattice"], request.path_params["name"]
        last = _last(request, "getApplicationTrend")
        resolution, now = _resolution(last), self._now()
        rows = self._trends.of_application(lattice, name, resolution, now)
        kept = self._kept(lattice, rows, resolution, last, now)
        return await self._answer(lattice, kept, last, lambda step: queries.of_application(lattice, name, step), name)

    async def host(self, request: Request) -> Response:
        """Answer with the trend of a host, which only the gateway knows."""
        lattice, host = request.path_params["lattice"], request.path_params["host"]
        last = min(_last(request, "getHostTrend"), DAY.seconds)
        resolution, now = _resolution(last), self._now()
        kept = self._kept(lattice, self._trends.of_host(lattice, host, resolution, now), resolution, last, now)
        return await self._answer(lattice, kept, last, None)

    async def sparklines(self, request: Request) -> Response:
        """Answer with what was wanted and what ran of all applications."""
        lattice, last = request.path_params["lattice"], min(_last(request, "listSparklines"), DAY.seconds)
        resolution, now = _resolution(last), self._now()
        made = self._made.get((lattice, resolution))
        if made is None or not 0 <= now - made[0] < SAME:
            if len(self._made) >= MOST_LATTICES:
                self._made.clear()
            made = self._made[lattice, resolution] = (now, self._sparklines(lattice, resolution, now))
        return Response(made[1], media_type=JSON)

    def _sparklines(self, lattice: str, resolution: Resolution, now: float) -> bytes:
        slots = resolution.count // SPARK
        lines = {
            name: changes(grouped(wanted, lowest=False), grouped(running, lowest=True))
            for name, wanted, running in self._trends.of_applications(lattice, resolution, now)
        }
        told = Sparklines(
            begin=begin(resolution, now),
            step=resolution.step * SPARK,
            slots=slots,
            since=self._trends.since(lattice)[0],
            applications=lines,
        )
        return json.encode(_success(told))

    def _kept(self, lattice: str, rows: Mapping[str, Row], resolution: Resolution, last: int, now: float) -> Trend:
        """Return what the gateway keeps."""
        most = min(resolution.count, -(-last // resolution.step))
        first = begin(resolution, now) + (resolution.count - most) * resolution.step
        shown = {name: list(row[-most:]) for name, row in rows.items()}
        return Trend(begin=first, step=resolution.step, since=self._trends.since(lattice)[0], rows=shown)

    async def _answer(
        self,
        lattice: str,
        kept: Trend,
        last: int,
        queries_of: Callable[[int], dict[str, str]] | None,
        application: str = "",
    ) -> Response:
        told = kept
        covered = last <= DAY.seconds and 0 < kept.since <= kept.begin
        if self._prometheus is not None and queries_of is not None and not covered:
            try:
                told = await self._asked(self._prometheus, last, queries_of, kept.since)
            except WadmError as error:
                told = Trend(begin=kept.begin, step=kept.step, since=kept.since, problem=str(error), rows=kept.rows)
        deployments = self._trends.deployments(lattice, told.begin, application)
        return as_json({**_success(told), "deployments": deployments})

    async def _asked(
        self, prometheus: Prometheus, last: int, queries_of: Callable[[int], dict[str, str]], since: float
    ) -> Trend:
        step = max(60, -(-last // FEW // 60) * 60)
        count = last // step
        first = (int(self._now() // step) - count + 1) * step
        rows = await prometheus.rows(queries_of(step), first, step, count)
        return Trend(begin=first, step=step, source="prometheus", since=since, rows=rows)


def _last(request: Request, operation: str) -> int:
    return int(read_query(operation, TREND_QUERY, request.query_params.multi_items()).get("last", DAY.seconds))


def _resolution(last: int) -> Resolution:
    return HOUR if last <= HOUR.seconds else DAY


def _success(told: Struct) -> dict[str, Any]:
    return {"result": "success", **{name: getattr(told, name) for name in told.__struct_fields__}}


def grouped(row: Row, *, lowest: bool) -> list[float | None]:
    """Put neighbouring slots together: the lowest of them, or the last, of those that are known."""
    first = row[0] if row else None
    if first is not None and row.count(first) == len(row):
        return [first] * (len(row) // SPARK)
    shown: list[float | None] = []
    for at in range(0, len(row), SPARK):
        known = [number for number in row[at : at + SPARK] if number is not None]
        shown.append(None if not known else min(known) if lowest else known[-1])
    return shown


def changes(wanted: Row, running: Row) -> list[Turn]:
    """Return where one of both is another than before, beginning with what is known first.

    >>> changes([None, 2, 2, 2], [None, 0, 2, 2])
    [Turn(at=1, wanted=2, running=0), Turn(at=2, wanted=2, running=2)]
    """
    found: list[Turn] = []
    before: tuple[float | None, float | None] = (None, None)
    pairs: Iterable[tuple[float | None, float | None]] = zip(wanted, running, strict=True)
    for at, pair in enumerate(pairs):
        if pair != before:
            found.append(Turn(at, *pair))
            before = pair
    return found
