"""Three servers and one lattice: at most one of them believes that the lattice is its own.

This is the protocol of :mod:`wadm.server.ownership`, step by step: a step is what happens between two awaits, or what
the NATS server does with one write. Any server may stand still for as long as it likes between two steps, or for ever;
an answer may take as long as it likes.

Time is counted in ticks, which the servers' clocks make in turn: between any two moments one may count a tick more than
another. A session that another server has seen unchanged for ``EXPIRY`` ticks is ended by it. A renewal is believed in
for ``EXPIRY - MARGIN`` ticks from when it was asked for. The real times are in ``ownership.py``; only their order
matters.

Some things are left out because they can only make a server more careful than it is here: that a renewal takes time (an
answer in the same tick is as good as a renewal then, a later one is good for nothing), that others see it late, and
that a server hears that its session was ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, TypeVar

from msgspec import Struct

from wadm.sim.protocol.checker import Explored, explore

T = TypeVar("T")

SERVERS: Final = 3
EXPIRY: Final = 2
MARGIN: Final = 1
WRITES: Final = 2
"""How often the lease is written at most. The first write is that of the first owner."""
NOBODY: Final = -1


class Rules(Struct, frozen=True):
    """The rules that make the protocol safe. Each can be broken, to see that it is needed."""

    margin: int = MARGIN
    """How many ticks before anybody could have ended its session a server stops believing in it."""
    counted_from: Literal["asking", "answer"] = "asking"
    """From when a renewal is good."""
    renewed_over_revision: bool = True
    """A renewal succeeds only over the revision of the last one, so never where the session was ended."""
    ended_over_revision: bool = True
    """A session is ended only if it is still as it was seen to stand still."""
    taken_over_revision: bool = True
    """A lease is taken only over the revision as which it was read."""
    revision_read_first: bool = True
    """That revision is read before it is asked whether the owner is gone, not after."""
    owner_asked_for: bool = True
    """The NATS server itself is asked whether the owner is gone: what is followed may be behind."""
    belief_ends: bool = True
    """Whoever could not renew its session in time does not act."""
    let_go_in_order: bool = True
    """Whoever lets go of a lattice first does nothing more, and then says so."""


class Server(NamedTuple):
    """What one server knows."""

    good: int
    """Ticks for which it believes in its session."""
    waits: bool = False
    """Whether the answer to a renewal is on its way, and will be believed however late it comes."""
    held: int = 0
    """The epoch under which it believes to hold the lattice; 0: it does not."""
    known: int = 1
    """The revision of the lease as it knows it; 0: it has given up for good."""
    taking: Literal["", "sure", "won"] = ""
    """How far it is in taking the lease: ``sure`` that the owner is gone; ``won``, and has not heard so."""
    over: int = 0
    """The revision that it takes the lease over, then that which its write got."""
    silent: tuple[int, ...] = (0,) * SERVERS
    """For how many of its ticks each session has stood still."""


GIVEN_UP: Final = Server(0, known=0)


class State(NamedTuple):
    """All there is."""

    servers: tuple[Server, ...]
    sessions: tuple[bool, ...]
    """Whether each server's session is stored."""
    owners: tuple[int, ...]
    """Who has written each revision of the lease; ``NOBODY``: let go of. The last one is in force."""
    next_tick: int
    """Whose clock ticks next."""


def explore_leases(rules: Rules = Rules(), writes: int = WRITES, owner_gone: bool = False) -> Explored[State]:  # noqa: B008
    """Visit all states that can come about by these rules, from one server that holds the lattice and two that stand
    by, or (``owner_gone``) from a moment at which that one has died and its session was ended."""
    model = Leases(rules, writes)
    other = Server(model.good_for)
    owner = GIVEN_UP if owner_gone else Server(model.good_for, held=1)
    servers, sessions = (owner, *(other,) * (SERVERS - 1)), (not owner_gone, *(True,) * (SERVERS - 1))
    firsts = [State(servers, sessions, (0,), next_tick) for next_tick in range(owner_gone, SERVERS)]
    return explore(firsts, model.steps, model.wrong)


