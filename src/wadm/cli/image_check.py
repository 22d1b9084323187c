"""Manifests compared with their images, before anything is changed: at little cost, and only where images can be read.

The images are looked at in the background from the start of a command, all together for some seconds and megabytes at
most. What an image says of itself is judged by :mod:`wadm.images.check`.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from wadm.cli import exits
from wadm.cli.manifests import Checked, InvalidManifests, Valid, warn
from wadm.cli.unreachable import Unreachable, unreachable
from wadm.images.check import Image, check_images, references
from wadm.model.manifest import Manifest, Problem
from wadm.wire.manifests import read_manifest_with_positions

if TYPE_CHECKING:
    from wadm.client.sources import Source
    from wadm.hosts.oci import Allowance, Registries

SECONDS: Final = 2.0
BYTES: Final = 5 << 20
"""What a command spends on images at most."""
_AT_ONCE: Final = 8
_INSECURE: Final = ("WASMCLOUD_OCI_ALLOWED_INSECURE", "OCI_ALLOWED_INSECURE")
"""Where hosts are told which registries speak HTTP alone."""
_LOOPBACK: Final = re.compile(r"127\.\d+\.\d+\.\d+")
_HINT: Final = "--no-image-check has it done all the same"


class ImageCheck:
    """Looks at images in the background, from now on. Nothing waits for it but who asks for what was found.

    ``patient``: registries are asked that could not be reached a moment ago, too.
    """

    def __init__(self, *, patient: bool = False) -> None:
        self._until = time.monotonic() + SECONDS
        self._unreachable: Unreachable = unreachable(os.environ)
        self._patient = patient
        self._reached: set[str] = set()
        self._unreached: set[str] = set()
        """Registries, as they were found."""
        self._allowance: Allowance | None = None
        self._images: dict[str, Image] = {}
        self._failures: dict[str, str] = {}
        self._missing = 0
        self._changed = threading.Condition()
        self._queue: SimpleQueue[str] = SimpleQueue()

    def look_at(self, manifests: Iterable[Manifest]) -> None:
        """Begin to look at the images of manifests; those that were looked at already are known."""
        named = dict.fromkeys(image for manifest in manifests for image in references(manifest))
        with self._changed:
            wanted = [image for image in named if image not in self._images and image not in self._failures]
            for reference in wanted:
                self._failures[reference] = self._why_not(registry_of(reference))
            wanted = [image for image in wanted if not self._failures[image]]
            self._missing += len(wanted)
        if wanted and self._allowance is None:
            from wadm.hosts.oci import Allowance  # a tenth of a command, which does without where nothing is asked

            self._allowance = Allowance(self._until - time.monotonic(), BYTES)
        for reference in wanted:
            self._queue.put(reference)
        for _ in range(min(_AT_ONCE, len(wanted))):
            # A name server that is silent holds a thread for longer than anybody waits: it must not hold the process.
            threading.Thread(target=self._look, name="images", daemon=True).start()

    def problems(self, manifest: Manifest) -> list[Problem]:
        """Return what is wrong between a manifest and its images, as far as that is known in time."""
        with self._changed:
            self._changed.wait_for(lambda: not self._missing, max(0.0, self._until - time.monotonic()))
            images, failures = dict(self._images), dict(self._failures)
            silent = {registry_of(image) for image, why in failures.items() if not why}
            remote = {name for name in self._unreached | silent if name and not local_registry(name)}
        if remote or self._reached:
            self._unreachable.note(remote, self._reached)
        failures = {image: why or f"no answer within {SECONDS:g} s" for image, why in failures.items()}
        return check_images(manifest, images, failures)

    def of_source(self, one: Checked) -> Checked:
        """Return a manifest that was checked with what is wrong with its images besides, each with its place."""
        problems = self.problems(as_sent(one.source, one.manifest)) if one.manifest is not None else []
        if not problems:
            return one
        _, positions = read_manifest_with_positions(one.source.text)
        return replace(one, problems=(*one.problems, *map(positions.locate, problems)))

    def _why_not(self, registry: str) -> str:
        """Return why a registry is not asked, ``""`` where it is."""
        ago = None if self._patient else self._unreachable.since(registry)
        if ago is None:
            return ""
        return f"{registry} could not be reached {ago:.0f} s ago (`wadm validate --images` asks it again)"

    def _look(self) -> None:
        from wadm.hosts.image_reading import read_image
        from wadm.hosts.oci import PullFailed, Unreached

        assert self._allowance is not None
        registries = known_registries()
        while True:
            try:
                reference = self._queue.get_nowait()
            except Empty:
                return
            registry, image, failure = registry_of(reference), None, ""
            try:
                if registry in self._unreached:
                    raise PullFailed(f"{registry} cannot be reached")
                image = read_image(reference, registries_for(reference, registries), self._allowance)
            except Unreached as error:
                failure = str(error)
                self._unreached.add(registry)
            except PullFailed as error:
                failure = str(error)
            except Exception as error:  # noqa: BLE001 - whatever an image holds, it keeps nothing from being deployed
                failure = f"it cannot be read ({error!r})"
            with self._changed:
                if image is None:
                    self._failures[reference] = failure
                else:
                    self._images[reference] = image
                    del self._failures[reference]
                    self._reached.add(registry)
                self._missing -= 1
                self._changed.notify_all()


def as_sent(source: Source, manifest: Manifest) -> Manifest:
    """Return a manifest with its relative ``file://`` images absolute, as it is sent to a server."""
    absolute = {one.written: one.path.as_uri() for one in source.artefacts if one.path is not None}
    if not absolute:
        return manifest
    components = tuple(
        replace(one, properties=replace(one.properties, image=absolute[one.properties.image]))
        if one.properties.image in absolute
        else one
        for one in manifest.spec.components
    )
    return replace(manifest, spec=replace(manifest.spec, components=components))


