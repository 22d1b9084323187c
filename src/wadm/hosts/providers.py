"""How a host starts, stops and probes providers (docs/protocol/lattice.md#providers)."""

from __future__ import annotations

import uuid
from contextlib import suppress

import msgspec
from msgspec import UNSET, Struct, field

from wadm.errors import WadmError
from wadm.hosts import bodies
from wadm.hosts.bodies import Labels, ProviderEntry, Reply
from wadm.hosts.core import Failure, HostCore, Refusal, Request, decode
from wadm.hosts.images import BUILTIN, strip
from wadm.hosts.locks import FairLock
from wadm.hosts.provider_links import Form, LinkId, ProviderLinks, ToldLink, form, link_id, resolve, stored_configs
from wadm.hosts.store import StoreFailed
from wadm.transport.base import Message, Subscription

FIRST_PROBE = 5.0
PROBE_INTERVAL = 30.0
CONNECTS_AGAIN = 0.5
HEALTHY, ILL = b'{"healthy":true}', b'{"healthy":false}'
AT_ONCE = 0.001
"""Seconds by which what comes over two ways may change places."""
_LINK_NAME = "default"
_SWITCHABLE = ("http-server", "messaging-nats")
"""Built-ins whose start is not even answered while they are off. (A fault of the real host.)"""
_NEVER_BUILT_IN = ("http-client",)

_start_decoder = msgspec.json.Decoder(bodies.StartProvider)
_stop_decoder = msgspec.json.Decoder(bodies.StopProvider)
_auction_decoder = msgspec.json.Decoder(bodies.ProviderAuction)


class RunningProvider(Struct):
    """A provider on this host. One that is no longer ``alive`` stays in the inventory for ever."""

    image: str
    annotations: Labels
    config: tuple[str, ...] = ()
    """The names of the configurations it was started with."""
    alive: bool = True
    sick: bool = False
    links: ProviderLinks = field(default_factory=ProviderLinks)
    restarting: bool = False
    """Whether its host has just started it again, of which it tells nobody."""
    health: Subscription | None = None
    """Where it answers how it is."""


