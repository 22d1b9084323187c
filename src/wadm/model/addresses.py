"""Addresses that providers are told to listen on: which configurations name one, and which of them clash."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

ADDRESS_KEYS: Final = ("address", "default_address")
"""The keys of configurations in which providers of wasmCloud are told where to listen."""
ANY_HOST: Final = ("", "0.0.0.0", "[::]", "::")  # noqa: S104 - compared with, not listened on


_LISTENED_ON: Final = re.compile(r"[\w.:\-\[\]%]*:\d{1,5}")


def is_address(key: str, value: str) -> bool:
    """Whether a value of a configuration is an address to listen on: ``HOST:PORT`` under a key for such.

    >>> is_address("address", "0.0.0.0:8080"), is_address("address", "nats://me:secret@there:4222")
    (True, False)
    """
    return key in ADDRESS_KEYS and _LISTENED_ON.fullmatch(value) is not None


def addresses(properties: Mapping[str, str]) -> Iterator[str]:
    """Yield the addresses to listen on that a configuration names."""
    return (properties[key] for key in ADDRESS_KEYS if key in properties and is_address(key, properties[key]))


def port(address: str) -> str:
    """Return the port of an address, nothing where it has none.

    >>> port("0.0.0.0:8080")
    '8080'
    """
    return address.rpartition(":")[2] if ":" in address else ""


def clash(one: str, other: str) -> bool:
    """Whether only one can listen on two addresses of the same host. Port 0 is whichever is free."""
    host, their_host = one.rpartition(":")[0], other.rpartition(":")[0]
    same_host = host == their_host or host in ANY_HOST or their_host in ANY_HOST
    return port(one) == port(other) and port(one) not in ("", "0") and same_host


class AddressConfigs:
    """The configurations of a lattice that name an address, by port."""

    def __init__(self) -> None:
        self._ports: dict[str, frozenset[str]] = {}
        """The ports that each configuration names."""
        self._by_port: dict[str, dict[str, None]] = {}

    def note(self, name: str, properties: Mapping[str, str]) -> None:
        """Note what a configuration holds now."""
        before, after = self._ports.get(name, frozenset()), frozenset(map(port, addresses(properties))) - {"", "0"}
        for gone in before - after:
            del self._by_port[gone][name]
        for new in after - before:
            self._by_port.setdefault(new, {})[name] = None
        if after:
            self._ports[name] = after
        else:
            self._ports.pop(name, None)

    def with_port(self, wanted: str) -> tuple[str, ...]:
        """Return the configurations that name an address with a port, sorted."""
        return tuple(sorted(self._by_port.get(wanted, ())))

    def copy(self) -> AddressConfigs:
        """Return a copy that can be changed without changing this one."""
        other = AddressConfigs()
        other._ports = dict(self._ports)
        other._by_port = {number: dict(names) for number, names in self._by_port.items()}
        return other
