"""What any host of a lattice answers for all: links (docs/protocol/lattice.md#links) and configurations
(docs/protocol/lattice.md#configurations)."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import asdict, replace

from wadm.hosts import bodies
from wadm.hosts.bodies import Link, Reply, Spec
from wadm.hosts.core import SECRET_PREFIX, HostCore, Refusal, Request, decode
from wadm.hosts.provider_links import SUBJECT, encode, has_secrets, resolve, stored_configs
from wadm.hosts.store import StoreFailed

_link_decoder = msgspec.json.Decoder(bodies.Link)
_delete_decoder = msgspec.json.Decoder(bodies.DeleteLink)
_config_decoder = msgspec.json.Decoder(bodies.Configuration)

_NOT_A_LINK = "failed to deserialize wrpc link definition"
_OTHER_TARGET = (
    "link already exists with different target, consider deleting the existing link or using a different link name"
)
_NOT_A_CONFIGURATION = "config data should be a map of string -> string"


class LatticeData:
    """Links and configurations, handled by one host with the store that it shares with the others."""

    def __init__(self, core: HostCore) -> None:
        self._core = core

    # -- links -------------------------------------------------------------------------------

    async def get_links(self, request: Request) -> Reply:
        """Tell all links, as far as this host has heard."""
        return Reply(True, "", self._core.store.links)

    async def put_link(self, request: Request) -> Reply:
        """Put a link: all its configurations must exist, and no other target share an interface with it."""
        link = decode(_link_decoder, request.data, _NOT_A_LINK)
        try:
            await self._check_names(link)
            spec = await self._read_spec(link.source_id) or Spec()
            await self._write_spec(link.source_id, bodies.Spec(spec.url, _with(spec.links, link)))
        except Refusal as refusal:
            self._core.publish("linkdef_set_failed", {**asdict(link), "error": refusal.chain})
            raise
        if not has_secrets(link):
            await self._tell_providers("put", link)
        self._core.publish("linkdef_set", link)
        return Reply(True, "successfully set link")

    async def delete_link(self, request: Request) -> Reply:
        """Delete the first link with that identity, whatever its target."""
        body = decode(_delete_decoder, request.data, _NOT_A_LINK)
        spec = await self._read_spec(body.source_id)
        if spec is None:
            return Reply(True, "successfully deleted link (spec doesn't exist)")
        data: dict[str, Any] = asdict(body)
        links = list(spec.links)
        gone = next((place for place, link in enumerate(links) if _identity(link) == _identity(body)), None)
        if gone is not None:
            data |= {"target": links[gone].target, "interfaces": links[gone].interfaces}
            links[gone] = links[-1]  # the last one moves into its place
            del links[-1]
            gone_link = spec.links[gone]
            await self._write_spec(body.source_id, Spec(spec.url, tuple(links)))
            await self._tell_providers("del", replace(gone_link, source_config=(), target_config=()))
        self._core.publish("linkdef_deleted", data)
        return Reply(True, "successfully deleted link")

    async def _tell_providers(self, verb: str, link: Link) -> None:
        """Tell the providers at both ends, on whichever hosts they run."""
        try:
            told = encode(await resolve(link, stored_configs(self._core.store)))
        except StoreFailed as error:
            raise Refusal("failed to resolve link config") from error
        for entity in (link.source_id, link.target):
            self._core.send(SUBJECT.format(lattice=self._core.lattice, entity=entity, verb=verb), told)

    async def _check_names(self, link: Link) -> None:
        missing = ""
        for name in (*link.source_config, *link.target_config):
            if await self._read_config(name) is None:
                what = "Secret reference" if name.startswith(SECRET_PREFIX) else "Configuration"
                missing += f"{what} {name} not found in config store. "
        if missing:
            raise Refusal(f"Failed to validate configuration and secrets. {missing}")

    async def _read_config(self, name: str) -> bytes | None:
        try:
            return await self._core.store.config(name)
        except StoreFailed as error:
            raise Refusal(str(error)) from None

    async def _read_spec(self, component_id: str) -> Spec | None:
        try:
            return await self._core.store.spec(component_id)
        except StoreFailed as error:
            raise Refusal("failed to get component spec") from error

    async def _write_spec(self, component_id: str, spec: Spec) -> None:
        try:
            await self._core.store.put_spec(component_id, spec)
        except StoreFailed as error:
            raise Refusal("failed to store component spec") from error

    # -- configurations ----------------------------------------------------------------------

    async def get_config(self, request: Request) -> Reply:
        """Tell what a configuration holds. One that is missing is a success without a response."""
        data = await self._read_config(request.name)
        if data is None:
            return Reply(True, "Configuration not found")
        return Reply(True, "", decode(_config_decoder, data, _NOT_A_CONFIGURATION))

    async def put_config(self, request: Request) -> Reply:
        """Keep a configuration."""
        decode(_config_decoder, request.data, _NOT_A_CONFIGURATION)
        try:
            await self._core.store.put_config(request.name, request.data)
        except StoreFailed as error:
            raise Refusal("unable to store config data") from error
        self._core.publish("config_set", {"config_name": request.name})
        return Reply(True, "successfully put config")

    async def delete_config(self, request: Request) -> Reply:
        """Delete a configuration; it need not exist."""
        try:
            await self._core.store.delete_config(request.name)
        except StoreFailed as error:
            raise Refusal("Unable to delete config data") from error
        self._core.publish("config_deleted", {"config_name": request.name})
        return Reply(True, "successfully deleted config")


def _identity(link: Link | bodies.DeleteLink) -> tuple[str, str, str, str]:
    return (link.source_id, link.wit_namespace, link.wit_package, link.name)


def _with(links: tuple[Link, ...], link: Link) -> tuple[Link, ...]:
    """Return ``links`` with ``link`` put in place of the one with the same identity and target, or at the end."""
    after, replaced = [], False
    for one in links:
        if _identity(one) != _identity(link):
            after.append(one)
        elif one.target == link.target:
            after.append(link)
            replaced = True
        elif set(one.interfaces).isdisjoint(link.interfaces):
            after.append(one)
        else:
            raise Refusal(_OTHER_TARGET)
    return tuple(after) if replaced else (*after, link)
