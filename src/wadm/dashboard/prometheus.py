"""Trends from a Prometheus that scrapes the servers: longer ones than the gateway keeps, and of before it began."""

from __future__ import annotations

import asyncio
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

from msgspec import MsgspecError, Struct, json

from wadm.errors import Malformed, Misconfigured, Unavailable

TIMEOUT: Final = 5.0
MOST_BYTES: Final = 16 * 1024 * 1024

Rows = dict[str, list[float | None]]


class _Series(Struct, frozen=True):
    metric: dict[str, str] = {}
    values: list[tuple[float, str]] = []


class _Data(Struct, frozen=True):
    result: list[_Series] = []


class _Answer(Struct, frozen=True):
    status: str
    data: _Data = _Data()
    error: str = ""


_answer = json.Decoder(_Answer)


class Prometheus:
    """Asks one Prometheus, or what speaks like one, for rows of numbers."""

    def __init__(self, url: str) -> None:
        if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
            raise Misconfigured(
                f"--http-prometheus needs the URL of a Prometheus, as http://prometheus:9090, not {url!r}"
            )
        self._url = f"{url.rstrip('/')}/api/v1/query_range"

    async def rows(self, queries: Mapping[str, str], begin: int, step: int, count: int) -> Rows:
        """Return a row of ``count`` numbers for each query, the first of the slot that begins at ``begin``.

        Raises Unavailable where Prometheus does not answer, Malformed for an answer that is none.
        """
        found = await asyncio.gather(*[self._ask(query, begin, step, count) for query in queries.values()])
        return {
            name: next((_row(one, begin, step, count) for one in series), [None] * count)
            for name, series in zip(queries, found, strict=True)
        }

    async def by_application(self, query: str, begin: int, step: int, count: int) -> Rows:
        """Return a row for each value of the label ``application``."""
        series = await self._ask(query, begin, step, count)
        return {
            one.metric["application"]: _row(one, begin, step, count) for one in series if "application" in one.metric
        }

    async def _ask(self, query: str, begin: int, step: int, count: int) -> list[_Series]:
        # What Prometheus says of a moment is of the time before it: the end of a slot tells of the slot.
        said = {"query": query, "start": begin + step, "end": begin + step * count, "step": step}
        return await asyncio.to_thread(self._get, urllib.parse.urlencode(said))

    def _get(self, query: str) -> list[_Series]:
        request = urllib.request.Request(f"{self._url}?{query}", headers={"User-Agent": "wadm"})  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
                text = answer.read(MOST_BYTES)
        except urllib.error.HTTPError as error:
            raise Unavailable(
                f"Prometheus answered {error.code}: {error.read(300).decode('utf-8', 'replace')}"
            ) from error
        except OSError as error:
            raise Unavailable(f"Prometheus cannot be reached: {error}") from error
        try:
            told = _answer.decode(text)
        except MsgspecError as error:
            raise Malformed(f"Prometheus' answer cannot be read: {error}") from error
        if told.status != "success":
            raise Unavailable(f"Prometheus answered: {told.error[:300]}")
        return told.data.result


def _row(series: _Series, begin: int, step: int, count: int) -> list[float | None]:
    row: list[float | None] = [None] * count
    for when, text in series.values:
        at = round((when - begin) / step) - 1
        number = float(text)
        if 0 <= at < count and number == number and abs(number) < 1e15:  # neither NaN nor infinite
            row[at] = round(number, 2)
    return row


def quoted(text: str) -> str:
    """Return a text as a label's value in a query."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def of_lattice(lattice: str, step: int) -> dict[str, str]:
    """Return the queries for a lattice. Several servers may tell of it, one after another."""
    at, over = f"{{lattice={quoted(lattice)}}}", f"[{step}s]"
    took = "wadm_time_to_deployed_seconds"
    return {
        **_instances(f"lattice={quoted(lattice)}", step),
        "hosts": f'max(min_over_time(wadm_hosts{{lattice={quoted(lattice)},state="heard"}}{over}))',
        "commands": f"sum(increase(wadm_commands_total{at}{over}))",
        "failures": f'sum(increase(wadm_command_outcomes_total{{lattice={quoted(lattice)},result!="accepted"}}{over}))',
        "settling": f"sum(increase({took}_sum{at}{over})) / (sum(increase({took}_count{at}{over})) > 0)",
    }


def of_application(lattice: str, name: str, step: int) -> dict[str, str]:
    """Return the queries for an application."""
    return _instances(f"lattice={quoted(lattice)},application={quoted(name)}", step)


def of_applications(lattice: str, step: int, state: str) -> str:
    """Return the query for all applications of a lattice: those that are ``wanted``, or those that were ``running``."""
    over = "last" if state == "wanted" else "min"
    labels = f"lattice={quoted(lattice)},state={quoted(state)}"
    return f"max by (application) ({over}_over_time(wadm_instances{{{labels}}}[{step}s]))"


def _instances(labels: str, step: int) -> dict[str, str]:
    def all_of(state: str, over: str) -> str:
        each = f"{over}_over_time(wadm_instances{{{labels},state={quoted(state)}}}[{step}s])"
        return f"sum(max by (application) ({each}))"

    return {"wanted": all_of("wanted", "last"), "running": all_of("running", "min")}
