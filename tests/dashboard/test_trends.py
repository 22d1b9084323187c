"""What the gateway remembers of the last day: the store alone, then all of it against a server; and Prometheus."""

from __future__ import annotations

import http.server
import json
import threading
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app
from tests.dashboard.stage import TOKENS, Stage, stage
from tests.dashboard.test_webhooks import until
from wadm.dashboard import prometheus, trends
from wadm.dashboard.options import Options
from wadm.dashboard.prometheus import Prometheus
from wadm.dashboard.slots import DAY, HOUR, RESOLUTIONS, Gauge, Tally
from wadm.dashboard.trend_views import Turn, changes, grouped
from wadm.dashboard.trends import Deployment, Trends
from wadm.engine.telling import tell, tell_outcome
from wadm.errors import Misconfigured
from wadm.model.commands import Outcome, ScaleComponent
from wadm.model.events import ComponentScaleFailed, HostStarted, LinkSetFailed, ProviderStartFailed
from wadm.model.lattice import Lattice, Link
from wadm.model.timeline import Entry, is_deployment, is_failure

NOW = 1_800_000_000.0
"""The beginning of a slot of both resolutions."""


def ending(row: list[Any], *numbers: Any) -> bool:
    return row[-len(numbers) :] == list(numbers)


# -- numbers over time -----------------------------------------------------------------------


def test_a_gauge_holds_what_was_heard_last_until_something_else_is() -> None:
    gauge = Gauge("H", NOW)
    gauge.set(3, NOW + 1)
    gauge.set(5, NOW + 46)
    assert ending(gauge.read(HOUR, NOW + 61), None, 3, 3, 3, 5, 5)
    assert ending(gauge.read(DAY, NOW + 61), None, 5)
    assert gauge.read(HOUR, NOW + 2 * HOUR.seconds) == [5] * HOUR.count


def test_a_gauge_of_the_lowest_shows_a_dip_however_short() -> None:
    gauge = Gauge("H", NOW, lowest=True)
    gauge.set(8, NOW)
    gauge.set(2, NOW + 301)
    gauge.set(8, NOW + 302)
    assert ending(
        gauge.read(DAY, NOW + 303), None, 8, 8
    )  # how it is now; that there was a dip is told once that is over
    assert ending(gauge.read(DAY, NOW + 700), None, 8, 2, 8)


def test_nothing_is_known_while_nothing_could_be_heard() -> None:
    gauge = Gauge("H", NOW)
    gauge.set(4, NOW)
    gauge.set(None, NOW + 16)
    assert ending(gauge.read(HOUR, NOW + 46), 4, 4, None, None)
    gauge.set(4, NOW + 60)
    assert ending(gauge.read(HOUR, NOW + 60), 4, 4, None, None, 4)


def test_a_tally_counts_each_thing_in_its_slot_and_knows_nothing_of_what_was_before() -> None:
    tally = Tally("H", NOW)
    tally.add(1, NOW + 1)
    tally.add(2, NOW + 16)
    tally.add(1, NOW + 2)  # heard late
    tally.add(1, NOW - 2 * DAY.seconds)  # so old that there is no slot for it
    assert ending(tally.read(HOUR, NOW + 46, since=NOW), None, 2, 2, 0, 0)


def test_numbers_that_are_too_large_are_kept_as_the_largest_and_never_as_unknown() -> None:
    gauge, tally = Gauge("H", NOW), Tally("H", NOW)
    gauge.set(1_000_000, NOW)
    tally.add(60_000, NOW)
    tally.add(60_000, NOW)
    assert gauge.read(HOUR, NOW)[-1] == tally.read(HOUR, NOW, 0)[-1] == 65_534


def test_a_clock_that_goes_back_loses_nothing() -> None:
    gauge = Gauge("H", NOW)
    gauge.set(4, NOW + 100)
    gauge.set(6, NOW)
    assert gauge.read(HOUR, NOW)[-1] == 6


# -- the store -------------------------------------------------------------------------------


