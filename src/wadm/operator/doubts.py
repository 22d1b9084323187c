"""What is wrong with a manifest, or odd about it, before wadm is asked: each with its field and the reason.

The rules are those of ``put`` (:mod:`wadm.engine.validate`). Besides, what is taken and cannot work: numbers and names
that no host can use, and what is left out or misspelt without being missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from wadm.client import manifests as client_manifests
from wadm.engine.validate import validate
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Component, Manifest, Problem, SpreadProperties
from wadm.model.names import entity_id

MOST_INSTANCES = 2**32 - 1
"""A host counts instances in 32 bits."""
LONGEST_ID = 255
"""Characters of an id: it is part of a NATS subject, and of the name of a file on hosts."""


def read(data: bytes) -> tuple[Manifest, tuple[Problem, ...]]:
    """Return a manifest in JSON, and what is doubtful about it. Raises ManifestInvalid with all that is wrong."""
    manifest, ignored = client_manifests.read_with_warnings(data, "application/json")
    found = validate(manifest)
    if errors := [problem for problem in found if problem.level == "error"]:
        raise ManifestInvalid(errors)
    return manifest, (*ignored, *found, *_doubts(manifest))


def _doubts(manifest: Manifest) -> Iterator[Problem]:
    if not manifest.spec.components:
        yield _doubt("spec.components", "it is empty: nothing is deployed")
    for index, component in enumerate(manifest.spec.components):
        path = f"spec.components[{index}]"
        yield from _of_component(path, manifest.name, component)


def _of_component(path: str, application: str, component: Component) -> Iterable[Problem]:
    if component.properties.image == "":
        yield _doubt(f"{path}.properties.image", "it is empty: hosts have nothing to start")
    given = component.properties.id
    id_ = entity_id(application, component.name) if given is None else given
    where = f"{path}.name" if given is None else f"{path}.properties.id"
    if given is not None and (not id_.isascii() or any(character in " .*>/\\\t\r\n" for character in id_)):
        yield _doubt(where, f"{id_!r} cannot be part of a NATS subject: use letters, digits, - and _")
    elif len(id_) > LONGEST_ID:
        yield _doubt(where, f"the id that it makes has {len(id_)} characters, more than the {LONGEST_ID} that work")
    elif given is None and not re.fullmatch(r"[A-Za-z0-9_-]*", component.name):
        yield _doubt(where, f"{component.name!r} cannot be an id: in the lattice it is called {id_}")
    for number, trait in enumerate(component.traits or ()):
        if trait.is_scaler and isinstance(trait.properties, SpreadProperties):
            instances = trait.properties.instances
            if instances > MOST_INSTANCES:
                where = f"{path}.traits[{number}].properties.instances"
                yield _doubt(where, f"{instances} is more than a host can count ({MOST_INSTANCES})")


def _doubt(path: str, message: str) -> Problem:
    return Problem(message, path, level="warning")
