"""Which links a provider may lack without anybody being able to know: what the check of links passes over."""

from __future__ import annotations

from wadm.hosts.provider_links import ProviderLinks, ToldLink

LINK = ToldLink(source_id="p", target="c", name="default", wit_namespace="wasi", wit_package="http", interfaces=())


def that_listens(*listed: ToldLink, skipped: tuple[ToldLink, ...] = ()) -> ProviderLinks:
    links = ProviderLinks()
    links.begin({link.id: link for link in listed}, [link.id for link in skipped])
    links.listens = True
    return links


def test_a_link_that_was_put_while_the_provider_started_is_not_excused() -> None:
    links = ProviderLinks()
    links.begin({})
    links.hear("put", LINK)
    links.skip(LINK.id)
    assert not links.is_excused(LINK.id, "owner")


def test_a_list_may_lack_a_link_of_which_the_host_heard_too_late_until_the_provider_hears_anything_of_it() -> None:
    links = that_listens()
    assert links.was_not_listed(LINK.id)
    links.hear("put", LINK)
    links.hear("del", LINK)
    assert not links.was_not_listed(LINK.id)
    assert not that_listens(LINK).was_not_listed(LINK.id)


def test_a_list_may_have_a_link_as_it_was_before_its_host_heard_of_a_change() -> None:
    as_it_was, as_it_is = (frozenset[str](), ("old",), ()), (frozenset[str](), ("new",), ())
    links = ProviderLinks()
    links.begin({LINK.id: LINK}, (), {LINK.id: as_it_was})
    links.listens = True
    links.hear("put", LINK)  # which is ignored, as it has the link
    assert links.was_not_listed(LINK.id, as_it_is)
    assert not links.was_not_listed(LINK.id, as_it_was), "that its configuration has other values, it has to be told"
    links.hear("del", LINK)
    links.hear("put", LINK)
    assert not links.was_not_listed(LINK.id, as_it_is)


def test_what_a_list_says_holds_until_the_provider_hears_anything_of_the_link() -> None:
    """What it says may be what a configuration held before: its host reads from a copy that may be behind."""
    links = that_listens(LINK)
    assert links.was_only_listed(LINK.id)
    links.hear("del", LINK)
    links.hear("put", LINK)
    assert not links.was_only_listed(LINK.id)
    assert not that_listens().was_only_listed(LINK.id)
    links.begin({LINK.id: LINK}, restarted=True)
    assert not links.was_only_listed(LINK.id)


def test_what_is_listed_when_a_host_starts_a_provider_again_by_itself_was_heard_of_long_before() -> None:
    links = that_listens()
    links.begin({}, restarted=True)
    assert not links.was_not_listed(LINK.id)


def test_a_link_that_its_host_could_not_read_is_excused_until_it_is_put_anew() -> None:
    links = that_listens(skipped=(LINK,))
    assert links.is_excused(LINK.id, "owner")
    links.hear("put", LINK)
    assert not links.is_excused(LINK.id, "owner")
    links = that_listens()
    links.skip(LINK.id)
    assert links.is_excused(LINK.id, "owner")
    links.begin({})
    assert not links.is_excused(LINK.id, "owner")


def test_a_link_that_its_host_never_saw_go_is_excused_only_where_the_provider_heard_that_it_went() -> None:
    links = that_listens()
    links.still_there(LINK.id)
    assert not links.is_excused(LINK.id, "owner")
    links = that_listens(LINK)
    links.hear("del", LINK)
    assert not links.is_excused(LINK.id, "owner")
    links.still_there(LINK.id)
    assert links.is_excused(LINK.id, "owner")


def test_a_link_that_its_host_tells_it_of_at_this_moment_is_excused_only_if_it_listens() -> None:
    links = that_listens()
    links.telling.add(LINK.id)
    assert links.is_excused(LINK.id, "owner")
    links.listens = False
    assert not links.is_excused(LINK.id, "owner")


def test_a_link_of_which_the_record_was_lost_is_excused_for_later_owners_until_the_provider_hears_of_it() -> None:
    links = that_listens()
    links.forgotten[LINK.id] = "owner"
    assert not links.is_excused(LINK.id, "owner")
    assert links.is_excused(LINK.id, "successor")
    links.hear("put", LINK)
    assert not links.is_excused(LINK.id, "successor")
