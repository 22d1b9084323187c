"""What happens in a lattice, as it happens: for programs that show it to people.

Messages may be lost, so whoever must know how things are asks for it now and then as well. Handlers are called one
after another, and must be quick. What cannot be read is left out.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from wadm.client.client import Client
from wadm.errors import Malformed
from wadm.model.events import Event
from wadm.model.status import ApplicationStatus
from wadm.model.timeline import Entry
from wadm.transport.base import Message
from wadm.transport.base import Subscription as Subscription
from wadm.wire import subjects
from wadm.wire.events import decode_event
from wadm.wire.status import decode_status
from wadm.wire.timeline import decode_moment

_HOSTS = ("host_started", "host_heartbeat")
"""Events by which a lattice shows that it is there."""


async def follow_statuses(
    client: Client, handler: Callable[[str, ApplicationStatus], None], name: str = "*"
) -> Subscription:
    """Call ``handler`` with an application's name and status whenever one is published."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            handler(message.subject.rpartition(".")[2], decode_status(message.data))

    return await client.transport.subscribe(subjects.status(client.lattice, name), receive)


async def follow_all_statuses(client: Client, handler: Callable[[str, str, ApplicationStatus], None]) -> Subscription:
    """Call ``handler`` with lattice, name and status whenever one is published, in any lattice."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            if (found := subjects.parse_status(message.subject)) is not None:
                handler(*found, decode_status(message.data))

    return await client.transport.subscribe(subjects.status("*", "*"), receive)


async def follow_timeline(
    client: Client, handler: Callable[[tuple[Entry, ...]], None], name: str = "*"
) -> Subscription:
    """Call ``handler`` with what happened to an application, or to all, moment by moment."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            handler(decode_moment(message.data))

    return await client.transport.subscribe(subjects.timeline(client.lattice, name), receive)


async def follow_events(client: Client, handler: Callable[[Event], None]) -> Subscription:
    """Call ``handler`` with what the hosts say."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            event = decode_event(message.data)
            if event is not None:
                handler(event)

    return await client.transport.subscribe(subjects.host_event(client.lattice, ">"), receive)


async def follow_manifests(client: Client, handler: Callable[[], None]) -> Subscription:
    """Call ``handler`` whenever something is deployed or undeployed. That something is only stored is not told."""
    return await client.transport.subscribe(subjects.manifest_event(client.lattice, ">"), lambda message: handler())


async def follow_lattices(client: Client, handler: Callable[[str], None]) -> tuple[Subscription, ...]:
    """Call ``handler`` with the name of each lattice of which a host, or a status, is heard."""

    def host(message: Message) -> None:
        if (found := subjects.parse_host_event(message.subject, False)) is not None:
            handler(found.lattice)

    def status(message: Message) -> None:
        if (found := subjects.parse_status(message.subject)) is not None:
            handler(found[0])

    subscribe = client.transport.subscribe
    return (
        *[await subscribe(subjects.host_event("*", event), host) for event in _HOSTS],
        await subscribe(subjects.status("*", "*"), status),
    )
