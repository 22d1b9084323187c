"""Which lattice an object belongs to, and how that is reached.

As with the original, the host configs of a namespace say it: their lattice, at their NATS, with their credentials.
Where a namespace has none, the lattice that the operator was started with counts. The annotation
``wasmcloud.dev/lattice`` chooses among these and reaches no further, so that rights in one namespace give none in the
lattice of another.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from wadm.operator import names
from wadm.operator.conditions import Condition
from wadm.operator.host_config import NATS_ADDRESS, NATS_CLIENT_PORT, Unacceptable, read
from wadm.operator.kube import Object

OWN: Final = ("", "own")
"""In place of a Secret: the credentials that the operator was started with."""


class Target(Struct, frozen=True, order=True):
    """A lattice, and how it is reached.

    ``address`` is the URL of its NATS, as :func:`server_url` writes it. ``secret`` is namespace and name of the Secret
    with ``nats.creds``, empty for none, or :data:`OWN`. ``account`` is the NATS account of the credentials, empty where
    that is not known: what is in one is not seen in another, whatever it is called.
    """

    lattice: str
    address: str = ""
    secret: tuple[str, str] = ("", "")
    account: str = ""

    @property
    def is_own(self) -> bool:
        """Whether it is reached as the operator was told at its start; release 0.22 noted no address of that."""
        return self.secret == OWN or not self.address

    @property
    def server(self) -> str:
        """The server alone: with TLS or without, a port has one."""
        return self.address.partition("://")[2]


class Place(Struct, frozen=True, order=True):
    """An application of a lattice: where an object's manifest is deployed."""

    target: Target
    name: str

    def __str__(self) -> str:
        return f"{self.target.lattice}/{self.name}"

    def names_same(self, other: Place) -> bool:
        """Whether both name the same application of a lattice of the same name, however the lattice is reached."""
        return (self.target.lattice, self.name) == (other.target.lattice, other.name)


def same_lattice(one: Target | Condition | None, other: Target | Condition | None) -> bool:
    """Whether two targets are one lattice at one server, with whatever credentials of the same account.

    An account that is not known may be any: better two objects of one name are refused than one deploys over the other.
    """
    if not (isinstance(one, Target) and isinstance(other, Target)):
        return False
    if one.account and other.account and one.account != other.account:
        return False
    return (one.lattice, one.server) == (other.lattice, other.server)


def server_url(address: str, port: int | None = None) -> str:
    """Return the URL of a NATS server, the same for all spellings of its address.

    What stands after the port means nothing, but for WebSockets.

    >>> server_url("Hub.example/", 4222), server_url("NATS://hub.example"), server_url("wss://hub/nats", 443)
    ('nats://hub.example:4222', 'nats://hub.example:4222', 'wss://hub:443/nats')
    """
    scheme, _, rest = address.rpartition("://")
    scheme = scheme.lower() or "nats"
    place, _, path = rest.partition("/")
    user, at, host = place.rpartition("@")
    if port is None and scheme in ("nats", "tls") and ":" not in host.rpartition("]")[2]:
        port = NATS_CLIENT_PORT
    path = f"/{path}" if path and scheme in ("ws", "wss") else ""
    return f"{scheme}://{user}{at}{host.lower()}{f':{port}' if port else ''}{path}"


ACCEPTED_FIELDS: Final = ("lattice", "natsAddress", "natsClientPort", "secretName")
"""Settings of a host config that say which lattice it is of and how that is reached."""


def target_of(host_config: Object) -> Target | None:
    """Return the lattice of a host config, ``None`` for one that never was accepted.

    A change that is not accepted moves no applications, as it restarts no hosts: what the operator accepted last, which
    ``status.accepted`` says, counts until it has accepted the new settings.
    """
    status = host_config.get("status") or {}
    accepted = status.get("accepted")
    if accepted is not None:
        return _target(host_config, accepted, accepted.get("account") or "")
    try:
        read(host_config)
    except Unacceptable:
        return None
    # With credentials it is known once they have been read: which account they are of is a part of it. Release 0.22
    # noted no more than that it had.
    known = any((one["type"], one["status"]) == ("Accepted", "True") for one in status.get("conditions") or ())
    return None if host_config["spec"].get("secretName") and not known else _target(host_config, host_config["spec"])


