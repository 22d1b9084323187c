"""Names as people know them: of scalers without the application's prefix, of hosts without the tail of their id."""

from __future__ import annotations

import re

from wadm.model.names import sanitize

_LINK = re.compile(r"(?P<source>.+) -\((?P<interface>[^()]+)\)-> (?P<target>.+)")

_KINDS = {"SpreadScaler": "spread", "DaemonScaler": "daemon", "LinkScaler": "link"}


def kind(name: str) -> str:
    """Return the word for a kind of scaler.

    >>> kind("SpreadScaler")
    'spread'
    """
    return _KINDS.get(name, name)


def scaler(name: str, application: str) -> str:
    """Return a scaler's name within its application.

    >>> scaler("my_shop-api", "my-shop")
    'api'
    >>> scaler("my_shop-api -(wasi:http)-> platform-redis", "my-shop")
    'api → platform-redis (wasi:http)'
    """
    prefix = f"{sanitize(application)}-"
    link = _LINK.fullmatch(name)
    if link is None:
        return name.removeprefix(prefix)
    source, target = (link[end].removeprefix(prefix) for end in ("source", "target"))
    return f"{source} → {target} ({link['interface']})"


def host_id(identity: str) -> str:
    """Return the start of a host id, enough to tell hosts apart.

    >>> host_id("NCSQ6IEWQZ4JRFBOWTWYGKRGZHYMEGH7MQ6AVQH7CXNI7LLZTVOOL2XB")
    'NCSQ6IEWQZ4J'
    """
    return identity[:12]
