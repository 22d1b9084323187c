"""The list of a lattice's applications, in one message as far as one can hold it, else in pages.

A request may ask for a page (``{"limit": 100, "after": "name"}``); the original ignores the body of a list request, so
nothing else there is an error. A reply that leaves applications out says so under ``next``: the name to ask ``after``.
The original's clients read neither; what they get is shaped as they know it, shorter where NATS could not carry it:
without scalers first, and only then without the last applications.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Raw, Struct, json

from wadm.errors import Malformed
from wadm.model.status import ApplicationStatus
from wadm.server.logging import Limited, get_logger
from wadm.server.statuses import Statuses, Told
from wadm.server.store import Store
from wadm.server.view import LatticeRef, StoredApplication
from wadm.wire import api
from wadm.wire.reading import read

ROOM_FOR_FRAME: Final = 1024
"""Bytes of a message that the entries of a list leave free."""
LONGEST_BRIEF: Final = 200
"""Characters of a description or a status in a list that has to be short."""


class Page(Struct, frozen=True):
    """What a client asks for. Names are sorted by code point."""

    limit: Annotated[int, Meta(ge=1)] | None = None
    after: str = ""


class _Entry(Struct):
    """An application in a list, in full and, once that was needed, in brief."""

    record: StoredApplication
    told: Told | None
    full: bytes
    brief: bytes = b""


_page = json.Decoder(Page)


class Listing:
    """Makes lists; an entry is made anew only when its application or its status is another one."""

    def __init__(self, store: Store, statuses: Statuses, max_payload: int) -> None:
        self._store = store
        self._statuses = statuses
        self.fit(max_payload)
        self._entries: dict[str, dict[str, _Entry]] = {}
        self._limited = Limited(get_logger("wadm.server.listing"))

    def fit(self, max_payload: int) -> None:
        """Have replies fit into messages of so many bytes from now on."""
        self._room = max_payload - ROOM_FOR_FRAME

    def reply(self, place: LatticeRef, body: bytes) -> bytes:
        """Return the answer to ``get`` without a name."""
        return api.listed(*self._fitting(place, _asked(body)))

    def legacy_reply(self, place: LatticeRef) -> bytes:
        """Return the answer to ``list``, a bare array."""
        entries, more = self._fitting(place, Page())
        if more is not None:
            self._limited.warning("list", "A list does not fit into a message, its end was cut", lattice=place.lattice)
        return api.listed_legacy(entries)

    def _fitting(self, place: LatticeRef, page: Page) -> tuple[list[Raw], str | None]:
        """Return the entries of a page and, where some are left out, the last name that is in it."""
        entries, last, more = self._page(place, page, _in_full)
        if more and len(entries) != page.limit:
            entries, last, more = self._page(place, page, _in_brief)
        self._forget_deleted(place)
        return entries, last if more else None

    def _page(
        self, place: LatticeRef, page: Page, shown: Callable[[_Entry], bytes]
    ) -> tuple[list[Raw], str | None, bool]:
        """Return as many entries as are asked for and fit, the last name in them, and whether there are more.

        Nothing is made of applications beyond those: a page costs what is in it, however many there are.
        """
        kept = self._entries.setdefault(place.scope, {})
        entries: list[Raw] = []
        last, room = None, self._room
        for record in self._store.view.records_after(place, page.after):
            if len(entries) == page.limit:
                return entries, last, True
            told, one = self._statuses.get(place.lattice, record.name), kept.get(record.name)
            if one is None or one.record is not record or one.told is not told:
                one = kept[record.name] = _Entry(record, told, _full(record, told))
            entry = shown(one)
            room -= len(entry) + 1  # a comma
            if room < 0:
                return entries, last, True
            entries.append(Raw(entry))
            last = record.name
        return entries, last, False

    def _forget_deleted(self, place: LatticeRef) -> None:
        """Keep entries of lattices with applications only, at most twice as many as there are, and a few."""
        kept, view = self._entries[place.scope], self._store.view
        stored = view.count(place)
        if not stored:
            del self._entries[place.scope]
        elif len(kept) > 2 * stored + 100:
            names = (record.name for record in view.records(place))
            self._entries[place.scope] = {name: kept[name] for name in names if name in kept}


def _asked(body: bytes) -> Page:
    try:
        return read(_page, body, "page") if body else Page()
    except Malformed:
        return Page()


def _in_full(entry: _Entry) -> bytes:
    return entry.full


def _full(record: StoredApplication, told: Told | None) -> bytes:
    if told is None:
        return _summary(record, record.glance.description, api.WAITING)
    return _summary(record, record.glance.description, ApplicationStatus(told.type, told.message), told.raw)


def _in_brief(entry: _Entry) -> bytes:
    if not entry.brief:
        told, description = entry.told, entry.record.glance.description
        status = api.WAITING if told is None else ApplicationStatus(told.type, _cut(told.message))
        entry.brief = _summary(entry.record, None if description is None else _cut(description), status)
    return entry.brief


def _summary(
    record: StoredApplication, description: str | None, status: ApplicationStatus, raw: bytes | None = None
) -> bytes:
    seen = record.glance
    return api.encode_summary(
        api.summary(record.name, seen.versions[-1], description, seen.deployed_version, status, raw)
    )


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_BRIEF else text[:LONGEST_BRIEF] + "…"
