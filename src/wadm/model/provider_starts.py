"""Each start of a provider on a host: when it was asked for, when it happened, when its first health report came.

A host probes a provider process 5 s after its start and every 30 s from then on, tells what it answers, and tells
nothing where it does not answer. It never probes a builtin provider
(docs/protocol/lattice.md#provider-health). Times are seconds of the observer's clock.

A probe goes by the provider's id alone: where several hosts have one, any of them may answer, and a host reports
the health of a process that has crashed (seen on host 1.9.2). What tells is how many answer one question. So where
questions reach providers, a report of one on several hosts is no evidence, and only that all answer is.
"""

from __future__ import annotations

import math

from msgspec import Struct
from msgspec.structs import replace

from wadm.model.names import is_builtin

HEARD_WITHIN = 15.0
"""Seconds, at most, that pass until it is heard what a host has done that this server has not asked for: a host that
was cut off sends its events when it is back (docs/protocol/lattice.md#late-writes)."""
NOTED_WITHIN = 0.25
"""Seconds, at most, in which a host that is not at work on a component takes note of a link that was put."""
PROBED_AFTER = 5.0
"""Seconds after its start at which a host probes a provider first."""
REPORTS_WITHIN = 8.0
"""Seconds after its start within which a provider reports its health first, if it ever will: its host probes it after 5
s, and waits for the answer for 2."""
REPORT_DUE = 31.0
"""Seconds after which a provider that was found running has been probed again, and its host has said so."""
SUBSCRIBES_WITHIN = 40.0
"""Seconds after its start at which a provider that has not reported its health counts as one that does not report:
two probes are over by then."""

ProviderAt = tuple[str, str]
"""Host id and provider id."""


class ProviderStart(Struct, frozen=True):
    """One start of a provider, from there on until it is stopped or its host is gone.

    ``started``: when the host said so; ``None`` where the provider was found running. ``reported``: when its first
    health report came, of whatever content. ``listed``: every link that was in the lattice by then is in the list that
    the process was started with. ``likely``: what was there by then is most likely in it too: the host was at work on
    starts of components, and takes no link into its own copy meanwhile (docs/protocol/lattice.md#busy-host-links).
    ``listens``: since when it is known to hear what is put, if it is.
    """

    started: float | None
    listed: float
    listens: float | None = None
    reported: float | None = None
    builtin: bool = False
    likely: float = -math.inf

    def silent_for(self, now: float) -> float | None:
        """Return the seconds that have passed since the start without a health report; ``None`` where it has reported,
        is builtin (those never report), or was found running."""
        if self.reported is not None or self.builtin or self.started is None:
            return None
        return now - self.started


