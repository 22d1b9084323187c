"""Asking the lattice what is not known: inventories, links, configurations.

Each thing is asked for once at a time; one that gets no answer is asked again after a pause, as long as somebody wants
to know. Answers go to the owner's inbox, like everything else.
"""

from __future__ import annotations

import asyncio
import math
from collections import OrderedDict
from collections.abc import Callable, Collection, Coroutine, Iterable
from functools import partial
from typing import Any, TypeAlias

from wadm.background import BackgroundTasks, report_unexpected
from wadm.engine.changes import InformationRequests
from wadm.engine.inputs import ConfigReply, InventoryReply, LinksReply, ListeningReply, PingSweep, Reply
from wadm.engine.intake import READ_LAG
from wadm.errors import Malformed, NoResponders, NotPermitted, TimedOut, Unavailable, WadmError
from wadm.model.lattice import Link
from wadm.server.logging import Limited, Logger
from wadm.transport.base import Entry, Transport
from wadm.wire import control, subjects
from wadm.wire.inventory import decode_inventory
from wadm.wire.links import decode_links, decode_stored_links

ANSWER_TIMEOUT = 2.0
PING_SWEEP_QUIET = 0.5
ANSWERS_PER_SECOND = 1000
"""How many answers to a ping of all hosts are expected at least; thousands of them take their time."""
AT_A_TIME = 128
PAUSE = 2.0
"""Seconds before an unanswered question is asked again."""
HEALTH_TIMEOUT = 1.0
HEALTH_QUIET = 0.3
LISTENS_PAUSE = 0.25
"""Seconds before it is asked again whether a provider listens that did not."""
NOT_PERMITTED_FOR = 600.0
"""Seconds for which no provider is asked after NATS has not permitted it."""
Question: TypeAlias = Callable[[], Coroutine[Any, Any, Reply]]


