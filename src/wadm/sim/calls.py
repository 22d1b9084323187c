"""What the servers ask of the lattice, and what of that they should not have asked.

Judged here, at the very moment of asking:

* *restraint*: nothing is asked again while it is still under way, as far as whoever asks can know; nothing is asked
  again and again; and in quiet times nothing is asked that is so already;
* *ownership*: nothing that is not wadm's is touched, and only who holds the lattice's lease asks at all;
* *replacement*: nothing that serves is stopped before its replacement runs.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, Protocol

from msgspec import Struct

Outcome = Literal["", "accepted", "refused", "unanswered"]

CHANGING: Final = {
    ("component", "scale"),
    ("component", "update"),
    ("provider", "start"),
    ("provider", "stop"),
    ("link", "put"),
    ("link", "del"),
    ("config", "put"),
    ("config", "del"),
}
ANSWER_WITHIN: Final = 2.0
"""Seconds that a host has to answer."""
WORK_WITHIN: Final = {"scale": 60.0, "stopping": 10.0, "update": 15.0, "start": 60.0, "stop": 10.0}
"""Seconds that a host may take after it has accepted a call; till then it is not to be asked the same again."""
REMEMBERED: Final = 290.0
"""Seconds for which whoever asked for a link without getting an answer has to be ready for it."""
OFTEN: Final = 24
"""Calls about one thing in a minute that are too many."""
STRANGER: Final = "stranger"
"""What the ids and names begin with of all that is not wadm's."""


class Call(Struct):
    """A call that changes something. Times are seconds since the simulation began."""

    at: float
    who: str
    verb: str
    key: tuple[str, ...]
    """What it is about: host and id, or the link, or the configuration."""
    body: dict[str, Any]
    session: str = ""
    """As whom it held the lattice. A server that has lost it and takes it anew knows as little as any other."""
    outcome: Outcome = ""
    ended: float = 0.0
    done: bool = False
    """Whether whoever asked has heard what came of it, or cannot be blamed for asking again."""

    def __str__(self) -> str:
        return f"{self.verb} {' '.join(self.key)}{_details(self.body)}"

    @property
    def stops(self) -> bool:
        """Whether it asks a host to stop something."""
        return self.verb == "stop" or (self.verb == "scale" and not self.body.get("count"))

    def waits(self, now: float) -> bool:
        """Whether it is under way, as far as whoever asked can know."""
        if self.done or self.outcome in ("refused", "unanswered"):
            return False
        if not self.outcome:
            return now - self.at < ANSWER_WITHIN
        stopping = self.verb == "scale" and self.stops
        return now - self.ended < WORK_WITHIN.get("stopping" if stopping else self.verb, 0.0)


class Judge(Protocol):
    """Knows what a call is to be judged by."""

    forgot: bool
    """Whether the NATS server was started again without what it kept in memory."""

    def now(self) -> float:
        """Return the seconds since the simulation began."""

    def is_so(self, call: Call) -> bool:
        """Whether a call asks for what is so already, and has been for longer than news takes."""

    def too_early(self, call: Call) -> str | None:
        """Return why something must not be stopped yet, as far as whoever asks can know."""

    def holder(self, lattice: str) -> str:
        """Return the session that holds a lattice, as it is stored."""

    def failed(self, check: str, what: str) -> None:
        """Note that a check has failed."""


