"""What the hosts of a lattice share: links and configurations, kept in two key-value buckets."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from typing import Final

import msgspec

from wadm.errors import WadmError
from wadm.hosts.bodies import Link, Spec
from wadm.transport.base import BucketSpec, Entry, Subscription, Transport

_log = logging.getLogger(__name__)

_KEY: Final = re.compile(r"[-/_=A-Za-z0-9]+")
_SPEC_PREFIX: Final = "COMPONENT_"
_spec_decoder = msgspec.json.Decoder(Spec)
_encoder = msgspec.json.Encoder()


class StoreFailed(WadmError):
    """The bucket cannot take such a key, holds something else than it should, or is away."""


class LatticeStore:
    """The buckets ``LATTICEDATA_{lattice}`` and ``CONFIGDATA_{lattice}``, as real hosts keep them.

    Specs are read from the bucket and written without naming a revision: of two writers who read the same one, the
    second undoes what the first did. That is how real hosts lose links, and is not to be mended here. Links are told
    from a copy in memory that follows the bucket, so what was just put may be missing for a moment.
    """

    def __init__(self, transport: Transport, lattice: str) -> None:
        self._transport = transport
        self._lattice_data = f"LATTICEDATA_{lattice}"
        self._config_data = f"CONFIGDATA_{lattice}"
        self._links: dict[str, tuple[Link, ...]] = {}
        self._watch: Subscription | None = None
        self._on_new_link: list[Callable[[Link], None]] = []
        self._on_known_link: list[Callable[[Link], None]] = []
        self._on_change: list[Callable[[], None]] = []

    async def open(self) -> None:
        """Have the buckets, and know all links that are there."""
        await self._transport.ensure_bucket(BucketSpec(self._lattice_data))
        await self._transport.ensure_bucket(BucketSpec(self._config_data))
        self._watch = await self._transport.bucket(self._lattice_data).watch(self._seen)

    async def close(self) -> None:
        """Follow the links no longer."""
        if self._watch is not None:
            await self._watch.stop()
            self._watch = None

    def on_new_link(self, told: Callable[[Link], None]) -> None:
        """Have a function called with each link that was not known in this form."""
        self._on_new_link.append(told)

    def on_known_link(self, told: Callable[[Link], None]) -> None:
        """Have a function called with each link that is written again in the form in which it was known. It may have
        been gone in between: of what is written in quick succession a bucket may tell the last alone."""
        self._on_known_link.append(told)

    def on_change(self, told: Callable[[], None]) -> None:
        """Have a function called whenever links were put or deleted."""
        self._on_change.append(told)

    @property
    def links(self) -> list[Link]:
        """All links, as far as heard of."""
        return [link for links in self._links.values() for link in links]

    async def config(self, name: str) -> bytes | None:
        """Return what was put under a name, ``None`` if there is nothing."""
        return await self._get(self._config_data, name)

    async def put_config(self, name: str, data: bytes) -> None:
        """Keep a configuration, as it came."""
        await self._put(self._config_data, name, data)

    async def delete_config(self, name: str) -> None:
        """Leave a deletion marker, whether there was such a configuration or not."""
        _check_key(name)
        try:
            await self._transport.bucket(self._config_data).purge(name)
        except WadmError as error:
            raise StoreFailed(str(error)) from error

    async def spec(self, component_id: str) -> Spec | None:
        """Return what is kept of a component or provider."""
        data = await self._get(self._lattice_data, _SPEC_PREFIX + component_id)
        try:
            return None if data is None else _spec_decoder.decode(data)
        except msgspec.MsgspecError as error:
            raise StoreFailed(f"failed to deserialize component spec: {error}") from error

    async def put_spec(self, component_id: str, spec: Spec) -> None:
        """Keep a component's or provider's spec, whatever others wrote meanwhile."""
        await self._put(self._lattice_data, _SPEC_PREFIX + component_id, _encoder.encode(spec))

    async def ensure_spec(self, component_id: str, url: str) -> None:
        """Keep a spec for a component or provider that has none. One that is there keeps its address."""
        if await self.spec(component_id) is None:
            await self.put_spec(component_id, Spec(url))

    def _seen(self, entry: Entry) -> None:
        # A deleted spec's links stay in force, as on real hosts.
        if entry.value is None or not entry.key.startswith(_SPEC_PREFIX):
            return
        try:
            spec = _spec_decoder.decode(entry.value)
        except msgspec.MsgspecError as error:
            _log.warning("spec %s cannot be read: %s", entry.key, error)
        else:
            before = self._links.get(entry.key, ())
            self._links[entry.key] = spec.links
            for link in spec.links:
                for told in self._on_known_link if link in before else self._on_new_link:
                    told(link)
            for changed in self._on_change:
                changed()

    async def _get(self, bucket: str, key: str) -> bytes | None:
        _check_key(key)
        try:
            entry = await self._transport.bucket(bucket).get(key)
        except WadmError as error:
            raise StoreFailed(str(error)) from error
        return None if entry is None else entry.value

    async def _put(self, bucket: str, key: str, value: bytes) -> None:
        _check_key(key)
        try:
            await self._transport.bucket(bucket).put(key, value)
        except WadmError as error:
            raise StoreFailed(str(error)) from error


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise StoreFailed("key cannot be empty or start/end with `.`")  # what a host says of any bad key
