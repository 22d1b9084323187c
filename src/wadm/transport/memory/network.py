"""What becomes of messages and calls on their way: the place where a simulation makes things go wrong."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from wadm.errors import WadmError


class Fault(Struct, frozen=True):
    """What happens to one call of a client."""

    delay: float = 0
    """Seconds that pass before the call has its effect."""
    before: WadmError | None = None
    """Raised in place of the effect."""
    after: WadmError | None = None
    """Raised after the effect."""
    behind: float = 0
    """A read gets the value before the newest, if that was written within so many seconds: the copy is behind."""


class Network:
    """Decides what becomes of messages and calls. Override what a simulation is to suffer from.

    Clients go by the names of their transports; the server's is ``""``.
    """

    def deliveries(self, sender: str, receiver: str, subject: str) -> Sequence[float]:
        """Return after how many seconds each copy of a message arrives: none for a lost one."""
        return (0.0,)

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        """Return what befalls a call.

        ``operation`` is the name of the method (``"request"``, ``"append"``, ``"last"``, ``"get"``, ``"put"``,
        ``"purge"``, …), ``target`` the subject, the stream, or the ``bucket/key`` that it is about.
        """
        return None

    def lag(self, client: str, stream: str) -> float:
        """Return how many seconds late a watch learns of a change. Order is kept whatever this says."""
        return 0.0
