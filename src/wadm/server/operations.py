"""What the API can be asked: for each operation, read the request, decide, store, answer
(docs/protocol/api.md#requests).

Each is a coroutine of ``(models, request)`` that returns the reply. Every known reason to refuse is an answer too;
what an operation raises is turned into one by :mod:`wadm.server.api`, which also sees to order and concurrency. Which
operations there are, :mod:`wadm.wire.operations` says.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, TypeAlias
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from wadm.background import BackgroundTasks
from wadm.engine import history
from wadm.engine.limits import DEFAULT
from wadm.engine.validate import check_deploy, missing_shared, shared_ids, too_large
from wadm.errors import (
    AlreadyExists,
    Malformed,
    NoResponders,
    NotFound,
    StaleRevision,
    TooLarge,
    Unavailable,
    Unreadable,
    WadmError,
)
from wadm.model.manifest import Application, Manifest, Problem
from wadm.model.names import LATEST
from wadm.model.status import UNDEPLOYED
from wadm.server.asked import Asked
from wadm.server.insights import (
    EVENTS_WITH_EXPLANATION,
    OWNER_PAUSE,
    OWNER_TIMEOUT,
    NobodyThere,
    Revisions,
    ask_owner,
    fit_events,
    read_events,
)
from wadm.server.listing import Listing
from wadm.server.logging import Limited, get_logger
from wadm.server.memory import Memory
from wadm.server.reading import Checked, InThreads, Reading
from wadm.server.statuses import Statuses
from wadm.server.store import Store
from wadm.server.view import LatticeRef, StoredApplication
from wadm.transport.base import Headers, Transport
from wadm.wire import api, insight, subjects
from wadm.wire.events import MANIFEST_PUBLISHED, MANIFEST_UNPUBLISHED, manifest_published, manifest_unpublished
from wadm.wire.insight import AUTHOR, REPLACE
from wadm.wire.told_manifest import without_values

CONTENT_TYPE: Final = "Content-Type"
TOLD_WITHIN: Final = 0.5
"""Seconds for which an answer waits until others have been told of what was done."""
_NOT_WRITTEN: Final = (StaleRevision, Unavailable, Unreadable, TooLarge)

log = get_logger("wadm.server.api")


class Request(Struct, frozen=True):
    """A request. ``name`` is ``""`` for operations that are not about one application."""

    place: LatticeRef
    name: str
    body: bytes
    headers: Headers


class Refusal(WadmError):
    """A request that cannot be granted as things are; the first problem is the answer."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems[0].message)
        self.problems = problems


