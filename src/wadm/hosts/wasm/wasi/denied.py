"""``wasi:filesystem`` and ``wasi:sockets``: a component has no directories and may open no sockets.

Language runtimes import all of it and look whether there is anything. What is not here ends the component that calls
it; without a directory or a socket nothing else can be called.
"""

from __future__ import annotations

from wadm.hosts.wasm.instance import Guest
from wadm.hosts.wasm.values import Err

_DENIED = "access-denied"


class Preopens:
    """``wasi:filesystem/preopens``."""

    @staticmethod
    def get_directories(guest: Guest) -> list[tuple[int, str]]:
        return []


class Filesystem:
    """``wasi:filesystem/types``."""

    @staticmethod
    def filesystem_error_code(guest: Guest, error: int) -> None:
        return None


class Network:
    """``wasi:sockets/network`` and ``instance-network``."""

    @staticmethod
    def instance_network(guest: Guest) -> int:
        return guest.push(None)


class Sockets:
    """``wasi:sockets/tcp``, ``udp`` and what makes them."""

    @staticmethod
    def create_tcp_socket(guest: Guest, family: str) -> Err:
        return Err(_DENIED)

    create_udp_socket = create_tcp_socket


class NameLookup:
    """``wasi:sockets/ip-name-lookup``."""

    @staticmethod
    def resolve_addresses(guest: Guest, network: int, name: str) -> Err:
        return Err(_DENIED)
