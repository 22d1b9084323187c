"""Hearing that something of a lattice may have changed, without being told what.

For programs that show or follow a whole lattice: told so, they ask for the list, or for what runs where. Messages may
be lost, so they should ask now and then anyway.
"""

from __future__ import annotations

from collections.abc import Callable

from wadm.client.client import Client
from wadm.errors import Malformed
from wadm.model.events import HostHeartbeat, HostStarted, HostStopped, ProviderStarted, ProviderStopped
from wadm.model.lattice import Inventory
from wadm.transport.base import Message
from wadm.wire import subjects
from wadm.wire.events import decode_event

_PLACEMENT = ("host_started", "host_stopped", "provider_started", "provider_stopped", "host_heartbeat")
"""Events of hosts that tell where providers run."""


async def follow_news(
    client: Client,
    applications: Callable[[], None],
    placement: Callable[[str, str], None],
    heartbeat: Callable[[Inventory], None],
) -> None:
    """Call ``applications`` when an application or its status may have changed.

    ``placement`` is called with the ids of a host and of a provider that started or stopped there; the provider's is
    empty where the host itself did. ``heartbeat`` is called with what a host says of itself now and then. Returns once
    that is set up; it ends with the client's connection. The callbacks must be quick.
    """

    def applications_changed(message: Message) -> None:
        applications()

    def placement_changed(message: Message) -> None:
        try:
            event = decode_event(message.data)
        except Malformed:
            return
        match event:
            case HostStarted() | HostStopped():
                placement(event.host_id, "")
            case ProviderStarted():
                placement(event.host_id, event.provider.id)
            case ProviderStopped():
                placement(event.host_id, event.provider_id)
            case HostHeartbeat():
                heartbeat(event.inventory)

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