class ApiContext:
    """What operations work with."""

    def __init__(
        self,
        transport: Transport,
        store: Store,
        statuses: Statuses,
        new_version: Callable[[], str],
        timeline: str = "wadm_timeline",
        revisions: str = "wadm_revisions",
        reading: Reading | None = None,
    ) -> None:
        self.transport = transport
        self.store = store
        self.statuses = statuses
        self.listing = Listing(store, statuses, transport.max_payload)
        self.new_version = new_version
        self.reading = reading or InThreads()
        self.timeline = timeline
        self.revisions = Revisions(transport, revisions, lambda: revisions in self.left_out)
        self.asked = Asked(transport, lambda: timeline in self.left_out)
        self.about = insight.ServerInfo()
        self.left_out: set[str] = set()
        """Streams that NATS does not let us have, and that are done without."""
        self.events = "wadm_events"
        self.events_without_values = False
        """Whether other programs are told of deployments without the values of configurations."""
        self._telling = BackgroundTasks("Other programs were not told of a deployment")
        self._limited = Limited(log)
        self.memory: Memory | None = None
        """What servers remember that the bucket has lost; to be set before these are asked for."""
        self.limits = DEFAULT
        """How large an application this server plans."""
        self.notice: Callable[[LatticeRef], None] = lambda place: None
        """Called for a lattice that has no owner and is asked about."""
        self.has_hosts: Callable[[LatticeRef], bool] = lambda place: True
        """Whether hosts of a lattice are heard: nothing is said of applications in a lattice without hosts."""

    async def ask_owner(self, place: LatticeRef, question: str, name: str, manifest: Manifest | None = None) -> bytes:
        """Ask the owner of a lattice; one that nobody has looked after yet gets one.

        Where there is none yet, it is asked again until the time is up: a server may just be taking over.
        """
        ends = self.transport.now() + OWNER_TIMEOUT
        while True:
            left = ends - self.transport.now()
            try:
                return await ask_owner(self.transport, place, question, name, manifest, max(left, OWNER_PAUSE))
            except NobodyThere:
                if left <= OWNER_PAUSE:
                    raise
            self.notice(place)
            await self.transport.sleep(OWNER_PAUSE)

    def deployed(self, place: LatticeRef, name: str) -> Manifest | None:
        """Return what is deployed of an application; ``None`` where nothing is, or it cannot be read."""
        record = self.store.view.record(place, name)
        try:
            return None if record is None else self.store.deployed_manifest(record)
        except Unreadable:
            return None

    async def publish_deployed(self, place: LatticeRef, record: StoredApplication, version: str) -> None:
        """Tell other programs what is to run: a version of what is stored. That it cannot be told is logged: what is
        stored is what counts."""
        if self.events in self.left_out:
            return
        told = msgspec.json.decode(self.store.manifest_json(record, version))
        if self.events_without_values:
            told = without_values(told)
        event = manifest_published(told, self.transport.now(), _event_id())
        await self._tell(place, MANIFEST_PUBLISHED, event, record.name)

    async def publish_undeployed(self, place: LatticeRef, name: str) -> None:
        """Tell other programs what is not to run any more, as :meth:`publish_deployed`."""
        if self.events in self.left_out:
            return
        event = manifest_unpublished(name, self.transport.now(), _event_id())
        await self._tell(place, MANIFEST_UNPUBLISHED, event, name)

    async def _tell(self, place: LatticeRef, kind: str, event: bytes, name: str) -> None:
        """Tell other programs, and wait for that a moment: whoever deploys is not kept waiting for a stream that is
        gone, and what is stored is stored."""
        telling = self._telling.start(self._append(place, kind, event, name))
        await asyncio.wait({telling}, timeout=TOLD_WITHIN)

    async def _append(self, place: LatticeRef, kind: str, event: bytes, name: str) -> None:
        try:
            await self.transport.append(subjects.manifest_event(place.lattice, kind), event)
        except (Unavailable, TooLarge) as error:
            self._limited.warning(kind, "Other programs were not told", event=kind, application=name, reason=error)
            if isinstance(error, NoResponders):
                self.store.on_doubt()


Handler: TypeAlias = Callable[[ApiContext, Request], Awaitable[bytes]]


# -- put ------------------------------------------------------------------------------------


async def read_put(models: ApiContext, request: Request) -> Checked:
    """Read the manifest of a put request; raise :class:`~wadm.errors.ManifestInvalid`."""
    return await models.reading.check(request.body, request.headers.get(CONTENT_TYPE))


async def put(models: ApiContext, request: Request, checked: Checked) -> bytes:
    """Store a manifest as a new version; what is deployed stays as it is. Its body has been read before."""
    _check_lattice(request.place)
    if checked.refused is not None:
        return api.error(checked.refused.message, checked.problems)
    manifest, problems = checked.manifest, [*too_large(checked.manifest, models.limits), *checked.problems]
    if manifest.version is None:
        manifest = history.with_version(manifest, models.new_version())
    replacing = request.headers.get(REPLACE) == "true"
    return await _store_version(models, request, manifest, problems, replacing)


def _check_lattice(place: LatticeRef) -> None:
    """Raise :class:`~wadm.errors.Malformed` for a lattice that no host can be in. What is stored for it can be read and
    deleted."""
    if not subjects.is_lattice(place.lattice):
        raise Malformed(
            f"Lattice {place.lattice} cannot have hosts, so nothing can run in it: the name of a lattice consists of "
            "letters, digits, dashes and underscores"
        )


