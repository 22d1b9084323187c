"""Streams and buckets: having them as wadm wants them, without taking from operators what they set up."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from msgspec import Struct

from wadm.errors import NotFound
from wadm.transport.base import BucketSpec, StreamSpec
from wadm.transport.nats.jetstream import Answer, JetStream
from wadm.transport.rules import adjusted, serves

SECOND = 1_000_000_000
"""JetStream counts in nanoseconds."""


class StreamState(Struct, frozen=True):
    """How far a stream is."""

    messages: int = 0
    last_seq: int = 0


class StreamInfo(Answer, frozen=True):
    """A stream as the API shows it. ``config`` is kept whole, so that an update leaves alone what we do not know."""

    config: dict[str, Any] = msgspec.field(default_factory=dict)
    state: StreamState = StreamState()
    created: str = ""


_info_decoder = msgspec.json.Decoder(StreamInfo)
_answer_decoder = msgspec.json.Decoder(Answer)


async def stream_info(jetstream: JetStream, name: str) -> StreamInfo | None:
    """Return a stream's configuration and state, or ``None`` where there is no such stream."""
    try:
        return await jetstream.call(f"STREAM.INFO.{name}", None, _info_decoder)
    except NotFound:
        return None


async def ensure_stream(jetstream: JetStream, spec: StreamSpec) -> Literal["created", "kept", "updated", "replaced"]:
    """Have such a stream: make it, keep it, bring its limits to what they should be, or make it again."""
    there = await stream_info(jetstream, spec.name)
    if there is None:
        await _create(jetstream, stream_config(spec))
        return "created"
    had = described(there.config)
    if not serves(had, spec):
        jetstream.connection.on_event("stream_replaced", stream=spec.name, had=_shown(had), wanted=_shown(spec))
        await delete_stream(jetstream, spec.name)
        await _create(jetstream, stream_config(spec))
        return "replaced"
    wanted = adjusted(had, spec)
    if wanted == had:
        return "kept"
    await jetstream.call(f"STREAM.UPDATE.{spec.name}", changed(there.config, wanted), _answer_decoder)
    return "updated"


async def delete_stream(jetstream: JetStream, name: str) -> bool:
    """Delete a stream; return whether there was one."""
    try:
        await jetstream.call(f"STREAM.DELETE.{name}", None, _answer_decoder, repeat=False)
    except NotFound:
        return False
    return True


async def purge_stream(jetstream: JetStream, name: str, subject: str) -> None:
    """Delete a stream's messages under a subject."""
    await jetstream.call(f"STREAM.PURGE.{name}", {"filter": subject}, _answer_decoder)


async def ensure_bucket(jetstream: JetStream, spec: BucketSpec) -> Literal["created", "kept"]:
    """Have such a bucket. One that is there is used as it is: operators make them beforehand, with more replicas."""
    if await stream_info(jetstream, f"KV_{spec.name}") is not None:
        return "kept"
    await _create(jetstream, bucket_config(spec))
    return "created"


def stream_config(spec: StreamSpec) -> dict[str, Any]:
    """Return the stream's configuration in the API's words."""
    return {
        "name": spec.name,
        "description": spec.description,
        "subjects": list(spec.subjects),
        "retention": spec.retention,
        "storage": spec.storage,
        "discard": "old",
        "max_age": _nanoseconds(spec.max_age),
        "max_bytes": spec.max_bytes,
        "max_msgs": -1,
        "max_msgs_per_subject": spec.max_msgs_per_subject,
        "max_consumers": -1,
        "num_replicas": spec.replicas,
        "allow_direct": spec.allow_direct,
        "no_ack": spec.no_ack,
    }


def bucket_config(spec: BucketSpec) -> dict[str, Any]:
    """Return the configuration of the stream behind a bucket: what every client library expects of one."""
    return {
        "name": f"KV_{spec.name}",
        "description": "",
        "subjects": [f"$KV.{spec.name}.>"],
        "retention": "limits",
        "storage": spec.storage,
        "discard": "new",
        "max_age": 0,
        "max_bytes": spec.max_bytes,
        "max_msgs": -1,
        "max_msgs_per_subject": 1,
        "max_consumers": -1,
        "num_replicas": spec.replicas,
        "allow_rollup_hdrs": True,
        "deny_delete": True,
        "allow_direct": True,
    }


def described(config: dict[str, Any]) -> StreamSpec:
    """Read a configuration in the API's words."""
    return StreamSpec(
        name=config["name"],
        subjects=tuple(config.get("subjects") or ()),
        retention=config["retention"],
        storage=config["storage"],
        max_age=config.get("max_age", 0) / SECOND,
        max_bytes=config.get("max_bytes", -1),
        max_msgs_per_subject=config.get("max_msgs_per_subject", -1),
        replicas=config.get("num_replicas", 1),
        allow_direct=config.get("allow_direct", False),
        no_ack=config.get("no_ack", False),
        description=config.get("description", ""),
    )


def changed(config: dict[str, Any], spec: StreamSpec) -> dict[str, Any]:
    """Return a configuration with the settings of ``spec`` in place; what we do not know of is left alone."""
    new = config | stream_config(spec)
    for ours in ("discard", "max_msgs", "max_consumers"):
        new[ours] = config.get(ours, new[ours])
    if 0 < new["max_age"] < config.get("duplicate_window", 0):
        new["duplicate_window"] = new["max_age"]  # which the server demands
    return new


def _shown(spec: StreamSpec) -> str:
    return f"{spec.retention} stream of {', '.join(spec.subjects)}"


def _nanoseconds(seconds: float) -> int:
    return round(seconds * SECOND)


async def _create(jetstream: JetStream, config: dict[str, Any]) -> None:
    await jetstream.call(f"STREAM.CREATE.{config['name']}", config, _answer_decoder)