class HostQueries:
    """Asks for a lattice's owner. ``tell`` is called with each answer; ``now`` is the owner's clock."""

    def __init__(
        self,
        transport: Transport,
        lattice: str,
        account: str | None,
        tell: Callable[[Reply], None],
        now: Callable[[], float],
        log: Logger,
    ) -> None:
        self._transport = transport
        self._lattice = lattice
        self._account = account
        self._tell = tell
        self._now = now
        self._limited = Limited(log)
        self._free = asyncio.Semaphore(AT_A_TIME)
        self._asking: set[tuple[str, str]] = set()
        self._tasks = BackgroundTasks("A question to the lattice was not asked")
        self._to_call: set[str] = set()
        self._again: set[str] = set()
        """Hosts to ask once more, because what led to the question came after the one under way was asked."""
        self._configs_put: OrderedDict[str, float] = OrderedDict()
        """When each configuration was put that was put lately, the earliest first."""
        self._ask_no_provider_before = -math.inf

    async def stop(self) -> None:
        """Let go of all that is unanswered."""
        await self._tasks.stop()

    def ask(self, questions: InformationRequests) -> None:
        """Ask what is not being asked already."""
        for name in sorted(questions.configs):
            self._start(("config", name), partial(self._config, name), ConfigReply(name, None, unknown=True))
        for host_id in sorted(questions.hosts):
            self.inventory(host_id)
        for provider_id, hosts in sorted(questions.listening.items()):
            self.listening(provider_id, hosts)
        if questions.links:
            self._start(("links", ""), self._links, LinksReply(None, self._now()))

    def inventory(self, host_id: str, timeout: float = ANSWER_TIMEOUT) -> None:
        """Ask a host for its inventory. A probe (a longer timeout) is asked beside one that is under way."""
        unanswered = InventoryReply(host_id, None, self._now())
        if timeout != ANSWER_TIMEOUT:
            self._start((f"probe {self._now()}", host_id), partial(self._inventory, host_id, timeout), unanswered)
        elif ("host", host_id) in self._asking:
            self._again.add(host_id)
        else:
            self._start(("host", host_id), partial(self._inventory, host_id, timeout), unanswered)

    def listening(self, provider_id: str, hosts: int) -> None:
        """Ask whether a provider that some hosts have listens, unless NATS has said lately that it does not permit
        that."""
        if self._now() >= self._ask_no_provider_before and subjects.is_token(provider_id):
            unknown = ListeningReply(provider_id, None)
            self._start(("listening", provider_id), partial(self._listening, provider_id, hosts), unknown)

    def ping_all(self, host_ids: Iterable[str], hosts: Collection[str]) -> None:
        """Ping all hosts, to learn whether some are there that did not answer for themselves: a host that pulls an
        image for a live update tells no inventory meanwhile, but answers a ping to all.

        ``hosts`` are those that may answer. One ping at a time, for each brings an answer from every host: who is to be
        called while one is under way is called with the next.
        """
        self._to_call.update(host_ids)
        timeout = ANSWER_TIMEOUT + len(hosts) / ANSWERS_PER_SECOND
        call = partial(self._ping_sweep, frozenset(hosts), timeout)
        self._start(("roll", ""), call, PingSweep(frozenset(), None, self._now()))

    def config_was_put(self, name: str) -> None:
        """Take note that a configuration was put just now: a host that does not know it yet is not believed."""
        now, put = self._now(), self._configs_put
        put[name] = now
        put.move_to_end(name)
        while now - next(iter(put.values())) > READ_LAG:
            put.popitem(last=False)

    async def hosts(self, timeout: float, quiet: float) -> list[control.HostPing]:
        """Ask who is there. Answers that cannot be read are left out."""
        subject = subjects.control(self._lattice, "host.ping", self._account)
        found = []
        for message in await self._transport.gather(subject, b"", timeout, quiet):
            try:
                found.append(control.decode_host(control.decode_reply(message.data).response))
            except Malformed as error:
                self._limited.warning("ping", "a host answered a ping with what cannot be read", error=str(error))
        return found

    def _start(self, key: tuple[str, str], question: Question, unanswered: Reply) -> None:
        if key not in self._asking:
            self._asking.add(key)
            self._tasks.start(self._run(key, question, unanswered))

    async def _run(self, key: tuple[str, str], question: Question, unanswered: Reply) -> None:
        try:
            answer = await question()
        except Exception as error:  # noqa: BLE001 - whoever waits for the answer must not wait for ever
            report_unexpected(error, "A question to the lattice met an error in the server", about=" ".join(key))
            await self._transport.sleep(PAUSE)
            answer = unanswered
        finally:
            self._asking.discard(key)
        self._tell(answer)
        kind, host_id = key
        if kind == "host" and host_id in self._again:
            self._again.discard(host_id)
            self.inventory(host_id)
        elif kind == "roll" and self._to_call:
            self._start(key, question, unanswered)

    async def _request(self, call: str, timeout: float) -> control.Reply:
        subject = subjects.control(self._lattice, call, self._account)
        async with self._free:
            return control.decode_reply((await self._transport.request(subject, b"", timeout)).data)

    async def _inventory(self, host_id: str, timeout: float) -> Reply:
        asked = self._now()
        inventory = None
        try:
            reply = await self._request(control.get_inventory(host_id), timeout)
            if reply.success:
                inventory = decode_inventory(reply.response)
        except Malformed as error:
            self._limited.warning("inventory", "an inventory that cannot be read", host=host_id, error=str(error))
        except Unavailable:
            pass
        return InventoryReply(host_id, inventory, asked)

    async def _listening(self, provider_id: str, hosts: int) -> Reply:
        subject = subjects.health(self._lattice, provider_id)
        answers: int | None = None
        try:
            async with self._free:
                if hosts > 1:
                    answers = len(await self._transport.gather(subject, b"", HEALTH_TIMEOUT, HEALTH_QUIET))
                else:
                    await self._transport.request(subject, b"", HEALTH_TIMEOUT)
                    answers = 1
        except NoResponders:
            answers = 0
        except NotPermitted:
            self._ask_no_provider_before = self._now() + NOT_PERMITTED_FOR
            return ListeningReply(provider_id, None, permitted=False)
        except Unavailable:  # no answer in time, or the connection is away
            await self._transport.sleep(PAUSE)
        if answers is not None and answers < hosts:
            await self._transport.sleep(LISTENS_PAUSE)
        return ListeningReply(provider_id, answers)

    async def _ping_sweep(self, hosts: frozenset[str], timeout: float) -> Reply:
        called = frozenset(self._to_call)
        self._to_call.clear()
        asked = self._now()
        try:
            present = await self._present(timeout)
            if len(hosts - present) * 2 > len(hosts):  # too bad to be believed at once
                present |= await self._present(timeout)
        except WadmError:
            return PingSweep(called, None, asked)  # not the hosts' fault
        return PingSweep(called, present, asked)

    async def _present(self, timeout: float) -> frozenset[str]:
        return frozenset(host.host_id for host in await self.hosts(timeout, PING_SWEEP_QUIET))

    async def _config(self, name: str) -> Reply:
        asked = self._now()
        try:
            reply = await self._request(control.get_config(name), ANSWER_TIMEOUT)
            if reply.success:
                properties = control.decode_config(reply.response)
                if properties is not None or asked > self._configs_put.get(name, -math.inf) + READ_LAG:
                    return ConfigReply(name, properties)
        except Malformed as error:
            self._limited.warning("config", "a configuration that cannot be read", config=name, error=str(error))
            # What is there cannot be used as it is: it is put again.
            return ConfigReply(name, {})
        except WadmError:
            pass
        await self._transport.sleep(PAUSE)
        return ConfigReply(name, None, unknown=True)

    async def _links(self) -> Reply:
        asked = self._now()
        links = None
        try:
            reply = await self._request("link.get", ANSWER_TIMEOUT)
            if reply.success and reply.response is not None:
                links = decode_links(reply.response)
        except NoResponders:
            pass
        except TimedOut:
            # An answer over the size of a NATS message never comes; the lattice's own bucket has the links too.
            links = await self._links_from_bucket()
        except (Malformed, Unavailable) as error:
            self._limited.warning("links", "cannot read the links of the lattice", error=str(error))
        if links is None:
            await self._transport.sleep(PAUSE)
        return LinksReply(links, asked)

    async def _links_from_bucket(self) -> list[Link] | None:
        found: dict[str, list[Link]] = {}

        def note(entry: Entry) -> None:
            if entry.value is None or not entry.key.startswith("COMPONENT_"):
                return
            try:
                found[entry.key] = decode_stored_links(entry.value)
            except Malformed as error:
                self._limited.warning("links", "links that cannot be read", key=entry.key, error=str(error))

        try:
            bucket = self._transport.bucket(f"LATTICEDATA_{self._lattice}")
            watch = await bucket.watch(note)
            await watch.stop()
        except WadmError:
            return None
        return [link for links in found.values() for link in links]