async def _store_version(
    models: ApiContext, request: Request, manifest: Manifest, warnings: list[Problem], replacing: bool = False
) -> bytes:
    place, name, version = request.place, manifest.name, manifest.version
    assert version is not None
    store = models.store
    dropped: tuple[str, ...] = ()
    deployed = False

    def add(application: Application | None) -> Application:
        nonlocal dropped, deployed
        deployed = application is not None and application.deployed_version == version
        if deployed and replacing and (conflicts := _conflicts(models, place, manifest)):
            raise Refusal(conflicts)
        changed = history.put_version(application, manifest, replacing)
        application, dropped = history.fit(changed, store.size_of, store.limit)
        return application

    def is_put(now: Application | None) -> bool:
        return now is not None and now.versions.get(version) == manifest

    try:
        record = await store.change(place, name, add, is_put)
    except AlreadyExists:
        store.ensure_listed(place, name)
        return api.put_exists(version)
    except TooLarge as error:
        return api.error(f"The manifest is too large to be stored: {error}")
    assert record is not None
    author = request.headers.get(AUTHOR, "")
    models.asked.note(place, name, f"version {version} put{' in its own place' if deployed else ''}", author)
    if deployed:
        await models.revisions.note(place, name, "deploy", version, insight.Ask(author=author, message="replaced"))
    missing = missing_shared(manifest, lambda other: models.deployed(place, other))
    return api.put_done(name, version, len(record.glance.versions), missing, warnings, dropped)


# -- get, list, versions, status ------------------------------------------------------------


async def get(models: ApiContext, request: Request) -> bytes:
    """Return the newest manifest, or the version asked for."""
    version = api.requested_version("get", request.body)
    record = await models.store.find(request.place, request.name)
    if record is not None and version is not None and version not in record.glance.versions:
        record = await models.store.reload(request.place, request.name)
    if record is None:
        return api.get_not_found(request.name)
    if version is not None and version not in record.glance.versions:
        return api.get_not_found(request.name, version)
    manifest = models.store.manifest_json(record, version or record.glance.versions[-1])
    return api.got(request.name, manifest, version)


async def list_applications(models: ApiContext, request: Request) -> bytes:
    """Return all applications of the lattice."""
    return models.listing.reply(request.place, request.body)


async def list_legacy(models: ApiContext, request: Request) -> bytes:
    """Return all applications of the lattice as the bare array that ``wash`` asks for."""
    return models.listing.legacy_reply(request.place)


async def versions(models: ApiContext, request: Request) -> bytes:
    """Return the versions of an application, oldest first."""
    record = await models.store.find(request.place, request.name)
    if record is None:
        return api.versions_not_found(request.name)
    return api.versions_found(request.name, record.glance.versions, record.glance.deployed_version)


async def status(models: ApiContext, request: Request) -> bytes:
    """Return the last status of an application, whether it is stored or not."""
    told = models.statuses.get(request.place.lattice, request.name)
    return api.status_found(request.name, None if told is None else told.raw)


async def deployment_history(models: ApiContext, request: Request) -> bytes:
    """Return the revisions; where there are none say that there is no such thing, as the original does."""
    revisions = await models.revisions.of(request.place, request.name)
    return insight.history_found(request.name, revisions) if revisions else api.error(api.HISTORY_UNSUPPORTED)


# -- delete ---------------------------------------------------------------------------------


async def delete(models: ApiContext, request: Request) -> bytes:
    """Delete a version or the whole application; what is deployed of it is taken down."""
    version = api.requested_version("delete", request.body)
    try:
        record = await models.store.find(request.place, request.name)
    except (Unreadable, Unavailable):
        return api.delete_unreadable(request.name)
    if record is None:
        reply, undeployed = api.delete_not_found(request.name), True
    else:
        reply, undeployed = await _delete(models, request, record, version)
    if undeployed:
        await models.publish_undeployed(request.place, request.name)
    return reply