def wished_target(host_config: Object) -> Target | None:
    """Return the lattice that the settings of a host config say now, ``None`` for one that never was accepted."""
    counts = target_of(host_config)
    spec = host_config.get("spec") or {}
    return _target(host_config, spec, counts.account) if counts is not None and spec.get("lattice") else counts


def _target(host_config: Object, spec: Mapping[str, Any], account: str = "") -> Target:
    address = spec.get("natsAddress") or NATS_ADDRESS
    port = spec.get("natsClientPort") or NATS_CLIENT_PORT
    secret = (host_config["metadata"]["namespace"], spec["secretName"]) if spec.get("secretName") else ("", "")
    return Target(str(spec["lattice"]), server_url(address, port), secret, account if spec.get("secretName") else "")


def choose(
    body: Object,
    host_configs: Iterable[Object],
    default: Target | None,
    of: Callable[[Object], Target | None] = target_of,
) -> Target | Condition:
    """Return the lattice of an Application, or why there is none.

    ``host_configs`` are those of its namespace, and ``of`` says which lattice each is of.
    """
    namespace = body["metadata"].get("namespace", "")
    named = body["metadata"].get("annotations", {}).get(names.LATTICE)
    configs = list(host_configs)
    here = sorted({target for one in configs if (target := of(one)) is not None})
    found = here or ([default] if default and not configs else [])
    if named:
        candidates = [*here, *([default] if default and default not in here else [])]
        found = [target for target in candidates if target.lattice == named]
    if len(found) == 1:
        return found[0]
    if not found:
        refused = [one for one in configs if of(one) is None and named in (None, one["spec"].get("lattice"))]
        return Condition("Accepted", "False", "NoLattice", _nowhere(namespace, named, refused))
    if all(same_lattice(target, found[0]) for target in found):
        return found[0]  # the same lattice, with several credentials
    if named:
        addresses = ", ".join(sorted({target.address for target in found}))
        return Condition(
            "Accepted",
            "False",
            "AmbiguousLattice",
            f"the host configs of namespace {namespace} reach a lattice {named} at several addresses ({addresses})",
        )
    lattices = ", ".join(sorted({target.lattice for target in found}))
    return Condition(
        "Accepted",
        "False",
        "AmbiguousLattice",
        f"the host configs of namespace {namespace} are of several lattices ({lattices}): "
        f"choose one with the annotation {names.LATTICE}",
    )


def undecided(body: Object, host_configs: Sequence[Object], default: Target | None, target: Target) -> Condition | None:
    """Return why an Application may not go to ``target`` yet: settings of host configs mean another lattice.

    An object that is applied together with new settings of its host config means the new lattice: it must not replace,
    and on its way out delete, what another tool runs under its name in the old one.
    """
    if choose(body, host_configs, default, wished_target) == target:
        return None
    words = f"the host configs of namespace {body['metadata'].get('namespace', '')} have changed"
    changing = sorted(one["metadata"]["name"] for one in host_configs if target_of(one) != wished_target(one))
    if changing:
        words = f"the new settings of host config {', '.join(changing)} ask for another lattice and are not accepted"
    return Condition("Accepted", "Unknown", "LatticeChanging", words)


def _nowhere(namespace: str, named: str | None, refused: Sequence[Object]) -> str:
    if refused:
        names_ = ", ".join(sorted(one["metadata"]["name"] for one in refused))
        verb, whose = ("are", "their") if len(refused) > 1 else ("is", "its")
        return (
            f"the host config{'s' * (len(refused) > 1)} {names_} of namespace {namespace} {verb} not accepted, so the "
            f"lattice is not known: {whose} condition Accepted says what to change"
        )
    if named:
        return (
            f"metadata.annotations[{names.LATTICE}]: no WasmCloudHostConfig of namespace {namespace} is of lattice "
            f"{named}, nor is it the operator's own: apply one, or name another lattice"
        )
    return (
        f"namespace {namespace} has no WasmCloudHostConfig to say which lattice this belongs to, and the operator has "
        "no lattice of its own: apply one, or start the operator with --nats-server (nats.server in the chart)"
    )