class Calls:
    """All changing calls of the servers."""

    def __init__(self, judge: Judge) -> None:
        self.all: list[Call] = []
        self.late: set[tuple[str, ...]] = set()
        """Configurations, and sources of links, of which a host has carried out a put after it had been given up, and
        nobody need know of it. Of a configuration an owner may not hear; all links it reads every minute."""
        self.rescaled: dict[tuple[str, ...], str] = {}
        """Components that a meddler re-scaled, with the session that held the lattice then, until a server does."""
        self._unanswered_puts: dict[tuple[str, ...], list[tuple[float, str]]] = {}
        """When each was asked, and as whom: a host that stood still may carry out an early one though a later one was
        answered."""
        self.quiet = False
        """Whether nothing goes wrong at the moment, so that nothing needless may be asked."""
        self._judge = judge
        self._newest: dict[tuple[str, tuple[str, ...]], Call] = {}
        self._recent: dict[tuple[str, ...], deque[float]] = {}

    def begins(self, who: str, subject: str, data: bytes) -> Call | None:
        """Take note of a call; ``None`` for one that changes nothing."""
        _, _, _, lattice, noun, verb, *rest = subject.split(".")
        if (noun, verb) not in CHANGING:
            return None
        body = json.loads(data) if data else {}
        call = Call(self._judge.now(), who, verb, _key(noun, rest, body), body, self._judge.holder(lattice))
        self._judge_restraint(call)
        self._judge_ownership(call, lattice)
        if call.stops and (why := self._judge.too_early(call)) is not None:
            self._judge.failed("replacement", f"{call.who} stops too early: {why}")
        self.all.append(call)
        if verb == "scale":
            self.rescaled.pop(call.key, None)
        self._newest[who, call.key] = call
        if verb == "put":
            self._unanswered_puts.setdefault(call.key[:2], []).append((call.at, call.session))
        return call

    def meddler_rescales(self, host: str, id_: str, lattice: str) -> None:
        """Take note that somebody else re-scales a component of ours, without its configuration."""
        self.rescaled["component", host, id_] = self._judge.holder(lattice)

    def meddler_puts(self, name: str) -> None:
        """Take note that somebody else asks for a configuration of ours to be put, which may happen late, too."""
        self._unanswered_puts.setdefault(("config", name), []).append((self._judge.now(), ""))

    def put_by_host(self, noun: str, name: str, holder: str = "") -> None:
        """Take note that a host carries out a put, perhaps one that it was asked for long ago and has not answered.
        ``holder`` is the session that holds the lattice now."""
        for at, session in self._unanswered_puts.get((noun, name), ()):
            age = self._judge.now() - at
            remembers = noun == "link" and "" != session == holder and age < REMEMBERED
            if age > ANSWER_WITHIN and not remembers:
                self.late.add((noun, name))

    def ended(self, call: Call, outcome: Outcome) -> None:
        """Take note of how a call ended."""
        call.outcome, call.ended = outcome, self._judge.now()
        if outcome != "unanswered" and call.verb == "put":
            self._unanswered_puts[call.key[:2]].remove((call.at, call.session))

    def heard(self, who: str, kind: str, data: dict[str, Any], source: str) -> None:
        """Take note that a server has heard an event, and so may know what came of its calls."""
        if kind in ("host_started", "host_stopped"):
            self._forget(lambda call: call.who == who and source in call.key)
            return
        if kind == "host_heartbeat":
            # It may be older than the answer to a stop, or the provider be back since: that cannot be known.
            for provider in data["providers"]:
                stop = self._newest.get((who, ("provider", source, provider["id"])))
                if stop is not None and stop.verb == "stop" and stop.outcome == "accepted":
                    stop.done = True
            return
        id_ = data.get("component_id") or data.get("provider_id")
        if id_ is not None:
            for noun in ("component", "provider"):
                key: tuple[str, ...] = (noun, source, id_)
                call = self._newest.get((who, key))
                if call is not None:
                    call.done = True

    def shown(self, host: str, inventory: dict[str, Any]) -> None:
        """Take note that a host tells what it runs: what is as asked can be known to be so."""
        running: dict[tuple[str, ...], tuple[int, str]] = {
            ("component", host, c["id"]): (c["max_instances"], c["image_ref"]) for c in inventory["components"]
        }
        running |= {("provider", host, p["id"]): (1, p["image_ref"]) for p in inventory["providers"]}
        for call in self._newest.values():
            if not call.done and call.key[1] == host and _shows(call, *running.get(call.key, (0, ""))):
                call.done = True

    def disturbed(self, name: str) -> None:
        """Take note that something befell a host or a server, so that nobody can be blamed for asking again."""
        self._forget(lambda call: call.who == name or name in call.key)

    def under_way(self, application: str) -> Iterator[Call]:
        """Yield the calls for an application of which whoever asked cannot know yet what came."""
        now = self._judge.now()
        for call in self._newest.values():
            about = (call.body.get("annotations") or {}).get("wasmcloud.dev/appspec")
            if about == application and call.waits(now):
                yield call

    def stopping(self, kind: str, id_: str) -> Iterator[str]:
        """Yield the ids of the hosts that have been asked to stop something and may not have done so yet."""
        now = self._judge.now()
        for call in self._newest.values():
            if call.stops and call.key[0] == kind and call.key[2] == id_ and call.waits(now):
                yield call.key[1]

    def since(self, at: float) -> Iterator[Call]:
        """Yield the calls since a time."""
        return (call for call in self.all if call.at >= at)

    def _forget(self, which: Callable[[Call], bool]) -> None:
        for call in self._newest.values():
            if which(call):
                call.done = True

    def _judge_restraint(self, call: Call) -> None:
        before = self._newest.get((call.who, call.key))
        # Under no session: the store has just lost all of them, and who asks may have taken the lattice anew since.
        same = before is not None and (before.session, before.verb, before.body) == (call.session, call.verb, call.body)
        same = same and bool(call.session)
        if before is not None and same and before.waits(call.at):
            since = f"asked {call.at - before.at:.2f} s ago, {before.outcome or 'not answered yet'}"
            self._judge.failed("restraint", f"{call.who} asks again for what is under way ({since}): {call}")
        if self.quiet and self._judge.is_so(call):
            self._judge.failed("restraint", f"{call.who} asks for what is so already: {call}")
        # Links to several targets may share an identity, and take each other along where one is deleted.
        thing = (*call.key, call.verb, call.body.get("target", "")) if call.key[0] == "link" else call.key
        recent = self._recent.setdefault(thing, deque())
        recent.append(call.at)
        while recent[0] < call.at - 60:
            recent.popleft()
        if len(recent) == OFTEN + 1:
            self._judge.failed("restraint", f"{OFTEN + 1} calls about one thing in a minute: {call}")

    def _judge_ownership(self, call: Call, lattice: str) -> None:
        about = call.key[2] if call.key[0] in ("component", "provider") else call.key[1]
        if about.startswith(STRANGER):
            self._judge.failed("ownership", f"{call.who} touches what is not wadm's: {call}")
        holder = self._judge.holder(lattice)
        # A NATS server that kept the leases in memory knows of none when it starts again, until they are renewed.
        if not holder.startswith(f"{call.who}-") and not (self._judge.forgot and not holder):
            self._judge.failed("ownership", f"{call.who} acts while {holder or 'nobody'} holds the lattice: {call}")


def _key(noun: str, rest: list[str], body: dict[str, Any]) -> tuple[str, ...]:
    if noun == "component":
        return (noun, rest[0], body["component_id"])
    if noun == "provider":
        return (noun, rest[0], body["provider_id"])
    if noun == "config":
        return (noun, rest[0])
    return (noun, body["source_id"], body["wit_namespace"], body["wit_package"], body.get("name") or "default")


def _shows(call: Call, running: int, image: str) -> bool:
    if call.verb == "scale":
        return bool(running == call.body.get("count", 0))
    if call.verb == "update":
        return bool(image == call.body["new_component_ref"])
    return call.verb in ("start", "stop") and running == (call.verb == "start")


def _details(body: dict[str, Any]) -> str:
    told = []
    if "count" in body:
        told.append(f"x{body['count']}")
    for field in ("component_ref", "new_component_ref", "provider_ref", "target"):
        if body.get(field):
            told.append(str(body[field]))
    spread = (body.get("annotations") or {}).get("wasmcloud.dev/spread_name")
    if spread:
        told.append(f"for {spread}")
    return "".join(f" {one}" for one in told)