async def _delete(
    models: ApiContext, request: Request, record: StoredApplication, version: str | None
) -> tuple[bytes, bool]:
    """Return the reply, and whether others are to be told that nothing of the application is to run."""
    name, before = request.name, record

    def remove(application: Application | None) -> Application | None:
        nonlocal before
        before = models.store.view.record(request.place, name) or before
        if application is None:
            raise NotFound(name)
        return None if version is None else history.delete_version(application, version)

    try:
        after = await models.store.change(request.place, name, remove)
    except NotFound:
        return _nothing_deleted(models, request, version)
    except _NOT_WRITTEN as error:
        return api.delete_failed(error, name, version), False
    what = "deleted, with all its versions" if version is None else f"version {version} deleted"
    models.asked.note(request.place, name, what, request.headers.get(AUTHOR, ""))
    if after is None:
        if before.glance.deployed is None:  # else it is its owner who speaks of it last
            models.statuses.forget(request.place.lattice, name)
        return api.deleted(name) if version is None else api.deleted_last_version(name), True
    assert version is not None  # without one nothing is left
    undeploy = before.glance.deployed_version == version
    return api.deleted_version(name, version, undeploy), undeploy


def _nothing_deleted(models: ApiContext, request: Request, version: str | None) -> tuple[bytes, bool]:
    """Answer for what was not there. An application that is deployed stays so
    (docs/compatibility.md#unknown-version)."""
    record = models.store.view.record(request.place, request.name)
    if record is None or version is None:
        return api.delete_not_found(request.name), True
    return api.delete_version_not_found(version), record.glance.deployed_version is None


# -- deploy and undeploy --------------------------------------------------------------------


async def deploy(models: ApiContext, request: Request) -> bytes:
    """Have a version run, the newest if none is named."""
    place, name = request.place, request.name
    version = api.requested_version("deploy", request.body)
    ask = insight.decode_ask("deploy", request.body)
    wanted = None if version == LATEST else version
    record = await models.store.find(place, name)
    if record is None:
        return api.deploy_not_found(name, version)
    if ask.retry and version is None:
        wanted = record.glance.deployed_version
        if wanted is None:
            raise Refusal([Problem(f"Application {name} is not deployed, so there is nothing to try again")])
    if wanted is not None and wanted not in record.glance.versions:
        record = await models.store.reload(place, name)
        if record is None:
            return api.deploy_not_found(name, version)
        if wanted not in record.glance.versions:
            return api.deploy_version_not_found(name, wanted)
    if ask.plan is not None:
        await check_plan(models, request, _version(models, record, wanted), ask.plan)
    return await _deploy(models, request, wanted, ask)


async def _deploy(
    models: ApiContext, request: Request, version: str | None, ask: insight.Ask, action: str = "deploy"
) -> bytes:
    place, name, staged, before = request.place, request.name, version or "", None
    _check_lattice(place)

    def mark(application: Application | None) -> Application:
        nonlocal staged, before
        if application is None:
            raise NotFound(name)
        before = application.deployed_version
        application = history.deploy(application, version)
        assert application.deployed is not None
        assert application.deployed_version is not None
        staged = application.deployed_version
        if conflicts := _conflicts(models, place, application.deployed):
            raise Refusal(conflicts)
        return application

    def is_deployed(now: Application | None) -> bool:
        return now is not None and now.deployed_version == staged

    try:
        record = await models.store.change(place, name, mark, is_deployed)
    except NotFound:
        return api.deploy_version_not_found(name, staged) if staged else api.deploy_not_found(name, version)
    except _NOT_WRITTEN as error:
        return api.deploy_failed(error, name, staged)
    assert record is not None
    manifest = models.store.decode(record).deployed
    assert manifest is not None
    again = " again" if staged == before else ""
    what = f"rollback to version {staged}" if action == "rollback" else f"version {staged} deployed{again}"
    models.asked.note(place, name, what, ask.author, ask.message)
    if staged == before:  # the same again is no change of what is deployed
        await models.publish_deployed(place, record, staged)
    else:
        noted = models.revisions.note(place, name, action, staged, ask)
        await asyncio.gather(models.publish_deployed(place, record, staged), noted)
    return api.deployed(name, staged, shared_ids(manifest, lambda id_: models.store.view.deployed_as(place, id_)))


