"""How commands are spelled: one row each, for the command stream and for the control call that carries it out.

On ``wadm.cmd.{lattice}`` a command is an object with one key, the command's name
(docs/protocol/reconciliation.md#command-stream). Annotations there are those of the scaler alone; who manages what is
added in the control call. ``UpdateComponent`` and the application's name in configuration commands are not of the
original, which drops the one as unknown and overlooks the other.

Bodies of control calls have the fields of the original's client in its order, maps sorted by key
(docs/protocol/lattice.md#bodies).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final, TypeAlias

from msgspec import Raw, Struct, json

from wadm.errors import Malformed
from wadm.model.commands import (
    Command,
    DeleteConfig,
    DeleteLink,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.names import APPSPEC, MANAGED_BY, MANAGER
from wadm.wire.links import encode_link
from wadm.wire.reading import MAX_COUNT, read

ControlCall: TypeAlias = tuple[str, bytes]
"""What follows the lattice in the subject of a control call, and the body."""


class Spelling(Struct, frozen=True):
    """How one kind of command is spelled."""

    command: type[Command]
    """Its type; its name is the key on the command stream."""
    call: Callable[[Any], ControlCall]
    """Returns the control call that carries it out."""
    order: tuple[str, ...] = ()
    """The order of its fields on the command stream, where that is not the model's."""
    optional: tuple[str, ...] = ()
    """The fields that are left out of the command stream where they are empty."""

    def fields(self, command: Command) -> dict[str, Any]:
        """Return a command's fields as the command stream has them."""
        fields = {name: getattr(command, name) for name in self.order or command.__struct_fields__}
        return {name: value for name, value in fields.items() if value or name not in self.optional}


# -- control calls -----------------------------------------------------------------------------


def _scale(command: ScaleComponent) -> ControlCall:
    return f"component.scale.{command.host_id}", _body(
        component_ref=command.reference,
        component_id=command.component_id,
        annotations=_annotations(command),
        count=command.count,
        host_id=command.host_id,
        config=command.config,
        allow_update=False,
    )


def _update(command: UpdateComponent) -> ControlCall:
    return f"component.update.{command.host_id}", _body(
        component_id=command.component_id,
        annotations=_annotations(command),
        host_id=command.host_id,
        new_component_ref=command.reference,
    )


def _start_provider(command: StartProvider) -> ControlCall:
    return f"provider.start.{command.host_id}", _body(
        provider_id=command.provider_id,
        provider_ref=command.reference,
        host_id=command.host_id,
        config=command.config,
        annotations=_annotations(command),
    )


def _stop_provider(command: StopProvider) -> ControlCall:
    return f"provider.stop.{command.host_id}", _body(host_id=command.host_id, provider_id=command.provider_id)


def _put_link(command: PutLink) -> ControlCall:
    return "link.put", encode_link(command.link)


def _delete_link(command: DeleteLink) -> ControlCall:
    return "link.del", _body(
        source_id=command.source_id,
        name=command.link_name,
        wit_namespace=command.wit_namespace,
        wit_package=command.wit_package,
    )


def _put_config(command: PutConfig) -> ControlCall:
    return f"config.put.{command.config_name}", _sorted.encode(command.config)


def _delete_config(command: DeleteConfig) -> ControlCall:
    return f"config.del.{command.config_name}", b""


def _annotations(command: ScaleComponent | UpdateComponent | StartProvider) -> dict[str, str]:
    """Return what is started bears: that wadm manages it and for which application, whatever the command's own say."""
    own = {MANAGED_BY: MANAGER, APPSPEC: command.model_name}
    return dict(sorted((command.annotations | own).items()))


def _body(**fields: Any) -> bytes:
    return json.encode(fields)


_sorted = json.Encoder(order="deterministic")


# -- the table ---------------------------------------------------------------------------------

_START_PROVIDER_ORDER = ("reference", "provider_id", "host_id", "model_name", "config", "annotations")

SPELLINGS: Final[dict[str, Spelling]] = {
    one.command.__name__: one
    for one in (
        Spelling(ScaleComponent, _scale, optional=("config",)),
        Spelling(UpdateComponent, _update),
        Spelling(StartProvider, _start_provider, _START_PROVIDER_ORDER, optional=("config",)),
        Spelling(StopProvider, _stop_provider),
        Spelling(PutLink, _put_link),
        Spelling(DeleteLink, _delete_link),
        Spelling(PutConfig, _put_config, optional=("model_name",)),
        Spelling(DeleteConfig, _delete_config, optional=("model_name",)),
    )
}

_tagged = json.Decoder(dict[str, Raw])


def request_for(command: Command) -> ControlCall:
    """Return the control call that carries out a command."""
    return SPELLINGS[type(command).__name__].call(command)


def encode_command(command: Command) -> bytes:
    """Return the message for the command stream, fields in the original's order.

    Raises :class:`~wadm.errors.Malformed` for what nobody could read, such as numbers that are too large.
    """
    count = _count(command)
    if count > MAX_COUNT:
        raise Malformed(f"{count} instances is more than a host can take ({MAX_COUNT})")
    name = type(command).__name__
    return json.encode({name: SPELLINGS[name].fields(command)})


def decode_command(data: bytes) -> Command:
    """Read a message of the command stream; raise :class:`~wadm.errors.Malformed` where it is none."""
    tagged = read(_tagged, data, "command")
    if len(tagged) != 1:
        raise Malformed(f"command: expected one key, the command's name, got {len(tagged)}")
    [(name, fields)] = tagged.items()
    spelling = SPELLINGS.get(name)
    if spelling is None:
        raise Malformed(f"command: unknown command {name[:64]!r}")
    command = read(_decoder(spelling.command), fields, f"command {name}")
    if not 0 <= (count := _count(command)) <= MAX_COUNT:
        raise Malformed(f"command {name}: {count} instances")
    return command


@cache
def _decoder(kind: type[Command]) -> json.Decoder[Command]:
    return json.Decoder(kind)


def _count(command: Command) -> int:
    return getattr(command, "count", 0)
