"""nats-py, loaded without aiohttp, which it has only for websockets.

Where aiohttp happens to be installed, loading it costs a third of a second and ten megabytes: more than all the rest of
a command, and a good part of the server's start. So it is kept away while nats-py is loaded, and given to it when a
websocket is dialled. This module is imported before any other of the package.
"""

from __future__ import annotations

import sys

from wadm.errors import Misconfigured


def _load() -> None:
    if "aiohttp" in sys.modules:
        import nats.aio.transport

        return
    sys.modules["aiohttp"] = None  # type: ignore[assignment]
    try:
        import nats.aio.transport  # noqa: F401
    finally:
        del sys.modules["aiohttp"]


def enable_websockets() -> None:
    """Load aiohttp for nats-py. Raises :class:`~wadm.errors.Misconfigured` where it is not installed."""
    import nats.aio.transport as library

    if library.aiohttp is None:  # type: ignore[attr-defined]
        try:
            import aiohttp
        except ImportError:
            raise Misconfigured("NATS URLs with ws or wss need the Python package aiohttp") from None
        library.aiohttp = aiohttp


_load()
