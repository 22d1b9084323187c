"""What can be asked of a lattice, and why it was asked.

A command sets a state ("this host runs four of this"), so carrying it out twice does no harm. Shapes as in
the control interface (docs/protocol/lattice.md#bodies) and on the command stream
(docs/protocol/reconciliation.md#command-stream).
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from wadm.model.lattice import Link, LinkKey

Key = tuple[str, ...]
"""What a command is about: ``("component", host, id)``, ``("provider", host, id)``, ``("link", source, namespace,
package, name, target)``, ``("config", name)``; for anything else of a host: its kind, the host, and its name. At most
one command per key is in flight. A link is deleted by its identity alone, so that key has no target."""


MOST_INSTANCES = 2**32 - 1
"""Instances of a component that a host can be asked for: more do not fit into the number of its request."""


class ScaleComponent(Struct, frozen=True):
    """Run exactly ``count`` (maximum) instances of a component on a host; 0 stops it."""

    component_id: str
    host_id: str
    count: int
    reference: str
    model_name: str
    annotations: dict[str, str]
    config: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("component", self.host_id, self.component_id)


class UpdateComponent(Struct, frozen=True):
    """Replace the image of a running component without losing a request; the count stays."""

    component_id: str
    host_id: str
    reference: str
    model_name: str
    annotations: dict[str, str]

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("component", self.host_id, self.component_id)


class StartProvider(Struct, frozen=True):
    """Start a provider on a host; at most one with that id runs on a host."""

    provider_id: str
    host_id: str
    reference: str
    model_name: str
    annotations: dict[str, str]
    config: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("provider", self.host_id, self.provider_id)


class StopProvider(Struct, frozen=True):
    """Stop a provider on a host."""

    provider_id: str
    host_id: str
    model_name: str
    annotations: dict[str, str]

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("provider", self.host_id, self.provider_id)


class PutLink(Struct, frozen=True):
    """Put a link; one with the same identity and target is replaced in place."""

    source_id: str
    target: str
    name: str
    wit_namespace: str
    wit_package: str
    interfaces: tuple[str, ...]
    model_name: str
    source_config: tuple[str, ...] = ()
    target_config: tuple[str, ...] = ()

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("link", *self.link_key, self.target)

    @property
    def link_key(self) -> LinkKey:
        """The identity of the link."""
        return (self.source_id, self.wit_namespace, self.wit_package, self.name)

    @property
    def link(self) -> Link:
        """The link that is put."""
        return Link(
            self.source_id,
            self.target,
            self.name,
            self.wit_namespace,
            self.wit_package,
            self.interfaces,
            self.source_config,
            self.target_config,
        )


class DeleteLink(Struct, frozen=True):
    """Delete the first link with that identity, whatever its target."""

    source_id: str
    wit_namespace: str
    wit_package: str
    link_name: str
    model_name: str

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("link", *self.link_key)

    @property
    def link_key(self) -> LinkKey:
        """The identity of the link."""
        return (self.source_id, self.wit_namespace, self.wit_package, self.link_name)


class PutConfig(Struct, frozen=True):
    """Store a named configuration (or secret reference) as a whole."""

    config_name: str
    config: dict[str, str]
    model_name: str = ""

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("config", self.config_name)


class DeleteConfig(Struct, frozen=True):
    """Delete a named configuration (or secret reference)."""

    config_name: str
    model_name: str = ""

    @property
    def key(self) -> Key:
        """What the command is about."""
        return ("config", self.config_name)


Command = (
    ScaleComponent | UpdateComponent | StartProvider | StopProvider | PutLink | DeleteLink | PutConfig | DeleteConfig
)


Result = Literal["accepted", "refused", "unanswered", "unreachable"]


def link_of(key: Key) -> LinkKey | None:
    """Return the identity of the link that a command is about, if it is about one."""
    return (key[1], key[2], key[3], key[4]) if key[0] == "link" else None


def host_of(command: Command) -> str:
    """Return the id of the host that a command is for; nothing where any host can carry it out."""
    return getattr(command, "host_id", "")


class Action(Struct, frozen=True):
    """A command with the application and scaler it serves and the reason, in words, for people.

    ``scaler`` is the scaler's id, or ``""`` for garbage and configuration that several scalers need. ``attempts``
    counts failures of the same thing elsewhere, so that trying another host does not start the pauses anew. ``again``:
    it is asked although it is so already, for the sake of providers that have not heard of it: nobody undoes anything.
    """

    command: Command
    application: str
    scaler: str
    reason: str
    attempts: int = 0
    again: bool = False


class Outcome(Struct, frozen=True):
    """What became of a command: the host's own words.

    ``accepted``: the host said yes (for starts and scales: it will try). ``refused``: it said no.
    ``unanswered``: no answer in time, it may have acted. ``unreachable``: nobody there to answer.
    """

    command: Command
    result: Result
    message: str = ""
