"""Built-in providers: what stands in for the images of providers that applications name.

A provider's image is a native program, which is not run here. For those that most applications use there is a part of
the host that does the same, with the same configuration: it is looked for by the image's name, whatever its tag.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from typing import Final, Literal

from msgspec import Struct

from wadm.errors import Misconfigured
from wadm.hosts.images import strip
from wadm.hosts.provider_links import ToldLink
from wadm.hosts.wasm.http.exchange import Exchange
from wadm.hosts.wasm.http.server import Listener
from wadm.hosts.wasm.wasi.http import IncomingRequest
from wadm.hosts.wasm.workload_table import WorkloadTable

Role = Literal["http-server", "keyvalue-nats", "messaging-nats"]

STAND_INS: Final[Mapping[str, Role]] = {
    "http-server": "http-server",
    "messaging-nats": "messaging-nats",
    "ghcr.io/wasmcloud/http-server": "http-server",
    "ghcr.io/wasmcloud/keyvalue-nats": "keyvalue-nats",
    "ghcr.io/wasmcloud/messaging-nats": "messaging-nats",
}
"""Which part of the host stands in for which image; those without a registry are ``wasmcloud+builtin://``."""
DEFAULT_ADDRESS: Final = "0.0.0.0:8000"


def role(reference: str) -> Role | None:
    """Return what stands in for a provider's image.

    >>> role("ghcr.io/wasmcloud/http-server:0.27.0"), role("wasmcloud+builtin://http-server"), role("acme.io/kv:1")
    ('http-server', 'http-server', None)
    """
    name = strip(reference).partition("@")[0]
    head, slash, tail = name.rpartition("/")
    return STAND_INS.get(head + slash + tail.partition(":")[0])


class Route(Struct, frozen=True):
    """Where requests of a listener go: those for a path or a host, or, with neither, all."""

    target: str
    path: str | None = None
    host: str | None = None


class HttpServer:
    """Passes requests on to components, as its links say.

    Its configuration: ``routing_mode``. With ``address`` (or none) each link has an ``address`` of its own; with
    ``path`` and ``host`` the provider has one, and each link a ``path`` or ``host``, which must be equal to that of the
    request. TLS: ``tls_cert_file`` with ``tls_priv_key_file``, beside the address.

    ``retire`` is given each listener that is no longer wanted: its requests may end while others are told to go on.
    """

    def __init__(
        self,
        config: Mapping[str, str],
        workloads: WorkloadTable,
        retire: Callable[[Listener], None],
    ) -> None:
        self._config = config
        self._workloads = workloads
        self._retire = retire
        self._listeners: dict[tuple[str, str, str], Listener] = {}
        """By address and the files for TLS."""
        self._routes: dict[tuple[str, str, str], list[Route]] = {}

    async def follow(self, links: list[ToldLink]) -> None:
        """Serve these links. Raises Misconfigured for the first that cannot be served; the others are all the same."""
        wanted, problems = self._wanted(links)
        self._routes = wanted
        for key in [key for key in self._listeners if key not in wanted]:
            self._retire(self._listeners.pop(key))
        for key in wanted:
            if key not in self._listeners:
                try:
                    self._listeners[key] = await self._open(key)
                except Misconfigured as error:
                    problems.append(str(error))
        if problems:
            raise Misconfigured("; ".join(problems))

    def close(self) -> None:
        """Take no more requests."""
        listeners, self._listeners = self._listeners, {}
        for listener in listeners.values():
            self._retire(listener)

    def _wanted(self, links: list[ToldLink]) -> tuple[dict[tuple[str, str, str], list[Route]], list[str]]:
        mode = self._config.get("routing_mode", "address")
        wanted: dict[tuple[str, str, str], list[Route]] = {}
        problems = []
        if mode not in ("address", "path", "host"):
            return {}, [f"routing_mode {mode!r} is none of address, path, host"]
        for link in links:
            place = link.source_config if mode == "address" else self._config
            default = self._config.get("default_address", DEFAULT_ADDRESS)
            key = (place.get("address", default), place.get("tls_cert_file", ""), place.get("tls_priv_key_file", ""))
            if mode != "address" and mode not in link.source_config:
                problems.append(f"the link to {link.target} says no {mode}, which routing_mode {mode} needs")
                continue
            part = {} if mode == "address" else {mode: link.source_config[mode]}
            route = Route(link.target, **part)
            routes = wanted.setdefault(key, [])
            if any((one.path, one.host) == (route.path, route.host) for one in routes):
                problems.append(f"the link to {link.target} wants {part.get(mode, key[0])}, which another link has")
            else:
                routes.append(route)
        return wanted, problems

    async def _open(self, key: tuple[str, str, str]) -> Listener:
        address, certificate, private_key = key
        host, colon, port = address.rpartition(":")
        if not colon or not port.isdecimal() or not int(port) < 65536:
            raise Misconfigured(f"{address!r} is no address to listen on, as in 0.0.0.0:8000")
        tls = _tls(certificate, private_key)

        async def handle(request: IncomingRequest, exchange: Exchange) -> None:
            await self._handle(key, request, exchange)

        listener = Listener(handle, "HTTPS" if tls else "HTTP")
        await listener.open(host.strip("[]"), int(port), tls)
        return listener

    async def _handle(self, key: tuple[str, str, str], request: IncomingRequest, exchange: Exchange) -> None:
        path = request.path.partition("?")[0]
        for route in self._routes.get(key, ()):
            if route.path in (None, path) and route.host in (None, request.authority):
                workload = await self._workloads.expect(route.target)
                if workload is None:
                    exchange.refuse(503, "the component that serves this does not run on this host")
                else:
                    await workload.serve(request, exchange)
                return
        exchange.refuse(404, "nothing is served here")


def _tls(certificate: str, private_key: str) -> ssl.SSLContext | None:
    if not certificate and not private_key:
        return None
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, private_key or None)
    except (OSError, ssl.SSLError) as error:
        raise Misconfigured(f"the certificate {certificate} cannot be used: {error}") from error
    return context
