"""What a server has heard of the newest change of a thing: it must not ask for what it knows to be so.

An event is what tells of a change first. An inventory that was asked for before it, and comes after it, is older; so is
a heartbeat that was sent before. The former says so (it was asked for), the latter does not, so who has heard such a
heartbeat is not blamed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from wadm.sim.calls import Call

TELLING: Final = ("component_scaled", "provider_started", "provider_stopped")
Key = tuple[str, str, str]
"""Kind, host and id of what runs."""


class Known:
    """The newest event of each thing, and who has heard it."""

    def __init__(self) -> None:
        self._newest: dict[Key, tuple[str, float, tuple[str, ...]]] = {}
        """The newest event of a thing, when it was sent, and what it tells."""
        self._heard: dict[tuple[str, Key], str] = {}
        """The last event of a thing that a server has heard."""
        self._sent: dict[str, float] = {}
        """When each heartbeat was sent."""
        self._misled: dict[tuple[str, str], float] = {}
        """When a heartbeat was sent that a server heard last of a host, later than others: the earliest of them."""

    def sends(self, kind: str, event: Mapping[str, Any], now: float) -> None:
        """Take note that a host tells something."""
        if kind == "host_heartbeat":
            self._sent[event["id"]] = now
        elif (key := _key(kind, event)) is not None:
            self._newest[key] = (event["id"], now, _told(kind, event["data"]))

    def hears(self, who: str, kind: str, event: Mapping[str, Any]) -> None:
        """Take note that a server hears it."""
        if kind == "host_heartbeat":
            self._misled[who, event["source"]] = self._sent.get(event["id"], 0.0)
        elif (key := _key(kind, event)) is not None:
            self._heard[who, key] = event["id"]

    def knows(self, call: Call) -> bool:
        """Whether whoever asks has heard of the newest change of what it asks for, and nothing older since."""
        if call.key[0] not in ("component", "provider"):
            return False
        key: Key = (call.key[0], call.key[1], call.key[2])
        event, sent, told = self._newest.get(key, ("", 0.0, ()))
        if not event or self._heard.get((call.who, key)) != event or told != _asked(call):
            return False  # An event that is sent late may tell of what was before.
        return self._misled.get((call.who, call.key[1]), -1.0) < 0 or self._misled[call.who, call.key[1]] > sent


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
