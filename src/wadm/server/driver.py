"""Feeds the controller of a lattice: messages become inputs, and what it must know of the store and the lease is told
before it decides."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

from msgspec import Struct

from wadm.background import report_unexpected
from wadm.engine.commands import kind_of
from wadm.engine.controller import LatticeController
from wadm.engine.effects import Effect, ReadApplications
from wadm.engine.inputs import (
    DoubtsChanged,
    ErrorMet,
    HostEvent,
    Input,
    InventoryReply,
    LeaseChanged,
    PingSweep,
)
from wadm.errors import Malformed
from wadm.model.commands import Command, Outcome
from wadm.model.events import ConfigSet, Unchanged
from wadm.server.application_reader import ApplicationReader
from wadm.server.host_queries import HostQueries
from wadm.server.logging import Limited
from wadm.server.metrics import LatticeMetrics
from wadm.server.recorder import Recorder
from wadm.wire.events import HeartbeatFilter


class Changed(Struct, frozen=True):
    """An application was put, deployed, undeployed or deleted: it is read when its turn comes."""

    name: str


Item: TypeAlias = bytes | Changed | Input
"""What waits to be taken up: events as they came from hosts, and what is an input already."""


class Driver:
    """Drives the controller of one lattice. ``now`` is its clock; ``holds`` says whether the lease is ours."""

    def __init__(
        self,
        controller: LatticeController,
        reader: ApplicationReader,
        inquiries: HostQueries,
        now: Callable[[], float],
        holds: Callable[[], bool],
        metrics: LatticeMetrics,
        limited: Limited,
        scope: str,
        recorder: Recorder | None = None,
    ) -> None:
        self.controller = controller
        self._reader = reader
        self._inquiries = inquiries
        self._now = now
        self._holds = holds
        self._metrics = metrics
        self._limited = limited
        self._scope = scope
        self._recorder = recorder
        self._heartbeats = HeartbeatFilter()
        self._may_act = True
        self._doubts: dict[str, str] = {}

    # -- inputs ------------------------------------------------------------------------------

    def take(self, item: Item) -> None:
        """Take up one item; whatever is wrong with it harms only itself."""
        try:
            if (input_ := self._input(item)) is None:
                return
            if (name := _config_put(input_)) is not None:
                self._inquiries.config_was_put(name)
            self.feed(input_)
        except Malformed as error:
            self._metrics.malformed += 1
            self._limited.warning("event", "dropped what cannot be read", error=str(error))
        except Exception as error:  # noqa: BLE001 - one bad thing must not stop a lattice
            self.unexpected(error, "An item was dropped that met an error in the server", item=repr(item)[:300])

    def feed(self, input_: Input) -> None:
        """Tell the controller something."""
        now = self._now()
        if self._recorder is not None:
            self._recorder.fed(input_, now)
        self.controller.feed(input_, now)

    def unexpected(self, error: Exception, doing: str, **fields: object) -> None:
        """Report an error that nobody expects, and have everything verified."""
        report_unexpected(error, doing, lattice=self._scope, **fields)
        self.feed(ErrorMet())

    def _input(self, item: Item) -> Input | None:
        match item:
            case bytes():
                return self._event(item)
            case Changed():
                self._tell_what_holds()
                return self._reader.changed(item.name)
            case InventoryReply():
                if item.inventory is not None:
                    self._heartbeats.forget(item.host_id)
            case PingSweep() if item.present is not None:
                for host_id in self.controller.lattice.hosts.keys() - item.present:
                    self._heartbeats.forget(host_id)  # if it is lost, its next heartbeat tells what runs there
        return item

    def _event(self, data: bytes) -> HostEvent | None:
        event = self._heartbeats.news(data)
        if event is None:
            return None
        self._metrics.events[type(event)] += 1
        if isinstance(event, Unchanged) and event.host_id not in self.controller.lattice.hosts:
            self._heartbeats.forget(event.host_id)
        return HostEvent(event)

    def _tell_what_holds(self) -> None:
        """Tell whether the lease is ours, and of which applications nobody knows what is wanted."""
        if (may_act := self._holds()) != self._may_act:
            self._may_act = may_act
            self.feed(LeaseChanged(may_act))
        doubts = self._reader.doubts()
        if doubts is not self._doubts and doubts != self._doubts:
            self._doubts = doubts
            self.feed(DoubtsChanged(doubts))

    # -- effects -----------------------------------------------------------------------------

    def decide(self) -> Iterator[list[Effect]]:
        """Yield what the controller decides, to be performed at once."""
        while True:
            self._tell_what_holds()
            now = self._now()
            effects = self.controller.decide(now)
            if self._recorder is not None:
                self._recorder.decided(effects, now)
            yield effects
            if not effects or not isinstance(asked := effects[-1], ReadApplications):
                return
            for name in asked.names:
                self.feed(self._reader.facts(name, versions=name in asked.versions))

    def is_wanted(self, command: Command) -> bool:
        """Whether a command that was sent is still to be carried out."""
        self._tell_what_holds()
        return self.controller.is_wanted(command)


def _config_put(input_: Input) -> str | None:
    """Return the configuration that was put just now: hosts may not know it yet."""
    if isinstance(input_, HostEvent) and isinstance(input_.event, ConfigSet):
        return input_.event.name
    if isinstance(input_, Outcome) and input_.command.key[0] == "config" and kind_of(input_.command).puts:
        return input_.command.key[1]
    return None
