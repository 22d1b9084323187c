"""What somebody asked of the API, in the timeline of the application: who put, deployed, undeployed or deleted it.

Any server notes what it was asked; the owner of the lattice notes what comes of it (:mod:`wadm.server.timeline`).
"""

from __future__ import annotations

from collections.abc import Callable

from wadm.errors import WadmError
from wadm.model.text import cut
from wadm.model.timeline import Entry
from wadm.server.logging import get_logger
from wadm.server.view import LatticeRef
from wadm.transport.base import ROOM_FOR_HEADERS, Transport
from wadm.wire import subjects
from wadm.wire.timeline import encode_moments

AUTHOR_MOST = 200
MESSAGE_MOST = 1000
"""Characters that are kept of who asked, and what for."""

log = get_logger("wadm.server.asked")


class Asked:
    """Notes requests that were granted. That one cannot be noted is logged, and harms nothing else."""

    def __init__(self, transport: Transport, left_out: Callable[[], bool] = lambda: False) -> None:
        self._transport = transport
        self._left_out = left_out

    def note(self, place: LatticeRef, application: str, what: str, author: str = "", message: str = "") -> None:
        """Note what was done, by whom and what for (both may be empty).

        >>> tell("version v1 put", "ann", "more room")
        'version v1 put by ann (more room)'
        """
        if self._left_out():
            return
        entry = Entry(round(self._transport.now(), 3), "request", tell(what, author, message), application)
        try:
            for moment in encode_moments([entry], self._transport.max_payload - ROOM_FOR_HEADERS):
                self._transport.publish(subjects.timeline(place.scope, application), moment)
        except WadmError as error:
            log.warning("A request could not be noted", application=application, reason=error)


def tell(what: str, author: str, message: str) -> str:
    """Return a request in words."""
    who = f" by {cut(author, AUTHOR_MOST)}" if author else ""
    return f"{what}{who} ({cut(message, MESSAGE_MOST)})" if message else f"{what}{who}"
