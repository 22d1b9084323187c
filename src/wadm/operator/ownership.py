"""Who owns an application: Kubernetes, or whoever put it with another tool.

An Application object that somebody applied, created or edited is Kubernetes': its spec is what is deployed. One that
bears the label ``wasmcloud.dev/owner: wadm`` is a mirror: it shows what was put with ``wash`` or ``wadm``, and follows
it. A mirror whose spec somebody writes, with whatever tool, is Kubernetes' from then on.

Of several objects that mean the same application the one counts that wadm was given, else the oldest (times of objects
are in seconds, so there are ties); and a mirror never before another.
"""

from __future__ import annotations

from collections.abc import Iterable

from wadm.operator import names
from wadm.operator.kube import Object
from wadm.operator.names import Key, key_of

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


def foremost(bodies: Iterable[Object]) -> Object:
    """Return the object that counts, of those that mean the same application."""

    def rank(body: Object) -> tuple[bool, bool, str, Key]:
        given = bool((body.get("status") or {}).get("applied"))
        return is_mirror(body), not given, body["metadata"]["creationTimestamp"], key_of(body)

    return min(bodies, key=rank)
