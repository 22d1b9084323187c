"""Commands on ``wadm.cmd.{lattice}``: an object with one key, the command's name
(docs/protocol/reconciliation.md#command-stream).

Annotations are those of the scaler alone; who manages what is added by whoever carries the command out.
``UpdateComponent`` and the application's name in configuration commands are not of the original, which drops the one
as unknown and overlooks the other.
"""

from __future__ import annotations

from typing import Any

from msgspec import Raw, json

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
from wadm.wire.reading import MAX_COUNT, read

_KINDS: tuple[type[Command], ...] = (
    ScaleComponent,
    UpdateComponent,
    StartProvider,
    StopProvider,
    PutLink,
    DeleteLink,
    PutConfig,
    DeleteConfig,
)
_ORDER: dict[type[Command], tuple[str, ...]] = {
    StartProvider: ("reference", "provider_id", "host_id", "model_name", "config", "annotations"),
}
"""The order of fields where it is not that of the model."""

_tagged = json.Decoder(dict[str, Raw])
_decoders: dict[str, json.Decoder[Command]] = {kind.__name__: json.Decoder(kind) for kind in _KINDS}


def encode_command(command: Command) -> bytes:
    """Return the message for the command stream, fields in the original's order.

    Raises :class:`~wadm.errors.Malformed` for what nobody could read, such as numbers that are too large.
    """
    if isinstance(command, ScaleComponent) and command.count > MAX_COUNT:
        raise Malformed(f"{command.count} instances is more than a host can take ({MAX_COUNT})")
    return json.encode({type(command).__name__: _fields(command)})


def decode_command(data: bytes) -> Command:
    """Read a message of the command stream; raise :class:`~wadm.errors.Malformed` where it is none."""
    tagged = read(_tagged, data, "command")
    if len(tagged) != 1:
        raise Malformed(f"command: expected one key, the command's name, got {len(tagged)}")
    [(name, fields)] = tagged.items()
    decoder = _decoders.get(name)
    if decoder is None:
        raise Malformed(f"command: unknown command {name[:64]!r}")
    command = read(decoder, fields, f"command {name}")
    if isinstance(command, ScaleComponent) and not 0 <= command.count <= MAX_COUNT:
        raise Malformed(f"command {name}: {command.count} instances")
    return command


def _fields(command: Command) -> dict[str, Any]:
    fields = {name: getattr(command, name) for name in _ORDER.get(type(command), command.__struct_fields__)}
    match command:
        case ScaleComponent(config=()) | StartProvider(config=()):
            del fields["config"]
        case PutConfig(model_name="") | DeleteConfig(model_name=""):
            del fields["model_name"]
    return fields
