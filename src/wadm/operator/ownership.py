"""Who owns an application: Kubernetes, or whoever put it with another tool.

An Application object that somebody applied, created or edited is Kubernetes': its spec is what is deployed. One that
bears the label ``wasmcloud.dev/owner: wadm`` is a mirror: it shows what was put with ``wash`` or ``wadm``, and follows
it. A mirror whose spec somebody writes, with whatever tool, is Kubernetes' from then on. Deleting an object removes
from wadm only what the object's status says was handed over, so a mirror that is deleted removes nothing.

Of several objects that mean the same application the one counts that wadm was given, else the oldest (times of objects
are in seconds, so there are ties); and a mirror never before another.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from wadm.operator import names
from wadm.operator.kube import Object
from wadm.operator.manifests import application_name
from wadm.operator.names import Key, key_of
from wadm.operator.targets import Place, Target, server_url

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def is_mirror(body: Object) -> bool:
    """Whether the object shows what another tool put."""
    return bool(body["metadata"].get("labels", {}).get(names.OWNER_LABEL) == "wadm")


def is_claimed(body: Object) -> bool:
    """Whether somebody else than the operator has written the spec of a mirror.

    ``kubectl apply`` of the very spec that is there writes only its note of what was applied last.
    """
    metadata = body["metadata"]
    if LAST_APPLIED in metadata.get("annotations", {}):
        return True
    return any(
        entry.get("manager") != names.MIRROR_MANAGER
        and not entry.get("subresource")
        and "f:spec" in entry.get("fieldsV1", {})
        for entry in metadata.get("managedFields", ())
    )


def winner(bodies: Iterable[Object], place: Place) -> Object:
    """Return the object that counts, of those that mean the application at ``place``."""

    def rank(body: Object) -> tuple[bool, bool, str, Key]:
        given = any(one.names_same(place) for one in places_of_record(body))
        return is_mirror(body), not given, body["metadata"]["creationTimestamp"], key_of(body)

    return min(bodies, key=rank)


def places_of_record(body: Object) -> list[Place]:
    """Return where wadm was given what an object asks for: the current place, then those that are to be left.

    What release 0.22 noted has no name and no address: the name is that of today, the lattice that of the status.
    """
    status = body.get("status") or {}
    applied = status.get("applied")
    if not applied:
        return []
    current = {"name": application_name(body), "lattice": status.get("lattice") or "", **applied}
    return [place_from(one) for one in (current, *(applied.get("former") or ())) if one.get("lattice")]


def place_from(noted: Mapping[str, Any]) -> Place:
    """Return a place as a status notes it."""
    namespace, _, secret = (noted.get("secret") or "").partition("/")
    address = noted.get("address")
    url = server_url(address) if address else ""
    target = Target(noted["lattice"], url, (namespace, secret), noted.get("account") or "")
    return Place(target, noted["name"])


def noted_place(place: Place) -> dict[str, str]:
    """Return what a status notes of a place."""
    target = place.target
    secret = "/".join(target.secret) if target.secret[1] else ""
    fields = {"name": place.name, "lattice": target.lattice, "address": target.address, "secret": secret}
    fields["account"] = target.account
    return {key: text for key, text in fields.items() if text}


# -- objects of a host config ------------------------------------------------------------------


def belongs_to(live: Object, uid: str, manager: str) -> bool:
    """Whether an object may be written by the owner with that uid: it controls the object, or nobody does and
    ``manager`` has applied it before, as after a deletion with ``--cascade=orphan``."""
    metadata = live["metadata"]
    owners = metadata.get("ownerReferences") or ()
    if any(one.get("uid") == uid for one in owners):
        return True
    if any(one.get("controller") for one in owners):
        return False
    return any(
        entry.get("manager") == manager and entry.get("operation") == "Apply"
        for entry in metadata.get("managedFields") or ()
    )


def is_orphaning(body: Object) -> bool:
    """Whether an object is deleted with ``--cascade=orphan``: what was made for it is to stay."""
    return "orphan" in body["metadata"].get("finalizers", ())
