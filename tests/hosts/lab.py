"""A model host on the bench: ask it, let time pass, read what it said."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from wadm.hosts.behaviour import HostBehaviour
from wadm.hosts.core import HostSpec
from wadm.hosts.fleet import Fleet
from wadm.hosts.host import ModelHost
from wadm.transport.base import Message, Transport

PREFIX = "wasmbus.ctl.v1.default."
SEED = "a"
HOST = HostSpec(SEED).id

Json = Any


BREATH = 1e-6
"""Seconds in which, in virtual time, all that takes no time is done."""


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout: float = 60.0) -> None:
    """Wait, in real time, for something that does not say when it happens."""
    async with asyncio.timeout(timeout):
        while True:
            met = condition()
            if met if isinstance(met, bool) else await met:
                return
            await asyncio.sleep(0.05)


class Lab:
    """A fleet, everything it has said since one last looked, and one of its hosts to talk to."""

    def __init__(self, transport: Transport, *specs: HostSpec, seed: int = 0) -> None:
        self.transport = transport
        self.fleet = Fleet(transport, "default", specs, seed=seed)
        self._heard: list[Message] = []
        self._replies = 0

    async def start(self) -> Lab:
        await self.transport.subscribe("wasmbus.evt.default.*", self.heard)
        await self.transport.subscribe("answer.*", self.heard)
        await self.fleet.start()
        await self.wait()
        self.said()
        return self

    def heard(self, message: Message) -> None:
        """Take note of something said."""
        self._heard.append(message)

    @property
    def host(self) -> ModelHost:
        return next(iter(self.fleet.hosts.values()))

    async def wait(self, seconds: float = 0.0) -> None:
        await self.transport.sleep(seconds + BREATH)

    def send(self, call: str, body: Json = None) -> None:
        """Send a request; ``$H`` in the call is the id of the host."""
        self._replies += 1
        data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        subject = PREFIX + call.replace("$H", HOST)
        self.transport.publish(subject, data, reply=f"answer.{self._replies}")

    async def ask(self, call: str, body: Json = None) -> Json:
        """Send a request and return the answer of whoever is first, ``None`` where nobody answers."""
        self.send(call, body)
        await self.wait()
        answers = [message for message in self._heard if message.subject == f"answer.{self._replies}"]
        self._heard[:] = [message for message in self._heard if message not in answers]
        return json.loads(answers[0].data) if answers else None

    def messages(self) -> list[Message]:
        """Return all that was said since one last looked."""
        heard = list(self._heard)
        self._heard.clear()
        return heard

    def events(self) -> list[Json]:
        """Return the events since one last looked, envelopes and all."""
        return [json.loads(message.data) for message in self.messages() if message.subject.startswith("wasmbus.evt")]

    def said(self) -> list[str]:
        """Return the events since one last looked, a line each."""
        return [line(event) for event in self.events()]

    async def inventory(self) -> Json:
        return (await self.ask("host.get.$H"))["response"]

    # -- requests that many tests send -------------------------------------------------------

    async def scale(self, count: int, image: str = "img:1", id: str = "c", **more: Json) -> Json:  # noqa: A002
        body = {"component_id": id, "component_ref": image, "count": count, "host_id": "asked", **more}
        return await self.ask("component.scale.$H", body)

    async def update(self, image: str, **more: Json) -> Json:
        return await self.ask("component.update.$H", {"component_id": "c", "new_component_ref": image, **more})

    async def start_provider(self, image: str = "kv:1", id: str = "p", **more: Json) -> Json:  # noqa: A002
        body = {"provider_id": id, "provider_ref": image, "host_id": "asked", **more}
        return await self.ask("provider.start.$H", body)


def line(event: Json) -> str:
    """Return an event as one line: what happened to what, then what distinguishes it."""
    kind, data = event["type"].rpartition(".")[2], event["data"]
    about = data.get("component_id") or data.get("provider_id") or data.get("config_name") or data.get("source_id", "")
    image = data.get("image_ref") or data.get("provider_ref", "")
    words = [kind, about, image]
    if "max_instances" in data:
        words.append(f"x{data['max_instances']}")
    words += [f"{key}={value}" for key, value in data.get("annotations", {}).items()]
    if "error" in data:
        words.append(f"({data['error']})")
    return " ".join(word for word in words if word)


def a_host(seed: str = SEED, *, labels: dict[str, str] | None = None, **habits: Json) -> HostSpec:
    return HostSpec(seed, labels or {}, HostBehaviour(**habits))
