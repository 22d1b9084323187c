"""What is sent to the API server."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import web

from wadm import __version__
from wadm.operator import names
from wadm.operator.kube import Kube, KubeError, merge_patch
from wadm.operator.login import Access


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": None}),
        ({"a": {"b": 1, "former": [1]}}, {"a": {"b": 1}}, {"a": {"former": None}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
    ],
    ids=["the same", "a field goes", "a field within goes", "lists are whole", "new", "of another type"],
)
def test_a_merge_patch_leaves_nothing_behind(before: Any, after: Any, patch: Any) -> None:
    assert merge_patch(before, after) == patch


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (KubeError(422, "Invalid", "spec.replicas: must be positive"), True),
        (KubeError(403, "Forbidden", "you may not"), True),
        (KubeError(500, "", "failed to convert new object (x): quantities must match"), True),
        (KubeError(500, "", "etcdserver: request timed out"), False),
        (KubeError(500, "InternalError", "failed calling webhook"), False),
        (KubeError(504, "Timeout", "request did not complete"), False),
        (KubeError(0, "NoAnswer", "the API server does not answer"), False),
    ],
    ids=lambda one: str(one),
)
def test_what_is_wrong_with_the_object_and_what_with_the_server(error: KubeError, refused: bool) -> None:
    assert error.refused is refused


class Listening:
    """An API server that answers everything with an empty object, and keeps who asked and as which field manager."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str, str]] = []

    async def __aenter__(self) -> Listening:
        application = web.Application()
        application.router.add_route("*", "/{rest:.*}", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def access(self, refused: Access | None = None) -> Access:
        host, port = self._runner.addresses[0]
        return Access(f"http://{host}:{port}", {}, True)

    async def _answer(self, request: web.Request) -> web.Response:
        manager = request.query.get("fieldManager", "")
        self.heard.append((request.method, request.headers["User-Agent"], manager))
        return web.json_response({"metadata": {"resourceVersion": "1"}})


async def test_every_request_says_who_asks_and_every_write_who_manages_the_fields() -> None:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"namespace": "wild", "name": "shop"}}
    where = (names.SERVICES, "wild", "shop")
    async with Listening() as server:
        kube = Kube(server)  # type: ignore[arg-type]
        await kube.get(*where)
        await kube.list(names.SERVICES)
        await kube.create(body)
        await kube.create(body, names.MIRROR_MANAGER)
        await kube.replace(body)
        await kube.apply(body, names.SERVICE_MANAGER)
        await kube.merge(*where, {"metadata": {"labels": {}}})
        await kube.json_patch(*where, [], names.MIRROR_MANAGER)
        await kube.delete(*where)
        await kube.close()
    assert {agent for _, agent, _ in server.heard} == {f"wadm-operator/{__version__}"}
    assert [(method, manager) for method, _, manager in server.heard] == [
        ("GET", ""),
        ("GET", ""),
        ("POST", "wadm-operator"),
        ("POST", "wadm-operator-mirror"),
        ("PUT", "wadm-operator"),
        ("PATCH", "operator.k8s.wasmcloud.dev/service"),
        ("PATCH", "wadm-operator"),
        ("PATCH", "wadm-operator-mirror"),
        ("DELETE", ""),
    ]
