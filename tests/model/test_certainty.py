"""What is certain of links, configurations and hosts: one state each, and what leads from one to the next."""

from __future__ import annotations

import pytest

from wadm.model.certainty import Certainty, HostState
from wadm.model.lattice import Lattice

LINK, SIBLING, OTHER = (("web", "wasi", "keyvalue", name) for name in ("default", "second", "third"))
ELSEWHERE = ("api", "wasi", "http", "default")


def read() -> Certainty:
    certainty = Certainty()
    certainty.links_read = True
    return certainty


def test_a_link_is_unread_until_all_have_been_read() -> None:
    certainty = Certainty()
    certainty.doubtful.add(LINK)
    assert (certainty.of_link(LINK), certainty.knows_link(LINK)) == ("unread", False)
    assert (read().of_link(LINK), read().knows_link(LINK)) == ("certain", True)


def test_a_link_in_doubt_is_not_known_until_it_is_heard_of() -> None:
    certainty = read()
    certainty.doubtful.add(LINK)
    assert (certainty.of_link(LINK), certainty.knows_link(LINK)) == ("doubtful", False)
    assert certainty.of_link(SIBLING) == "certain"
    assert certainty.resolve_link(LINK)
    assert not certainty.resolve_link(LINK)
    assert certainty.of_link(LINK) == "certain"


def test_all_links_of_a_source_that_changed_are_unsettled_until_they_are_read_as_of_later() -> None:
    certainty = read()
    certainty.changed_sources["web"] = 10.0
    assert [certainty.of_link(key) for key in (LINK, SIBLING, ELSEWHERE)] == ["unsettled", "unsettled", "certain"]
    assert certainty.knows_link(LINK)
    assert certainty.note_reading(10.0, ()) == (set(), set())
    assert certainty.note_reading(10.1, ()) == (set(), {"web"})
    assert certainty.of_link(LINK) == "certain"


def test_a_reading_resolves_doubts_but_for_what_is_newer() -> None:
    certainty = read()
    certainty.doubtful |= {LINK, SIBLING}
    assert certainty.note_reading(10.0, {SIBLING, OTHER}) == ({LINK}, set())
    assert [certainty.of_link(key) for key in (LINK, SIBLING, OTHER)] == ["certain", "doubtful", "certain"]


def test_links_that_changed_before_a_reading_are_forgotten() -> None:
    certainty = read()
    certainty.changed_links |= {LINK: 5.0, SIBLING: 6.0}
    assert certainty.links_changed_since(6.0) == {SIBLING}
    assert certainty.links_changed_since(0.0) == {SIBLING}


def test_a_put_without_an_answer_may_come_late_and_only_for_so_long() -> None:
    certainty = read()
    certainty.late_puts |= {("link", "web"): 1.0, ("config", "url"): 2.0}
    assert certainty.of_link(LINK) == "unsettled"
    assert [certainty.of_config("url", asked) for asked in (True, False)] == ["unsettled", "unread"]
    assert certainty.end_late_puts(2.0) == [("link", "web")]
    assert certainty.of_link(LINK) == "certain"
    assert certainty.end_late_puts(2.1) == [("config", "url")]
    assert certainty.of_config("url", asked=True) == "certain"


@pytest.mark.parametrize(
    ("known", "silent", "unseen", "state"),
    [
        (True, False, False, "certain"),
        (True, True, False, "silent"),
        (False, False, False, "unheard"),
        (False, True, True, "unseen"),
        (True, True, True, "unseen"),
    ],
)
def test_the_state_of_a_host(known: bool, silent: bool, unseen: bool, state: HostState) -> None:
    lattice = Lattice()
    lattice.put_host("h1", "", {}, "1.9.0", 0.0)
    lattice.hosts["h1"].known = known
    lattice.certainty.silent.update({"h1": 1.0} if silent else {})
    lattice.certainty.unseen.update({"h1": 61.0} if unseen else {})
    assert lattice.certainty.of_host(lattice.hosts["h1"]) == state


def test_a_copy_changes_for_itself() -> None:
    certainty = read()
    certainty.doubtful.add(LINK)
    copy = certainty.copy()
    assert copy.resolve_link(LINK)
    copy.late_puts["link", "web"] = 1.0
    copy.silent["h1"] = 1.0
    assert vars(certainty) == vars(read()) | {"doubtful": {LINK}}
