"""Subjects and durable names: where on NATS everything is said.

Strings in, strings out. ``{l}`` is the lattice; in multi-tenant mode an account stands in front of what crosses
account borders (the API, host events, the control interface) and of nothing else
(docs/protocol/api.md#multi-tenant-mode).

    wadm.api.{l}.model.put            requests            wasmbus.evt.{l}.{event}     what hosts say
    wadm.evt.{l}.manifest_published   desired changed     wasmbus.ctl.v1.{l}.{call}   what hosts are asked
    wadm.cmd.{l}                      commands            wadm.status.{l}.{name}      what people are told
    wadm.notify.{l}                   between servers     wadm_event_consumer.evt.{l}.>
"""

from __future__ import annotations

import re

from msgspec import Struct

from wadm.errors import Malformed
from wadm.model.component_logs import SUBJECT as LOGS
from wadm.wire import operations

API_PREFIX = "wadm.api"
API_QUEUE = "wadm_server"
"""The queue group through which several servers share the API."""

_TOKEN = re.compile(r"[-/_=A-Za-z0-9]+")
_LATTICE = re.compile(r"[-_A-Za-z0-9]+")
_ENDS = " \t\r\n\f\v.>*"


def is_token(text: str) -> bool:
    """Whether ``text`` may be one token of a subject and part of a key, as lattice and application names must."""
    return _TOKEN.fullmatch(text) is not None


def is_lattice(text: str) -> bool:
    """Whether a lattice may have hosts: they keep its links and configurations in buckets that bear its name."""
    return _LATTICE.fullmatch(text) is not None


# -- prefixes as operators write them (docs/protocol/api.md#prefixes) --------------------------


def trim_api_prefix(prefix: str) -> str:
    """Return the API prefix without space and dots around it; ``ValueError`` where it cannot be subscribed to.

    The original accepts inner spaces and wildcards and then answers nobody; here they are refused at once.
    """
    trimmed = prefix.strip().strip(".")
    if not trimmed:
        raise ValueError("Given prefix was empty")
    if not all(token and not re.search(r"[\s*>]", token) for token in trimmed.split(".")):
        raise ValueError(f"Given prefix {trimmed!r} has empty tokens, spaces or wildcards")
    return trimmed


def trim_prefix(prefix: str) -> str:
    """Return a notifier or command prefix without what makes a subscription of it.

    >>> trim_prefix("wadm.evt.*.>")
    'wadm.evt'
    """
    return prefix.strip(_ENDS)


def trim_stream_prefix(prefix: str) -> str:
    """Return a stream prefix without the dots and wildcards that it ends in."""
    return prefix.rstrip(".>*")


def logs(lattice: str, name: str) -> str:
    """Return where hosts are asked for the logs of an application, or of a component by its id."""
    return LOGS.format(lattice=lattice, name=name)


# -- the API -----------------------------------------------------------------------------------


class ApiSubject(Struct, frozen=True):
    """A request's subject, taken apart. ``name`` is ``None`` where the operation is not about one application."""

    lattice: str
    category: str
    operation: str
    name: str | None = None
    account: str | None = None


def api_filter(prefix: str = API_PREFIX, multitenant: bool = False) -> str:
    """Return what to subscribe to for all requests."""
    return f"*.{prefix}.>" if multitenant else f"{prefix}.>"


def api(
    lattice: str,
    operation: str,
    name: str | None = None,
    *,
    category: str = "model",
    prefix: str = API_PREFIX,
    account: str | None = None,
) -> str:
    """Return the subject of a request.

    >>> api("default", "deploy", "shop")
    'wadm.api.default.model.deploy.shop'
    """
    subject = _in_account(account, f"{prefix}.{lattice}.{category}.{operation}")
    return subject if name is None else f"{subject}.{name}"


def parse_api(subject: str, prefix: str = API_PREFIX, multitenant: bool = False) -> ApiSubject:
    """Take a request's subject apart.

    Raises :class:`~wadm.errors.Malformed`, whose text is the answer to give (docs/protocol/api.md#errors).
    """
    tokens = subject.split(".")
    account = None
    if multitenant:
        account, *tokens = tokens
    before = prefix.split(".")
    if tokens[: len(before)] != before:
        if multitenant:
            raise Malformed("Invalid subject: Expected to find account ID in multitenant subject")
        raise Malformed(f"Unsupported subject: {subject}")
    match tokens[len(before) :]:
        case [] | [_]:
            raise Malformed("Invalid subject: Expected to find API category")
        case [_, _]:
            raise Malformed("Invalid subject: Expected to find operation")
        case [lattice, category, operation]:
            name = None
        case [lattice, category, operation, name]:
            pass
        case _:
            raise Malformed(
                "Invalid subject: Found extra components of subject, ensure your manifest name consists of only "
                "alphanumeric characters, dashes, and underscores."
            )
    if operations.find(category, operation, name is not None) is None:
        raise Malformed(f"Unsupported subject: {subject}")
    return ApiSubject(lattice, category, operation, name, account)


