"""Where an answer may go: the rule that keeps a client from publishing with the server's rights.

Whoever asks names the subject of the answer, and the server publishes it with rights that the client may not have: a
reader who names ``wadm.api.other.model.del.shop`` would have the server delete an application for them. So answers go
to inboxes only, and never to a subject that this system, NATS or wasmCloud listens on.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, Literal, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

from wadm.wire.subjects import API_PREFIX

Refusal: TypeAlias = Literal["", "not_an_inbox", "reserved", "own_inbox", "malformed"]
"""Why an answer may not be sent; empty where it may."""

INBOX: Final = "_INBOX"
"""Where NATS clients await answers unless they are told otherwise."""
SERVER_INBOX: Final = f"{INBOX}.wadm_server"
"""Where servers await answers themselves, from hosts, JetStream and each other; no client may put an answer there."""
SERVICE_IMPORT: Final = "_R_"
"""What NATS makes of the reply subject of a request that crosses into this account by a service import."""
ALWAYS: Final = (INBOX, SERVICE_IMPORT)

RESERVED: Final = frozenset({"wadm", "wasmbus", "wasmcloud", "wadm_event_consumer"})
"""First tokens of what wadm (API, streams, other servers) and wasmCloud (hosts, providers, secrets) listen on."""
RPC: Final = "wrpc"
"""Third token of the calls between components: ``<lattice>.<component>.wrpc.…``."""
LONGEST: Final = 512
"""Bytes of a reply subject. Inboxes of clients have about 30, those of service imports about 20 more."""

_UNFIT: Final = re.compile(r"[\s\x00-\x1f\x7f*>]|^\.|\.\.|\.$|^$")


class ReplyRules(Struct, frozen=True):
    """Where a server may send answers. ``prefixes`` are whole tokens, without a dot at the end."""

    prefixes: tuple[str, ...] = ()
    """Where clients with an inbox prefix of their own await answers, besides :data:`ALWAYS`."""
    api_prefix: str = API_PREFIX
    barred: tuple[str, ...] = (SERVER_INBOX,)
    """Prefixes below the permitted ones that are closed all the same."""

    def refusal(self, reply: str) -> Refusal:
        """Say why nothing may be sent to a reply subject, in a word that is the same for all of a kind.

        >>> ReplyRules().refusal("_INBOX.AzK3pNhx.17"), ReplyRules().refusal("wadm.api.b.model.del.shop")
        ('', 'reserved')
        """
        if _ordinary(self.api_prefix, self.barred).fullmatch(reply):
            return ""
        if len(reply) > LONGEST or _UNFIT.search(reply):
            return "malformed"
        if is_reserved(reply, self.api_prefix):
            return "reserved"
        if not reply.startswith(_beginnings((*ALWAYS, *self.prefixes))):
            return "not_an_inbox"
        return "own_inbox" if reply.startswith(_beginnings(self.barred)) else ""

    def for_servers(self) -> ReplyRules:
        """Return the rules for questions that only servers ask each other: their own inboxes are open to them."""
        return replace(self, prefixes=(*self.prefixes, *self.barred), barred=())

    def bars(self, subject: str) -> str:
        """Say in words why nothing but an answer may be published to a subject, empty where it may: a webhook's."""
        match self.refusal(subject):
            case "not_an_inbox":
                return ""
            case "malformed":
                return "a subject is words with dots between them, without wildcards"
            case "reserved":
                return "wadm, wasmCloud or NATS listens there"
            case _:
                return "answers are awaited there"


def is_reserved(subject: str, api_prefix: str = API_PREFIX) -> bool:
    """Whether wadm, wasmCloud or NATS itself listens on a subject, also with an account in front (multi-tenant mode).

    All that NATS listens on begins with a dollar sign: JetStream and its buckets, system and object store.

    >>> [is_reserved(s) for s in ("$KV.wadm_manifests.b-x", "ACME.wasmbus.ctl.v1.b.host.ping", "team.alerts")]
    [True, True, False]
    """
    first, *rest = tokens = subject.split(".")
    if first in RESERVED or first.startswith("$"):
        return True
    if rest and (rest[0].startswith("$") or rest[0] == "wasmbus"):
        return True
    for api in _apis(api_prefix):
        if (first == api[0] and tokens[: len(api)] == api) or (rest and rest[: len(api)] == api):
            return True
    return len(rest) > 1 and rest[1] == RPC


@lru_cache
def _ordinary(api_prefix: str, barred: tuple[str, ...]) -> re.Pattern[str]:
    """Return what matches the inboxes that most clients have, and only such as may be answered: under a flood all the
    rest of the rule costs more than reading the request does."""
    words = {*RESERVED, "wasmbus", api_prefix.split(".", maxsplit=1)[0], RPC}
    for prefix in barred:
        if f"{INBOX}.".startswith(f"{prefix}."):
            return re.compile(r"(?!)")  # nobody may be answered at an inbox
        if prefix.startswith(f"{INBOX}."):
            words.add(prefix.split(".")[1])
    none_of = "|".join(re.escape(word) for word in sorted(words))
    return re.compile(
        rf"{INBOX}\.(?!(?:{none_of})(?:\.|$))[A-Za-z0-9]{{1,80}}(?:\.(?!{RPC}(?:\.|$))[A-Za-z0-9]{{1,80}})?"
    )


@lru_cache
def _apis(api_prefix: str) -> tuple[list[str], ...]:
    return api_prefix.split("."), API_PREFIX.split(".")


@lru_cache
def _beginnings(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{prefix}." for prefix in prefixes)


def reply_prefix(given: str) -> str:
    """Read a prefix for answers as operators write it; ``ValueError`` where it cannot be one.

    >>> reply_prefix("_INBOX_ops.>")
    '_INBOX_ops'
    """
    prefix = given.strip().removesuffix(">").rstrip(".")
    if _UNFIT.search(prefix):
        raise ValueError("a prefix for answers is one or more words with dots between them, such as _INBOX_ops")
    if is_reserved(prefix) or any(f"{one}.".startswith(f"{prefix}.") for one in RESERVED):
        raise ValueError("wadm, wasmCloud or NATS listens there; answers go to subjects that nobody else uses")
    return prefix
