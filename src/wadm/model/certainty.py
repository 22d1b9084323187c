"""How far what is known of a lattice can be relied on: each link, configuration and host is in one of a few states.

What is known is what hosts said last. Where that may not be so any more, or not be all, nothing is removed, replaced or
started because of it: planning looks at the state first.

==============  ======================================================================================================
of a link       (an identity, with whatever targets)
``unread``      the links have not been read as a whole yet: one that is not known may be there
``doubtful``    a put or delete got no answer, or took one of several: only an event or the next reading tells
``unsettled``   it is as known, but what seems gone may come back: a link of that source was put or deleted a moment
                ago, and hosts keep all links of a source in one record, which they write as they read it last
                (docs/protocol/lattice.md#link-writes-race); or a put got no answer, and a host that stands still may
                carry it out when it goes on
``certain``     it is as known
of a config
``unread``      its content has not been asked for, or has changed in a way not known
``unsettled``   it is as known, but a put that got no answer may yet be carried out
``certain``     it is as known
of a host
``unseen``      it was there under the former owner and has not said what it runs: what is missing may run there
``unheard``     single events have told of it, and not yet the host what it runs
``silent``      it left unanswered what it was last asked: nothing is placed there
``certain``     it has said what it runs, and answers
==============  ======================================================================================================
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from wadm.model.lattice import Host, LinkKey

LinkState = Literal["unread", "doubtful", "unsettled", "certain"]
ConfigState = Literal["unread", "unsettled", "certain"]
HostState = Literal["unseen", "unheard", "silent", "certain"]

Thing = tuple[str, ...]
"""What puts may still change: ``("link", source)`` or ``("config", name)``."""


class Certainty:
    """What is not certain of a lattice, and since when. Times are seconds of the observer's clock."""

    def __init__(self) -> None:
        self.links_read = False
        """Whether the links have been read as a whole."""
        self.doubtful: set[LinkKey] = set()
        """Links of which a put or delete got no answer, or of which one of several was deleted."""
        self.changed_sources: dict[str, float] = {}
        """Sources of which a link was put or deleted, and when last, until all links have been read as of later."""
        self.changed_links: dict[LinkKey, float] = {}
        """When links were last put or deleted, as far as the last reading of all links may lack that."""
        self.late_puts: dict[Thing, float] = {}
        """Things of which a put got no answer, and when the last did not. A host that stands still may carry it out
        long after others have done what was asked since."""
        self.silent: dict[str, float] = {}
        """Hosts that left unanswered what they were last asked, and since when."""
        self.unseen: dict[str, float] = {}
        """Hosts of which it is known that they were there, not what they run, and the time until which that is waited
        for."""
        self.lost: dict[str, str] = {}
        """Hosts that fell silent and have not come back: what people call them, by id."""

    def copy(self) -> Certainty:
        """Return one that can be changed without changing this one."""
        other = Certainty()
        other.links_read = self.links_read
        other.doubtful = set(self.doubtful)
        other.changed_sources, other.changed_links = dict(self.changed_sources), dict(self.changed_links)
        other.late_puts = dict(self.late_puts)
        other.silent, other.unseen, other.lost = dict(self.silent), dict(self.unseen), dict(self.lost)
        return other

    # -- states ------------------------------------------------------------------------------

    def of_link(self, key: LinkKey) -> LinkState:
        """Return the state of what is known of a link."""
        if not self.links_read:
            return "unread"
        if key in self.doubtful:
            return "doubtful"
        source = key[0]
        return "unsettled" if source in self.changed_sources or ("link", source) in self.late_puts else "certain"

    def knows_link(self, key: LinkKey) -> bool:
        """Whether it is known which links there are under an identity: they are unsettled or certain."""
        return self.links_read and key not in self.doubtful

    def of_config(self, name: str, asked: bool) -> ConfigState:
        """Return the state of what is known of a configuration. ``asked``: whether its content has been read."""
        if not asked:
            return "unread"
        return "unsettled" if ("config", name) in self.late_puts else "certain"

    def of_host(self, host: Host) -> HostState:
        """Return the state of what is known of a host."""
        if host.id in self.unseen:
            return "unseen"
        if not host.known:
            return "unheard"
        return "silent" if host.id in self.silent else "certain"

    # -- links and configurations ------------------------------------------------------------

    def resolve_link(self, key: LinkKey) -> bool:
        """Note that a link is as last heard. Return whether that was in doubt."""
        doubted = key in self.doubtful
        self.doubtful.discard(key)
        return doubted

    def links_changed_since(self, at: float) -> set[LinkKey]:
        """Return the links that were put or deleted at a time or later; earlier ones need not be remembered."""
        self.changed_links = {key: changed for key, changed in self.changed_links.items() if changed >= at}
        return set(self.changed_links)

    def note_reading(self, as_of: float, newer: Collection[LinkKey]) -> tuple[set[LinkKey], set[str]]:
        """Note that all links have been read, and that what happened before ``as_of`` is in it; not of links of which
        something ``newer`` is known. Return the links that are not in doubt any more, and the sources that are
        settled."""
        resolved = self.doubtful.difference(newer)
        self.doubtful.intersection_update(newer)
        settled = {source for source, changed in self.changed_sources.items() if changed < as_of}
        for source in settled:
            del self.changed_sources[source]
        return resolved, settled

    def end_late_puts(self, before: float) -> list[Thing]:
        """Return the things of which puts that got no answer ``before`` a time cannot be carried out any more."""
        ended = [thing for thing, at in self.late_puts.items() if at < before]
        for thing in ended:
            del self.late_puts[thing]
        return ended