def scripted() -> Trends:
    """Return what was heard of one lattice in a minute."""
    kept = Trends()
    kept.applications("default", {"shop": (4, 0), "calm": (2, 2)}, NOW, NOW)
    kept.application("default", "shop", 4, 4, NOW + 20)
    kept.happened(
        "default",
        [
            Entry(NOW + 5, "request", "version v1 put by ada", "shop"),
            Entry(NOW + 6, "request", "version v1 deployed by ada (first)", "shop"),
            Entry(NOW + 6, "request", "version v1 to be deployed", "shop"),
            Entry(NOW + 7, "command", "scale shop-ui to 4 on h1, because 4 are wanted", "shop"),
            Entry(NOW + 8, "answer", "refused: scale shop-ui to 4 on h1: no room", "shop"),
            Entry(NOW + 9, "command", "scale shop-ui to 4 on h1, because 4 are wanted", "shop"),
            Entry(NOW + 20, "status", "deployed", "shop"),
        ],
        NOW + 21,
    )
    return kept


def test_an_application_has_its_own_rows_and_the_lattice_their_sum() -> None:
    kept = scripted()
    shop = kept.of_application("default", "shop", HOUR, NOW + 30)
    assert ending(shop["wanted"], None, 4, 4, 4)
    assert ending(shop["running"], None, 0, 0, 4)
    assert ending(shop["commands"], None, 2, 0, 0)
    assert ending(shop["failures"], None, 1, 0, 0)
    lattice = kept.of_lattice("default", HOUR, NOW + 30)
    assert ending(lattice["wanted"], None, 6, 6, 6)
    assert ending(lattice["running"], None, 2, 2, 6)
    assert ending(lattice["settling"], None, 14.0, None)
    assert kept.of_application("default", "calm", HOUR, NOW + 30)["commands"][-3:] == [0, 0, 0]


def test_deployments_are_remembered_with_how_long_they_took() -> None:
    assert scripted().deployments("default", NOW) == [
        Deployment(NOW + 6, "shop", "version v1 deployed by ada (first)", 14.0)
    ]
    assert scripted().deployments("default", NOW, "calm") == []


def test_what_the_timeline_has_of_before_is_added_once() -> None:
    kept = scripted()
    past = [
        Entry(NOW - 400, "request", "version v0 deployed", "shop"),
        Entry(NOW - 390, "command", "scale", "shop"),
        Entry(NOW - 380, "status", "deployed", "shop"),
        Entry(NOW + 7, "command", "was heard already", "shop"),
    ]
    kept.happened_before("default", past, NOW - 3600)
    kept.happened_before("default", past, NOW - 3600)
    rows = kept.of_lattice("default", DAY, NOW + 30)
    assert ending(rows["commands"], 1, 0, 2)
    assert rows["commands"][-14:-12] == [None, 0]
    assert [one.text for one in kept.deployments("default", 0)] == [
        "version v0 deployed",
        "version v1 deployed by ada (first)",
    ]


def test_what_happened_counts_though_it_is_told_before_the_status() -> None:
    kept = Trends()
    kept.happened("default", [Entry(NOW + 1, "command", "scale", "fresh")], NOW + 1)
    kept.application("default", "fresh", 2, 0, NOW + 2)
    rows = kept.of_application("default", "fresh", HOUR, NOW + 3)
    assert (rows["commands"][-1], rows["wanted"][-1]) == (1, 2)


def test_applications_that_are_gone_are_forgotten() -> None:
    kept = scripted()
    kept.applications("default", {"calm": (2, 2)}, NOW + 40, NOW + 40)
    assert [name for name, _, _ in kept.of_applications("default", HOUR, NOW + 40)] == ["calm"]
    assert kept.of_lattice("default", HOUR, NOW + 60)["wanted"][-1] == 2