class Providers:
    """The providers of one host, by id."""

    def __init__(self, core: HostCore) -> None:
        self.running: dict[str, RunningProvider] = {}
        self.lock = FairLock()
        self._core = core
        self._written_again: dict[LinkId, float] = {}
        """Links that were written again as this host knew them, and when it heard of that last."""
        core.tables.append(self.running)
        core.store.on_new_link(self._new_link)
        core.store.on_known_link(self._known_link)

    def entries(self) -> tuple[ProviderEntry, ...]:
        """Return what the inventory says of them."""
        return tuple(
            ProviderEntry(id=id_, image_ref=one.image, annotations=one.annotations) for id_, one in self.running.items()
        )

    async def auction(self, request: Request) -> Reply | None:
        """Bid, if the labels fit and no provider of that id runs here."""
        body = decode(_auction_decoder, request.data, "failed to deserialize provider auction command")
        if not self._core.meets(body.constraints):
            return None
        async with self.lock.shared():
            if body.provider_id in self.running:
                return None
        bid = bodies.ProviderBid(self._core.id, body.provider_ref, body.provider_id, body.constraints)
        return Reply(True, "", bid)

    # -- start -------------------------------------------------------------------------------

    async def start(self, request: Request) -> Reply | None:
        """Accept to start a provider; what becomes of it is told by events."""
        body = decode(_start_decoder, request.data, "failed to deserialize provider start command")
        async with self.lock.shared():
            if body.provider_id in self.running:
                raise Refusal("provider with that ID is already running")
        builtin = _builtin(body.provider_ref)
        if builtin in _SWITCHABLE and builtin not in self._core.habits.builtins:
            return None
        self._core.spawn(self._start_or_tell(body))
        return Reply(True, "successfully started provider")

    async def _start_or_tell(self, body: bodies.StartProvider) -> None:
        try:
            await self._start(body)
        except Failure as failure:
            data = {
                "error": str(failure),
                "host_id": body.host_id,
                "link_name": _LINK_NAME,
                "provider_id": body.provider_id,
                "provider_ref": body.provider_ref,
            }
            self._core.publish("provider_start_failed", data)

    async def _start(self, body: bodies.StartProvider) -> None:
        core, id_, image = self._core, body.provider_id, strip(body.provider_ref)
        builtin = _builtin(body.provider_ref)
        if builtin is None and (error := await core.pull("provider", body.provider_ref)) is not None:
            raise Failure(error)
        if (denial := core.habits.policy(body.provider_ref)) is not None:
            request_id = uuid.UUID(int=core.rng.getrandbits(128), version=4)
            raise Failure(f'policy denied request to start provider `{request_id}`: `Some("{denial}")`')
        await core.ensure_spec(id_, image)
        async with self.lock.exclusive():
            if id_ in self.running:
                raise Failure("provider is already running with that ID")
            await core.fetch_configuration(body.config)
            core.make_room()
            self._spawn(builtin, body)
            await core.runtime.start_provider(id_, body.provider_ref, body.config)
            crashes = core.habits.provider_crash(body.provider_ref) is not None
            provider = RunningProvider(image, body.annotations or {}, tuple(body.config or ()), alive=not crashes)
            provider.links.begin(*await self._list(id_))
            data = {
                "annotations": provider.annotations,
                "host_id": body.host_id,
                "image_ref": image,
                "provider_id": id_,
            }
            core.publish("provider_started", data)
            self.running[id_] = provider
            provider.links.listens = builtin is not None
        if builtin is None:
            core.spawn(self._subscribe(id_, provider))
            core.spawn(self._probe(id_, provider))
        if core.habits.provider_lifetime is not None:
            core.spawn(self._die(provider))

    def _spawn(self, builtin: str | None, body: bodies.StartProvider) -> None:
        if builtin in _NEVER_BUILT_IN:
            raise Failure(f"feature `builtin-{builtin}` is not enabled, denying start")
        if builtin is not None and builtin not in _SWITCHABLE:
            raise Failure(f"unknown builtin name: {builtin}")
        if (error := self._core.habits.provider_start(body.provider_ref)) is not None:
            raise Failure(error)

    # -- links -------------------------------------------------------------------------------

    async def _list(self, id_: str) -> tuple[dict[LinkId, ToldLink], list[LinkId], dict[LinkId, Form]]:
        """Return the links that a provider is started with, which are those that this host knows of, those that it
        skips, and how it knows them."""
        links = [link for link in self._core.store.links if id_ in _ends(link)]
        try:
            told = [await resolve(link, stored_configs(self._core.store)) for link in links]
        except StoreFailed:
            return {}, [link_id(link) for link in links], {}  # it is only logged that links are skipped
        return {link.id: link for link in told}, [], {link_id(link): form(link) for link in links}

    async def _subscribe(self, id_: str, provider: RunningProvider) -> None:
        await self._core.pause(self._core.habits.provider_subscribes)
        provider.links.listens, provider.restarting = True, False
        if not provider.alive or self.running.get(id_) is not provider:
            return

        def answer(message: Message) -> None:
            well = not provider.sick and self._core.runtime.is_healthy(id_)
            self._core.send(message.reply, HEALTHY if well else ILL)

        await self.fall_silent(provider)
        while provider.health is None and provider.alive and self.running.get(id_) is provider:
            try:
                provider.health = await self._core.listen(self._health(id_), answer)
            except WadmError:  # NATS is away: it is tried for as long as the process lives
                await self._core.pause(CONNECTS_AGAIN)

    def _health(self, id_: str) -> str:
        return f"wasmbus.rpc.{self._core.lattice}.{id_}.health"

    def set_alive(self, id_: str, alive: bool) -> None:
        """Have the process of a provider be there, or not."""
        provider = self.running[id_]
        provider.alive = alive
        if _is_process(provider):
            self._core.spawn(self._subscribe(id_, provider) if alive else self.fall_silent(provider))

    async def end(self) -> None:
        """Have all of them be gone, with their host."""
        for provider in self.running.values():
            await self.fall_silent(provider)

    async def fall_silent(self, provider: RunningProvider) -> None:
        """Have a provider answer nobody, as its process is not there."""
        health, provider.health = provider.health, None
        if health is not None:
            with suppress(WadmError):
                await health.stop()

    def overhear_link(self, id_: str, verb: str, link: ToldLink) -> None:
        """Have a provider hear what whoever put or deleted a link says to all. Processes listen to deletions alone: of
        a put they hear from their own host, which tells them only what is new to it."""
        if id_ in self.running and (verb == "del" or not _is_process(self.running[id_])):
            self._hear_link(id_, verb, link)

    def _hear_link(self, id_: str, verb: str, link: ToldLink) -> None:
        """Have a provider hear of a link, if it listens and its connection is there."""
        provider = self.running.get(id_)
        if provider is None or not provider.alive:
            return
        if self._core.cut or provider.restarting:
            provider.links.missed = True
        else:
            provider.links.hear(verb, link)
            if verb == "del" and self._core.now() - self._written_again.get(link.id, -1.0) < AT_ONCE:
                provider.links.still_there(link.id)  # it was put again by now, of which the host has heard before

    def _new_link(self, link: bodies.Link) -> None:
        """Tell the providers of this host of a link that it did not know: beside whoever put it, who tells all."""
        for id_ in _ends(link):
            if id_ in self.running and _is_process(self.running[id_]) and not self._core.gone:
                self.running[id_].links.telling.add(link_id(link))
                self._core.spawn(self._tell(id_, self.running[id_].links, link))

    def _known_link(self, link: bodies.Link) -> None:
        self._written_again[link_id(link)] = self._core.now()
        for id_ in _ends(link):
            if id_ in self.running and _is_process(self.running[id_]):
                self.running[id_].links.still_there(link_id(link))

    async def _tell(self, id_: str, links: ProviderLinks, link: bodies.Link) -> None:
        try:
            self._hear_link(id_, "put", await resolve(link, stored_configs(self._core.store)))
        except StoreFailed:  # it is only logged
            links.skip(link_id(link))
        finally:
            links.telling.discard(link_id(link))

    async def restart(self, id_: str) -> None:
        """Have the process of a provider end; its host starts it again and tells nobody."""
        provider = self.running[id_]
        if not _is_process(provider):
            return
        await self.fall_silent(provider)
        provider.links.begin(*await self._list(id_), restarted=True)
        provider.restarting = True
        self._core.spawn(self._subscribe(id_, provider))

    # -- stop --------------------------------------------------------------------------------

    async def stop(self, request: Request) -> Reply:
        """Stop a provider; the event goes out before the answer."""
        complaint = "failed to deserialize provider stop command"
        body = decode(_stop_decoder, request.data, complaint)
        given = [id_ for id_ in (body.provider_id, body.provider_ref) if id_ is not UNSET]
        if len(given) > 1:  # two names of one field
            raise Refusal(complaint)
        id_ = given[0] if given else ""
        async with self.lock.exclusive():
            provider = self.running.pop(id_, None)
        if provider is None:
            raise Refusal("provider with that ID is not running")
        await self.fall_silent(provider)
        await self._core.runtime.stop_provider(id_)
        data = {
            "annotations": provider.annotations,
            "host_id": body.host_id,
            "instance_id": id_,
            "link_name": _LINK_NAME,
            "provider_id": id_,
            "public_key": id_,
            "reason": "stop",
        }
        self._core.publish("provider_stopped", data)
        return Reply(True, "successfully stopped provider")

    # -- health ------------------------------------------------------------------------------

    async def _probe(self, id_: str, provider: RunningProvider) -> None:
        """Tell of a provider's health while it runs. It counts as unhealthy until it was once healthy, so that one
        that never was is never said to have failed. Whichever host has a provider of that id may answer."""
        core, healthy, wait = self._core, False, FIRST_PROBE
        while True:
            await core.pause(wait)
            if self.running.get(id_) is not provider:
                return
            wait = PROBE_INTERVAL
            said = await core.ask(self._health(id_))
            if said is None:
                continue
            answer = said == HEALTHY and not core.happens(core.habits.unhealthy_probes)
            kind = "status" if answer == healthy else "passed" if answer else "failed"
            core.publish(f"health_check_{kind}", {"host_id": core.id, "provider_id": id_})
            healthy = answer

    async def _die(self, provider: RunningProvider) -> None:
        lifetime = self._core.habits.provider_lifetime
        if lifetime is not None:
            await self._core.pause(lifetime)
            provider.alive = False
            await self.fall_silent(provider)


def _ends(link: bodies.Link) -> tuple[str, ...]:
    return (link.source_id, link.target)


def _is_process(provider: RunningProvider) -> bool:
    return provider.image not in _SWITCHABLE


def _builtin(reference: str) -> str | None:
    return strip(reference) if reference.startswith(BUILTIN) else None
