"""How the gateway is set up."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from wadm.dashboard.limits import Allowance
from wadm.dashboard.prometheus import Prometheus
from wadm.dashboard.tokens import Tokens
from wadm.dashboard.webhooks import Hook
from wadm.errors import Misconfigured
from wadm.metrics import Part

if TYPE_CHECKING:
    from prometheus_client import Metric


def _healthy() -> str:
    return ""


def _nothing() -> tuple[Metric, ...]:
    return ()


class Options(Struct, frozen=True, kw_only=True):
    """Where to listen, and who may do what. Port 0: any free one."""

    host: str = "127.0.0.1"
    port: int = 0
    tokens: Tokens = field(default_factory=Tokens)
    allowance: Allowance = Allowance()
    """How much one client may ask for."""
    open_reading: bool = False
    """Whether one may read without a token."""
    read_only: bool = False
    """Whether nobody may change anything, whatever the token says."""
    tls_cert: Path | None = None
    tls_key: Path | None = None
    origins: tuple[str, ...] = ()
    """Other web sites whose pages may use the API (CORS); they need a token all the same."""
    hooks: tuple[Hook, ...] = ()
    """Whom to tell when the status of an application changes."""
    prometheus: Prometheus | None = None
    """Where longer trends are asked for than the gateway keeps."""
    lattice: str = "default"
    """The lattice that a page shows at first."""
    product: str = "wadm"
    """What the page says that it is, with the version."""
    ready: Callable[[], str] = _healthy
    """Says why the server beside cannot do its work, ``""`` where it can."""
    metrics: Part = _nothing
    """Returns the metrics of the server beside."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    def check(self) -> None:
        """Raise :class:`~wadm.errors.Misconfigured` for what cannot be meant."""
        if not self.tokens and not self.open_reading:
            raise Misconfigured(
                "--http needs --http-tokens FILE (lines `full TOKEN` or `read TOKEN`), "
                "or --http-open-reading, with which anybody may read and nobody may change anything"
            )
        if (self.tls_cert is None) is not (self.tls_key is None):
            raise Misconfigured("--http-tls-cert and --http-tls-key belong together")
        for origin in self.origins:
            if origin != "null" and ("://" not in origin or origin.endswith("/") or "*" in origin):
                raise Misconfigured(f"{origin!r} is no origin: write it as https://example.com, without a path")