def test_what_was_heard_after_all_were_asked_for_is_newer_than_the_answer() -> None:
    kept = Trends()
    kept.application("default", "fresh", 2, 1, NOW + 2)  # put after the list was made that comes now
    kept.application("default", "shop", 4, 4, NOW + 2)
    kept.applications("default", {"shop": (4, 1), "calm": (1, 1)}, NOW + 1, NOW + 3)
    assert {name: running[-1] for name, _, running in kept.of_applications("default", HOUR, NOW + 4)} == {
        "fresh": 1,
        "shop": 4,
        "calm": 1,
    }
    assert kept.of_lattice("default", HOUR, NOW + 4)["running"][-1] == 6


def test_hosts_are_counted_once_each_has_had_time_to_be_heard() -> None:
    kept = Trends()
    for number in range(3):
        kept.host("default", f"h{number}", number, NOW + number)
    kept.sweep(NOW + 10)
    assert kept.of_lattice("default", HOUR, NOW + 10)["hosts"][-1] is None
    for number in range(3):
        kept.host("default", f"h{number}", number, NOW + 30 + number)
    kept.sweep(NOW + 40)
    assert kept.of_lattice("default", HOUR, NOW + 40)["hosts"][-1] == 3
    kept.host_gone("default", "h0", NOW + 41)
    kept.host("default", "h1", 7, NOW + 60)
    kept.sweep(NOW + 170)  # h2 was not heard for more than two minutes
    assert kept.of_lattice("default", HOUR, NOW + 190)["hosts"][-1] == 1
    assert kept.of_host("default", "h1", HOUR, NOW + 170)["instances"][-1] == 7
    assert kept.of_host("default", "h2", HOUR, NOW + 190)["instances"][-1] is None


def test_while_nats_is_away_nothing_is_known_and_then_all_is_learnt_anew() -> None:
    kept = scripted()
    kept.host("default", "h1", 3, NOW + 30)
    kept.sweep(NOW + 36)
    kept.unknown(NOW + 40)
    kept.application("default", "shop", 4, 3, NOW + 75)  # one is heard before all are asked for
    rows = kept.of_lattice("default", HOUR, NOW + 76)
    assert (rows["running"][-1], rows["wanted"][-1], rows["hosts"][-1]) == (None, None, None)
    kept.known_again(NOW + 77)
    kept.applications("default", {"shop": (4, 3), "calm": (2, 2)}, NOW + 77, NOW + 77)
    assert kept.of_lattice("default", HOUR, NOW + 77)["running"][-1] == 5


def slot_bytes(*codes: str) -> int:
    return sum({"H": 2, "I": 4}[code] * one.count for code in codes for one in RESOLUTIONS)


def test_its_size_is_what_lattices_applications_and_hosts_make_it(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Trends()
    for lattice in range(3):
        kept.applications(f"l{lattice}", {f"a{n}": (1, 1) for n in range(4)}, NOW, NOW)
        for host in range(5):
            kept.host(f"l{lattice}", f"h{host}", 1, NOW)
    assert kept.size == 3 * slot_bytes(*"IIIIIII") + 12 * slot_bytes(*"HHHH") + 15 * slot_bytes("H")
    for second in range(5000):  # whatever happens, and however long
        kept.application("l0", "a0", second % 50, second % 7, NOW + 20 * second)
        kept.happened("l0", [Entry(NOW + 20 * second, "command", "scale", "a0")], NOW + 20 * second)
    assert kept.size == 3 * slot_bytes(*"IIIIIII") + 12 * slot_bytes(*"HHHH") + 15 * slot_bytes("H")


def test_names_that_anybody_can_invent_do_not_fill_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trends, "MOST_LATTICES", 3)
    monkeypatch.setattr(trends, "MOST_APPLICATIONS", 10)
    monkeypatch.setattr(trends, "MOST_HOSTS", 10)
    kept = Trends()
    for number in range(100):
        kept.host(f"l{number}", "h", 1, NOW)
        kept.host("l0", f"h{number}", 1, NOW)
        kept.application("l0", f"a{number}", 1, 1, NOW)
        kept.happened("l0", [Entry(NOW, "request", f"version v{number} deployed", f"b{number}")], NOW)
    kept.applications("l1", {f"c{n}": (1, 1) for n in range(100)}, NOW, NOW)
    assert kept.size == 3 * slot_bytes(*"IIIIIII") + 10 * slot_bytes(*"HHHH") + 10 * slot_bytes("H")
    assert kept.lattices == ("l0", "l1", "l2")
    kept.sweep(NOW + DAY.seconds + 1)
    assert (kept.lattices, kept.size) == ((), 0)


