"""kopf, and how it is set up here: it watches the operator's own kinds and knows how to log in.

Its handlers that write are not used: they keep their progress in annotations, which GitOps tools show as changes, and
two writers of one object is one too many. Here an event is a reason to look.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from wadm.errors import Misconfigured
from wadm.operator import names
from wadm.operator.kube import Access, Object

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def _without_big_client() -> Iterator[None]:
    """Keep kopf from loading the official client, which costs 60 MiB and two seconds, only to log in."""
    if "kubernetes_asyncio" in sys.modules:
        yield
        return
    sys.modules["kubernetes_asyncio"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["kubernetes_asyncio"]


with _without_big_client():
    import kopf

Changed = Callable[[str, Object], None]
"""Called with the type of an event (empty for what was there) and the object."""

WATCH_TIMEOUT: Final = 300
"""Seconds after which a watch is opened anew."""


def log_in() -> Access:
    """Return where the API server is: of the pod's service account, else of the kubeconfig. Raises Misconfigured."""
    settings = kopf.OperatorSettings()
    try:
        found = kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)
    except (kopf.LoginError, OSError, KeyError) as error:
        raise Misconfigured(f"Cannot log in to Kubernetes: {error}") from error
    if found is None:
        raise Misconfigured("Cannot log in to Kubernetes: there is neither a service account nor a kubeconfig")
    return Access(found.server, found.as_http_headers(), found.as_ssl_context())


def registry(applications: Changed, host_configs: Changed) -> kopf.OperatorRegistry:
    """Return the handlers."""
    handlers = kopf.OperatorRegistry()

    @kopf.on.login(registry=handlers)
    def login(settings: kopf.OperatorSettings, **_: Any) -> Any:
        return kopf.login_with_service_account(settings=settings) or kopf.login_with_kubeconfig(settings=settings)

    @kopf.on.event(names.APPLICATIONS.api_version, names.APPLICATIONS.plural, registry=handlers)
    async def application(event: Any, **_: Any) -> None:
        applications(event["type"] or "", event["object"])

    @kopf.on.event(names.HOST_CONFIGS.api_version, names.HOST_CONFIGS.plural, registry=handlers)
    async def host_config(event: Any, **_: Any) -> None:
        host_configs(event["type"] or "", event["object"])

    return handlers


async def watch(applications: Changed, host_configs: Changed, namespace: str | None) -> None:
    """Watch until cancelled, or until kopf gives up (then whatever it raised is raised).

    kopf has a thread of its own: where it ends it cancels every task of its loop, and it takes the signals of the
    thread that it runs in. What it sees is handed over to the caller's loop.
    """
    loop = asyncio.get_running_loop()

    def hand_over(changed: Changed) -> Changed:
        return lambda kind, body: _in_loop(loop, changed, kind, body)

    handlers = registry(hand_over(applications), hand_over(host_configs))
    stop = threading.Event()
    done: asyncio.Future[None] = loop.create_future()

    def run() -> None:
        try:
            asyncio.run(_watch(handlers, namespace, stop))
        except BaseException as error:  # noqa: BLE001 - it is raised where somebody waits for it
            _in_loop(loop, _fail, done, error)
        else:
            _in_loop(loop, _succeed, done)

    thread = threading.Thread(target=run, name="kopf", daemon=True)
    thread.start()
    try:
        await done
    finally:
        stop.set()


async def _watch(handlers: kopf.OperatorRegistry, namespace: str | None, stop: threading.Event) -> None:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.watching.server_timeout = WATCH_TIMEOUT
    settings.watching.chunk_size = 500
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 5)
    where: dict[str, Any] = {"namespaces": [namespace]} if namespace else {"clusterwide": True}
    await kopf.operator(registry=handlers, settings=settings, standalone=True, stop_flag=stop, **where)


def _in_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> None:
    with suppress(RuntimeError):  # the loop is closed: the operator has ended
        loop.call_soon_threadsafe(call, *arguments)


def _fail(future: asyncio.Future[None], error: BaseException) -> None:
    if not future.done():
        future.set_exception(error if isinstance(error, Exception) else RuntimeError(repr(error)))


def _succeed(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def quiet() -> None:
    """Keep kopf's account of its own affairs out of the log."""
    for name in ("kopf", "aiohttp"):
        logging.getLogger(name).setLevel(logging.ERROR)
