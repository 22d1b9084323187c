"""What a provider has heard of its links (docs/protocol/lattice.md#links-and-provider-processes).

It is started with a list of its links. From its subscription on, some time after its host said that it started, it
hears of each link that is deleted, and of each that is put and is new to its host. It ignores the put of a link that it
has, and learns what configurations hold with the link alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, TypeAlias

import msgspec
from msgspec import Struct

from wadm.hosts.bodies import Link
from wadm.hosts.core import SECRET_PREFIX
from wadm.hosts.store import LatticeStore

LinkId = tuple[str, str, str, str, str]
"""Source, namespace, package, name and target."""
Form = tuple[frozenset[str], tuple[str, ...], tuple[str, ...]]
"""What of a link can be changed in place: its interfaces, and the names of its configurations at source and target."""
SUBJECT: Final = "wasmbus.rpc.{lattice}.{entity}.linkdefs.{verb}"


class ToldLink(Struct, frozen=True, kw_only=True):
    """A link as a provider is told of it: with what its configurations hold in place of their names."""

    source_id: str
    target: str
    name: str
    wit_namespace: str
    wit_package: str
    interfaces: tuple[str, ...]
    source_config: dict[str, str] = {}
    target_config: dict[str, str] = {}
    source_secrets: None = None
    target_secrets: None = None

    @property
    def id(self) -> LinkId:
        """What a provider tells links apart by."""
        return (self.source_id, self.wit_namespace, self.wit_package, self.name, self.target)


encode = msgspec.json.encode
decode = msgspec.json.Decoder(ToldLink).decode
decode_config = msgspec.json.Decoder(dict[str, str]).decode


def link_id(link: Link) -> LinkId:
    """Return what a provider tells a link apart by."""
    return (link.source_id, link.wit_namespace, link.wit_package, link.name, link.target)


def form(link: Link) -> Form:
    """Return what of a link can be changed in place."""
    return (frozenset(link.interfaces), tuple(link.source_config), tuple(link.target_config))


def has_secrets(link: Link) -> bool:
    """Whether a link refers to secrets: such a one is told only to the providers of the host that learns of it."""
    return any(name.startswith(SECRET_PREFIX) for name in (*link.source_config, *link.target_config))


ReadConfig: TypeAlias = Callable[[str], Awaitable[Mapping[str, str]]]
"""Returns what a configuration of a name holds at this moment, nothing where it does not exist."""


def stored_configs(store: LatticeStore) -> ReadConfig:
    """Return what reads configurations from a store."""

    async def read(name: str) -> Mapping[str, str]:
        data = await store.config(name)
        return decode_config(data) if data else {}

    return read


async def merged(names: Iterable[str], read: ReadConfig) -> dict[str, str]:
    """Return what configurations hold together; of a key that several have, the last counts."""
    found: dict[str, str] = {}
    for name in names:
        found |= await read(name)
    return found


async def resolve(link: Link, read: ReadConfig) -> ToldLink:
    """Return a link with what its configurations hold at this moment."""
    return ToldLink(
        source_id=link.source_id,
        target=link.target,
        name=link.name,
        wit_namespace=link.wit_namespace,
        wit_package=link.wit_package,
        interfaces=link.interfaces,
        source_config=await merged(link.source_config, read),
        target_config=await merged(link.target_config, read),
    )


class ProviderLinks:
    """The links that one provider has."""

    def __init__(self) -> None:
        self.heard: dict[LinkId, ToldLink] = {}
        self.listens = False
        self.missed = False
        """Whether it did not hear of something because its connection was away, or it was just restarting by itself:
        nobody can know of that."""
        self.skipped: set[LinkId] = set()
        """Links of which its host did not tell it, because the host could not read them, or did not see that they were
        gone in between: nobody can know of that either."""
        self.forgotten: dict[LinkId, str] = {}
        """Links that it had not when a NATS server lost the records that said so, and who held the lattice then: nobody
        else can know of that."""
        self.telling: set[LinkId] = set()
        """New links of which its host is telling it at this moment: it still reads what their configurations hold."""
        self._deleted: set[LinkId] = set()
        """Links that it heard to be gone, and nothing since."""
        self._began_with: dict[LinkId, Form | None] | None = None
        """The links in its list, as they were then, where that is the one that it was started with."""
        self._told: set[LinkId] = set()
        """Links of which it has heard anything since."""

    def begin(
        self,
        listed: Mapping[LinkId, ToldLink],
        skipped: Iterable[LinkId] = (),
        forms: Mapping[LinkId, Form] | None = None,
        *,
        restarted: bool = False,
    ) -> None:
        """Begin (again) with a list, without hearing anything for now. ``skipped``: what it should hold and lacks;
        ``forms``: what is listed, as its host knew it; ``restarted``: its host has it begin again by itself."""
        self.heard = dict(listed)
        self.skipped = set(skipped)
        self.forgotten.clear()
        self._deleted.clear()
        self._told.clear()
        self._began_with = None if restarted else {id_: (forms or {}).get(id_) for id_ in self.heard}
        self.listens = False

    def hear(self, verb: str, link: ToldLink) -> None:
        """Take note of a link that is put (unless it is there) or deleted."""
        self.skipped.discard(link.id)
        if not self.listens:
            return
        self.forgotten.pop(link.id, None)
        if verb == "del":
            self.heard.pop(link.id, None)
            self._deleted.add(link.id)
            self._told.add(link.id)
        elif link.id not in self.heard:
            self.heard[link.id] = link
            self._deleted.discard(link.id)
            self._told.add(link.id)

    def skip(self, link: LinkId) -> None:
        """Take note that the host could not read a link that it should have told of."""
        if self.listens and link not in self.heard:
            self.skipped.add(link)

    def still_there(self, link: LinkId) -> None:
        """Take note that the host did not see that a link was gone, so that it tells nothing of it."""
        if link in self._deleted:
            self.skip(link)

    def was_not_listed(self, link: LinkId, as_it_is: Form | None = None) -> bool:
        """Whether the list that it was started with lacked a link, or had it as it was before a change, and it has
        heard nothing of it since."""
        if self._began_with is None or link in self._told:
            return False
        return link not in self._began_with or self._began_with[link] != as_it_is

    def was_only_listed(self, link: LinkId) -> bool:
        """Whether the list that it was started with had a link, of which it has heard nothing since."""
        return self._began_with is not None and link in self._began_with and link not in self._told

    def is_excused(self, link: LinkId, holder: str) -> bool:
        """Whether nobody can know that it has not a link as it is: not who holds the lattice now, ``holder``."""
        if self.listens and link in self.telling:
            return True
        return self.missed or link in self.skipped or self.forgotten.get(link, holder) != holder
