"""What is stored of the applications of a lattice, as inputs of its controller."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from wadm.engine.compile import shared_applications
from wadm.engine.controller import LatticeController
from wadm.engine.inputs import ApplicationRead, DesiredChanged, Lifecycle
from wadm.errors import Malformed
from wadm.model.manifest import Manifest
from wadm.model.status import ApplicationStatus
from wadm.server.logging import Limited


class Applications(Protocol):
    """The stored applications of one lattice."""

    def names(self) -> Iterable[str]:
        """Return the names of all stored applications."""

    def deployed(self, name: str) -> Manifest | None:
        """Return what is deployed of an application, if anything is.

        Raises :class:`~wadm.errors.Malformed` where what is stored cannot be read.
        """

    def versions(self, name: str) -> Iterable[Manifest]:
        """Return all stored versions of an application, none where they cannot be read."""

    def lifecycle(self, name: str) -> Lifecycle:
        """Return what is known of an application: removing needs more than its absence."""

    def doubts(self) -> dict[str, str]:
        """Return why nothing of some applications is to be changed, by name."""


class Statuses(Protocol):
    """The published statuses of one lattice."""

    def last(self, name: str) -> ApplicationStatus | None:
        """Return the status that was published last of an application."""

    def unfinished(self) -> Iterable[str]:
        """Return the applications whose last status is not that they are undeployed."""

    def publish(self, name: str, status: ApplicationStatus) -> None:
        """Publish the status of an application."""

    def claim(self, name: str) -> None:
        """Take the status that was published last for the right one: it is to stay so."""


class ApplicationReader:
    """Reads what a controller is told of applications."""

    def __init__(
        self, controller: LatticeController, applications: Applications, statuses: Statuses, limited: Limited
    ) -> None:
        self._controller = controller
        self._applications = applications
        self._statuses = statuses
        self._limited = limited

    def names(self) -> list[str]:
        """Return all applications to begin with, sorted: of one that was deleted while nobody looked, perhaps nothing
        is left but its status."""
        return sorted({*self._applications.names(), *self._statuses.unfinished()})

    def doubts(self) -> dict[str, str]:
        """Return why nothing of some applications is to be changed, by name."""
        return self._applications.doubts()

    def changed(self, name: str) -> DesiredChanged:
        """Read an application that was put, deployed, undeployed or deleted."""
        manifest, unreadable = None, ""
        try:
            manifest = self._applications.deployed(name)
        except Malformed as error:
            unreadable = str(error)
            self._limited.warning("stored", "an application that cannot be read", application=name, error=str(error))
        related = self._manifests(self._controller.interests.dependents(name))
        for one in [*related.values(), *([] if manifest is None else [manifest])]:
            related |= self.shared(one)
        lifecycle = self._applications.lifecycle(name)
        return DesiredChanged(name, manifest, lifecycle, unreadable, related, self._last_status(name))

    def facts(self, name: str, versions: bool = False) -> ApplicationRead:
        """Read what a controller needs to know of an application that it plans."""
        stored = tuple(self._applications.versions(name)) if versions else ()
        return ApplicationRead(name, self._applications.lifecycle(name), self._last_status(name), stored)

    def shared(self, manifest: Manifest) -> dict[str, Manifest]:
        """Return the deployed manifests of the applications to whose components a manifest refers."""
        return self._manifests(sorted(shared_applications(manifest)))

    def _manifests(self, names: Iterable[str]) -> dict[str, Manifest]:
        """Return deployed manifests by name, without those that cannot be read."""
        found = {}
        for name in names:
            try:
                manifest = self._applications.deployed(name)
            except Malformed:
                continue
            if manifest is not None:
                found[name] = manifest
        return found

    def _last_status(self, name: str) -> ApplicationStatus | None:
        return None if self._controller.has_published(name) else self._statuses.last(name)