# -- hosts -------------------------------------------------------------------------------------


class HostEventSubject(Struct, frozen=True):
    """The subject of a host's event, taken apart. What kind of event it is, its ``type`` says, not this."""

    lattice: str
    event: str
    account: str | None = None


def host_event(lattice: str, event: str, account: str | None = None) -> str:
    """Return the subject a host publishes an event on."""
    return _in_account(account, f"wasmbus.evt.{lattice}.{event}")


def host_events_filter(multitenant: bool = False) -> str:
    """Return what to subscribe to for the events of all hosts of all lattices."""
    return "*.wasmbus.evt.*.>" if multitenant else "wasmbus.evt.*.>"


def parse_host_event(subject: str, multitenant: bool = False) -> HostEventSubject | None:
    """Take the subject of a host's event apart; ``None`` for one that no host publishes on.

    In multi-tenant mode accounts begin with ``A``, and a subject without account is heard too
    (docs/protocol/reconciliation.md#finding-lattices).
    """
    match subject.split("."):
        case ["wasmbus", "evt", lattice, event]:
            return HostEventSubject(lattice, event)
        case [account, "wasmbus", "evt", lattice, event] if multitenant and account.startswith("A"):
            return HostEventSubject(lattice, event, account)
        case _:
            return None


def control(lattice: str, call: str, account: str | None = None) -> str:
    """Return the subject of a control call; ``call`` is what :func:`wadm.wire.commands.request_for` returns.

    >>> control("default", "host.ping")
    'wasmbus.ctl.v1.default.host.ping'
    """
    return _in_account(account, f"wasmbus.ctl.v1.{lattice}.{call}")


def health(lattice: str, provider_id: str) -> str:
    """Return where a provider process answers how it is. Links, calls and this cross no account borders."""
    return f"wasmbus.rpc.{lattice}.{provider_id}.health"


# -- wadm's own streams ------------------------------------------------------------------------


def manifest_event(lattice: str, event: str) -> str:
    """Return where ``manifest_published`` and ``manifest_unpublished`` go."""
    return f"wadm.evt.{lattice}.{event}"


def manifest_events_filter() -> str:
    """Return the subjects of the manifest events of all lattices."""
    return "wadm.evt.*.>"


def command(lattice: str) -> str:
    """Return where the commands for a lattice go (``*`` for all lattices)."""
    return f"wadm.cmd.{lattice}"


def notify(lattice: str) -> str:
    """Return where the original's processes tell each other of changed scalers."""
    return f"wadm.notify.{lattice}"


def status(lattice: str, name: str) -> str:
    """Return where an application's status goes (``*`` for all)."""
    return f"wadm.status.{lattice}.{name}"


def timeline(scope: str, name: str) -> str:
    """Return where what happens to an application is told (``*`` for all).

    ``scope`` is the lattice, in multi-tenant mode with its account in front, so that those of others do not mix.
    """
    return f"wadm.timeline.{scope}.{name}"


def revision(scope: str, name: str) -> str:
    """Return where the changes of what is deployed of an application are kept (``*`` for all)."""
    return f"wadm.revision.{scope}.{name}"


def recording(scope: str) -> str:
    """Return where the recording of what a lattice's owner is told and decides is kept (``*`` for all)."""
    return f"wadm.recording.{scope}"


def owner(scope: str, question: str) -> str:
    """Return where the owner of a lattice is asked (``plan``, ``explain``, ``resume``), and all servers for what they
    remember of it (``missing``, ``restore``), by other servers."""
    return f"wadm.owner.{scope}.{question}"


def parse_status(subject: str) -> tuple[str, str] | None:
    """Return lattice and application of a status subject, ``None`` for any other."""
    match subject.split("."):
        case ["wadm", "status", lattice, name]:
            return lattice, name
        case _:
            return None


def parse_timeline(subject: str) -> str | None:
    """Return the lattice of a timeline's subject, ``None`` for any other and for those of accounts."""
    match subject.split("."):
        case ["wadm", "timeline", lattice, _]:
            return lattice
        case _:
            return None


def consumed_events_filter(lattice: str) -> str:
    """Return what the original's event consumer of a lattice filters by."""
    return f"wadm_event_consumer.evt.{lattice}.>"


def durable(stream: str, lattice: str, account: str | None = None) -> str:
    """Return the name of a lattice's durable consumer on a stream.

    >>> durable("wadm_commands", "default", "ACME")
    'wadm_commands-default_ACME'
    """
    return f"{stream}-{lattice}" if account is None else f"{stream}-{lattice}_{account}"


def _in_account(account: str | None, subject: str) -> str:
    return subject if account is None else f"{account}.{subject}"