def test_every_text_that_tells_of_a_failure_is_taken_for_one() -> None:
    lattice = Lattice()
    command = ScaleComponent("c", "N1", 2, "image:1", "hello", {})
    for result in ("accepted", "refused", "unanswered", "unreachable"):
        entry = Entry(NOW, "answer", tell_outcome(Outcome(command, result, "no room"), lattice))  # type: ignore[arg-type]
        assert is_failure(entry) is (result != "accepted"), entry
    link = Link("a", "b", "default", "wasi", "http", ("handler",))
    for event, failed in (
        (ComponentScaleFailed("N1", "c", "image:1", "no room"), True),
        (ProviderStartFailed("N1", "p", "image:1", "no room"), True),
        (LinkSetFailed(link, "no room"), True),
        (HostStarted("N1", "h", {}, "1"), False),
    ):
        told = tell(event, lattice)  # type: ignore[arg-type]
        assert is_failure(Entry(NOW, "event", told.text if told else "the host started")) is failed, event


def test_what_changes_what_is_deployed_is_a_deployment_and_nothing_else_is() -> None:
    for text, expected in (
        ("version v1 deployed by ada (first)", True),
        ("rollback to version v1", True),
        ("undeployed by ada", True),
        ("deleted, with all its versions", True),
        ("version v1 put in its own place", True),
        ("version v1 put by ada", False),
        ("version v1 deployed again", False),
        ("version v1 to be deployed", False),
        ("version v1 deleted", False),
    ):
        assert is_deployment(Entry(NOW, "request", text)) is expected, text


# -- over HTTP -------------------------------------------------------------------------------

LATTICE = "/api/v1/lattices/default"


def rows(running: Stage, path: str) -> dict[str, list[float | None]]:
    found: dict[str, list[float | None]] = running.get(f"{LATTICE}{path}").json["rows"]
    return found


def test_what_happened_is_there_as_rows_and_deployments(running: Stage) -> None:
    running.put(an_app("hello", instances=3))
    running.deploy("hello", message="first")
    running.wait_for("hello", "deployed")
    until(lambda: rows(running, "/applications/hello/trends?last=900")["wanted"][-1] == 3)
    until(lambda: sum(n or 0 for n in rows(running, "/applications/hello/trends?last=900")["commands"]) > 0)
    trend = running.get(f"{LATTICE}/trends?last=900").json
    assert (trend["step"], len(trend["rows"]["wanted"]), trend["source"]) == (15, 60, "gateway")
    until(lambda: running.get(f"{LATTICE}/trends").json["deployments"][0].get("seconds"))
    assert [one["text"] for one in running.get(f"{LATTICE}/trends").json["deployments"]] == [
        "version v1 deployed by ada (first)"
    ]
    host = running.get(f"{LATTICE}/hosts").json["hosts"][0]["id"]
    assert len(rows(running, f"/hosts/{host}/trends")["instances"]) == 288
    lines = running.get(f"{LATTICE}/sparklines?last=3600").json
    assert (lines["slots"], lines["step"]) == (60, 60)
    assert lines["applications"]["hello"][-1]["wanted"] == 3


