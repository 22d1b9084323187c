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

_HOSTS = ("host_started", "host_heartbeat", "host_stopped")
"""Events that tell which hosts a lattice has."""


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


async def follow_all_hosts(client: Client, handler: Callable[[str, Event], None]) -> tuple[Subscription, ...]:
    """Call ``handler`` with the lattice and what a host says of itself: that it started, stopped, or what it runs."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            found = subjects.parse_host_event(message.subject, False)
            event = decode_event(message.data)
            if found is not None and event is not None:
                handler(found.lattice, event)

    subscribe = client.transport.subscribe
    return tuple([await subscribe(subjects.host_event("*", event), receive) for event in _HOSTS])


async def follow_all_timelines(client: Client, handler: Callable[[str, tuple[Entry, ...]], None]) -> Subscription:
    """Call ``handler`` with the lattice and what happened to one of its applications, in any lattice."""

    def receive(message: Message) -> None:
        with suppress(Malformed):
            if (lattice := subjects.parse_timeline(message.subject)) is not None:
                handler(lattice, decode_moment(message.data))

    return await client.transport.subscribe(subjects.timeline("*", "*"), receive)
