"""What is wrong with a manifest, or odd about it, before wadm is asked: each with its field and the reason.

The rules are those of ``put`` (:mod:`wadm.engine.validate`). Besides, what is taken and cannot work: numbers and names
that no host can use, and what is left out or misspelt without being missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from wadm.client import manifests as client_manifests
from wadm.engine.validate import scales, validate
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Component, LinkProperties, Manifest, Problem, SpreadProperties
from wadm.model.names import entity_id
from wadm.operator import names

MOST_INSTANCES = 2**32 - 1
"""A host counts instances in 32 bits."""
LONGEST_ID = 255
"""Characters of an id: it is part of a NATS subject, and of the name of a file on hosts."""

_SUBJECT_PART: Final = r"[^\s.*>/\\\x80-\U0010ffff]+"
_DOMAIN: Final = "wasmcloud.dev/"
_OF_HTTP: Final = {"namespace": "wasi", "package": "http"}


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
    policies = [policy.name for policy in manifest.spec.policies or ()]
    for index, name in enumerate(policies):
        if name in policies[:index]:
            yield _doubt(f"spec.policies[{index}].name", f"a policy before is called {name} too: only one counts")
    for index, component in enumerate(manifest.spec.components):
        path = f"spec.components[{index}]"
        yield from _of_component(path, manifest.name, component)


def _of_component(path: str, application: str, component: Component) -> Iterable[Problem]:
    if component.properties.image == "":
        yield _doubt(f"{path}.properties.image", "it is empty: hosts have nothing to start")
    given = component.properties.id
    id_ = entity_id(application, component.name) if given is None else given
    where = f"{path}.name" if given is None else f"{path}.properties.id"
    if given is not None and not re.fullmatch(_SUBJECT_PART, given):
        yield _doubt(where, f"{id_!r} cannot be part of a NATS subject: use letters, digits, - and _")
    elif len(id_) > LONGEST_ID:
        yield _doubt(where, f"the id that it makes has {len(id_)} characters, more than the {LONGEST_ID} that work")
    elif not component.name:
        yield _doubt(f"{path}.name", "it is empty: nothing can be said of the component")
    elif given is None and not re.fullmatch(r"[A-Za-z0-9_-]*", component.name):
        yield _doubt(where, f"{component.name!r} cannot be an id: in the lattice it is called {id_}")
    for number, trait in enumerate(component.traits or ()):
        where = f"{path}.traits[{number}].properties"
        if scales(trait) and isinstance(trait.properties, SpreadProperties):
            yield from _of_scaler(where, trait.properties)
        elif trait.is_link and isinstance(trait.properties, LinkProperties):
            yield from _of_link(where, trait.properties)


def _of_scaler(path: str, scaler: SpreadProperties) -> Iterator[Problem]:
    if scaler.instances > MOST_INSTANCES:
        yield _doubt(f"{path}.instances", f"{scaler.instances} is more than a host can count ({MOST_INSTANCES})")
    for index, spread in enumerate(scaler.spread):
        if "" in spread.requirements:
            yield _doubt(f"{path}.spread[{index}].requirements", "a label has no name: no host can have it")


def _of_link(path: str, link: LinkProperties) -> Iterator[Problem]:
    if not link.interfaces:
        yield _doubt(f"{path}.interfaces", "it is empty: no call goes over the link")
    if link.name == "":
        yield _doubt(f"{path}.name", "it is empty: leave it out for the link named default")
    for field, text in (("namespace", link.namespace), ("package", link.package)):
        if not text or re.search(r"[:/@\s]", text):
            yield _doubt(f"{path}.{field}", f"{text!r} names no {field}: of wasi:http it is {_OF_HTTP[field]}")


def doubts_of_annotations(annotations: Mapping[str, str]) -> Iterator[Problem]:
    """Yield what is doubtful about the annotations of an object that tell the operator something."""
    for key in sorted(annotations.keys() - names.SETTINGS):
        # Others of the domain are notes of people and tools, so only what is close to one of ours is a mistake.
        if key.startswith(_DOMAIN) and (near := get_close_matches(key, names.SETTINGS, 1, 0.9)):
            yield _annotation(key, f"the operator knows no such annotation: did you mean {near[0]}?")
    if annotations.get(names.ON_DELETE, "keep") != "keep":
        yield _annotation(names.ON_DELETE, "it is not keep: deleting the object undeploys the application")
    if annotations.get(names.SERVICE, "true") not in ("true", "false"):
        yield _annotation(names.SERVICE, "it is neither true nor false: Services are made")
    deadline = annotations.get(names.PROGRESS_DEADLINE, "1")
    if progress_deadline(deadline) is None:
        yield _annotation(names.PROGRESS_DEADLINE, f"{deadline!r} is not a whole number of seconds, 1 or more")
    for needed, prefix in ((names.INGRESS_HOST, "ingress-"), (names.ROUTE_GATEWAY, "http-route-")):
        given = sorted(key for key in annotations.keys() & names.EXPOSURE if key.startswith(_DOMAIN + prefix))
        if given and needed not in given:
            yield _annotation(given[0], f"it has no effect without {needed}")
        elif given and annotations.get(names.SERVICE) == "false":
            yield _annotation(given[0], f"it has no effect: {names.SERVICE} asks for no Services")


def progress_deadline(text: str) -> float | None:
    """Return the seconds that an annotation says, ``None`` where it says none that can be."""
    return float(text) if text.isascii() and text.isdecimal() and 0 < int(text) < 10**7 else None


def _annotation(key: str, message: str) -> Problem:
    return _doubt(f"metadata.annotations[{key}]", message)


def _doubt(path: str, message: str) -> Problem:
    return Problem(message, path, level="warning")
