"""The servers of a NATS cluster, as URLs: which to try, and what they are called."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from urllib.parse import urlsplit, urlunsplit

from wadm.errors import Misconfigured

_DEFAULT_PORT = 4222
_SCHEMES = ("nats", "tls", "ws", "wss")


def normal_url(url: str) -> str:
    """Return the URL with scheme (``nats``) and port (4222, not for websockets) filled in.

    Raises :class:`~wadm.errors.Misconfigured`.
    """
    text = url.strip()
    parts = urlsplit(text if "://" in text else f"nats://{text}")
    shown = without_password(text)
    if parts.scheme not in _SCHEMES:
        raise Misconfigured(f"NATS URL {shown}: the scheme must be one of {', '.join(_SCHEMES)}")
    try:
        port = parts.port
    except ValueError:
        raise Misconfigured(f"NATS URL {shown}: the port must be a number from 1 to 65535") from None
    if not parts.hostname:
        raise Misconfigured(f"NATS URL {shown}: no host")
    if any(map(str.isspace, text)):
        raise Misconfigured(f"NATS URL {shown}: there is a blank in it; several URLs are separated by commas")
    if port is None and parts.scheme in ("nats", "tls"):
        parts = parts._replace(netloc=f"{parts.netloc.rstrip(':')}:{_DEFAULT_PORT}")
    return urlunsplit(parts)


def without_password(url: str) -> str:
    """Return the URL without its user and password, to be shown."""
    scheme, mark, rest = url.rpartition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{mark}{authority.rpartition('@')[2]}{slash}{path}"


class ServerPool:
    """The servers to try: those given, and those that the cluster named since."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._given = [normal_url(url) for url in urls if url.strip()]
        if not self._given:
            raise Misconfigured("No NATS server is given")
        self._found: list[str] = []
        self.is_cluster = False
        """Whether the server connected last named further servers."""

    def __str__(self) -> str:
        return ", ".join(without_password(url) for url in self._given)

    def round(self) -> Iterator[str]:
        """Yield every server once: in random order, so that many instances spread over a cluster."""
        yield from random.sample(self._given, len(self._given))
        yield from random.sample(self._found, len(self._found))

    def learn(self, urls: Sequence[str]) -> None:
        """Take over the servers that the cluster named. They are signed in to as the first one given is."""
        self.is_cluster = bool(urls)
        known = {urlsplit(url).netloc.rpartition("@")[2] for url in self._given}
        user, mark, _ = urlsplit(self._given[0]).netloc.rpartition("@")
        found = (urlsplit(url) for url in urls)
        self._found = [
            urlunsplit(parts._replace(netloc=f"{user}{mark}{parts.netloc}"))
            for parts in found
            if parts.netloc not in known
        ]

    def certificate_name(self, url: str) -> str | None:
        """Return the name that a found server's certificate must bear: clusters name themselves by address."""
        return urlsplit(self._given[0]).hostname if url in self._found else None