async def undeploy(models: ApiContext, request: Request) -> bytes:
    """Have nothing of an application run; its versions stay."""
    api.check_undeploy(request.body)
    ask = insight.decode_ask("undeploy", request.body)
    name, was_deployed = request.name, False

    def mark(application: Application | None) -> Application:
        nonlocal was_deployed
        if application is None:
            raise NotFound(name)
        was_deployed = application.deployed_version is not None
        return history.undeploy(application) if was_deployed else application

    def is_undeployed(now: Application | None) -> bool:
        return now is not None and now.deployed_version is None

    if await models.store.find(request.place, name) is None:
        return api.undeploy_not_found(name)
    if ask.plan is not None:
        await check_plan(models, request, None, ask.plan)
    try:
        await models.store.change(request.place, name, mark, is_undeployed)
    except NotFound:
        return api.undeploy_not_found(name)
    except _NOT_WRITTEN as error:
        return api.undeploy_failed(error, name)
    if was_deployed:
        models.asked.note(request.place, name, "undeployed", ask.author, ask.message)
        noted = models.revisions.note(request.place, name, "undeploy", None, ask)
        await asyncio.gather(models.publish_undeployed(request.place, name), noted)
        return api.undeployed(name, was_deployed)
    if models.statuses.get(request.place.lattice, name) is None and models.has_hosts(request.place):
        # It never ran, so its owner says nothing of it, and clients that delete what is undeployed go by the status.
        # In a lattice without hosts it stays "waiting", as in the original.
        models.statuses.publish(request.place.lattice, name, UNDEPLOYED)
    await models.publish_undeployed(request.place, name)
    return api.undeployed(name, was_deployed)


# -- plan, explain, events, rollback, resume, what is missing ------------------------------------------


async def plan(models: ApiContext, request: Request) -> bytes:
    """Say what deploying a stored version, rolling back or undeploying would do."""
    ask = insight.decode_ask("plan", request.body)
    record = await models.store.find(request.place, request.name)
    if record is not None and ask.version not in (None, LATEST) and ask.version not in record.glance.versions:
        record = await models.store.reload(request.place, request.name)
    if record is None:
        return insight.not_found(request.name)
    version = ask.version
    if ask.rollback and version is None:
        version = await _version_before(models, request, record)
    manifest = None if ask.undeploy else _version(models, record, version)
    if manifest is None and not ask.undeploy:
        return insight.not_found(request.name, version)
    return await _plan(models, request.place, request.name, manifest)


async def plan_manifest(models: ApiContext, request: Request) -> bytes:
    """Say what deploying a manifest would do that has not been put."""
    checked = await read_put(models, request)
    if checked.refused is not None:
        return api.error(checked.refused.message, checked.problems)
    return await _plan(models, request.place, checked.manifest.name, checked.manifest)


async def _plan(models: ApiContext, place: LatticeRef, name: str, manifest: Manifest | None) -> bytes:
    if manifest is not None and (conflicts := _conflicts(models, place, manifest)):
        return api.error(conflicts[0].message, conflicts)
    return insight.planned(name, await models.ask_owner(place, "plan", name, manifest))


async def check_plan(models: ApiContext, request: Request, manifest: Manifest | None, wanted: str) -> None:
    """Raise :class:`Refusal` unless a plan of deploying the manifest (``None``: of undeploying), made before, would
    still come out the same."""
    if insight.plan_id(await models.ask_owner(request.place, "plan", request.name, manifest)) != wanted:
        text = f"Plan {wanted} does not hold any more: the lattice or the application has changed since"
        raise Refusal([Problem(text, hint="Make a new plan, look at it, and carry out that.")])


def _version(models: ApiContext, record: StoredApplication, version: str | None) -> Manifest | None:
    application = models.store.decode(record)
    return application.newest if version in (None, LATEST) else application.versions.get(version or "")


