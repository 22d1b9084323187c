"""A model of lattices with wadm, for histories in virtual time: applications put and deployed, and their status.

Every change has an author. What the operator does is checked when it does it, against what ``may`` says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Collection, Iterable
from typing import Any

from wadm.client import Settings
from wadm.client import manifests as client_manifests
from wadm.client.replies import DeleteResult, DeployResult, PutResult, Summary
from wadm.errors import AlreadyExists, NotFound, Unavailable
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus
from wadm.operator.endpoints import Placement
from wadm.operator.lattices import Listener
from wadm.operator.targets import Target

SETTLES = 0.4
"""Seconds from a deployment until it is deployed."""


class ModelApplication:
    """An application in wadm: its versions in the order in which they were put, and the deployed one."""

    def __init__(self) -> None:
        self.versions: dict[str, Manifest] = {}
        self.deployed: str | None = None
        self.since = 0.0


class ModelWadm:
    """The wadm server of a lattice. ``changed`` is called after each change."""

    def __init__(self, lattice: str, now: Callable[[], float], acted: Callable[[str, str, str, str], None]) -> None:
        self.lattice = lattice
        self.away = False
        self.applications: dict[str, ModelApplication] = {}
        self.views: list[ModelView] = []
        self._now = now
        self._acted = acted

    def put(self, data: bytes, author: str) -> PutResult:
        manifest = client_manifests.read(data)
        application = self.applications.get(manifest.name) or ModelApplication()
        version = manifest.version or f"made-{len(application.versions)}"
        if version in application.versions:
            raise AlreadyExists(f"{manifest.name} {version}")
        self.applications[manifest.name] = application
        self._acted(author, "put", manifest.name, version)
        application.versions[version] = manifest
        self._tell()
        return PutResult(manifest.name, version, len(application.versions) == 1, len(application.versions), "")

    def get(self, name: str, version: str | None) -> Manifest:
        application = self._find(name)
        if version is None:
            return next(reversed(application.versions.values()))
        if version not in application.versions:
            raise NotFound(f"{name} {version}")
        return application.versions[version]

    def deploy(self, name: str, version: str, author: str) -> None:
        application = self._find(name)
        self.get(name, version)
        self._acted(author, "deploy", name, version)
        application.deployed, application.since = version, self._now()
        self._tell()

    def undeploy(self, name: str, author: str) -> None:
        self._acted(author, "undeploy", name, "")
        self._find(name).deployed = None
        self._tell()

    def delete(self, name: str, author: str) -> bool:
        if name not in self.applications:
            return False
        self._acted(author, "delete", name, "")
        del self.applications[name]
        self._tell()
        return True

    def list(self) -> tuple[Summary, ...]:
        return tuple(self._summary(name, one) for name, one in sorted(self.applications.items()))

    def _summary(self, name: str, application: ModelApplication) -> Summary:
        newest = next(reversed(application.versions))
        if application.deployed is None:
            status = ApplicationStatus("undeployed")
        elif self._now() - application.since < SETTLES:
            status = ApplicationStatus("reconciling", "starting")
        else:
            status = ApplicationStatus("deployed")
        return Summary(name, newest, None, application.deployed, status)

    def _find(self, name: str) -> ModelApplication:
        if name not in self.applications:
            raise NotFound(name)
        return self.applications[name]

    def _tell(self) -> None:
        for view in self.views:
            view.news.set()
            asyncio.get_running_loop().call_later(SETTLES + 0.01, view.news.set)


class ModelClient:
    """The operator's client of a lattice."""

    def __init__(self, wadm: ModelWadm, chance: random.Random, trouble: float) -> None:
        self._wadm = wadm
        self._chance = chance
        self._trouble = trouble

    async def list(self) -> tuple[Summary, ...]:
        return await self._answer(self._wadm.list)

    async def get(self, name: str, version: str | None = None) -> Manifest:
        return await self._answer(lambda: self._wadm.get(name, version))

    async def put(self, data: bytes) -> PutResult:
        return await self._answer(lambda: self._wadm.put(data, "operator"))

    async def deploy(self, name: str, version: str) -> DeployResult:
        return await self._answer(
            lambda: (self._wadm.deploy(name, version, "operator"), DeployResult(name, version, ""))[1]
        )

    async def delete(self, name: str) -> DeleteResult:
        return await self._answer(lambda: DeleteResult(name, self._wadm.delete(name, "operator"), True, ""))

    async def config(self, name: str) -> dict[str, str]:
        raise NotFound(name)

    async def _answer(self, act: Callable[[], Any]) -> Any:
        await asyncio.sleep(self._chance.uniform(0.001, 0.02))
        fate = self._chance.random()
        if self._wadm.away or fate < self._trouble / 2:
            raise Unavailable("no wadm server answers")
        answer = act()
        await asyncio.sleep(self._chance.uniform(0.001, 0.02))
        if fate < self._trouble:
            raise Unavailable("the answer was lost")
        return answer