class ProviderStarts:
    """The current start of every provider of a lattice, and the hosts that have reported the health of any."""

    def __init__(self) -> None:
        self._starts: dict[ProviderAt, ProviderStart] = {}
        self._unreported: dict[ProviderAt, None] = {}
        """Those without a report that have not been returned by :meth:`expired`, oldest first."""
        self._found: dict[ProviderAt, None] = {}
        """Processes that were found running, of which no report has come for so long."""
        self._reporting: set[str] = set()
        self.began = math.inf
        """When this owner began to look after the lattice: what it has changed since, a provider that is found running
        later may not have heard of."""
        self.answers = False
        """Whether questions reach providers: one has answered."""
        self._hearsay: dict[ProviderAt, float] = {}
        """First reports, with their times, that were no evidence as :attr:`answers` was so."""
        self._last_seen: dict[ProviderAt, float] = {}
        """Of providers whose host was lost with them: when that host was last heard."""

    def get(self, host_id: str, provider_id: str) -> ProviderStart | None:
        """Return the current start of a provider, if it runs there as far as is known."""
        return self._starts.get((host_id, provider_id))

    def reports(self, host_id: str) -> bool:
        """Whether a host has reported the health of any of its providers: not every kind of host does."""
        return host_id in self._reporting

    def reporting(self, host_id: str) -> None:
        """Note that a host is known to report the health of its providers."""
        self._reporting.add(host_id)

    def copy(self) -> ProviderStarts:
        """Return a copy that can be changed without changing this one."""
        other = ProviderStarts()
        other._starts = dict(self._starts)
        other._unreported = dict(self._unreported)
        other._found = dict(self._found)
        other._reporting = set(self._reporting)
        other.began = self.began
        other.answers = self.answers
        other._hearsay = dict(self._hearsay)
        other._last_seen = dict(self._last_seen)
        return other

    # -- what happens ------------------------------------------------------------------------

    def started(
        self,
        host_id: str,
        provider_id: str,
        image: str,
        now: float,
        asked: float | None = None,
        as_of: float | None = None,
    ) -> None:
        """Note that a host said it has started a provider. ``asked``: when this server asked it to, if it did;
        ``as_of``: since when the host may have been too busy to take note of links then.

        A host may say so long after the start, so that a link that was put after the start was asked for may have come
        too late for the list of the provider.
        """
        if asked is None:
            listed = now - HEARD_WITHIN
        else:
            listed = as_of - NOTED_WITHIN if as_of is not None and as_of < asked else asked
        self._begin((host_id, provider_id), image, now, listed, asked)

    def missed(
        self,
        host_id: str,
        provider_id: str,
        image: str,
        now: float,
        asked: float | None = None,
        as_of: float | None = None,
    ) -> None:
        """Note a provider that was started without that having been heard: some time before ``now``."""
        known = [at for at in (asked, as_of) if at is not None]
        self._begin((host_id, provider_id), image, now, min(known, default=-math.inf), asked)

    def _begin(self, at: ProviderAt, image: str, now: float, listed: float, asked: float | None) -> None:
        builtin = is_builtin(image)
        likely = listed if asked is None else max(listed, asked)
        self._put(at, ProviderStart(now, listed, now if builtin else None, builtin=builtin, likely=likely))

    def found(self, host_id: str, provider_id: str, image: str, now: float) -> None:
        """Note a provider that was found running on a host not known before: it counts as one that has all links that
        there were when this owner began, or, where its host was lost meanwhile, when that was last heard."""
        listed = self._last_seen.pop((host_id, provider_id), min(now, self.began))
        self._put((host_id, provider_id), ProviderStart(None, listed, now, builtin=is_builtin(image)))
        if not is_builtin(image):
            self._found[host_id, provider_id] = None

    def reported(self, host_id: str, provider_id: str, now: float, passed: bool = False, alone: bool = True) -> bool:
        """Note a health report; return whether it is the first since the start that says anything. ``passed``: the
        report says that the provider has become healthy, which is what a host says of one that it has started a moment
        ago; ``alone``: no other host has a provider of that id."""
        self._reporting.add(host_id)
        at = (host_id, provider_id)
        start = self._starts.get(at)
        if start is None or start.reported is not None:
            return False
        if self.answers and not alone:
            self._hearsay.setdefault(at, now)
            return False
        self._owes_no_report(at)
        listens = now if start.listens is None or (passed and not start.builtin) else start.listens
        self._starts[at] = replace(start, listens=listens, reported=now)
        return True

    def answered(self, host_id: str, provider_id: str, now: float) -> bool:
        """Note that a provider has answered a question; return whether that says anything new. An answer at the time
        of the first probe of its host is as good as that one."""
        self.answers = True
        at = (host_id, provider_id)
        start = self._starts.get(at)
        if start is None:
            return False
        listens = now if start.listens is None else start.listens
        well = start.reported is None and (start.started is None or now >= start.started + PROBED_AFTER)
        after = replace(start, listens=listens, reported=now if well else start.reported)
        if well:
            self._owes_no_report(at)
        self._starts[at] = after
        return after != start

    def not_permitted(self) -> list[ProviderAt]:
        """Note that questions do not reach providers any more, so that what hosts report counts again, and has counted
        since it came; return the providers of which that says something new."""
        self.answers = False
        hearsay, self._hearsay = self._hearsay, {}
        return [at for at, when in hearsay.items() if self.reported(*at, when)]

    def overdue(self, now: float) -> list[str]:
        """Return the ids of the providers that their hosts have probed by now, and of which no report has come that is
        evidence. Asking may be all that tells how one is that was found running, before it is judged."""
        found = [at[1] for at in self._found if now >= self._starts[at].listed + REPORT_DUE]
        for at in self._unreported:
            silent_for = self._starts[at].silent_for(now)
            if silent_for is not None and silent_for < PROBED_AFTER:
                break
            found.append(at[1])
        return found

    def is_overlooked(self, host_id: str, provider_id: str) -> bool:
        """Whether a provider was started long ago, and nothing that was heard since says how it is: its first reports
        were missed, and those that follow do not say which of several providers they are about. It has to be asked."""
        start = self._starts.get((host_id, provider_id))
        return start is not None and start.reported is None and (host_id, provider_id) not in self._unreported

    def stopped(self, host_id: str, provider_id: str) -> None:
        """Note that a provider does not run on a host any more."""
        self._starts.pop((host_id, provider_id), None)
        self._owes_no_report((host_id, provider_id))
        self._hearsay.pop((host_id, provider_id), None)

    def host_gone(self, host_id: str, last_heard: float) -> None:
        """Note that a host is gone with all its providers; it may come back with them."""
        for at in [at for at in self._starts if at[0] == host_id]:
            self.stopped(*at)
            self._last_seen[at] = last_heard
        while len(self._last_seen) > 1000:
            del self._last_seen[next(iter(self._last_seen))]

    def expired(self, now: float) -> list[ProviderAt]:
        """Return the providers of which no report has come within ``SUBSCRIBES_WITHIN`` seconds of their start, each
        once. Whatever is put for one from now on counts as heard: more cannot be known of it."""
        found = []
        for at in list(self._unreported):
            start = self._starts[at]
            silent_for = start.silent_for(now)
            if silent_for is not None and silent_for < SUBSCRIBES_WITHIN:
                break
            del self._unreported[at]
            if silent_for is not None:
                found.append(at)
                self._starts[at] = replace(start, listens=now)
        for at in [at for at in self._found if now >= self._starts[at].listed + SUBSCRIBES_WITHIN]:
            del self._found[at]
        return found

    def _owes_no_report(self, at: ProviderAt) -> None:
        self._unreported.pop(at, None)
        self._found.pop(at, None)

    def _put(self, at: ProviderAt, start: ProviderStart) -> None:
        self._last_seen.pop(at, None)
        self._owes_no_report(at)
        self._hearsay.pop(at, None)
        self._starts[at] = start
        if start.silent_for(0.0) is not None:
            self._unreported[at] = None
