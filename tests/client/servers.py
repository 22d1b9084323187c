"""A wadm server of a few lines, whose answers a test decides, and hosts likewise; on a real nats-server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from wadm.transport.base import Message, Transport

Answer = bytes | dict[str, Any] | list[Any] | None
"""A reply, as JSON; ``None``: no reply at all."""


class ScriptedServer:
    """Answers each operation as told: ``server.answers["deploy"] = {...}``. Asked requests are in ``asked``."""

    def __init__(self, transport: Transport, lattice: str) -> None:
        self.transport = transport
        self.lattice = lattice
        self.answers: dict[str, Answer | Callable[[Message], Answer]] = {}
        self.asked: list[tuple[str, str, bytes]] = []
        self.headers: list[dict[str, str]] = []

    async def start(self) -> ScriptedServer:
        await self.transport.subscribe(f"wadm.api.{self.lattice}.>", self._receive)
        await self.transport.flush()
        return self

    def _receive(self, message: Message) -> None:
        _, _, _, _, operation, *name = message.subject.split(".")
        self.asked.append((operation, name[0] if name else "", message.data))
        self.headers.append(dict(message.headers or {}))
        answer = self.answers[operation]
        if callable(answer):
            answer = answer(message)
        if answer is not None:
            data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.transport.publish(message.reply, data)

    def publish_status(self, name: str, status: str, message: str = "") -> None:
        self.transport.publish(f"wadm.status.{self.lattice}.{name}", json.dumps(a_status(status, message)).encode())


def a_status(kind: str, message: str = "") -> dict[str, Any]:
    return {"status": {"type": kind, "message": message}, "version": "", "components": []}


def status_answer(kind: str, message: str = "") -> dict[str, Any]:
    return {"result": "ok", "message": "", "status": a_status(kind, message)}


async def reached(condition: Callable[[], bool], timeout: float = 5.0) -> None:
    """Return as soon as the condition holds."""
    async with asyncio.timeout(timeout):
        while not condition():  # noqa: ASYNC110  (what it looks at has no event)
            await asyncio.sleep(0.005)
