"""``wasi:config``, ``wasi:logging``, ``wasmcloud:bus`` and ``wasmcloud:messaging``."""

from __future__ import annotations

from typing import Any

from wadm.errors import WadmError
from wadm.hosts.wasm.context import Unlinked
from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err

DEFAULT_LINK = "default"


def link_name(guest: Guest, namespace: str, package: str) -> str:
    """Return the name of the link by which a guest calls the interfaces of a package."""
    return guest.link_names.get((namespace, package), DEFAULT_LINK)


class Config:
    """``wasi:config/store``, and ``runtime`` as it was called before."""

    @staticmethod
    def get(guest: Guest, key: str) -> str | None:
        return guest.component.config.get(key)

    @staticmethod
    def get_all(guest: Guest) -> list[tuple[str, str]]:
        return list(guest.component.config.items())


class Logging:
    """``wasi:logging/logging``."""

    @staticmethod
    def log(guest: Guest, level: str, context: str, message: str) -> None:
        guest.component.log(level, f"{context}: {message}" if context else message)


class Lattice:
    """``wasmcloud:bus/lattice``: by which of its links the guest calls an interface from now on."""

    @staticmethod
    def new_call_target_interface(guest: Guest, namespace: str, package: str, interface: str) -> int:
        return guest.push((namespace, package))

    @staticmethod
    def set_link_name(guest: Guest, name: str, interfaces: list[int]) -> None:
        guest.link_names.update({guest.table.pop(one): name for one in interfaces})


class MessagingTypes:
    """``wasmcloud:messaging/types``: types alone."""


class MessagingConsumer:
    """``wasmcloud:messaging/consumer``. A message is its subject, body and where to reply to."""

    @staticmethod
    async def request(guest: Guest, subject: str, body: bytes, timeout_ms: int) -> Any:
        link = link_name(guest, "wasmcloud", "messaging")
        try:
            subject, body, reply_to = await guest.component.request(link, subject, body, timeout_ms / 1000)
        except (Unlinked, WadmError) as error:
            return Err(str(error))
        return subject, body, reply_to or None

    @staticmethod
    def publish(guest: Guest, message: tuple[str, bytes, str | None]) -> Any:
        subject, body, reply_to = message
        try:
            guest.component.publish(link_name(guest, "wasmcloud", "messaging"), subject, body, reply_to or "")
        except (Unlinked, WadmError) as error:
            return Err(str(error))
        return None
