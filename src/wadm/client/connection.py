"""Connecting a client to NATS, as the settings say."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType
from typing import Any, TypedDict, Unpack
from urllib.parse import quote, urlsplit, urlunsplit

from wadm.client.client import Client
from wadm.client.settings import Settings, resolve
from wadm.errors import Misconfigured
from wadm.transport.nats.connect import ConnectOptions
from wadm.transport.nats.connect import connect as connect_nats


class Given(TypedDict, total=False):
    """What a caller may say of the connection; the rest comes from the environment and from contexts.

    The fields are those of :class:`~wadm.client.settings.Settings`.
    """

    lattice: str
    creds: str
    jwt: str
    seed: str
    user: str
    password: str
    token: str
    tls_ca: str
    tls_cert: str
    tls_key: str
    js_domain: str
    api_prefix: str
    ctl_prefix: str
    timeout: float


class Connecting:
    """A client to be: ``await`` it, or enter it with ``async with``, which closes it in the end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._client: Client | None = None

    def __await__(self) -> Generator[Any, None, Client]:
        return open_client(self._settings).__await__()

    async def __aenter__(self) -> Client:
        self._client = await open_client(self._settings)
        return self._client

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.close()


def connect(servers: str | None = None, *, context: str | None = None, **given: Unpack[Given]) -> Connecting:
    """Connect to the applications of a lattice.

    For example::

        async with connect(lattice="default") as client:
            for application in await client.list():
                print(application.name, application.status.type)

    ``servers`` is a URL, or several with commas; ``context`` the name of one of ``wash`` or ``nats``. What is not given
    comes from the environment and from contexts, in the order that :mod:`wadm.client.settings` tells.

    Raises Unavailable where NATS cannot be reached, Misconfigured where it will not have us.
    """
    return Connecting(settings_of(servers, context, given))


def settings_of(servers: str | None, context: str | None, given: Given) -> Settings:
    """Return the settings that a caller's words add up to."""
    values = {field: None if value is None else str(value) for field, value in given.items()}
    return resolve({"servers": servers, **values}, context)


async def open_client(settings: Settings) -> Client:
    """Connect as the settings say."""
    return Client(await connect_nats(_options(settings)), settings)


def _options(settings: Settings) -> ConnectOptions:
    if settings.tls_key and not settings.tls_cert:
        raise Misconfigured("A TLS key needs the certificate that belongs to it")
    return ConnectOptions(
        servers=tuple(_signed(server, settings) for server in settings.servers),
        creds_file=settings.creds or None,
        jwt=settings.jwt or None,
        seed=settings.seed or None,
        tls_ca_file=settings.tls_ca or None,
        tls_cert_file=settings.tls_cert or None,
        tls_key_file=settings.tls_key or None,
        tls_first=settings.tls_first,
        domain=settings.js_domain or None,
        name="wadm client",
        inbox_prefix=settings.inbox_prefix or "_INBOX",
    )


def _signed(server: str, settings: Settings) -> str:
    """Return a server's URL with user and password, or token, where the settings have them."""
    if settings.user:
        who = f"{quote(settings.user, safe='')}:{quote(settings.password, safe='')}"
    elif settings.token:
        who = quote(settings.token, safe="")
    else:
        return server
    parts = urlsplit(server)
    return urlunsplit(parts._replace(netloc=f"{who}@{parts.netloc.rpartition('@')[2]}"))
