"""Which lattice an object belongs to, and how that is reached.

As with the original, the host configs of a namespace say it: their lattice, at their NATS, with their credentials.
Where a namespace has none, the lattice that the operator was started with counts. The annotation
``wasmcloud.dev/lattice`` chooses among these and reaches no further, so that rights in one namespace give none in the
lattice of another.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from wadm.operator import names
from wadm.operator.conditions import Condition
from wadm.operator.host_config import NATS_ADDRESS, NATS_CLIENT_PORT
from wadm.operator.kube import Object


class Target(Struct, frozen=True, order=True):
    """A lattice. Without ``address`` it is the one that the operator was started with.

    ``secret`` is namespace and name of the Secret with ``nats.creds``, empty for none.
    """

    lattice: str
    address: str = ""
    secret: tuple[str, str] = ("", "")


def target_of(host_config: Object) -> Target:
    """Return the lattice of a host config."""
    spec = host_config["spec"]
    address = spec.get("natsAddress") or NATS_ADDRESS
    port = spec.get("natsClientPort") or NATS_CLIENT_PORT
    secret = (host_config["metadata"]["namespace"], spec["secretName"]) if spec.get("secretName") else ("", "")
    return Target(str(spec["lattice"]), f"{address}:{port}", secret)


def choose(body: Object, host_configs: Iterable[Object], default: Target | None) -> Target | Condition:
    """Return the lattice of an Application, or why there is none; ``host_configs`` are those of its namespace."""
    namespace = body["metadata"].get("namespace", "")
    named = body["metadata"].get("annotations", {}).get(names.LATTICE)
    here = sorted({target_of(one) for one in host_configs})
    found = here or ([default] if default else [])
    if named:
        candidates = [*here, *([default] if default and default not in here else [])]
        found = [target for target in candidates if target.lattice == named][:1]
    if len(found) == 1:
        return found[0]
    if not found:
        return Condition("Accepted", "False", "NoLattice", _nowhere(namespace, named))
    lattices = ", ".join(sorted({target.lattice for target in found}))
    if len({(target.lattice, target.address) for target in found}) == 1:
        return found[0]  # the same lattice, with several credentials
    return Condition(
        "Accepted",
        "False",
        "AmbiguousLattice",
        f"the host configs of namespace {namespace} are of several lattices ({lattices}): "
        f"choose one with the annotation {names.LATTICE}",
    )


def _nowhere(namespace: str, named: str | None) -> str:
    if named:
        return (
            f"metadata.annotations[{names.LATTICE}]: no WasmCloudHostConfig of namespace {namespace} is of lattice "
            f"{named}, nor is it the operator's own"
        )
    return (
        f"namespace {namespace} has no WasmCloudHostConfig to say which lattice this belongs to, "
        "and the operator has no lattice of its own (--nats-server)"
    )