def refuse_misfits(check: ImageCheck, written: Iterable[Valid], stored: Iterable[Manifest] = ()) -> None:
    """Raise where a manifest cannot work with its images: InvalidManifests for one that is written, Failure for one
    that is stored. What is doubtful is printed."""
    from wadm.cli.output import echo

    checked = [check.of_source(Checked(one.source, one.manifest, ())) for one in written]
    if wrong := [one for one in checked if not one.valid]:
        raise InvalidManifests(wrong, "does not go with its images", _HINT)
    warn(Valid(one.source, one.manifest, one.problems) for one in checked if one.manifest is not None)
    for manifest in stored:
        problems = check.problems(manifest)
        errors = [problem.message for problem in problems if problem.level == "error"]
        if errors:
            raise exits.Failure(f"{manifest.name} cannot work: {'; '.join(errors)}", exits.INVALID, _HINT)
        for problem in problems:
            echo(f"{manifest.name}: {problem.message}", head=exits.styled("warning:", fg="yellow", bold=True), err=True)


def registry_of(reference: str) -> str:
    """Return the registry of an image, ``""`` where it is in a file.

    >>> registry_of("ghcr.io/wasmcloud/http-server:0.27.0"), registry_of("file:///tmp/web.wasm")
    ('ghcr.io', '')
    """
    return "" if reference.startswith("file://") else reference.removeprefix("oci://").partition("/")[0]


def known_registries() -> Registries:
    """Return what the user's environment tells of registries."""
    from wadm.hosts.oci import Registries, known_credentials

    return Registries(insecure_registries(os.environ), known_credentials(os.environ, Path.home()))


def registries_for(reference: str, known: Registries) -> Registries:
    """Return what is known of registries, that of the image included: one on this machine is asked over HTTP."""
    name = registry_of(reference)
    return replace(known, insecure=known.insecure | {name}) if local_registry(name) else known


def insecure_registries(environment: Mapping[str, str]) -> frozenset[str]:
    """Return which registries hosts are told to ask over HTTP."""
    given = (name.strip() for variable in _INSECURE for name in environment.get(variable, "").split(","))
    return frozenset(filter(None, given))


def local_registry(name: str) -> bool:
    """Whether a registry is on this machine. Such a one is asked over HTTP, as Docker does.

    >>> local_registry("localhost:5000"), local_registry("127.0.0.1"), local_registry("localhost.example")
    (True, True, False)
    """
    host = name.rpartition(":")[0] or name
    return host in ("localhost", "[::1]") or _LOOPBACK.fullmatch(host) is not None
