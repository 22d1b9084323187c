"""Hearing that something of a lattice may have changed, without being told what.

For programs that show or follow a whole lattice: told so, they ask for the list, or for what runs where. Messages may
be lost, so they should ask now and then anyway.
"""

from __future__ import annotations

from collections.abc import Callable

from wadm.client.client import Client
from wadm.transport.base import Message
from wadm.wire import subjects

_PLACEMENT = ("host_started", "host_stopped", "provider_started", "provider_stopped")
"""Events of hosts after which providers run elsewhere than before."""


async def follow_news(client: Client, applications: Callable[[], None], placement: Callable[[], None]) -> None:
    """Call ``applications`` when an application or its status may have changed, ``placement`` when what runs where has.

    Returns once that is set up; it ends with the client's connection. The callbacks must be quick.
    """

    def applications_changed(message: Message) -> None:
        applications()

    def placement_changed(message: Message) -> None:
        placement()

    transport, lattice = client.transport, client.lattice
    await transport.subscribe(subjects.status(lattice, "*"), applications_changed)
    await transport.subscribe(subjects.manifest_event(lattice, ">"), applications_changed)
    # Of what is put or deleted without being deployed there is no event; but the request can be heard.
    prefix = client.settings.api_prefix
    await transport.subscribe(subjects.api(lattice, "put", prefix=prefix), applications_changed)
    await transport.subscribe(subjects.api(lattice, "del", "*", prefix=prefix), applications_changed)
    for event in _PLACEMENT:
        await transport.subscribe(subjects.host_event(lattice, event), placement_changed)
    await transport.flush()
