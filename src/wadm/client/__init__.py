"""The client library: applications and lattices from a program.

>>> from wadm.client import connect, connect_sync

Works against this server and against the original wadm 0.21. See :class:`~wadm.client.client.Client`.
Nothing here decides anything: what to do about a lattice is the server's business.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wadm.client.client import Client as Client
    from wadm.client.connection import connect as connect
    from wadm.client.replies import DeleteResult as DeleteResult
    from wadm.client.replies import DeployResult as DeployResult
    from wadm.client.replies import Events as Events
    from wadm.client.replies import Explained as Explained
    from wadm.client.replies import PutResult as PutResult
    from wadm.client.replies import Summary as Summary
    from wadm.client.settings import Settings as Settings
    from wadm.client.sync import SyncClient as SyncClient
    from wadm.client.sync import connect_sync as connect_sync
    from wadm.client.watch import NotReached as NotReached
    from wadm.client.watch import StatusWatch as StatusWatch
    from wadm.wire.api import Version as Version

_HOMES = {
    "Client": "wadm.client.client",
    "DeleteResult": "wadm.client.replies",
    "DeployResult": "wadm.client.replies",
    "Events": "wadm.client.replies",
    "Explained": "wadm.client.replies",
    "NotReached": "wadm.client.watch",
    "PutResult": "wadm.client.replies",
    "Settings": "wadm.client.settings",
    "StatusWatch": "wadm.client.watch",
    "Summary": "wadm.client.replies",
    "SyncClient": "wadm.client.sync",
    "Version": "wadm.wire.api",
    "connect": "wadm.client.connection",
    "connect_sync": "wadm.client.sync",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Load what is asked for, when it is: loading NATS takes longer than many a command of the command line."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