class ModelView:
    """A lattice as the operator last heard of it; nothing runs on its hosts, which are not the matter here."""

    def __init__(self, target: Target, client: ModelClient | None, listener: Listener) -> None:
        self.target = target
        self.summaries: dict[str, Summary] = {}
        self.heard = False
        self.unavailable = "" if client else "there is no such NATS"
        self.news = asyncio.Event()
        self._client = client
        self._listener = listener

    async def run(self) -> None:
        while True:
            self.news.clear()
            try:
                await self.refresh()
            except Unavailable as error:
                if self.unavailable != str(error):
                    self.unavailable = str(error)
                    self._listener.applications(self.target, {*self.summaries, ""})
            try:
                async with asyncio.timeout(1.0 if self.unavailable else 5.0):
                    await self.news.wait()
            except TimeoutError:
                continue

    async def refresh(self) -> None:
        if self._client is None:
            raise Unavailable("there is no such NATS")
        found = {one.name: one for one in await self._client.list()}
        before, self.summaries = self.summaries, found
        changed: Collection[str] = {
            name for name in before.keys() | found.keys() if before.get(name) != found.get(name)
        }
        if self.unavailable or not self.heard:
            self.unavailable, self.heard = "", True
            changed = {*before, *found, ""}
        if changed:
            self._listener.applications(self.target, changed)

    @property
    def answers(self) -> bool:
        return self.heard and not self.unavailable

    def connected(self) -> ModelClient:
        if self._client is None or self.unavailable:
            raise Unavailable(self.unavailable)
        return self._client

    def is_young(self) -> bool:
        return False

    async def placement(self) -> Placement:
        return Placement()

    async def inventories(self, max_age: float) -> list[Any]:
        return []


class ModelLattices:
    """The views that the operator wants, of the lattices that there are, by their names."""

    def __init__(self, wadms: dict[str, ModelWadm], chance: random.Random, trouble: float, listener: Listener) -> None:
        self._wadms = wadms
        self._chance = chance
        self._trouble = trouble
        self._listener = listener
        self._views: dict[Target, tuple[ModelView, asyncio.Task[None]]] = {}
        self._wanted: set[Target] = set()
        self._held: dict[str, set[Target]] = {}

    def hold(self, uid: str, targets: Iterable[Target]) -> None:
        self._held[uid] = set(targets)
        self._update()

    def want(self, targets: Iterable[Target]) -> None:
        self._wanted = set(targets)
        self._update()

    def _update(self) -> None:
        targets = self._wanted.union(*self._held.values())
        for target in sorted(self._views.keys() - targets):
            view, task = self._views.pop(target)
            task.cancel()
            if wadm := self._wadms.get(target.lattice):
                wadm.views.remove(view)
        for target in sorted(targets - self._views.keys()):
            wadm = self._wadms.get(target.lattice)
            client = ModelClient(wadm, self._chance, self._trouble) if wadm else None
            view = ModelView(target, client, self._listener)
            if wadm:
                wadm.views.append(view)
            self._views[target] = (view, asyncio.create_task(view.run()))

    def view(self, target: Target) -> ModelView | None:
        found = self._views.get(target)
        return found[0] if found else None

    def views(self) -> list[ModelView]:
        return [view for _, (view, _) in sorted(self._views.items(), key=lambda item: item[0])]

    async def close(self) -> None:
        for _, task in self._views.values():
            task.cancel()


def settings() -> Settings:
    return Settings(servers=("nats://none",))
