"""nats-py without its JetStream part, which is a third of what a command takes to load and which nothing here uses:
JetStream is spoken to by :mod:`wadm.transport.nats`. Nor does nats-py look up its own version, for which it loads
the parsers of packages and of mail: the NATS server is told ours.

For processes of the command line alone. A program that uses the client library may use nats-py as well, all of it.
"""

from __future__ import annotations

import sys
from enum import StrEnum
from importlib import import_module
from types import ModuleType

from wadm import __version__


class Header(StrEnum):
    """What nats-py's client itself needs of that part: names of headers."""

    CONSUMER_STALLED = "Nats-Consumer-Stalled"
    DESCRIPTION = "Description"
    LAST_CONSUMER = "Nats-Last-Consumer"
    STATUS = "Status"


def leave_jetstream_out() -> None:
    """Have nats-py's client load without that part, unless something has loaded it already."""
    if "nats.aio.client" in sys.modules or "nats.js" in sys.modules:
        return
    part, names = ModuleType("nats.js"), ModuleType("nats.js.api")
    names.__dict__["Header"] = Header
    part.__dict__.update(api=names, JetStreamContext=None, JetStreamManager=None)
    sys.modules |= {"nats.js": part, "nats.js.api": names}
    metadata = sys.modules.get("importlib.metadata")
    sys.modules["importlib.metadata"] = None  # type: ignore[assignment]  # importing it fails, which nats-py puts up with
    try:
        import_module("wadm.transport.nats.library")  # loads nats-py, without aiohttp
    finally:
        del sys.modules["importlib.metadata"]
        if metadata is not None:
            sys.modules["importlib.metadata"] = metadata
    sys.modules["nats"].__dict__["js"] = part
    sys.modules["nats.aio.client"].__dict__["__version__"] = __version__