def test_a_gateway_that_starts_later_knows_what_is_deployed_and_was_commanded(
    running: Stage, nats_server_factory: NatsServerFactory
) -> None:
    running.put(an_app("hello", instances=3))
    running.deploy("hello")
    running.wait_for("hello", "deployed")

    def told() -> list[str]:
        return [one["kind"] for one in running.get(f"{LATTICE}/applications/hello/events").json["events"]]

    until(lambda: told()[-1:] == ["status"])  # what happened is told a moment after it did
    before = told().count("command")
    assert before > 0
    listener = running.listener
    listener.stop()
    running.listener = type(listener)(listener._options, listener._connect)
    running.listener.start()
    until(lambda: running.get("/readyz").status == 200)
    until(lambda: rows(running, "/applications/hello/trends")["running"][-1] == 3)
    until(lambda: sum(n or 0 for n in rows(running, "/applications/hello/trends")["commands"]) == before)


def test_how_far_back_one_may_look_is_checked(hostless: Stage) -> None:
    answer = hostless.get(f"{LATTICE}/trends?last=1")
    assert (answer.status, "an integer from 300 up" in answer.json["message"]) == (400, True)


def test_sparklines_tell_changes_of_slots_put_together() -> None:
    assert grouped([None] * 4 + [3, 2, 5, None], lowest=True) == [None, 2]
    assert grouped([None] * 4 + [3, 2, 5, None], lowest=False) == [None, 5]
    assert changes([None, 2, 2, 3], [None, 2, 2, 2]) == [Turn(1, 2, 2), Turn(3, 3, 2)]


# -- Prometheus ------------------------------------------------------------------------------


@contextmanager
def a_prometheus(series: dict[str, str], status: int = 200) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """Answer queries with ``series``: what a query must contain, and the number that is answered for every moment."""
    asked: list[dict[str, str]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            said = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
            asked.append(said)
            start, end, step = (int(said[name]) for name in ("start", "end", "step"))
            found = next((number for words, number in series.items() if words in said["query"]), None)
            values = [[when, found] for when in range(start, end + 1, step)]
            result = [{"metric": {"application": "hello"}, "values": values}] if found else []
            body = json.dumps({"status": "success", "data": {"resultType": "matrix", "result": result}}).encode()
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_longer_trends_come_from_prometheus(nats_server_factory: NatsServerFactory) -> None:
    with a_prometheus({'state="running"': "4", 'state="wanted"': "6", "wadm_commands_total": "NaN"}) as (url, asked):
        options = Options(tokens=TOKENS, prometheus=Prometheus(url))
        with stage(nats_server_factory(), hosts=(), options=options) as running:
            assert running.get("/api/v1/session").json["trends"] == 30 * 86400
            week = running.get(f"{LATTICE}/trends?last=604800").json
            assert (week["source"], week["step"], len(week["rows"]["running"])) == ("prometheus", 2040, 296)
            assert set(week["rows"]["running"]) == {4}
            assert set(week["rows"]["commands"]) == {None}
            one = running.get(f"{LATTICE}/applications/hello/trends?last=604800").json
            assert set(one["rows"]["wanted"]) == {6}
    assert any('lattice="default",application="hello"' in said["query"] for said in asked)


@pytest.mark.parametrize("status", [500, None])
def test_what_the_gateway_keeps_is_shown_where_prometheus_does_not_answer(
    nats_server_factory: NatsServerFactory, status: int | None
) -> None:
    with a_prometheus({}, status or 200) as (url, _):
        options = Options(tokens=TOKENS, prometheus=Prometheus(url if status else "http://127.0.0.1:1"))
        with stage(nats_server_factory(), hosts=(), options=options) as running:
            told = running.get(f"{LATTICE}/trends?last=604800").json
    assert told["source"] == "gateway"
    assert ("answered 500" if status else "cannot be reached") in told["problem"]


def test_a_name_cannot_break_out_of_a_query() -> None:
    query = prometheus.of_application('a"} or vector(1)', "b\\", 60)["wanted"]
    assert 'lattice="a\\"} or vector(1)",application="b\\\\"' in query


def test_what_is_no_url_of_a_prometheus_is_refused_at_the_start() -> None:
    for url in ("prometheus:9090", "ftp://prometheus", "http://", "file:///etc/passwd"):
        with pytest.raises(Misconfigured, match="--http-prometheus needs the URL"):
            Prometheus(url)
