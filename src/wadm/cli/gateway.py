"""The HTTP gateway beside a server, as its settings ask for it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from wadm import __version__
from wadm.client.client import Client
from wadm.client.connection import open_client
from wadm.client.settings import Settings as ClientSettings
from wadm.errors import Misconfigured
from wadm.metrics import Part
from wadm.server.logging import get_logger
from wadm.server.settings import Settings
from wadm.wire.reply_subjects import ReplyRules

if TYPE_CHECKING:
    from wadm.dashboard.listener import Listener
    from wadm.dashboard.options import Options

PRODUCT = f"wadm {__version__}"

log = get_logger("wadm.cli.gateway")


@contextlib.contextmanager
def gateway_beside(settings: Settings, ready: Callable[[], str], metrics: Part) -> Iterator[None]:
    """Serve HTTP as the settings of a server say. Raises Misconfigured where that is not possible."""
    need_http()
    from wadm.dashboard.options import Options
    from wadm.dashboard.prometheus import Prometheus
    from wadm.dashboard.tokens import Tokens, read_tokens
    from wadm.dashboard.webhooks import read_hooks

    assert settings.http.address is not None
    host, port = settings.http.address
    if settings.api.multitenant:
        raise Misconfigured(
            "--http and --multitenant exclude each other: lattices of different accounts may have the same name, and "
            "what comes over HTTP says no account. Run a server without --multitenant in the account that is to have it"
        )
    rules = ReplyRules(settings.api.reply_prefixes, settings.api.prefix, (settings.nats.inbox_prefix,))
    options = Options(
        host=host,
        port=port,
        tokens=read_tokens(Path(settings.http.tokens)) if settings.http.tokens else Tokens(),
        open_reading=settings.http.open_reading,
        read_only=settings.http.read_only,
        tls_cert=Path(settings.http.tls_cert) if settings.http.tls_cert else None,
        tls_key=Path(settings.http.tls_key) if settings.http.tls_key else None,
        origins=settings.http.origins,
        hooks=read_hooks(Path(settings.http.webhooks), rules.bars) if settings.http.webhooks else (),
        prometheus=Prometheus(settings.http.prometheus) if settings.http.prometheus else None,
        product=PRODUCT,
        ready=ready,
        metrics=metrics,
    )
    with listening(options, client_settings(settings)) as listener:
        if not options.tls_cert and not options.loopback:
            log.warning("HTTP is served without TLS: tokens can be read on the way", url=listener.url)
        log.info("Serving the dashboard and the API over HTTP", url=listener.url)
        yield


@contextlib.contextmanager
def listening(options: Options, settings: ClientSettings) -> Iterator[Listener]:
    """Serve HTTP until left."""
    need_http()
    from wadm.dashboard.listener import Listener

    def connect() -> Awaitable[Client]:
        return open_client(settings)

    listener = Listener(options, connect)
    listener.start()
    try:
        yield listener
    finally:
        listener.stop()


def need_http() -> None:
    """Raise :class:`~wadm.errors.Misconfigured` where the libraries are missing."""
    try:
        import httptools  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        from wadm.extras import install_hint

        raise Misconfigured(f"HTTP needs the module {error.name}: {install_hint('http')}") from None


def client_settings(settings: Settings) -> ClientSettings:
    """Return how a client connects where the server does."""
    return ClientSettings(
        servers=settings.nats.servers,
        creds=settings.nats.creds_file or "",
        jwt=settings.nats.jwt or "",
        seed=settings.nats.seed or "",
        user=settings.nats.user or "",
        password=settings.nats.password or "",
        tls_ca=settings.nats.tls_ca_file or "",
        tls_cert=settings.nats.tls_cert_file or "",
        tls_key=settings.nats.tls_key_file or "",
        js_domain=settings.nats.domain or "",
        api_prefix=settings.api.prefix,
    )
