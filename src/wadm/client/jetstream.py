"""What JetStream says of itself: streams, their bounds, and who reads them. For finding out what is wrong.

Asked over its own API (``$JS.API``), so that whoever may not use it learns that too.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, json

from wadm.client.client import Client
from wadm.errors import NotFound, Rejected
from wadm.wire.reading import read


class StreamInfo(Struct, frozen=True):
    """A stream. ``time`` is the NATS server's clock (RFC 3339); ``max_age`` is in seconds, 0 or -1 are no bound."""

    name: str
    subjects: tuple[str, ...]
    retention: str
    max_age: float
    max_bytes: int
    max_msgs_per_subject: int
    messages: int
    bytes: int
    time: str = ""
    discard: str = "old"
    max_value_bytes: int = -1
    last: str = ""
    """When the last message came in (RFC 3339)."""

    @property
    def refuses_when_full(self) -> bool:
        """Whether what is new is refused at the limit, rather than what is old given up."""
        return self.discard == "new"


class ConsumerInfo(Struct, frozen=True):
    """A consumer of a stream. ``readers`` pull at this moment; ``pending`` messages have not been handed over."""

    name: str
    durable: bool
    readers: int
    pending: int
    created: str = ""
    """When it was made (RFC 3339)."""


class _Error(Struct, frozen=True):
    code: int = 0
    description: str = ""


class _Reply(Struct, frozen=True):
    error: _Error | None = None
    config: dict[str, Any] = {}
    state: dict[str, Any] = {}
    consumers: Any = ()
    """A list of them, or (of the account) how many there are."""
    ts: str = ""
    storage: int = 0
    memory: int = 0
    limits: dict[str, Any] = {}
    streams: Any = ()
    """Their names, or (of the account) how many there are."""


_reply = json.Decoder(_Reply)


class Account(Struct, frozen=True):
    """How much the account keeps and may keep, in bytes; a limit of -1 is none."""

    storage: int = 0
    memory: int = 0
    max_storage: int = -1
    max_memory: int = -1


async def account(client: Client) -> Account:
    """Return what the account keeps; raise NoResponders, TimedOut, or Rejected with what JetStream says."""
    reply = await _ask(client, "INFO")
    limits = reply.limits
    return Account(reply.storage, reply.memory, limits.get("max_storage", -1), limits.get("max_memory", -1))


async def stream_names(client: Client) -> tuple[str, ...]:
    """Return the names of the account's streams, those that buckets are made of too (the first thousand)."""
    return tuple((await _ask(client, "STREAM.NAMES")).streams or ())


async def stream(client: Client, name: str) -> StreamInfo:
    """Return a stream. Raises NotFound."""
    reply = await _ask(client, f"STREAM.INFO.{name}")
    config, state = reply.config, reply.state
    return StreamInfo(
        name,
        tuple(config.get("subjects") or ()),
        config.get("retention", ""),
        config.get("max_age", 0) / 1e9,
        config.get("max_bytes", -1),
        config.get("max_msgs_per_subject", -1),
        state.get("messages", 0),
        state.get("bytes", 0),
        reply.ts,
        config.get("discard", "old"),
        config.get("max_msg_size", -1),
        state.get("last_ts", ""),
    )


async def subjects_of(client: Client, name: str, pattern: str) -> dict[str, int]:
    """Return the subjects under which a stream holds messages, with how many. Raises NotFound."""
    reply = await _ask(client, f"STREAM.INFO.{name}", json.encode({"subjects_filter": pattern}))
    return reply.state.get("subjects") or {}


async def consumers(client: Client, name: str) -> tuple[ConsumerInfo, ...]:
    """Return the consumers of a stream. Raises NotFound."""
    reply = await _ask(client, f"CONSUMER.LIST.{name}", b"{}")
    return tuple(
        ConsumerInfo(
            one.get("name", ""),
            bool(one.get("config", {}).get("durable_name")),
            one.get("num_waiting", 0),
            one.get("num_pending", 0) + one.get("num_ack_pending", 0),
            one.get("created", ""),
        )
        for one in reply.consumers
    )


async def _ask(client: Client, question: str, body: bytes = b"") -> _Reply:
    domain = client.settings.js_domain
    subject = f"$JS.{domain}.API.{question}" if domain else f"$JS.API.{question}"
    reply = read(_reply, (await client.transport.request(subject, body, client.settings.timeout)).data, "JetStream")
    if reply.error is not None:
        kind = NotFound if reply.error.code == 404 else Rejected
        raise kind(f"JetStream: {reply.error.description}")
    return reply