def _conflicts(models: ApiContext, place: LatticeRef, manifest: Manifest) -> list[Problem]:
    return check_deploy(
        manifest,
        lambda taken: models.store.view.deployed_with_id(place, taken),
        lambda other: models.deployed(place, other),
    )


async def explain(models: ApiContext, request: Request) -> bytes:
    """Say why an application is as it is, with the last of what happened to it."""
    insight.decode_ask("explain", request.body)
    if await models.store.find(request.place, request.name) is None:
        return insight.not_found(request.name)
    view = await models.ask_owner(request.place, "explain", request.name)
    latest = insight.Ask(limit=EVENTS_WITH_EXPLANATION)
    entries, _ = await read_events(models.transport, models.timeline, request.place, request.name, latest)
    return insight.explained(request.name, view, entries)


async def events(models: ApiContext, request: Request) -> bytes:
    """Return what has happened to an application, or to all of the lattice, the newest that a reply holds."""
    ask = insight.decode_ask("events", request.body)
    found, more = await read_events(models.transport, models.timeline, request.place, request.name or None, ask)
    about = replace(models.about, left_out=tuple(sorted(models.left_out)))
    return fit_events(found, more, models.transport.max_payload, about)


async def rollback(models: ApiContext, request: Request) -> bytes:
    """Deploy the version that ran before, or the one that is named."""
    ask = insight.decode_ask("rollback", request.body)
    record = await models.store.find(request.place, request.name)
    if record is None:
        return api.deploy_not_found(request.name, ask.version)
    if ask.version is not None and ask.version not in record.glance.versions:
        return api.deploy_version_not_found(request.name, ask.version)
    version = ask.version or await _version_before(models, request, record)
    if ask.plan is not None:
        await check_plan(models, request, _version(models, record, version), ask.plan)
    return await _deploy(models, request, version, ask, "rollback")


async def _version_before(models: ApiContext, request: Request, record: StoredApplication) -> str:
    """Return the version that a rollback goes back to; raise :class:`Refusal` where there is none."""
    versions, deployed = list(record.glance.versions), record.glance.deployed_version
    try:
        return await models.revisions.before(request.place, request.name, deployed, versions)
    except NotFound as error:
        raise Refusal([Problem(str(error), hint="Name the version to go back to.")]) from error


async def resume(models: ApiContext, request: Request) -> bytes:
    """End the pause in which nothing of the lattice is moved, because most of its hosts fell silent."""
    insight.decode_ask("resume", request.body)
    return await models.ask_owner(request.place, "resume", "")


async def missing(models: ApiContext, request: Request) -> bytes:
    """Return the applications that the bucket has lost though nobody deleted them, as far as servers remember them."""
    found = await models.memory.missing(request.place) if models.memory is not None else ()
    return insight.missing_found(found)


async def restore(models: ApiContext, request: Request) -> bytes:
    """Store again what servers remember of applications that the bucket has lost."""
    insight.decode_ask("restore", request.body)
    return insight.restored(await models.memory.restore(request.place) if models.memory is not None else ())


HANDLERS: Final[Mapping[tuple[str, bool], Handler]] = {
    ("get", False): list_applications,
    ("get", True): get,
    ("list", False): list_legacy,
    ("versions", True): versions,
    ("status", True): status,
    ("history", True): deployment_history,
    ("del", True): delete,
    ("deploy", True): deploy,
    ("undeploy", True): undeploy,
    ("plan", True): plan,
    ("plan", False): plan_manifest,
    ("explain", True): explain,
    ("events", True): events,
    ("events", False): events,
    ("rollback", True): rollback,
    ("resume", False): resume,
    ("missing", False): missing,
    ("restore", False): restore,
}
"""What carries out each operation, by its name and whether it is about one application; all but ``put``, whose request
must be read before it is known which application it is about."""


def _event_id() -> str:
    """Return a random UUID; from :mod:`random`, so that a simulator's seed decides it."""
    return str(UUID(int=random.getrandbits(128), version=4))
