"""What the operator knows of each lattice: its applications with their statuses, and what runs where.

One connection and one task a lattice. News (a status, a manifest deployed) only say *ask again*: the truth is the list
that the server answers, asked for again after a while even without news. What differs from the list before is told by
name.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from wadm.background import end_if_cancelled
from wadm.backoff import Backoff
from wadm.client import Client, Settings, Summary
from wadm.client.connection import open_client
from wadm.client.news import follow_news
from wadm.errors import Misconfigured, Unavailable, WadmError
from wadm.model.lattice import Inventory
from wadm.operator import names
from wadm.operator.credentials import credentials_in, split_credentials
from wadm.operator.endpoints import Placement
from wadm.operator.kube import Kube, KubeError
from wadm.operator.roster import ALL_AGAIN, Roster
from wadm.operator.targets import Target

log = logging.getLogger(__name__)

GATHER: Final = 0.15
"""Seconds in which further news join the question that the first one leads to."""
FIRST_PAUSE: Final = 0.5
REFRESH: Final = 5.0
"""Seconds after which a server is asked without any news."""
RETRY: Final = 1.0
"""Seconds after which a server that did not answer is asked again."""
SECRET_REFRESH: Final = 60.0
"""Seconds after which credentials are read again."""


class Listener(Struct, frozen=True):
    """Whom to tell. ``applications`` gets the names of those that may differ, ``placement`` the id of the provider that
    runs elsewhere now, empty for any."""

    applications: Callable[[Target, Collection[str]], None]
    placement: Callable[[Target, str], None]


class LatticeView:
    """One lattice, as last heard."""

    def __init__(self, target: Target, kube: Kube, base: Settings, listener: Listener) -> None:
        self.target = target
        self.client: Client | None = None
        """The connection; ``None`` until there is one."""
        self.summaries: Mapping[str, Summary] = {}
        """All applications by name, as last answered."""
        self.heard = False
        """Whether the server ever answered."""
        self.unavailable = ""
        """Why nothing can be asked of wadm at the moment; empty when it can."""
        self._kube = kube
        self._base = base
        self._listener = listener
        self._news = asyncio.Event()
        self._asking = asyncio.Lock()
        self._roster = Roster(target.lattice, self._client_now, lambda provider: listener.placement(target, provider))

    @property
    def answers(self) -> bool:
        """Whether what is known of wadm is what it has now."""
        return self.heard and not self.unavailable

    def connected(self) -> Client:
        """Return the connection. Raises Unavailable where wadm cannot be asked."""
        if self.client is None or self.unavailable:
            raise Unavailable(self.unavailable or "not connected to NATS yet")
        return self.client

    async def run(self) -> None:
        """Keep the view until cancelled."""
        try:
            while True:
                try:
                    await self._keep()
                except Exception as error:
                    end_if_cancelled()
                    log.exception("Lattice %s: beginning again", self.target.lattice)
                    self._lost(f"the operator made a mistake: {error!r}")
                    await asyncio.sleep(REFRESH)
        finally:
            self._roster.close()

    async def _keep(self) -> None:
        backoff = Backoff(FIRST_PAUSE, REFRESH, spread=0.25)
        while True:
            try:
                credentials = await self._credentials()
                client = await open_client(self._settings(credentials))
            except (WadmError, OSError) as error:
                end_if_cancelled()
                self._lost(str(error))
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            try:
                await self._follow(client, credentials)
            finally:
                self.client = None
                await client.close()

    async def refresh(self) -> None:
        """Ask for the list now. Raises what the server's silence or refusal raises."""
        async with self._asking:
            summaries = {one.name: one for one in await self._client_now().list()}
        before, self.summaries = self.summaries, summaries
        changed = {name for name in before.keys() | summaries.keys() if before.get(name) != summaries.get(name)}
        if self.unavailable or not self.heard:
            self.unavailable, self.heard = "", True
            changed = before.keys() | summaries.keys() | {""}
        if changed:
            self._listener.applications(self.target, changed)

    async def placement(self) -> Placement:
        """Return which hosts run which provider. Raises Unavailable."""
        return await self._roster.placement()

    def is_young(self) -> bool:
        """Whether hosts that have said nothing yet may still be about to."""
        return self._roster.is_young()

    async def inventories(self, max_age: float) -> list[Inventory]:
        """Return what runs on each host, as :meth:`.Roster.inventories` does. Raises Unavailable."""
        return await self._roster.inventories(max_age)

    # -- inside ------------------------------------------------------------------------------

    def _client_now(self) -> Client:
        if self.client is None:
            raise Unavailable(self.unavailable or "not connected to NATS yet")
        return self.client

    async def _follow(self, client: Client, credentials: str) -> None:
        """Keep the view over one connection; return when the credentials have changed."""
        await follow_news(client, self._news.set, self._roster.has_moved, self._roster.hear)
        self.client = client
        loop = asyncio.get_running_loop()
        look_at_secret = loop.time() + SECRET_REFRESH
        look_at_hosts = loop.time() + ALL_AGAIN
        while True:
            self._news.clear()
            try:
                await self.refresh()
            except WadmError as error:
                self._lost(str(error))
            end_if_cancelled()  # an answer that comes in the moment of the cancellation hides it, up to Python 3.11
            if loop.time() > look_at_secret:
                look_at_secret = loop.time() + SECRET_REFRESH
                if await self._credentials_differ(credentials):
                    return
            if loop.time() > look_at_hosts:
                look_at_hosts = loop.time() + ALL_AGAIN
                self._listener.placement(self.target, "")  # an event may have been lost
            try:
                async with asyncio.timeout(RETRY if self.unavailable else REFRESH):
                    await self._news.wait()
                await asyncio.sleep(GATHER)
            except TimeoutError:
                continue

    def _lost(self, reason: str) -> None:
        if self.unavailable == reason:
            return
        log.warning("Lattice %s: %s", self.target.lattice, reason)
        self.unavailable = reason
        self._listener.applications(self.target, self.summaries.keys() | {""})

    def _settings(self, credentials: str) -> Settings:
        if self.target.is_own:
            return replace(self._base, lattice=self.target.lattice)
        jwt, seed = split_credentials(credentials) if credentials else ("", "")
        return Settings(
            servers=(self.target.address,),
            lattice=self.target.lattice,
            api_prefix=self._base.api_prefix,
            ctl_prefix=self._base.ctl_prefix,
            tls_ca=self._base.tls_ca,
            jwt=jwt,
            seed=seed,
            timeout=self._base.timeout,
        )

    async def _credentials(self) -> str:
        """Return the content of ``nats.creds``, empty where no Secret is named."""
        namespace, name = self.target.secret
        if self.target.is_own or not name:
            return ""
        return credentials_in(await self._kube.get(names.SECRETS, namespace, name) or {}, f"{namespace}/{name}")

    async def _credentials_differ(self, known: str) -> bool:
        try:
            return await self._credentials() != known
        except (KubeError, Misconfigured):
            return False  # better an old connection than none


