"""Keeping in step with a kind: lists, watches, and what happens when a watch loses its place."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest

from wadm.operator import names, reflector
from wadm.operator.kube import KubeError
from wadm.operator.reflector import Cache, Reflector


def pod(name: str, version: int, **content: Any) -> Any:
    return {"metadata": {"namespace": "wild", "name": name, "resourceVersion": str(version)}, **content}


class Script:
    """An API server that answers by a script: lists, then watches, each a list of events or an error."""

    def __init__(self, lists: Iterable[Any], watches: Iterable[Any]) -> None:
        self.lists, self.watches = list(lists), list(watches)
        self.done = asyncio.Event()

    async def list(self, *_: Any) -> tuple[list[Any], str]:
        answer = self.lists.pop(0)
        if isinstance(answer, Exception):
            raise answer
        objects, version = answer
        return objects, version

    async def watch(self, *where: Any) -> AsyncIterator[tuple[str, Any]]:
        if not self.watches:
            self.done.set()
            await asyncio.Event().wait()
        answer = self.watches.pop(0)
        for one in answer if isinstance(answer, list) else [answer]:
            if isinstance(one, Exception):
                raise one
            yield one


GONE = KubeError(410, "Expired", "too old resource version")
AWAY = KubeError(0, "NoAnswer", "connection refused")
FORBIDDEN = KubeError(403, "Forbidden", "pods is forbidden")
MISSING = KubeError(404, "NotFound", "the server could not find the requested resource")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(reflector, name, 0.01)


async def followed(script: Script, *, optional: bool = False) -> tuple[Cache[Any], list[str], Reflector]:
    changed: list[str] = []
    cache: Cache[Any] = Cache(lambda body: body.get("spec"), lambda key: changed.append(key[1]))
    following = Reflector(script, names.PODS, None, "", cache, optional=optional)  # type: ignore[arg-type]
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(30):
        await script.done.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return cache, changed, following


async def test_what_is_listed_and_what_changes_is_known() -> None:
    script = Script(
        [([pod("a", 1, spec=1), pod("b", 2, spec=1)], "2")],
        [[("MODIFIED", pod("a", 3, spec=2)), ("ADDED", pod("c", 4, spec=1)), ("DELETED", pod("b", 5))]],
    )
    cache, changed, _ = await followed(script)
    assert cache.objects == {("wild", "a"): 2, ("wild", "c"): 1}
    assert changed == ["a", "b", "a", "c", "b"]


async def test_what_does_not_matter_is_no_change() -> None:
    script = Script([([pod("a", 1, spec=1)], "1")], [[("MODIFIED", pod("a", 2, spec=1)), ("BOOKMARK", pod("", 9))]])
    _, changed, _ = await followed(script)
    assert changed == ["a"]


@pytest.mark.parametrize("problem", [GONE, AWAY], ids=["too old", "away"])
async def test_what_went_while_the_watch_was_broken_is_noticed(problem: KubeError) -> None:
    script = Script([([pod("a", 1), pod("b", 1)], "1"), ([pod("b", 1)], "7")], [problem])
    cache, changed, following = await followed(script)
    assert list(cache.objects) == [("wild", "b")]
    assert changed == ["a", "b", "a"]
    assert following.breaks == 1
    assert following.problem == ""


async def test_nothing_is_forgotten_while_nobody_answers_and_what_is_missing_is_said() -> None:
    said: list[str] = []
    script = Script([([pod("a", 1)], "1"), FORBIDDEN, ([pod("a", 1)], "2")], [AWAY])
    cache: Cache[Any] = Cache(lambda body: 1, lambda key: None)
    following = Reflector(script, names.PODS, None, "", cache)  # type: ignore[arg-type]
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(30):
        while not script.done.is_set():
            said.append(following.problem)
            assert not said[-1] or cache.objects
            await asyncio.sleep(0.001)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert "pods cannot be watched: pods is forbidden" in said


async def test_a_kind_that_need_not_be_there_is_no_problem() -> None:
    cache: Cache[Any] = Cache(lambda body: 1, lambda key: None)
    following = Reflector(Script([MISSING], []), names.HTTP_ROUTES, None, "", cache, optional=True)  # type: ignore[arg-type]
    task = asyncio.create_task(following.run())
    async with asyncio.timeout(30):
        await following.synced.wait()
    assert (following.problem, cache.objects) == ("", {})
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
