"""Starts of providers: when each was asked for, happened, and was first reported healthy or not."""

from __future__ import annotations

from wadm.model.provider_starts import HEARD_WITHIN, REPORT_DUE, SUBSCRIBES_WITHIN, ProviderStarts

ARCHIVE, BUILTIN = "ghcr.io/demo/http:1", "http-server"


def test_a_process_is_known_to_listen_from_its_first_report_on() -> None:
    starts = ProviderStarts()
    starts.started("h1", "http", ARCHIVE, now=100.0, asked=99.5)
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listens, start.reported, start.silent_for(103.0)) == (None, None, 3.0)

    assert starts.reported("h1", "http", 105.0) is True
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listens, start.reported, start.silent_for(110.0)) == (105.0, 105.0, None)
    assert starts.reported("h1", "http", 135.0) is False


def test_a_builtin_listens_at_once_and_owes_no_report() -> None:
    starts = ProviderStarts()
    starts.started("h1", "http", BUILTIN, now=100.0)
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listens, start.silent_for(999.0)) == (100.0, None)
    assert starts.expired(999.0) == []


def test_the_list_holds_what_was_there_when_the_start_was_asked_or_long_before_it_was_heard_of() -> None:
    starts = ProviderStarts()
    starts.started("ours", "http", ARCHIVE, now=100.0, asked=99.8)
    starts.started("slow", "http", ARCHIVE, now=100.0, asked=40.0)
    starts.started("theirs", "http", ARCHIVE, now=100.0)
    starts.missed("unheard", "http", ARCHIVE, now=100.0)
    listed = {
        host: start.listed for host in ("ours", "slow", "theirs", "unheard") if (start := starts.get(host, "http"))
    }
    theirs = 100.0 - HEARD_WITHIN
    assert listed == {"ours": 99.8, "slow": 40.0, "theirs": theirs, "unheard": float("-inf")}


def test_what_is_found_running_has_all_links_and_owes_no_report() -> None:
    starts = ProviderStarts()
    starts.found("h1", "http", ARCHIVE, now=100.0)
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listed, start.listens, start.silent_for(500.0)) == (100.0, 100.0, None)


def test_what_is_found_later_may_not_have_heard_of_what_its_owner_has_changed_since_it_began() -> None:
    """Its host did not answer when that owner took over, and the provider was there already."""
    starts = ProviderStarts()
    starts.began = 90.0
    starts.found("h1", "http", ARCHIVE, now=100.0)
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listed, start.listens) == (90.0, 100.0)


def test_a_report_of_having_become_healthy_tells_that_what_was_found_had_just_been_started() -> None:
    starts = ProviderStarts()
    for host, passed in (("new", True), ("old", False)):
        starts.found(host, "http", ARCHIVE, now=100.0)
        starts.reported(host, "http", 104.0, passed)
    new, old = starts.get("new", "http"), starts.get("old", "http")
    assert new is not None
    assert old is not None
    assert (new.listens, old.listens) == (104.0, 100.0)


def test_what_comes_back_with_its_lost_host_has_the_links_of_before() -> None:
    starts = ProviderStarts()
    starts.started("h1", "http", ARCHIVE, now=100.0)
    starts.reported("h1", "http", 105.0)
    starts.host_gone("h1", last_heard=130.0)
    assert starts.get("h1", "http") is None
    starts.found("h1", "http", ARCHIVE, now=200.0)
    start = starts.get("h1", "http")
    assert start is not None
    assert (start.listed, start.listens) == (130.0, 200.0)


def test_no_report_for_long_is_told_once() -> None:
    starts = ProviderStarts()
    starts.started("h1", "quiet", ARCHIVE, now=100.0)
    starts.started("h1", "well", ARCHIVE, now=100.0)
    starts.started("h1", "gone", ARCHIVE, now=100.0)
    starts.reported("h1", "well", 105.0)
    starts.stopped("h1", "gone")
    assert starts.expired(100.0 + SUBSCRIBES_WITHIN - 0.1) == []
    assert starts.expired(100.0 + SUBSCRIBES_WITHIN) == [("h1", "quiet")]
    assert starts.expired(500.0) == []


def test_a_host_that_has_reported_any_provider_is_one_that_reports() -> None:
    starts = ProviderStarts()
    starts.started("h1", "http", ARCHIVE, now=100.0)
    assert starts.reports("h1") is False
    starts.reported("h1", "http", 105.0)
    starts.stopped("h1", "http")
    assert (starts.reports("h1"), starts.reports("h2")) == (True, False)


def test_what_hosts_reported_counts_where_providers_cannot_be_asked_any_more() -> None:
    starts = ProviderStarts()
    starts.answers = True
    for host in ("h1", "h2"):
        starts.started(host, "http", ARCHIVE, now=100.0)
    assert starts.reported("h1", "http", 105.0, alone=False) is False, "the other may have answered"
    assert starts.not_permitted() == [("h1", "http")]
    assert starts.reported("h2", "http", 110.0, alone=False) is True
    reported = [start.reported for host in ("h1", "h2") if (start := starts.get(host, "http")) is not None]
    assert reported == [105.0, 110.0]
    assert starts.not_permitted() == []


def test_a_copy_is_not_changed_with_the_original() -> None:
    starts = ProviderStarts()
    starts.started("h1", "http", ARCHIVE, now=100.0)
    other = starts.copy()
    starts.reported("h1", "http", 105.0)
    start = other.get("h1", "http")
    assert start is not None
    assert start.reported is None


def test_what_was_found_running_is_asked_when_its_report_did_not_come_or_says_nothing() -> None:
    """On several hosts a report is no evidence. What is judged by it must not be given up for want of a question."""
    starts = ProviderStarts()
    starts.answers = True
    for host, provider_id in (("h1", "alone"), ("h1", "twice"), ("h2", "twice"), ("h1", "mute")):
        starts.found(host, provider_id, ARCHIVE, now=100.0)
    starts.found("h1", "builtin", BUILTIN, now=100.0)
    starts.reported("h1", "alone", 110.0)
    for host in ("h1", "h2"):
        starts.reported(host, "twice", 110.0, alone=False)
    assert starts.overdue(100.0 + REPORT_DUE - 1) == []
    assert starts.overdue(100.0 + REPORT_DUE) == ["twice", "twice", "mute"]
    for host in ("h1", "h2"):
        assert starts.answered(host, "twice", 132.0) is True
    assert starts.overdue(132.0) == ["mute"]
    assert starts.expired(100.0 + SUBSCRIBES_WITHIN) == []
    assert starts.overdue(100.0 + SUBSCRIBES_WITHIN) == []
