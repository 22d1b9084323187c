"""What a component reaches by its links: key-value stores and messages on the NATS of its host."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from wadm.hosts.provider_links import ToldLink
from wadm.hosts.wasm.buckets import NatsBucket
from wadm.hosts.wasm.context import Bucket, Unlinked
from wadm.hosts.wasm.providers import Role
from wadm.transport.base import BucketSpec, Transport

_ADDRESSES = ("cluster_uri", "cluster_uris", "uri")


class LinkedUse:
    """A component as its instances know it: its configuration, its log, its links (``ComponentContext``)."""

    def __init__(self, transport: Transport, component_id: str, nats: str) -> None:
        self.component_id = component_id
        self.names: tuple[str, ...] = ()
        """Of its configurations."""
        self.config: Mapping[str, str] = {}
        self.links: list[ToldLink] = []
        self.roles: Mapping[str, Role] = {}
        """Which providers run on this host, and as what."""
        self.log_lines: Callable[[str, str], None] = lambda level, text: None
        self._transport = transport
        self._nats = nats

    def log(self, level: str, text: str) -> None:
        """Log a line of the component."""
        self.log_lines(level, text)

    async def open_bucket(self, link_name: str, identifier: str) -> Bucket:
        """Return the bucket that the link's configuration names, or else the one that is asked for."""
        link = self._link(link_name, "wasi", "keyvalue", "keyvalue-nats")
        name = link.target_config.get("bucket") or identifier
        await self._transport.ensure_bucket(BucketSpec(name))
        return NatsBucket(self._transport.bucket(name))

    async def request(self, link_name: str, subject: str, body: bytes, timeout: float) -> tuple[str, bytes, str]:
        """Send a message over NATS and return the first answer."""
        self._link(link_name, "wasmcloud", "messaging", "messaging-nats")
        answer = await self._transport.request(subject, body, timeout)
        return answer.subject, answer.data, answer.reply

    def publish(self, link_name: str, subject: str, body: bytes, reply_to: str) -> None:
        """Send a message over NATS."""
        self._link(link_name, "wasmcloud", "messaging", "messaging-nats")
        self._transport.publish(subject, body, reply_to)

    def _link(self, name: str, namespace: str, package: str, wanted: Role) -> ToldLink:
        """Return the link to a provider of this host. Raises Unlinked, which says what is missing."""
        interface = f"{namespace}:{package}"
        for link in self.links:
            if (link.wit_namespace, link.wit_package, link.name) == (namespace, package, name):
                if self.roles.get(link.target) != wanted:
                    raise Unlinked(f"{link.target}, the target of the link for {interface}, does not run on this host")
                self._check_address(link)
                return link
        raise Unlinked(f"{self.component_id} has no link named {name} for {interface}")

    def _check_address(self, link: ToldLink) -> None:
        """Refuse a link that names another NATS than the one of the host: the data would go to the wrong place."""
        for field in _ADDRESSES:
            for url in filter(None, link.target_config.get(field, "").split(",")):
                if _place(url) != _place(self._nats):
                    raise Unlinked(
                        f"the link to {link.target} names the NATS {url}, and this host is connected to {self._nats}: "
                        "a provider of this host uses the connection of the host"
                    )


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url.strip() if "://" in url else f"nats://{url.strip()}")
    host = parts.hostname or ""
    return "127.0.0.1" if host == "localhost" else host, parts.port or 4222