class Leases:
    """The protocol by some rules."""

    def __init__(self, rules: Rules, writes: int) -> None:
        self.rules = rules
        self.writes = writes
        self.good_for = EXPIRY - rules.margin

    def acts(self, server: Server) -> bool:
        """Whether a server would send a command now."""
        return server.held > 0 and (server.good > 0 or not self.rules.belief_ends)

    def wrong(self, state: State) -> str:
        """Return what is wrong with a state."""
        acting = [n for n, server in enumerate(state.servers) if self.acts(server)]
        if len(acting) > 1:
            return "two servers act at the same time"
        for n in acting:
            if state.servers[n].held != len(state.owners) or state.owners[-1] != n:
                return "a server acts, and the lease that is stored is not its own"
        return ""

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield all that may come next."""
        for n, server in enumerate(state.servers):
            if server.known:
                for what, after in self._steps_of(state, n, server):
                    yield f"server {n} {what}", self._without_what_is_past(after)

    def _steps_of(self, state: State, n: int, server: Server) -> Iterator[tuple[str, State]]:
        if state.next_tick == n:
            yield "has its clock tick", self._tick(state, n, server)
        if server.waits:
            yield "hears that its session is renewed", _with(state, n, server._replace(waits=False, good=self.good_for))
        elif state.sessions[n] or not self.rules.renewed_over_revision:
            yield "renews its session", self._renewed(state, n)
        if server.known != len(state.owners):
            held = server.held if state.owners[-1] == n else 0
            yield "sees the lease", _with(state, n, server._replace(known=len(state.owners), held=held))
        if server.good > 0:
            for m, ticks in enumerate(server.silent):
                if m != n and ticks >= EXPIRY and state.sessions[m]:
                    yield f"ends the session of {m}", _stored(state, m, there=False)
        if server.taking:
            yield from self._take(state, n, server)
        elif server.good > 0:
            yield from self._begin_to_take(state, n, server)

    def _tick(self, state: State, n: int, server: Server) -> State:
        after = server._replace(
            good=max(0, server.good - 1),
            silent=tuple(min(ticks + (m != n), EXPIRY) for m, ticks in enumerate(server.silent)),
        )
        return _with(state, n, after)._replace(next_tick=(n + 1) % SERVERS)

    def _renewed(self, state: State, n: int) -> State:
        server = state.servers[n]
        if self.rules.counted_from == "answer" and server.held:  # that whoever acts does so shows enough
            server = server._replace(waits=True)
        else:
            server = server._replace(good=self.good_for)
        after = _with(state, n, server)
        # Where a session is ended whatever it is by then, it does not help that it is renewed.
        return _stored(after, n, there=True) if self.rules.ended_over_revision else after

    # -- the lease ---------------------------------------------------------------------------

    def _begin_to_take(self, state: State, n: int, server: Server) -> Iterator[tuple[str, State]]:
        revision, owner = len(state.owners), state.owners[server.known - 1]
        if server.held:
            if revision < self.writes and server.known == revision:
                held = 0 if self.rules.let_go_in_order else server.held
                let_go = _with(state, n, server._replace(held=held, known=revision + 1))
                yield "lets go of the lease", let_go._replace(owners=(*state.owners, NOBODY))
        elif owner in (NOBODY, n) or not (self.rules.owner_asked_for and state.sessions[owner]):
            sure = server._replace(taking="sure", over=server.known)
            yield "learns that nobody has the lattice", _with(state, n, sure)

    def _take(self, state: State, n: int, server: Server) -> Iterator[tuple[str, State]]:
        revision = len(state.owners)
        if server.taking == "won":
            # Who hears of it when it cannot be sure of its session any more does not act.
            held = server.over if server.good > 0 else 0
            yield "hears that the lease is its own", _with(state, n, server._replace(taking="", over=0, held=held))
            return
        over = server.over if self.rules.revision_read_first else server.known
        if over != revision and self.rules.taken_over_revision:
            failed = server._replace(taking="", over=0, known=revision)
            yield "cannot write the lease, as another was first", _with(state, n, failed)
        elif revision < self.writes:
            won = server._replace(taking="won", over=revision + 1, known=revision + 1)
            yield "writes the lease", _with(state, n, won)._replace(owners=(*state.owners, n))

    def _without_what_is_past(self, state: State) -> State:
        """Leave out what can have no effect any more: states that differ in nothing else count as one."""
        rules, servers = self.rules, state.servers
        if not (rules.renewed_over_revision and rules.belief_ends):
            return state
        for n, server in enumerate(servers):
            if not server.known:
                continue
            after = server
            if not (after.good or after.taking or after.waits or state.sessions[n]):
                after = GIVEN_UP
            elif not all(there or not ticks for there, ticks in zip(state.sessions, after.silent, strict=True)):
                after = after._replace(silent=tuple(ticks * state.sessions[m] for m, ticks in enumerate(after.silent)))
            if after is not server:
                servers = _set(servers, n, after)
        next_tick = state.next_tick
        if any(server.known for server in servers):
            while not servers[next_tick].known:
                next_tick = (next_tick + 1) % SERVERS
        return state._replace(servers=servers, next_tick=next_tick)


def _set(values: tuple[T, ...], n: int, value: T) -> tuple[T, ...]:
    return (*values[:n], value, *values[n + 1 :])


def _with(state: State, n: int, server: Server) -> State:
    return state._replace(servers=_set(state.servers, n, server))


def _stored(state: State, n: int, there: bool) -> State:
    """Return the state after a session was written or ended."""
    servers = tuple(server._replace(silent=_set(server.silent, n, 0)) for server in state.servers)
    return state._replace(servers=servers, sessions=_set(state.sessions, n, there))
