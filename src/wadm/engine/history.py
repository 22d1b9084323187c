"""What can be done to the history of an application: put, delete, deploy, undeploy, rejoin, forget.

Nothing is changed in place: each function returns the application as it is afterwards. Versions keep the order in
which they were put; the newest is the last one put, whatever its name.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from msgspec.structs import replace

from wadm.errors import AlreadyExists, NotFound, TooLarge
from wadm.model.manifest import Application, Manifest
from wadm.model.names import LATEST, VERSION_ANNOTATION
from wadm.model.timeline import Revision


def with_version(manifest: Manifest, version: str) -> Manifest:
    """Return the manifest with its version annotation set."""
    annotations = dict(sorted({**manifest.metadata.annotations, VERSION_ANNOTATION: version}.items()))
    return replace(manifest, metadata=replace(manifest.metadata, annotations=annotations))


def version_before(revisions: Sequence[Revision], current: str | None, stored: Collection[str]) -> str | None:
    """Return the version to roll back to from ``current`` (``None``: nothing is deployed): the one that was deployed,
    and came up, before it. ``None`` where there is none; versions that never came up, or are not stored any more, are
    passed over.

    A rollback takes back what came after the version it returns to: after v1, v2, v3 and back to v2, the version before
    is v1, and not v3.
    """
    came_up: list[str] = []
    for revision in revisions:
        version = revision.version
        if revision.action == "rollback" and version in came_up:
            came_up = came_up[: came_up.index(version) + 1]
        elif version is not None and revision.outcome == "deployed" and came_up[-1:] != [version]:
            came_up.append(version)
    if current in came_up:
        came_up = came_up[: len(came_up) - 1 - came_up[::-1].index(current)]
    return next((version for version in reversed(came_up) if version != current and version in stored), None)


def put_version(application: Application | None, manifest: Manifest, replacing: bool = False) -> Application:
    """Add a manifest, which must have a version, as the newest. What is deployed stays deployed.

    ``application`` is ``None`` for the first version. Raises :class:`~wadm.errors.AlreadyExists` if the version is
    there, even if it is the same in all, unless it is to be replaced; if that one is deployed, the new one is then.
    """
    version = manifest.version
    if version is None:
        raise ValueError("a manifest needs a version before it can be stored")
    if application is None:
        return Application(manifest.name, {version: manifest})
    others = {name: one for name, one in application.versions.items() if name != version}
    if len(others) < len(application.versions) and not replacing:
        raise AlreadyExists(f"Manifest version {version} already exists")
    return replace(application, versions={**others, version: manifest})


def delete_version(application: Application, version: str) -> Application | None:
    """Remove a version; ``None`` if it was the last. If it was deployed, the application no longer is.

    Raises :class:`~wadm.errors.NotFound` if there is no such version.
    """
    if version not in application.versions:
        raise NotFound(f"Application version {version} doesn't exist")
    versions = {name: manifest for name, manifest in application.versions.items() if name != version}
    if not versions:
        return None
    deployed = application.deployed_version
    return replace(application, versions=versions, deployed_version=None if deployed == version else deployed)


def deploy(application: Application, version: str | None) -> Application:
    """Make a version the deployed one; ``None`` and ``latest`` mean the newest.

    Raises :class:`~wadm.errors.NotFound` if there is no such version.
    """
    if version is None or version == LATEST:
        version = application.newest_version
    if version not in application.versions:
        raise NotFound(f"Application with the name '{application.name}' does not have a version '{version}' to deploy")
    return replace(application, deployed_version=version)


def undeploy(application: Application) -> Application:
    """Make no version the deployed one."""
    return replace(application, deployed_version=None)


def rejoin(lost: Application, anew: Application) -> Application:
    """Give an application that was put anew, after the store had lost it, its earlier versions back.

    It stays deployed as it was, unless it has been deployed anew: what was lost is no reason to stop what runs. One
    that has a version of the lost one has its history back already, and what was done to it since holds.
    """
    if lost.versions.keys() & anew.versions.keys():
        return anew
    versions = {**lost.versions, **anew.versions}
    return replace(anew, versions=versions, deployed_version=anew.deployed_version or lost.deployed_version)


def fit(
    application: Application, size_of: Callable[[Application], int], limit: int
) -> tuple[Application, tuple[str, ...]]:
    """Forget the oldest versions until the application is no larger than ``limit``; return it, and what was forgotten.

    The newest version and the deployed one are kept in any case. As few as possible go: of v1 to v9 of 100 kB each,
    v3 deployed and 500 kB allowed, v1, v2, v4 and v5 do. Raises :class:`~wadm.errors.TooLarge` if what must be kept
    is too large.
    """
    if size_of(application) <= limit:
        return application, ()
    kept = (application.deployed_version, application.newest_version)
    expendable = [version for version in application.versions if version not in kept]

    def without(count: int) -> Application:
        gone = set(expendable[:count])
        versions = {name: manifest for name, manifest in application.versions.items() if name not in gone}
        return replace(application, versions=versions)

    if size_of(without(len(expendable))) > limit:
        raise TooLarge(f"Application {application.name} takes more than {limit} bytes with its newest version")
    # Measuring means encoding everything, so the count is searched by halves: it lies in (too_few, enough].
    too_few, enough = 0, len(expendable)
    while enough - too_few > 1:
        middle = (too_few + enough) // 2
        if size_of(without(middle)) <= limit:
            enough = middle
        else:
            too_few = middle
    return without(enough), tuple(expendable[:enough])
