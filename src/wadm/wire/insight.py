"""Requests and replies of the operations beside the original's: plan, explain, events, history, rollback.

All replies have ``result`` (``success``, ``notfound``, ``error``) and ``message`` like the original's. JSON keys are
the field names of the structs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET, Raw, Struct, UnsetType, json, to_builtins

from wadm.errors import Malformed
from wadm.model.cordons import Cordon, CordonStanding
from wadm.model.insight import ApplicationView, Missing, Planned
from wadm.model.timeline import Entry, Revision
from wadm.wire.reading import UNREADABLE, read

REPLACE: Final = "Wadm-Replace"
"""The header of a put that says ``true`` where a version that is there is to be replaced. Where it is deployed, what
runs is changed as by a new version. The original does not look at it."""
AUTHOR: Final = "Wadm-Author"
"""The header of a put or a delete that names who asks, for `wadm events`; the other requests name it in their body."""
LONGEST_NAME: Final = 512
"""Characters of a host or label in a request."""
NOBODY: Final = (
    "No server looks after this lattice at the moment: no host has been heard in it and nothing is deployed, "
    "or a server is just taking over. Try again in a few seconds."
)
"""Said where the owner of the lattice must be asked and there is none."""


STARTING: Final = "The server has just taken up this lattice and is still asking its hosts what they run"
"""What the answer of an owner begins with that does not know its lattice yet."""


def signed(author: str) -> dict[str, str]:
    """Return the header that names who asks, none for nobody; a header is one line."""
    said = " ".join(author.split())
    return {AUTHOR: said} if said else {}


class Ask(Struct, frozen=True, omit_defaults=True):
    """The body of a request; every field may be left out, an empty body leaves out all."""

    version: str | None = None
    """plan, rollback: the version meant; by default the newest, or for rollback the one that was deployed before."""
    undeploy: bool = False
    """plan: what undeploying would do."""
    rollback: bool = False
    """plan: what rolling back would do; without ``version`` it goes where a rollback without one goes."""
    plan: str | None = None
    """deploy, undeploy, rollback: only if this plan would still come out the same."""
    retry: bool = False
    """deploy: the version that is deployed, once more, where no other is named. What was given up is tried again, and
    what waits for its next attempt is tried at once."""
    author: str = ""
    message: str = ""
    """deploy, undeploy, rollback: who, and what for; kept with the revision. cordon, drain: kept with it."""
    limit: int = 200
    """events: at most so many, the newest."""
    since: float = 0.0
    """events: only what happened later (seconds since 1970)."""
    until: float = 0.0
    """events: only what happened earlier, for paging back; 0: up to now."""
    host: str = ""
    label: str = ""
    """cordon, drain, uncordon: which host, by id or name, or the hosts with which label (``key=value``)."""
    deadline: float = 0.0
    """drain: seconds after which it is to be over; 0: it takes its time."""
    force: bool = False
    """drain: what is left at the deadline is stopped."""


_ask = json.Decoder(Ask)


def decode_ask(operation: str, body: bytes) -> Ask:
    """Read a request; raise :class:`~wadm.errors.Malformed` with the words to answer with."""
    if not body:
        return Ask()
    try:
        return _ask.decode(body)
    except UNREADABLE as error:
        raise Malformed(f"Unable to parse {operation} application request: {error}") from error


def encode_ask(ask: Ask) -> bytes:
    """Return the body of a request, empty for one that leaves all to the server."""
    return b"" if ask == Ask() else json.encode(ask)


class ServerInfo(Struct, frozen=True, omit_defaults=True):
    """The server that answered: its release, what people call it, the JetStream domain it keeps things in, and the
    streams that NATS does not let it have, so that it goes on without."""

    version: str = ""
    name: str = ""
    domain: str = ""
    left_out: tuple[str, ...] = ()


class InsightReply(Struct, frozen=True):
    """The reply of these operations: exactly one of the further fields is there where ``result`` is ``success``."""

    result: str
    message: str
    plan: Raw | UnsetType = UNSET
    explanation: Raw | UnsetType = UNSET
    events: tuple[Entry, ...] | UnsetType = UNSET
    more: bool | UnsetType = UNSET
    """Whether there are earlier events than those told."""
    revisions: tuple[Revision, ...] | UnsetType = UNSET
    hosts: tuple[str, ...] | UnsetType = UNSET
    """The hosts that are given up, as people call them."""
    missing: tuple[Missing, ...] | UnsetType = UNSET
    """Applications that the bucket has lost and servers remember."""
    restored: tuple[str, ...] | UnsetType = UNSET
    """Applications that were stored again."""
    cordons: tuple[CordonStanding, ...] | UnsetType = UNSET
    """What is cordoned or drained."""
    server: ServerInfo | UnsetType = UNSET
    """Beside ``events``: who answered."""


_reply = json.Decoder(InsightReply)


def decode_insight(data: bytes) -> InsightReply:
    """Read a reply; raise :class:`~wadm.errors.Malformed`."""
    return read(_reply, data, "reply")


_planned = json.Decoder(Planned)
_explained = json.Decoder(ApplicationView)


def decode_planned(plan: Raw) -> Planned:
    """Read the plan of a reply; raise :class:`~wadm.errors.Malformed`."""
    return read(_planned, plan, "plan")


def decode_explained(explanation: Raw) -> ApplicationView:
    """Read the explanation of a reply; raise :class:`~wadm.errors.Malformed`."""
    return read(_explained, explanation, "explanation")


class _Identified(Struct, frozen=True):
    id: str


class _Told(Struct, frozen=True):
    message: str = ""


_identified = json.Decoder(_Identified)
_told = json.Decoder(_Told)


def plan_id(plan: bytes) -> str:
    """Return the id of a plan."""
    return read(_identified, plan, "plan").id


def error_of(reply: bytes) -> str:
    """Return the message of an error reply."""
    return read(_told, reply, "reply").message


def planned(name: str, plan: bytes) -> bytes:
    """Return the reply of ``plan``."""
    return json.encode(InsightReply("success", f"Successfully planned application {name}", plan=Raw(plan)))


def explained(name: str, explanation: bytes, events: Sequence[Entry]) -> bytes:
    """Return the reply of ``explain``, with the last of what happened."""
    message = f"Successfully explained application {name}"
    return json.encode(InsightReply("success", message, explanation=Raw(explanation), events=tuple(events)))


def events_found(events: Sequence[Entry], more: bool, server: ServerInfo) -> bytes:
    """Return the reply of ``events``, oldest first."""
    message = "Successfully fetched events"
    return json.encode(InsightReply("success", message, events=tuple(events), more=more, server=server))


def history_found(name: str, revisions: Sequence[Revision]) -> bytes:
    """Return the reply of ``history``, oldest first."""
    message = f"Successfully fetched history of application {name}"
    return json.encode(InsightReply("success", message, revisions=tuple(revisions)))


def resumed(hosts: Sequence[str]) -> bytes:
    """Return the reply of ``resume``: ``hosts`` are the names of those that are still silent."""
    names = ", ".join(hosts)
    message = f"The pause is ended; taken for lost unless they answer now: {names}" if hosts else "Nothing was paused"
    return json.encode(InsightReply("success", message, hosts=tuple(hosts)))


LONGEST_DEADLINE: Final = 366 * 86400.0
"""Seconds that a drain may be given."""


def check_hosts_named(operation: str, ask: Ask) -> None:
    """Raise :class:`~wadm.errors.Malformed` for a request about hosts that does not make clear which, or until when."""
    if bool(ask.host) == bool(ask.label):
        raise Malformed(f"{operation} is about one host or one label: give host or label, not both")
    key, _, value = ask.label.partition("=")
    if ask.label and not (key and value):
        raise Malformed(f"label is {ask.label!r}, but must be key=value")
    if max(len(ask.host), len(ask.label)) > LONGEST_NAME:
        raise Malformed(f"The host or label has more than {LONGEST_NAME} characters")
    if not 0 <= ask.deadline <= LONGEST_DEADLINE:
        raise Malformed(f"deadline is {ask.deadline:g}, but must be seconds from now, {LONGEST_DEADLINE:g} at most")
    if ask.force and not ask.deadline:
        raise Malformed("force says what happens at the deadline: give deadline, too")


def cordons_found(found: Sequence[CordonStanding]) -> bytes:
    """Return the reply of ``cordons``."""
    return json.encode(InsightReply("success", "Successfully fetched cordons", cordons=tuple(found)))


def taken_out(cordon: Cordon, found: Sequence[CordonStanding]) -> bytes:
    """Return the reply of ``cordon`` and ``drain``."""
    what = "what runs there is moved to other hosts" if cordon.drain else "what runs there stays"
    done = "Draining" if cordon.drain else "Cordoned"
    message = f"{done} {cordon.about}: nothing new is placed there, {what}"
    return json.encode(InsightReply("success", message, cordons=tuple(found)))


def in_use_again(named: str, left: Sequence[CordonStanding]) -> bytes:
    """Return the reply of ``uncordon``, with what is still cordoned."""
    return json.encode(InsightReply("success", f"In use again: {named}", cordons=tuple(left)))


def missing_found(found: Sequence[Missing]) -> bytes:
    """Return the reply of ``missing``."""
    return json.encode(InsightReply("success", "Successfully fetched what is missing", missing=tuple(found)))


def restored(names: Sequence[str]) -> bytes:
    """Return the reply of ``restore``."""
    message = f"Stored again: {', '.join(names)}" if names else "Nothing was missing"
    return json.encode(InsightReply("success", message, restored=tuple(names)))


def not_found(name: str, version: str | None = None) -> bytes:
    """Return the reply for what is not there."""
    what = f"Application with the name {name} not found"
    if version is not None:
        what = f"Application {name} with version {version} doesn't exist"
    return json.encode(InsightReply("notfound", what))


def encode_explanation(view: Struct) -> bytes:
    """Return an explanation as JSON."""
    return json.encode(view)


def encode_forecast(view: Struct) -> bytes:
    """Return a forecast as JSON. Its commands stay here: they hold what configurations hold."""
    plain = to_builtins(view)
    for step in plain["steps"]:
        del step["command"]
    return json.encode(plain)
