"""What the API can be asked: for each operation, read the request, decide, store, answer
(docs/protocol/api.md#requests).

Each is a coroutine of ``(models, request)`` that returns the reply; ``put`` is in :mod:`wadm.server.putting`. Every
known reason to refuse is an answer too; what an operation raises is turned into one by :mod:`wadm.server.api`, which
also sees to order and concurrency. Which operations there are, :mod:`wadm.wire.operations` says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from wadm.engine import history
from wadm.engine.validate import shared_ids
from wadm.errors import (
    NotFound,
    StaleRevision,
    TooLarge,
    Unavailable,
    Unreadable,
)
from wadm.model.manifest import Application, Manifest, Problem
from wadm.model.names import LATEST
from wadm.model.status import UNDEPLOYED
from wadm.server.api_context import ApiContext, Handler, Refusal, Request, check_lattice
from wadm.server.insights import (
    EVENTS_WITH_EXPLANATION,
    fit_events,
    read_events,
)
from wadm.server.putting import read_put
from wadm.server.view import LatticeRef, StoredApplication
from wadm.wire import api, insight
from wadm.wire.insight import AUTHOR

_NOT_WRITTEN: Final = (StaleRevision, Unavailable, Unreadable, TooLarge)


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
    manifest = models.store.codec.manifest_json(record, version or record.glance.versions[-1])
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
    check_lattice(place)

    def mark(application: Application | None) -> Application:
        nonlocal staged, before
        if application is None:
            raise NotFound(name)
        before = application.deployed_version
        application = history.deploy(application, version)
        assert application.deployed is not None
        assert application.deployed_version is not None
        staged = application.deployed_version
        if conflicts := models.conflicts(place, application.deployed):
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
    manifest = models.store.codec.decode(record).deployed
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
        # Written again where nobody has heard of it yet: the owner looks then whether anything of it runs, which a
        # store that has lost what was deployed does not tell.
        return history.undeploy(application) if was_deployed or never_ran else application

    def is_undeployed(now: Application | None) -> bool:
        return now is not None and now.deployed_version is None

    record = await models.store.find(request.place, name)
    if record is None:
        return api.undeploy_not_found(name)
    if ask.plan is not None:
        await check_plan(models, request, None, ask.plan)
    untold = models.statuses.get(request.place.lattice, name) is None and models.has_hosts(request.place)
    never_ran = untold and record.glance.deployed is None
    if never_ran:
        # Its owner says nothing of it, and clients that delete what is undeployed go by the status. In a lattice
        # without hosts it stays "waiting", as in the original.
        models.statuses.publish(request.place.lattice, name, UNDEPLOYED)
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
    if manifest is not None and (conflicts := models.conflicts(place, manifest)):
        return api.error(conflicts[0].message, conflicts)
    return insight.planned(name, await models.ask_owner(place, "plan", name, manifest))


async def check_plan(models: ApiContext, request: Request, manifest: Manifest | None, wanted: str) -> None:
    """Raise :class:`Refusal` unless a plan of deploying the manifest (``None``: of undeploying), made before, would
    still come out the same."""
    if insight.plan_id(await models.ask_owner(request.place, "plan", request.name, manifest)) != wanted:
        text = f"Plan {wanted} does not hold any more: the lattice or the application has changed since"
        raise Refusal([Problem(text, hint="Make a new plan, look at it, and carry out that.")])


def _version(models: ApiContext, record: StoredApplication, version: str | None) -> Manifest | None:
    application = models.store.codec.decode(record)
    return application.newest if version in (None, LATEST) else application.versions.get(version or "")


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


async def cordon(models: ApiContext, request: Request) -> bytes:
    """Have nothing new placed on a host, or on the hosts with a label."""
    return await _about_hosts(models, request, "cordon")


async def drain(models: ApiContext, request: Request) -> bytes:
    """Have what runs on a host, or on the hosts with a label, run elsewhere, and nothing new placed there."""
    return await _about_hosts(models, request, "drain")


async def uncordon(models: ApiContext, request: Request) -> bytes:
    """Take a cordon or a drain back."""
    return await _about_hosts(models, request, "uncordon")


async def _about_hosts(models: ApiContext, request: Request, operation: str) -> bytes:
    ask = insight.decode_ask(operation, request.body)
    insight.check_hosts_named(operation, ask)
    return await models.ask_owner(request.place, operation, "", ask=ask)


async def cordons(models: ApiContext, request: Request) -> bytes:
    """Return which hosts are cordoned or drained, and how far each is."""
    insight.decode_ask("cordons", request.body)
    return await models.ask_owner(request.place, "cordons", "")


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
    ("cordon", False): cordon,
    ("drain", False): drain,
    ("uncordon", False): uncordon,
    ("cordons", False): cordons,
    ("missing", False): missing,
    ("restore", False): restore,
}
"""What carries out each operation, by its name and whether it is about one application; all but ``put``, whose request
must be read before it is known which application it is about."""
