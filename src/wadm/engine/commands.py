"""What is known of each kind of command: one class a command, which :data:`COMMAND_KINDS` finds by the command's type.

A class says how long its command is waited for, what confirms it, what the lattice looks like once it is done, and how
people are told of it. Planning, expectations, outcomes, forecasts, the timeline and ``wadm explain`` read it here. The
messages that carry commands are in :mod:`wadm.wire.commands`; ``docs/checklists/command.md`` has the steps to add one.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from msgspec.structs import replace

from wadm.engine.changes import drop_entity
from wadm.engine.command_kind import (
    PATIENCE_REPLY,
    PATIENCE_UPDATE,
    PATIENCE_WORKLOAD,
    CommandKind,
    Confirmation,
    HostName,
)
from wadm.model.commands import (
    Command,
    DeleteConfig,
    DeleteLink,
    PutConfig,
    PutLink,
    Result,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
    host_of,
)
from wadm.model.insight import Effect
from wadm.model.lattice import Component, Lattice, Link, Provider
from wadm.model.names import BUILTIN_PROVIDERS, is_builtin, strip_reference

if TYPE_CHECKING:
    from wadm.engine.expectations import Pending

ALREADY_RUNNING: Final = ("provider with that ID is already running", "provider is already running with that ID")
NOT_RUNNING: Final = "provider with that ID is not running"

# -- components --------------------------------------------------------------------------------


class _ScaleComponent(CommandKind[ScaleComponent]):
    """Run so many instances of a component on a host; with 0, stop it."""

    confirmed_by = "event"

    def patience(self, command: ScaleComponent) -> float:
        return PATIENCE_WORKLOAD if command.count else PATIENCE_REPLY

    def starts(self, command: ScaleComponent) -> bool:
        return command.count > 0

    def stops(self, command: ScaleComponent) -> bool:
        return not command.count

    def configurations(self, command: ScaleComponent) -> set[str]:
        return set(command.config)

    def has_come_true(self, command: ScaleComponent, lattice: Lattice, since: float) -> bool:
        there = lattice.find("component", command.host_id, command.component_id)
        if command.count == 0:
            return there is None
        return (
            isinstance(there, Component)
            and (there.count, there.image) == (command.count, command.reference)
            and there.annotations == command.annotations
            and not there.perhaps_gone
        )

    def apply(self, command: ScaleComponent, lattice: Lattice, now: float, asked: float | None) -> bool:
        if command.count == 0:
            return lattice.drop("component", command.host_id, command.component_id)
        component = Component(command.component_id, command.reference, command.count, command.annotations)
        return lattice.put(command.host_id, component)

    def note_outcome(self, command: ScaleComponent, result: Result, lattice: Lattice, now: float) -> bool:
        there = lattice.find("component", command.host_id, command.component_id)
        if result != "accepted" or not isinstance(there, Component) or not there.rescaled:
            return False
        if not self.has_come_true(command, lattice, now):
            return False  # Its event will tell.
        # The host has this very number and configuration, and tells nothing, or takes both from this command.
        return lattice.put(command.host_id, replace(there, rescaled=False))

    def effect(self, command: ScaleComponent, lattice: Lattice) -> Effect:
        if command.count == 0:
            return "stop"
        return "start" if lattice.find("component", command.host_id, command.component_id) is None else "scale"

    def describe(self, command: ScaleComponent, host: HostName) -> str:
        return f"scale {command.component_id} to {command.count} on {host(command.host_id)} ({command.reference})"

    def no_sign(self, command: ScaleComponent, lattice: Lattice, waited: int) -> str:
        if command.count:
            return _may_be_pulling(command.component_id, command, waited)
        return super().no_sign(command, lattice, waited)


class _UpdateComponent(CommandKind[UpdateComponent]):
    """Replace the image of a running component."""

    confirmed_by = "event"
    ends_with_zero = True

    def patience(self, command: UpdateComponent) -> float:
        return PATIENCE_UPDATE

    def has_come_true(self, command: UpdateComponent, lattice: Lattice, since: float) -> bool:
        there = lattice.find("component", command.host_id, command.component_id)
        return there is None or there.image == command.reference

    def apply(self, command: UpdateComponent, lattice: Lattice, now: float, asked: float | None) -> bool:
        running = lattice.find("component", command.host_id, command.component_id)
        if not isinstance(running, Component):
            return False
        updated = replace(running, image=command.reference, annotations=command.annotations)
        return lattice.put(command.host_id, updated)

    def effect(self, command: UpdateComponent, lattice: Lattice) -> Effect:
        return "update live"

    def describe(self, command: UpdateComponent, host: HostName) -> str:
        return f"update {command.component_id} on {host(command.host_id)} to {command.reference}"

    def no_sign(self, command: UpdateComponent, lattice: Lattice, waited: int) -> str:
        there = lattice.find("component", command.host_id, command.component_id)
        image = there.image if there is not None else "another image"
        called = _host_name(command.host_id, lattice)
        return f"{called} still runs {image} {waited} s after it was asked for {command.reference}; its log says why"


# -- providers ---------------------------------------------------------------------------------


class _StartProvider(CommandKind[StartProvider]):
    """Start a provider on a host."""

    confirmed_by = "event"
    already_done = (*ALREADY_RUNNING, NOT_RUNNING)
    starts_with_links = True

    def patience(self, command: StartProvider) -> float:
        return PATIENCE_WORKLOAD

    def starts(self, command: StartProvider) -> bool:
        return True

    def configurations(self, command: StartProvider) -> set[str]:
        return set(command.config)

    def has_come_true(self, command: StartProvider, lattice: Lattice, since: float) -> bool:
        return lattice.find("provider", command.host_id, command.provider_id) is not None

    def apply(self, command: StartProvider, lattice: Lattice, now: float, asked: float | None) -> bool:
        image = strip_reference(command.reference)
        provider = Provider(command.provider_id, image, command.annotations, "running")
        changed = lattice.put(command.host_id, provider)
        lattice.provider_starts.started(command.host_id, command.provider_id, image, now, asked=asked)
        lattice.provider_starts.reported(command.host_id, command.provider_id, now)
        return changed

    def effect(self, command: StartProvider, lattice: Lattice) -> Effect:
        return "start"

    def describe(self, command: StartProvider, host: HostName) -> str:
        return f"start {command.provider_id} on {host(command.host_id)} ({command.reference})"

    def no_sign(self, command: StartProvider, lattice: Lattice, waited: int) -> str:
        return _may_be_pulling(command.provider_id, command, waited)

    def no_answer_because(self, command: StartProvider) -> str:
        # A host leaves the start of a builtin provider that it does not know, or that is switched off, without an
        # answer (docs/protocol/lattice.md#start-without-answer).
        if not is_builtin(command.reference):
            return ""
        name = strip_reference(command.reference)
        if name not in BUILTIN_PROVIDERS:
            return f": it may know no builtin provider {name} (hosts have {', '.join(BUILTIN_PROVIDERS)})"
        return f": its builtin provider {name} may be switched off"


class _StopProvider(CommandKind[StopProvider]):
    """Stop a provider on a host, which replies once it has stopped (docs/protocol/lattice.md#stop-a-provider)."""

    confirmed_by = "reply"
    settles = "command"
    already_done = _StartProvider.already_done

    def stops(self, command: StopProvider) -> bool:
        return True

    def has_come_true(self, command: StopProvider, lattice: Lattice, since: float) -> bool:
        return lattice.find("provider", command.host_id, command.provider_id) is None

    def apply(self, command: StopProvider, lattice: Lattice, now: float, asked: float | None) -> bool:
        return lattice.drop("provider", command.host_id, command.provider_id)

    def effect(self, command: StopProvider, lattice: Lattice) -> Effect:
        return "stop"

    def describe(self, command: StopProvider, host: HostName) -> str:
        return f"stop {command.provider_id} on {host(command.host_id)}"

    def confirm(self, command: StopProvider, confirmation: Confirmation) -> None:
        # The event, which comes before the reply, may be lost: the reply counts as one.
        confirmation.last_events[(command.host_id, "provider", command.provider_id)] = confirmation.now
        drop_entity("provider", command.host_id, command.provider_id, confirmation.lattice, confirmation.changes)


# -- links -------------------------------------------------------------------------------------


class _PutLink(CommandKind[PutLink]):
    """Put a link in the lattice."""

    confirmed_by = "reply"
    puts = True

    def configurations(self, command: PutLink) -> set[str]:
        return {*command.source_config, *command.target_config}

    def has_come_true(self, command: PutLink, lattice: Lattice, since: float) -> bool:
        # A link may be put again although it is there.
        link = lattice.link(command.link.at)
        put = lattice.link_puts.get(command.link.at)
        return link is not None and link.same_as(command.link) and (put is None or put.last >= since)

    def apply(self, command: PutLink, lattice: Lattice, now: float, asked: float | None) -> bool:
        return lattice.put_link(command.link, now, asked)

    def effect(self, command: PutLink, lattice: Lattice) -> Effect:
        return "put"

    def describe(self, command: PutLink, host: HostName) -> str:
        protocol = f"{command.wit_namespace}:{command.wit_package}"
        return f"put link {command.source_id} -({protocol})-> {command.target} ({command.name})"

    def confirm(self, command: PutLink, confirmation: Confirmation) -> None:
        # Another application may wait for the same link: providers have heard of it since that one was sent.
        told, asked = confirmation, when_put(command.link, confirmation.pending)
        if self.apply(command, told.lattice, told.now, asked) or told.waited_for:
            told.changes.mark_changed(command.key)

    def note_outcome(self, command: PutLink, result: Result, lattice: Lattice, now: float) -> bool:
        lattice.certainty.changed_sources[command.source_id] = now
        _note_unanswered_put(command, result, lattice, now)
        return False

    def note_failure(self, command: PutLink, result: Result, lattice: Lattice) -> None:
        _doubt_link(command, result, lattice)


class _DeleteLink(CommandKind[DeleteLink]):
    """Delete the first link with an identity."""

    confirmed_by = "reply"
    settles = "subject"

    def removes(self, command: DeleteLink) -> bool:
        return True

    def has_come_true(self, command: DeleteLink, lattice: Lattice, since: float) -> bool:
        return lattice.certainty.links_read and command.link_key not in lattice.links

    def apply(self, command: DeleteLink, lattice: Lattice, now: float, asked: float | None) -> bool:
        return lattice.drop_link(command.link_key)

    def effect(self, command: DeleteLink, lattice: Lattice) -> Effect:
        return "delete"

    def describe(self, command: DeleteLink, host: HostName) -> str:
        protocol = f"{command.wit_namespace}:{command.wit_package}"
        return f"delete link {command.source_id} -({protocol})-> ({command.link_name})"

    def confirm(self, command: DeleteLink, confirmation: Confirmation) -> None:
        # The reply does not say which one of several links went. The event does, mostly before the reply; without it,
        # the list of all links.
        lattice, changes, pending = confirmation.lattice, confirmation.changes, confirmation.pending
        number = len(lattice.links.get(command.link_key, ()))
        if pending is None or not pending.answered:
            if number == 1:
                lattice.drop_link(command.link_key)
            elif number or pending is not None or not lattice.certainty.knows_link(command.link_key):
                changes.questions.links = True
            if number > 1:
                lattice.certainty.doubtful.add(command.link_key)
        if number or pending is not None:
            changes.mark_changed(command.key)

    def note_outcome(self, command: DeleteLink, result: Result, lattice: Lattice, now: float) -> bool:
        lattice.certainty.changed_sources[command.source_id] = now
        return False

    def note_failure(self, command: DeleteLink, result: Result, lattice: Lattice) -> None:
        _doubt_link(command, result, lattice)


# -- configurations ----------------------------------------------------------------------------


class _PutConfig(CommandKind[PutConfig]):
    """Store a configuration."""

    confirmed_by = "reply"
    puts = True

    def has_come_true(self, command: PutConfig, lattice: Lattice, since: float) -> bool:
        return lattice.configs.get(command.config_name) == command.config

    def apply(self, command: PutConfig, lattice: Lattice, now: float, asked: float | None) -> bool:
        return lattice.set_config(command.config_name, command.config, now)

    def effect(self, command: PutConfig, lattice: Lattice) -> Effect:
        return "put"

    def describe(self, command: PutConfig, host: HostName) -> str:
        return f"put configuration {command.config_name}"

    def note_outcome(self, command: PutConfig, result: Result, lattice: Lattice, now: float) -> bool:
        _note_unanswered_put(command, result, lattice, now)
        return False

    def note_failure(self, command: PutConfig, result: Result, lattice: Lattice) -> None:
        lattice.forget_config(command.config_name)


class _DeleteConfig(CommandKind[DeleteConfig]):
    """Delete a configuration."""

    confirmed_by = "reply"
    settles = "subject"

    def has_come_true(self, command: DeleteConfig, lattice: Lattice, since: float) -> bool:
        return lattice.configs.get(command.config_name, {}) is None

    def apply(self, command: DeleteConfig, lattice: Lattice, now: float, asked: float | None) -> bool:
        return lattice.set_config(command.config_name, None, now)

    def effect(self, command: DeleteConfig, lattice: Lattice) -> Effect:
        return "delete"

    def describe(self, command: DeleteConfig, host: HostName) -> str:
        return f"delete configuration {command.config_name}"

    def note_failure(self, command: DeleteConfig, result: Result, lattice: Lattice) -> None:
        lattice.forget_config(command.config_name)


COMMAND_KINDS: Final[dict[type, CommandKind[Any]]] = {
    ScaleComponent: _ScaleComponent(),
    UpdateComponent: _UpdateComponent(),
    StartProvider: _StartProvider(),
    StopProvider: _StopProvider(),
    PutLink: _PutLink(),
    DeleteLink: _DeleteLink(),
    PutConfig: _PutConfig(),
    DeleteConfig: _DeleteConfig(),
}


# -- what is asked about a command of any kind ------------------------------------------------


def kind_of(command: Command) -> CommandKind[Any]:
    """Return what is known of commands of that kind."""
    return COMMAND_KINDS[type(command)]


def patience(command: Command) -> float:
    """Return how many seconds to wait for a command to show in the lattice."""
    return kind_of(command).patience(command)


def creates(command: Command) -> bool:
    """Whether a command may bring something about that is not there yet."""
    kind = kind_of(command)
    return kind.puts or kind.starts(command)


def starting(command: Command) -> ScaleComponent | StartProvider | None:
    """Return the command if a host may start something because of it."""
    return command if kind_of(command).starts(command) else None  # type: ignore[return-value]


def stops(command: Command) -> bool:
    """Whether a command has a host stop something."""
    return kind_of(command).stops(command)


def has_come_true(command: Command, lattice: Lattice, since: float = -math.inf) -> bool:
    """Whether the lattice is as a command was to make it, or can no longer become so because of it. ``since`` is when
    it was asked."""
    return kind_of(command).has_come_true(command, lattice, since)


def describe(command: Command, lattice: Lattice | None = None) -> str:
    """Return a command in one line, for people: what, how many, where. Hosts are called as ``lattice`` knows them."""
    return kind_of(command).describe(command, lambda host_id: _host_name(host_id, lattice))


def no_answer(command: Command, result: Result) -> str:
    """Return why a command failed to which no host has said anything."""
    host_id = host_of(command)
    if result == "unanswered":
        who = f"Host {host_id[:8]} did not" if host_id else "No host"
        answered = "answer" if host_id else "answered"
        return f"{who} {answered} in time{kind_of(command).no_answer_because(command)}"
    if result == "unreachable":
        return f"Host {host_id[:8]} cannot be reached" if host_id else "There is no host to answer"
    return "Refused without a reason"


def when_put(link: Link, pending: Pending | None) -> float | None:
    """Return when this server sent a put of that link, which has happened now; ``None`` if it sent none. Providers
    hear the put itself, which may have been long before its event or reply came."""
    if pending is None or not isinstance(pending.command, PutLink) or not pending.command.link.same_as(link):
        return None
    return pending.asked


def _host_name(host_id: str, lattice: Lattice | None) -> str:
    known = lattice.hosts.get(host_id) if lattice is not None else None
    return known.called if known is not None else host_id


def _may_be_pulling(what: str, start: ScaleComponent | StartProvider, waited: int) -> str:
    why = f"it may still be fetching {start.reference}"
    return f"Host {start.host_id[:8]} shows no sign of {what} after {waited} s: {why}"


def _note_unanswered_put(command: PutLink | PutConfig, result: Result, lattice: Lattice, now: float) -> None:
    """Note a put that a host which stands still may carry out yet."""
    if result == "unanswered":
        lattice.certainty.late_puts[command.key[:2]] = now


def _doubt_link(command: PutLink | DeleteLink, result: Result, lattice: Lattice) -> None:
    """Note a link that may be there or not. After a refusal too: the host's store may have taken what the host believes
    it has not."""
    if result in ("unanswered", "refused"):
        lattice.certainty.doubtful.add(command.link_key)