class Lattices:
    """The views of all lattices that are wanted."""

    def __init__(self, kube: Kube, base: Settings, listener: Listener) -> None:
        self._kube = kube
        self._base = base
        self._listener = listener
        self._views: dict[Target, tuple[LatticeView, asyncio.Task[None]]] = {}
        self._wanted: set[Target] = set()
        self._held: dict[str, set[Target]] = {}

    def hold(self, uid: str, targets: Iterable[Target]) -> None:
        """Have views of these lattices for the object with that uid, besides those wanted."""
        held = set(targets)
        if held == self._held.get(uid, set()):
            return
        if held:
            self._held[uid] = held
        else:
            del self._held[uid]
        self._update()

    def want(self, targets: Iterable[Target]) -> None:
        """Have views of these lattices, and of no others but those that are held."""
        self._wanted = set(targets)
        self._update()

    def _update(self) -> None:
        targets = self._wanted.union(*self._held.values())
        for target in self._views.keys() - targets:
            _, task = self._views.pop(target)
            task.cancel()
        for target in sorted(targets - self._views.keys()):
            view = LatticeView(target, self._kube, self._base, self._listener)
            self._views[target] = (view, asyncio.create_task(view.run()))

    def view(self, target: Target) -> LatticeView | None:
        """Return the view of a lattice, if it is wanted."""
        known = self._views.get(target)
        return known[0] if known else None

    def views(self) -> list[LatticeView]:
        """Return all views, sorted."""
        return [view for _, (view, _) in sorted(self._views.items())]

    async def close(self) -> None:
        """End all views."""
        tasks = [task for _, task in self._views.values()]
        self._held.clear()
        self.want(())
        await asyncio.gather(*tasks, return_exceptions=True)
