"""When each link of a lattice was put, and when what providers were told of it changed.

A host tells a running provider of a link when the link is put, with the values that its configurations have at that
moment; a provider ignores the put of a link it has. So a link that is put over another, and a configuration whose
values change, reach nobody who runs
(docs/protocol/lattice.md#links-and-provider-processes). Times are seconds of the observer's clock.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from wadm.model.provider_starts import HEARD_WITHIN, ProviderStart

LinkAt = tuple[tuple[str, str, str, str], str]
"""Identity of a link (source, namespace, package, name) and its target."""


class LinkPut(Struct, frozen=True):
    """What is known of how a link came to be as it is, content and values of its configurations.

    ``since``: since when the lattice has it so. ``put``: when it was put where it was not, so that who listened heard
    it; ``None``: it was put over another, or its values changed since.
    """

    since: float
    put: float | None

    @property
    def last(self) -> float:
        """When it was last put, or became so."""
        return self.since if self.put is None else max(self.since, self.put)

    def reached(self, start: ProviderStart) -> bool:
        """Whether a provider has the link: from the list it was started with, or because it listened to the put."""
        listened = self.put is not None and start.listens is not None and start.listens <= self.put
        return self.since <= start.listed or listened


class LinkPuts:
    """The puts of all links. A link of which nothing is noted here was found: every provider counts as having it."""

    def __init__(self) -> None:
        self._puts: dict[LinkAt, LinkPut] = {}
        self._in_vain: dict[LinkAt, float] = {}
        """Links that their provider could not do anything with, and when that was noted last."""
        self._unsure: frozenset[LinkAt] = frozenset()
        self._unsure_configs: frozenset[str] = frozenset()

    def get(self, link: LinkAt) -> LinkPut | None:
        """Return what is known of a link; ``None``: it was found as it is."""
        return self._puts.get(link)

    def copy(self) -> LinkPuts:
        """Return a copy that can be changed without changing this one."""
        other = LinkPuts()
        other._puts = dict(self._puts)
        other._in_vain = dict(self._in_vain)
        return other

    # -- what happens ------------------------------------------------------------------------

    def appeared(self, link: LinkAt, now: float, put: float | None) -> None:
        """Note a link that was not there before. ``put``: when it was put at the earliest, where that is known."""
        self._puts[link] = LinkPut(now, put)

    def changed(self, link: LinkAt, now: float) -> None:
        """Note that a link was put over, or a configuration that it names has other values: nobody has heard of it."""
        self._puts[link] = LinkPut(now, None)

    def note_in_vain(self, link: LinkAt, now: float) -> None:
        """Note that a provider was told of a link before ``now`` and could not do what it says."""
        self._in_vain[link] = now

    def in_vain(self, link: LinkAt, start: ProviderStart) -> bool:
        """Whether a provider was told of a link in vain since it started."""
        noted = self._in_vain.get(link)
        return noted is not None and (start.started is None or start.started <= noted)

    def any_in_vain(self, source: str) -> bool:
        """Whether any link of a provider was told to it in vain."""
        return any(key[0] == source for key, _ in self._in_vain)

    def disappeared(self, link: LinkAt) -> None:
        """Note that a link is gone."""
        self._puts.pop(link, None)
        self._in_vain.pop(link, None)

    # -- what an earlier owner left ------------------------------------------------------------

    def expect_unsure(self, links: Iterable[LinkAt], configs: Iterable[str]) -> None:
        """Note, before the links of the lattice are read, of which of them an earlier owner did not see that providers
        were told: by themselves, and by configurations that it was about to change."""
        self._unsure |= frozenset(links)
        self._unsure_configs |= frozenset(configs)

    def found(self, links: Iterable[tuple[LinkAt, Iterable[str]]], now: float) -> None:
        """Note all links of the lattice as they are first read, each with the configurations that it names. Of a start
        that an earlier owner asked for it may be heard late, so that for a while no start is known to come after."""
        for link, configs in links:
            if link in self._unsure or not self._unsure_configs.isdisjoint(configs):
                self.changed(link, now + HEARD_WITHIN)
        self._unsure = frozenset()
        self._unsure_configs = frozenset()
