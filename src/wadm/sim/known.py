"""What a server has heard of the newest change of a thing: it must not ask for what it knows to be so.

An event is what tells of a change first, and it may be lost. What a server hears otherwise may then show that a later
change was never told: a list of what a host runs, the answer to a stop, or that a host starts with nothing.

A list that was asked for before the event, and comes after it, is older, and shows nothing; nor does a heartbeat of
what ran before. The former says so (it was asked for), the latter does not, so who has heard such a heartbeat is not
blamed. What an event tells was so when the host wrote it, which a slow host may have done long before it sends it:
times are those that events bear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from wadm.sim.calls import Call

TELLING: Final = ("component_scaled", "provider_started", "provider_stopped")
NOTHING: Final = ("stop", "0")
"""What an event tells first of a thing that does not run any more."""
Key = tuple[str, str, str]
"""Kind, host and id of what runs."""


class Known:
    """The newest event of each thing, and who has heard it."""

    def __init__(self) -> None:
        self.events_sent = 0
        """How many events have been sent: the number of the last one."""
        self._newest: dict[Key, tuple[str, str, tuple[str, ...]]] = {}
        """The newest event of a thing, when it was written, and what it tells."""
        self._sent: dict[Key, int] = {}
        """The number of the newest event of a thing."""
        self._heard: dict[tuple[str, Key], str] = {}
        """The last event of a thing that a server has heard."""
        self._heartbeat: dict[tuple[str, str], str] = {}
        """When the heartbeat was written that a server has heard last of a host."""

    def sends(self, kind: str, event: Mapping[str, Any]) -> None:
        """Take note that a host tells something."""
        key = _key(kind, event)
        if key is not None and (key not in self._newest or self._newest[key][1] <= event["time"]):
            self._newest[key] = (event["id"], event["time"], _told(kind, event["data"]))
            self.events_sent += 1
            self._sent[key] = self.events_sent

    def hears(self, who: str, kind: str, event: Mapping[str, Any]) -> None:
        """Take note that a server hears it."""
        if kind == "host_heartbeat":
            self._heartbeat[who, event["source"]] = event["time"]
        if kind in ("host_heartbeat", "host_started", "host_stopped"):
            runs = event["data"] if kind == "host_heartbeat" else {"components": (), "providers": ()}
            self._compare(who, event["source"], runs, lambda key: self._newest[key][1] < event["time"])
        elif (key := _key(kind, event)) is not None:
            self._heard[who, key] = event["id"]

    def learns(self, who: str, inventory: Mapping[str, Any], asked_after: int) -> None:
        """Take note that a server hears what a host runs. ``asked_after`` is the number of the last event that had been
        sent when the server asked."""
        self._compare(who, inventory["host_id"], inventory, lambda key: self._sent[key] <= asked_after)

    def learns_of_stop(self, who: str, call: Call, asked_after: int) -> None:
        """Take note that a host has answered that it has stopped a provider, which was asked of it as for a list."""
        key: Key = (call.key[0], call.key[1], call.key[2])
        if key in self._newest and self._sent[key] <= asked_after and self._newest[key][2] != _asked(call):
            self._heard.pop((who, key), None)

    def _compare(self, who: str, host: str, runs: Mapping[str, Any], is_older: Callable[[Key], bool]) -> None:
        """Compare what a host runs with what the newest events told. One that is older than the list, and tells
        something else, is not the last word: the server goes by the list, and no longer knows what it told."""
        listed: dict[Key, tuple[str, ...]] = {("provider", host, one["id"]): ("start",) for one in runs["providers"]}
        for one in runs["components"]:
            listed["component", host, one["id"]] = (str(one["max_instances"]), one["image_ref"])
        for key, (_, _, told) in self._newest.items():
            differs = told != listed[key] if key in listed else told[0] not in NOTHING
            if key[1] == host and differs and is_older(key):
                self._heard.pop((who, key), None)

    def knows(self, call: Call) -> bool:
        """Whether whoever asks has heard of the newest change of what it asks for, and nothing older since."""
        if call.key[0] not in ("component", "provider"):
            return False
        key: Key = (call.key[0], call.key[1], call.key[2])
        event, written, told = self._newest.get(key, ("", "", ()))
        if not event or self._heard.get((call.who, key)) != event or told != _asked(call):
            return False  # An event that is sent late may tell of what was before.
        heartbeat = self._heartbeat.get((call.who, call.key[1]))
        return heartbeat is None or heartbeat > written


def _told(kind: str, data: Mapping[str, Any]) -> tuple[str, ...]:
    if kind == "component_scaled":
        return (str(data["max_instances"]), data["image_ref"])
    return ("start" if kind == "provider_started" else "stop",)


def _asked(call: Call) -> tuple[str, ...]:
    if call.verb == "scale":
        return (str(call.body.get("count", 0)), call.body.get("component_ref", ""))
    return (call.verb,)


def _key(kind: str, event: Mapping[str, Any]) -> Key | None:
    if kind not in TELLING:
        return None
    data = event["data"]
    if kind == "component_scaled":
        return ("component", event["source"], data["component_id"])
    return ("provider", event["source"], data["provider_id"])
