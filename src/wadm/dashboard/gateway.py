"""The web application: the API as resources, streams of events, probes and metrics, and the page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from math import inf
from typing import TYPE_CHECKING, Final

from msgspec import DecodeError, MsgspecError, json
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from wadm.client.client import Client
from wadm.dashboard import streams
from wadm.dashboard.guard import Guard, TooMuch, read_body
from wadm.dashboard.limits import Limits
from wadm.dashboard.meter import Meter
from wadm.dashboard.openapi import document
from wadm.dashboard.operations import (
    APPLICATION,
    HOST_QUERY,
    LATTICE,
    NAMES,
    RESOURCES,
    BadQuery,
    Resource,
    body_of,
    check_names,
    read_query,
    requested,
)
from wadm.dashboard.options import Options
from wadm.dashboard.pages import pages
from wadm.dashboard.pulse import Pulse
from wadm.dashboard.recorder import Recorder
from wadm.dashboard.replies import as_json, carried, failed, failed_as
from wadm.dashboard.snapshot import HostRow, LatticeSnapshots, row_of
from wadm.dashboard.tokens import Bearer
from wadm.dashboard.trend_views import TrendViews
from wadm.dashboard.trends import Trends
from wadm.dashboard.webhooks import Webhooks, view
from wadm.errors import Misconfigured, NoResponders, WadmError
from wadm.metrics import exposition
from wadm.model.status import SEVERITY

if TYPE_CHECKING:
    from prometheus_client import Metric

MOST_LATTICES: Final = 1000
"""Lattices that are remembered; anybody who may speak on NATS can invent names."""
FORM: Final = "application/x-www-form-urlencoded"
"""What curl says of a body when it is told nothing."""
_TRACEPARENT: Final = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
PAGE: Final = 500
"""Hosts in one answer, where no limit is given."""
TOKENS_EVERY: Final = 1.0
"""Seconds after which it is looked whether the file of tokens has changed."""
INVENTED: Final = 60.0
"""Seconds for which a lattice is listed of which nothing was heard but what came over HTTP."""
NO_LETTER: Final = "There is no such notification that could not be delivered"

log = logging.getLogger("wadm.dashboard")


Endpoint = Callable[[Request], Awaitable[Response]]


async def _named(endpoint: Endpoint, request: Request) -> Response:
    """Answer a request whose path bears names that can be."""
    check_names(request.path_params)
    return await endpoint(request)


class Gateway:
    """Carries requests to the server and shows pages what happens. ``client`` is connected."""

    def __init__(self, client: Client, options: Options) -> None:
        self.client = client
        self.options = options
        self.meter = Meter()
        self.limits = Limits(options.allowance)
        self.boards = LatticeSnapshots(client)
        self.webhooks = Webhooks(client, options.hooks)
        self.pulse = Pulse(client, options.ready)
        self.lattices: dict[str, float] = {options.lattice: inf}
        """Lattices that were heard of, and until when that counts."""
        trends = Trends()
        self.recorder = Recorder(client, trends, self._heard, lambda: self.lattices)
        self.trends = TrendViews(trends, options.prometheus, client.transport.now)
        self._clients: dict[str, Client] = {}
        self._streams: dict[str, streams.BrowserStream] = {}
        self.app: ASGIApp = Guard(self._application(), options, self.meter, self.limits)

    async def start(self) -> None:
        """Begin to listen for lattices."""
        await self.recorder.start()
        await self.webhooks.start()

    async def run(self) -> None:
        """Look after boards, tokens and the connection to NATS, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self.boards.run())
            tasks.create_task(self.pulse.keep())
            tasks.create_task(self.recorder.keep())
            tasks.create_task(self._keep_tokens())

    async def _keep_tokens(self) -> None:
        while True:
            await asyncio.sleep(TOKENS_EVERY)
            try:
                if self.options.tokens.read_again():
                    log.info("Tokens were read again")
            except Misconfigured as error:
                log.error("Tokens stay what they were: %s", error)

    async def stop(self) -> None:
        """Stop all that listens."""
        await self.webhooks.stop()
        await self.boards.stop()

    def _heard(self, lattice: str, seconds: float = inf) -> None:
        until = self.client.transport.now() + seconds
        if lattice in self.lattices or len(self.lattices) < MOST_LATTICES:
            self.lattices[lattice] = max(until, self.lattices.get(lattice, 0.0))

    def _known_lattices(self) -> list[str]:
        now = self.client.transport.now()
        for name in [name for name, until in self.lattices.items() if until < now]:
            del self.lattices[name]
        return sorted(self.lattices)

    # -- routes ------------------------------------------------------------------------------

    def _application(self) -> Starlette:
        def route(path: str, endpoint: Endpoint, method: str = "GET") -> Route:
            return Route(path, partial(_named, endpoint), methods=[method])

        api = [route(one.path, partial(self._carry, one), one.http.method) for one in RESOURCES]
        further: list[tuple[str, Endpoint]] = [
            ("/api/v1/session", self._session),
            ("/api/v1/lattices", self._lattices),
            ("/api/v1/webhooks", self._webhooks),
            (LATTICE, self._lattice),
            (f"{LATTICE}/hosts", self._hosts),
            (f"{LATTICE}/hosts/{{host}}", self._host),
            (f"{LATTICE}/trends", self.trends.lattice),
            (f"{LATTICE}/sparklines", self.trends.sparklines),
            (f"{APPLICATION}/trends", self.trends.application),
            (f"{LATTICE}/hosts/{{host}}/trends", self.trends.host),
            (f"{LATTICE}/links", self._links),
            (f"{LATTICE}/configs/{{config}}", self._config),
            (f"{LATTICE}/stream/{{topic}}", self._lattice_stream),
            (f"{LATTICE}/applications/{{name}}/stream", self._application_stream),
            ("/api/v1/stream", self._stream),
            ("/api/openapi.json", self._openapi),
            ("/livez", self._livez),
            ("/readyz", self._readyz),
            ("/metrics", self._metrics),
        ]
        routes = [
            *api,
            route(f"{LATTICE}/requests/{{request}}", self._carry_any, "POST"),
            route("/api/v1/webhooks/dead/{id}/retry", self._retry, "POST"),
            route("/api/v1/webhooks/dead/{id}", self._discard, "DELETE"),
            route("/api/v1/webhooks/{hook}/test", self._test, "POST"),
            route("/api/v1/stream/{stream}", self._want, "POST"),
            *[route(path, endpoint) for path, endpoint in further],
            *pages(),
        ]
        return Starlette(
            routes=routes,
            exception_handlers={
                HTTPException: self._not_there,
                WadmError: lambda request, error: failed_as(error),
                TooMuch: lambda request, error: failed(error.status, str(error), {"Connection": "close"}),
                ValueError: lambda request, error: failed(400, str(error)),
                Exception: lambda request, error: failed(500, "Internal error"),
            },
        )

    def _not_there(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        words = {404: f"There is nothing at {request.url.path[:200]}", 405: f"Not for {request.method} requests"}
        return failed(error.status_code, words.get(error.status_code, error.detail), dict(error.headers or {}))

    def _client(self, request: Request) -> Client:
        lattice = request.path_params["lattice"]
        client = self._clients.get(lattice)
        if client is None:
            client = self.client.at(lattice)
            if len(self._clients) < MOST_LATTICES:
                self._clients[lattice] = client
        return client

    # -- the API -----------------------------------------------------------------------------

    async def _carry(self, resource: Resource, request: Request) -> Response:
        bearer: Bearer = request.scope["bearer"]
        operation = resource.operation
        if operation.changes and bearer.role != "full":
            return _read_only()
        name = request.path_params.get("name")
        if resource.takes_body:
            if request.scope["query_string"]:
                raise BadQuery(f"{resource.http.id} takes nothing in the query")
            data = await read_body(request)
            if operation.keeps_author:
                data = _signed(data, bearer)
        else:
            data = body_of(resource, request.query_params.multi_items()) if request.scope["query_string"] else b""
        said = operation.request if name is None else f"{operation.request}.{name}"
        kind = request.headers.get("content-type") if operation.manifest else None
        author = bearer.name if operation.changes else ""
        headers = _passed_on(request, _manifest_type(kind))
        reply = await self._client(request).carry(said, data, headers, author)
        return self._answered(request, reply, changes=operation.changes)

    async def _carry_any(self, request: Request) -> Response:
        """Carry a request as it is, whatever it is called: what NATS answers, HTTP does."""
        said = request.path_params["request"]
        operation = requested(said)
        reads = operation is not None and not operation.changes
        bearer: Bearer = request.scope["bearer"]
        if not reads and bearer.role != "full":
            return _read_only()
        kind = request.headers.get("content-type")
        headers = _passed_on(request, None if kind == FORM else kind)
        data = await read_body(request)
        if operation is not None and operation.keeps_author:
            data = _signed(data, bearer)
        reply = await self._client(request).carry(said, data, headers, "" if reads else bearer.name)
        return self._answered(request, reply, changes=not reads)

    def _answered(self, request: Request, reply: bytes, *, changes: bool) -> Response:
        answer = carried(reply)
        if changes and answer.status_code < 400:
            lattice = request.path_params["lattice"]
            self._heard(lattice, INVENTED)
            self.boards.changed(lattice)
        return answer

    async def _session(self, request: Request) -> Response:
        bearer: Bearer = request.scope["bearer"]
        return as_json(
            {
                "role": bearer.role,
                "name": bearer.name,
                "lattice": self.options.lattice,
                "product": self.options.product,
                "read_only": self.options.read_only,
                "signed_in": bool(bearer.digest),
                "webhooks": len(self.options.hooks),
                "trends": self.trends.longest,
            }
        )

    async def _lattices(self, request: Request) -> Response:
        read_query("listLattices", (), request.query_params.multi_items())
        return as_json({"result": "success", "lattices": self._known_lattices()})

    async def _lattice(self, request: Request) -> Response:
        rows = [row_of(summary) for summary in await self._client(request).list()]
        counts = Counter(row.status for row in rows)
        applications = {status: counts[status] for status in SEVERITY}
        return as_json({"result": "success", "lattice": request.path_params["lattice"], "applications": applications})

    async def _webhooks(self, request: Request) -> Response:
        return as_json(view(self.webhooks))

    async def _retry(self, request: Request) -> Response:
        bearer: Bearer = request.scope["bearer"]
        if bearer.role != "full":
            return _read_only()
        if not self.webhooks.again(request.path_params["id"]):
            return failed(404, NO_LETTER)
        return as_json({"result": "success", "message": "It is tried again"})

    async def _discard(self, request: Request) -> Response:
        if request.scope["bearer"].role != "full":
            return _read_only()
        if not self.webhooks.discard(request.path_params["id"]):
            return failed(404, NO_LETTER)
        return as_json({"result": "success", "message": "It is forgotten"})

    async def _test(self, request: Request) -> Response:
        if request.scope["bearer"].role != "full":
            return _read_only()
        name = request.path_params["hook"]
        if name not in self.webhooks.hooks:
            return failed(404, f"There is no webhook {name[:80]}")
        if why := await self.webhooks.test(name):
            return failed(502, f"The test could not be delivered: {why}")
        return as_json({"result": "success", "message": "The test was delivered"})

    # -- what the lattice holds --------------------------------------------------------------

    async def _hosts(self, request: Request) -> Response:
        board = self.boards.of(request.path_params["lattice"])
        board.close(await board.open("hosts"))
        said = read_query("listHosts", HOST_QUERY, request.query_params.multi_items())
        wanted, after = _labels(said.get("labels", "")), said.get("after", "")
        there = (host for host in board.hosts.values() if not host.lost and _meets(host, wanted))
        hosts = sorted(there, key=lambda host: host.id)
        page = [host for host in hosts if host.id > after][: said.get("limit", PAGE)]
        following = {"next": page[-1].id} if page and page[-1].id != hosts[-1].id else {}
        return as_json({"result": "success", "hosts": page, **following})

    async def _host(self, request: Request) -> Response:
        board = self.boards.of(request.path_params["lattice"])
        board.close(await board.open("hosts"))
        host = board.hosts.get(request.path_params["host"])
        if host is None:
            return failed(404, f"No host {request.path_params['host'][:80]} has been heard in this lattice")
        return as_json({"result": "success", "host": host})

    async def _links(self, request: Request) -> Response:
        try:
            return as_json({"result": "success", "links": await self._client(request).links()})
        except NoResponders:
            return _no_host(request)

    async def _config(self, request: Request) -> Response:
        try:
            config = await self._client(request).config(request.path_params["config"])
        except NoResponders:
            return _no_host(request)
        return as_json({"result": "success", "config": config})

    # -- streams -----------------------------------------------------------------------------

    async def _stream(self, request: Request) -> Response:
        """Answer with the stream that all tabs of a browser share."""
        if refusal := self._too_many(request):
            return refusal
        query = request.query_params.multi_items()
        if unknown := {name for name, _ in query} - {"topic"}:
            raise BadQuery(f"followTopics knows no {unknown.pop()!r} in the query, only topic")
        told = streams.BrowserStream(request.scope["bearer"], self._topic, self.pulse.state)
        told.want(topic for _, topic in query)
        self._streams[told.id] = told
        return streams.stream(request, self.limits, self._followed(told))

    async def _followed(self, told: streams.BrowserStream) -> AsyncGenerator[bytes, None]:
        events = told.told(self.options.tokens)
        try:
            async for one in events:
                yield one
        finally:
            self._streams.pop(told.id, None)
            await events.aclose()

    async def _want(self, request: Request) -> Response:
        """Change what a stream tells."""
        told = self._streams.get(request.path_params["stream"])
        if told is None or told.bearer.digest != request.scope["bearer"].digest:
            return failed(404, "There is no such stream: it has ended")
        try:
            wanted = json.decode(await read_body(request), type=streams.Wanted)
        except (MsgspecError, RecursionError) as error:
            raise BadQuery(f'The body must be {{"topics": ["default/applications", …]}}: {error}') from None
        told.want(wanted.topics)
        return as_json({"result": "success", "message": f"{len(wanted.topics)} topics are told"})

    def _topic(self, topic: str) -> streams.Events:
        """Return the events of a topic; raise ValueError for what is none."""
        if topic == "lattices":
            return streams.changes_of(lambda: json.encode({"lattices": self._known_lattices()}))
        if topic == "notifications":
            return streams.changes_of(lambda: json.encode(view(self.webhooks)))
        lattice, _, what = topic.partition("/")
        client = self.client.at(lattice)
        if what in ("applications", "hosts"):
            return streams.page_events(self.boards.of(lattice), what)  # type: ignore[arg-type]
        if what == "events":
            return streams.lattice_events(client)
        kind, _, name = what.partition("/")
        if kind != "applications" or not re.fullmatch(NAMES["name"].pattern, name):
            raise BadQuery(f"{topic[:120]!r} is no topic: see /api/openapi.json")
        return streams.application_events(client, name)

    def _too_many(self, request: Request) -> Response | None:
        why = self.limits.too_many_streams(request.scope["client_key"])
        return failed(429, why, {"Retry-After": "10"}) if why else None

    async def _lattice_stream(self, request: Request) -> Response:
        topic = request.path_params["topic"]
        if topic not in ("applications", "hosts", "events"):
            return failed(404, "There are streams of applications, hosts and events")
        events = self._topic(f"{request.path_params['lattice']}/{topic}")
        return self._too_many(request) or streams.stream(request, self.limits, streams.encoded(events))

    async def _application_stream(self, request: Request) -> Response:
        name = request.path_params["name"]
        await self._client(request).status(name)  # refuses what cannot be a name, and says so where nobody serves
        events = self._topic(f"{request.path_params['lattice']}/applications/{name}")
        return self._too_many(request) or streams.stream(request, self.limits, streams.encoded(events))

    # -- about itself ------------------------------------------------------------------------

    async def _openapi(self, request: Request) -> Response:
        return as_json(document(self.options.product))

    async def _livez(self, request: Request) -> Response:
        return as_json({"status": "ok"})

    async def _readyz(self, request: Request) -> Response:
        reason = self.pulse.problem
        return as_json({"status": "unavailable", "reason": reason}, 503) if reason else as_json({"status": "ok"})

    async def _metrics(self, request: Request) -> Response:
        text, kind = exposition(request.headers.get("accept", ""), self.options.metrics, self._own_metrics)
        return Response(text, headers={"Content-Type": kind})

    def _own_metrics(self) -> list[Metric]:
        return self.meter.families(self.limits.streams, self.webhooks)


def _no_host(request: Request) -> Response:
    lattice = request.path_params["lattice"]
    return failed(404, f"No host of lattice {lattice} answers, and only hosts know its links and configurations")


def _read_only() -> Response:
    return failed(403, "This token may only read", {"WWW-Authenticate": 'Bearer error="insufficient_scope"'})


def _signed(data: bytes, bearer: Bearer) -> bytes:
    """Name whom the token is of as the author, whatever the request says: nobody can sign for somebody else. What is no
    object is left for the API to refuse."""
    try:
        said = json.decode(data or b"{}")
    except DecodeError:
        return data
    except RecursionError:
        raise BadQuery("The body is nested too deep") from None
    if not isinstance(said, dict) or said.get("author", "") == bearer.name:
        return data
    return json.encode({**said, "author": bearer.name})


def _passed_on(request: Request, kind: str | None) -> dict[str, str]:
    """Return the headers that go on with a request: what its body is, and which trace it belongs to."""
    headers = {"Content-Type": kind} if kind else {}
    trace = request.headers.get("traceparent")
    if trace and _TRACEPARENT.fullmatch(trace):
        headers["traceparent"] = trace
    return headers


def _manifest_type(content_type: str | None) -> str | None:
    """Return the type to pass on; what programs send when nobody told them says nothing."""
    if content_type in (None, "text/plain", "text/plain;charset=UTF-8", FORM):
        return None
    return content_type


def _labels(text: str) -> dict[str, str]:
    """Read ``zone=east,tier=edge``."""
    wanted = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        label, sign, value = pair.partition("=")
        if not sign or not label.strip():
            raise BadQuery(f"{pair[:80]!r} is no label: write LABEL=VALUE, several with commas")
        wanted[label.strip()] = value.strip()
    return wanted


def _meets(host: HostRow, wanted: dict[str, str]) -> bool:
    return all(host.labels.get(label) == value for label, value in wanted.items())
