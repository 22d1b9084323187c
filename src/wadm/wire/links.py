"""Links as hosts and their clients write them (docs/protocol/lattice.md#bodies)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Raw, Struct, json

from wadm.model.lattice import Link
from wadm.model.names import DEFAULT_LINK_NAME
from wadm.wire.reading import Id, read, read_response

_Names = tuple[str, ...]


class LinkDescription(Struct, frozen=True, kw_only=True):
    """A link; what may be missing has the defaults that hosts give it."""

    source_id: Id
    target: Id
    name: str | None = DEFAULT_LINK_NAME
    wit_namespace: str
    wit_package: str
    interfaces: _Names
    source_config: _Names | None = ()
    target_config: _Names | None = ()

    def link(self) -> Link:
        """Return the link."""
        return Link(
            source_id=self.source_id,
            target=self.target,
            name=self.name or DEFAULT_LINK_NAME,
            wit_namespace=self.wit_namespace,
            wit_package=self.wit_package,
            interfaces=self.interfaces,
            source_config=self.source_config or (),
            target_config=self.target_config or (),
        )


_links = json.Decoder(tuple[LinkDescription, ...])


def decode_links(response: Raw | None) -> list[Link]:
    """Read the reply of ``link.get``; raise :class:`~wadm.errors.Malformed` where it is none."""
    return [description.link() for description in read_response(_links, response, "links")]


class _StoredComponent(Struct, frozen=True):
    """What the lattice's own bucket holds for a component or provider (docs/protocol/lattice.md#buckets)."""

    links: tuple[LinkDescription, ...] = ()


_stored = json.Decoder(_StoredComponent)


def decode_stored_links(value: bytes) -> list[Link]:
    """Read the links of one source from the lattice's own bucket; raise :class:`~wadm.errors.Malformed`."""
    return [description.link() for description in read(_stored, value, "stored links").links]


def encode_link(link: Link) -> bytes:
    """Return the body of ``link.put``. The fields of a link and their order are those of the wire."""
    return json.encode(link)


def encode_links(links: Iterable[Link]) -> bytes:
    """Return the ``response`` with which a host answers ``link.get``."""
    return json.encode(list(links))
