"""The operation ``put``: a manifest is read, checked, and stored as a new version
(docs/protocol/manifest.md#order-of-a-put).

It is read before anything else is known of the request, as the manifest says which application it is about.
"""

from __future__ import annotations

from typing import Final

from wadm.engine import history
from wadm.engine.validate import missing_shared, too_large
from wadm.errors import (
    AlreadyExists,
    TooLarge,
)
from wadm.model.manifest import Application, Manifest, Problem
from wadm.server.api_context import ApiContext, Refusal, Request, check_lattice
from wadm.server.reading import Checked
from wadm.wire import api, insight
from wadm.wire.insight import AUTHOR, REPLACE

CONTENT_TYPE: Final = "Content-Type"


async def read_put(models: ApiContext, request: Request) -> Checked:
    """Read the manifest of a put request; raise :class:`~wadm.errors.ManifestInvalid`."""
    return await models.reading.check(request.body, request.headers.get(CONTENT_TYPE))


async def put(models: ApiContext, request: Request, checked: Checked) -> bytes:
    """Store a manifest as a new version; what is deployed stays as it is. Its body has been read before."""
    check_lattice(request.place)
    if checked.refused is not None:
        return api.error(checked.refused.message, checked.problems)
    manifest, problems = checked.manifest, [*too_large(checked.manifest, models.limits), *checked.problems]
    if manifest.version is None:
        manifest = history.with_version(manifest, models.new_version())
    replacing = request.headers.get(REPLACE) == "true"
    return await _store_version(models, request, manifest, problems, replacing)


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
        if deployed and replacing and (conflicts := models.conflicts(place, manifest)):
            raise Refusal(conflicts)
        changed = history.put_version(application, manifest, replacing)
        application, dropped = history.fit(changed, store.codec.size_of, store.limit)
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
