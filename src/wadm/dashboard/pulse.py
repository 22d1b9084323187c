"""Whether the server can do its work, looked at every moment while anybody wants to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from msgspec import json

from wadm.background import end_if_cancelled
from wadm.client.client import Client
from wadm.errors import WadmError

EVERY: Final = 1.0
"""Seconds between two looks."""
PATIENCE: Final = 2.0
"""Seconds that NATS has to answer: a connection that looks alive may lead nowhere."""
NO_NATS: Final = "NATS cannot be reached"


class Pulse:
    """Why the server cannot do its work, ``""`` while it can. ``ready`` says what the server itself knows."""

    def __init__(self, client: Client, ready: Callable[[], str]) -> None:
        self._client = client
        self._ready = ready
        self._silent = ""

    @property
    def problem(self) -> str:
        """Why the server cannot do its work, in words."""
        if not self._client.transport.connected:
            return NO_NATS
        return self._silent or self._ready()

    def state(self) -> bytes:
        """Return what streams say of it; ``time`` is the server's clock."""
        return json.encode({"problem": self.problem})

    async def keep(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            if self._client.transport.connected:
                await self._ask()
            end_if_cancelled()
            await asyncio.sleep(EVERY)

    async def _ask(self) -> None:
        answer = asyncio.ensure_future(self._client.transport.flush())
        try:
            done, _ = await asyncio.wait((answer,), timeout=PATIENCE)
            if not done:
                self._silent = "NATS does not answer"
            with suppress(WadmError):
                await answer  # what is asked twice is answered twice: wait for the one that is under way
                self._silent = ""
        finally:
            answer.cancel()
