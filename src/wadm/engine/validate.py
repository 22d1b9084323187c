"""The rules a manifest must keep, and what is worth saying about one that keeps them.

The errors and the first warnings are the original's, in its order and words (docs/protocol/manifest.md#rules): the
API answers the first error, and what the original accepts is accepted. The warnings from W021 on are our own; they tell
of manifests that are accepted and then do not do what they seem to say.

===== =======================================================================
code  what is wrong
===== =======================================================================
E001  the name has other characters than letters, digits, ``-`` and ``_``
E002  the version is ``latest``
E003  the key of a label is not allowed
E004  the key of an annotation is not allowed
E005  two components have one name
E006  two components have one ``id``
E007  links lead to components that are not in the manifest
W001  an interface is not known in its namespace
E008  a link without ``target``
E009  a link without the name of its target
W002  a link that is none leads to a component that is not there
W003  a link leads to a component that is not there
E010  a secret's policy is not for secrets
E011  a secret's policy has no ``backend``
E012  a secret's policy is not there
E013  what is called a link is none
E014  what is called a scaler is none
E015  both ``image`` and ``application``
E016  neither ``image`` nor ``application``
E017  a shared component with ``config``
E018  a shared component with ``secrets``
E019  a shared component with a scaler
E020  the same link twice in a component
E021  two configurations of links have one name
E041  an ``id`` is taken by another application (at deploy)
E042  shared components are not deployed (at deploy)
W021  all weights are 0
W022  several scalers for one component
W023  one configuration or secret with two contents
W024  a link from a capability to a capability
W025  two spreads have one name
W026  two components have one id in the lattice
W027  nothing of a component is ever started
W028  a trait of a type that means nothing
W029  a scaler that holds a link
W030  a name that NATS cannot store
W040  an image reference that no host can use, or only some
W041  another ``apiVersion`` or ``kind`` than an application has
W042  an annotation that was meant to share the application, and does not
W046  more components, links, spreads or configurations than a server plans
W060  more instances than a host can take
W061  an id that another deployed application has
===== =======================================================================

E100 to E107, E110, W011, W012 and W018 are found in the text, by :mod:`wadm.wire.manifests`; W043 to W045 concern files
and are found by the command line alone; E051 to W053 need the images (:mod:`wadm.images.check`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wadm.engine.limits import DEFAULT, OPTION, Limits, excess
from wadm.engine.manifest_walk import components, error, list_of_names, warning
from wadm.engine.traits import kind_of, scales
from wadm.engine.validate_advice import ADVICE
from wadm.engine.validate_rules import (
    LATEST_HINT,
    NAME_HINT,
    NOT_LATEST,
    RULES,
    VERSION_PATH,
    name_is_valid,
    oam_key_is_valid,
)
from wadm.engine.validate_texts import TEXTS
from wadm.model.manifest import Component, Manifest, Problem
from wadm.model.names import LATEST, SHARED_ANNOTATION, entity_id
from wadm.model.text import quoted

__all__ = [
    "check_deploy",
    "missing_shared",
    "name_is_valid",
    "oam_key_is_valid",
    "refusal",
    "scales",
    "shared_ids",
    "too_large",
    "validate",
    "wants_nothing",
]


def validate(manifest: Manifest, limits: Limits | None = DEFAULT) -> list[Problem]:
    """Return all that is wrong with a manifest or odd about it: the rules in the original's order, then advice.

    ``limits`` are those of the server that is to plan it; ``None``: they are looked at elsewhere.
    """
    found = [problem for rule in (*RULES, *ADVICE, *TEXTS) for problem in rule(manifest)]
    return [*found, *too_large(manifest, limits)] if limits is not None else found


def too_large(manifest: Manifest, limits: Limits) -> Iterator[Problem]:
    """Yield a warning about an application that a server with these limits does not plan."""
    if what := excess(manifest, limits):
        message = f"the application is too large to be planned: {what}"
        yield warning("W046", message, "spec.components", f"split it, or start the server with a larger {OPTION}")


def refusal(manifest: Manifest) -> Problem | None:
    """Return why a manifest cannot be put, in the words of the API, or ``None``
    (docs/protocol/manifest.md#order-of-a-put).

    Version and name are looked at before the rules, and worded otherwise than by them.
    """
    if manifest.version == LATEST:
        return error("E002", f"invalid manifest version, errors: {quoted(NOT_LATEST)}", VERSION_PATH, LATEST_HINT)
    if not name_is_valid(name := manifest.name.strip()):
        message = (
            f"Manifest name {name} contains invalid characters. "
            "Manifest names can only contain alphanumeric characters, dashes, and underscores."
        )
        return error("E001", message, "metadata.name", NAME_HINT)
    return next((problem for rule in RULES for problem in rule(manifest) if problem.level == "error"), None)


def wants_nothing(manifest: Manifest) -> bool:
    """Whether there is nothing to start or to link, nor anything of another application: then the status of a
    deployed version never is more than undeployed."""
    return not any(
        component.kind == "capability"
        or component.properties.application is not None
        or any(kind_of(trait) is not None for trait in component.traits or ())
        for _, component in components(manifest)
    )


def check_deploy(
    manifest: Manifest,
    owners_of: Callable[[str], Iterable[str]],
    deployed: Callable[[str], Manifest | None],
) -> list[Problem]:
    """Return why a manifest cannot be deployed beside the other applications of its lattice
    (docs/protocol/manifest.md#checks-at-a-deploy).

    ``owners_of`` gives the applications whose deployed manifest has an explicit ``id``, ``deployed`` the deployed
    manifest of an application. Both are asked only about what this manifest mentions, so indexes can answer.
    """
    return [*_taken_ids(manifest, owners_of), *_not_shared(manifest, deployed)]


def missing_shared(manifest: Manifest, deployed: Callable[[str], Manifest | None]) -> tuple[str, ...]:
    """Return the components that refer to a component that no application shares at present.

    What counts is the deployed version of the other application; the original looks at the newest
    (docs/compatibility.md#shared-version).
    """
    offers = _Offers(deployed)
    return tuple(component.name for _, component in components(manifest) if offers.lack(component))


class _Offers:
    """What other applications share, each looked into once."""

    def __init__(self, deployed: Callable[[str], Manifest | None]) -> None:
        self._deployed = deployed
        self._shared: dict[str, set[tuple[str, str]]] = {}

    def lack(self, component: Component) -> bool:
        """Whether a component refers to one that is not shared at present."""
        reference = component.properties.application
        if reference is None or component.properties.image is not None:
            return False
        if reference.name not in self._shared:
            other = self._deployed(reference.name)
            entries = other.spec.components if other is not None and other.shared else ()
            self._shared[reference.name] = {(entry.name, entry.kind) for entry in entries}
        return (reference.component, component.kind) not in self._shared[reference.name]


def _taken_ids(manifest: Manifest, owners_of: Callable[[str], Iterable[str]]) -> Iterator[Problem]:
    for path, component in components(manifest):
        id_ = component.properties.id
        others = sorted(set(owners_of(id_)) - {manifest.name}) if id_ is not None else ()
        for other in others:
            message = f"Component identifier '{id_}' is already deployed in a different application '{other}'."
            hint = f"give it another id, or undeploy {other}"
            yield error("E041", message, f"{path}.properties.id", hint)


def shared_ids(manifest: Manifest, owners_of: Callable[[str], Iterable[str]]) -> list[Problem]:
    """Return what a manifest runs under an id that another deployed application has, generated ids included.

    Explicit ids that two manifests give are refused (:func:`check_deploy`); of the others the original knows nothing.
    """
    found = []
    for path, component in components(manifest):
        if component.properties.image is None:
            continue
        id_ = component.properties.id or entity_id(manifest.name, component.name)
        for other in sorted(set(owners_of(id_)) - {manifest.name}):
            message = f"{component.name} gets the id {id_}, which application {other} has too: either may be reached"
            found.append(warning("W061", message, path, f"give it another id, or undeploy {other}"))
    return found


def _not_shared(manifest: Manifest, deployed: Callable[[str], Manifest | None]) -> Iterator[Problem]:
    found: dict[str, Manifest | None] = {}

    def once(name: str) -> Manifest | None:
        if name not in found:
            found[name] = deployed(name)
        return found[name]

    if names := missing_shared(manifest, once):
        what = "Application contains shared components that are not deployed in other applications"
        lacking = set(names)
        references = (c.properties.application for _, c in components(manifest) if c.name in lacking)
        hint = "; ".join(_how_to_share(other, found.get(other)) for other in sorted({r.name for r in references if r}))
        yield error("E042", f"{what}: {list_of_names(names)}", "spec.components", hint)


def _how_to_share(name: str, other: Manifest | None) -> str:
    if other is None:
        return f"deploy {name} first; its manifest needs the annotation {SHARED_ANNOTATION}: 'true'"
    if not other.shared:
        annotation = f"{SHARED_ANNOTATION}: 'true'"
        return f"{name} is deployed and not marked as shared: add the annotation {annotation} to it and deploy it again"
    return f"{name} is deployed and shared, and has no such component of the same type"
