"""The API over HTTP: the same answers as over NATS, as resources, as streams."""

from __future__ import annotations

import json
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.conftest import NatsServerFactory
from tests.dashboard.manifests import an_app, shop
from tests.dashboard.stage import FULL, READ, Stage, stage
from tests.dashboard.test_webhooks import until
from tests.real import shared
from wadm.dashboard import gateway
from wadm.dashboard.options import Options
from wadm.dashboard.tokens import read_tokens

LATTICE = "/api/v1/lattices/default"
UNVERSIONED = an_app("new", version="@").replace('version: "@", ', "")


def tape() -> SimpleNamespace:
    """What the tool that recorded the original's answers compares with; the rest of it is a program."""
    functions = shared("tools/tape.py").read_text().partition("\nasync def main")[0].replace("import nats\n", "")
    found: dict[str, Any] = {}
    exec(functions, found)
    return SimpleNamespace(mask=found["mask"], same=found["same"])


def test_all_recorded_answers_of_the_original_come_over_http_alike(hostless: Stage) -> None:
    known = tape()
    different = []
    for scenario in json.loads(shared("golden/api.json").read_text()):
        lattice = f"t{uuid.uuid4().hex[:10]}"
        for step in scenario["steps"]:
            payload = step.get("payload", "")
            text = payload if isinstance(payload, str) else json.dumps(payload)
            headers = {name.replace("-", "_"): value for name, value in step.get("headers", {}).items()}
            path = f"/api/v1/lattices/{lattice}/requests/{step['subject']}"
            answer = hostless.post(path, text.replace("{lattice}", lattice), **headers)
            got = known.mask(answer.json, lattice)
            if not known.same(step, step["answer"], got):
                different.append((scenario["name"], step["subject"], step["answer"], got))
    assert different == []


def test_the_life_of_an_application(running: Stage) -> None:
    stored = running.put(shop("v1"))
    assert (stored.status, stored.json["result"], stored.json["current_version"]) == (201, "created", "v1")
    again = running.put(shop("v1"))
    assert (again.status, again.json["message"]) == (409, "Manifest version v1 already exists")
    plan = running.get(f"{LATTICE}/applications/shop/plan").json["plan"]
    assert plan["steps"]
    asked = running.deploy("shop", version="v1", plan=plan["id"], message="first")
    assert (asked.status, asked.json["result"]) == (200, "acknowledged")
    running.wait_for("shop", "deployed")
    history = running.get(f"{LATTICE}/applications/shop/history").json["revisions"]
    assert [(one["action"], one["author"], one["message"]) for one in history] == [("deploy", "ada", "first")]
    explained = running.get(f"{LATTICE}/applications/shop/explain").json["explanation"]
    assert {one["status"] for one in explained["scalers"]} == {"deployed"}
    running.put(shop("v2", instances=8))
    versions = running.get(f"{LATTICE}/applications/shop/versions").json["versions"]
    assert [(one["version"], one["deployed"]) for one in versions] == [("v1", True), ("v2", False)]
    assert running.post(f"{LATTICE}/applications/shop/deploy").json["version"] == "v2"
    running.wait_for("shop", "deployed")
    assert running.post(f"{LATTICE}/applications/shop/rollback", "{}").json["version"] == "v1"
    assert running.post(f"{LATTICE}/applications/shop/undeploy").json["result"] == "acknowledged"
    running.wait_for("shop", "undeployed")
    assert running.ask("DELETE", f"{LATTICE}/applications/shop?version=v2").json["result"] == "deleted"
    assert running.ask("DELETE", f"{LATTICE}/applications/shop").json["result"] == "deleted"
    assert running.get(f"{LATTICE}/applications/shop").status == 404


def test_a_plan_of_a_manifest_stores_nothing(running: Stage) -> None:
    planned = running.post(f"{LATTICE}/plan", an_app("new"), token=READ)
    assert planned.json["plan"]["application"] == "new"
    assert running.get(f"{LATTICE}/applications").json["models"] == []


def test_a_refused_manifest_is_told_with_all_its_problems(hostless: Stage) -> None:
    refused = hostless.put(an_app("bad name!", image=""))
    assert refused.status == 400
    assert refused.json["result"] == "error"
    assert refused.json["problems"]


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/applications/none", 404, "not found"),
        ("/applications/none/versions", 404, "not found"),
        ("/applications/none/plan", 404, "not found"),
        ("/applications/a%20b/status", 400, "'a b' cannot be the application: letters, digits"),
        ("/applications/a.b/status", 400, "'a.b' cannot be the application"),
        ("/applications/%3E/status", 400, "'>' cannot be the application"),
        ("/applications?limit=many", 400, "'limit' must be an integer from 1 up, not 'many'"),
        ("/applications?limit=0", 400, "'limit' must be an integer from 1 up"),
        ("/hosts?limit=abc", 400, "'limit' must be an integer from 1 up"),
        ("/hosts?limit=-5", 400, "'limit' must be an integer from 1 up"),
        ("/hosts?foo=1", 400, "knows no 'foo' in the query, only labels, limit, after"),
        ("/events?since=9999999999999", 400, "'since' must be a number from 0 up to 253402300799"),
        ("/links", 404, "No host of lattice default answers"),
        ("/configs/some", 404, "No host of lattice default answers"),
        ("/events?since=inf", 400, "'since' must be a number"),
        ("/events?until=nan", 400, "'until' must be a number"),
        ("/events?since=-1", 400, "'since' must be a number from 0 up"),
        ("/applications?limit=1&limit=2", 400, "twice"),
        ("/applications?pages=2", 400, "knows no 'pages'"),
        ("/hosts?labels=zone", 400, "'labels' must be a text like"),
        ("/hosts/none", 404, "No host none"),
        ("/stream/nothing", 404, "streams of"),
        ("/nothing", 404, "There is nothing"),
    ],
)
def test_what_cannot_be_answered_says_why(hostless: Stage, path: str, status: int, words: str) -> None:
    answer = hostless.get(LATTICE + path)
    assert (answer.status, words in answer.json["message"]) == (status, True), answer.json


def test_a_name_that_is_no_lattice_reaches_no_subject(hostless: Stage) -> None:
    answer = hostless.get("/api/v1/lattices/a.b/applications")
    assert answer.status == 400
    assert answer.json["message"] == "'a.b' cannot be the lattice: letters, digits, - and _ only, 200 at most"


def test_the_plan_of_a_manifest_without_a_version_says_how_it_will_be(running: Stage) -> None:
    planned = running.post(f"{LATTICE}/plan", UNVERSIONED).json["plan"]
    assert (planned["version"], planned["status"]["type"]) == (None, "deployed")
    stored = running.put(UNVERSIONED).json["current_version"]
    again = running.get(f"{LATTICE}/applications/new/plan?version={stored}").json["plan"]
    assert (again["id"], again["status"]["type"]) == (planned["id"], "deployed")


def test_a_deployment_that_changes_nothing_is_deployed_and_can_be_gone_back_to(running: Stage) -> None:
    for version, instances in (("v1", 1), ("v1b", 1), ("v2", 2)):
        running.put(an_app("hello", version=version, instances=instances))
        running.deploy("hello", version=version)
        until(lambda: _outcomes(running)[-1] == "deployed")
    assert _outcomes(running) == ["deployed"] * 3
    assert running.get(f"{LATTICE}/applications/hello/plan?rollback=true").json["plan"]["version"] == "v1b"
    assert running.post(f"{LATTICE}/applications/hello/rollback").json["version"] == "v1b"


def _outcomes(running: Stage) -> list[str]:
    history = running.get(f"{LATTICE}/applications/hello/history").json
    return [one.get("outcome", "") for one in history.get("revisions", [{}])]


def test_what_never_ran_is_not_gone_back_to(running: Stage) -> None:
    running.put(an_app("hello", version="v1"))
    running.put(an_app("hello", version="v2", instances=1))
    running.deploy("hello", version="v2")
    until(lambda: _outcomes(running) == ["deployed"])
    for answer in (
        running.post(f"{LATTICE}/applications/hello/rollback"),
        running.get(f"{LATTICE}/applications/hello/plan?rollback=true"),
    ):
        assert (answer.status, "has no version to go back to" in answer.json["message"]) == (409, True)


@pytest.mark.parametrize("change", ["deploy", "rollback", "undeploy"])
def test_a_plan_binds_every_change(running: Stage, change: str) -> None:
    for number, version in enumerate(("v1", "v2"), 1):
        running.put(an_app("hello", version=version, instances=number))
        running.deploy("hello", version=version)
        until(lambda number=number: _outcomes(running) == ["deployed"] * number)  # type: ignore[misc]
    query = {"deploy": "version=v1", "rollback": "rollback=true", "undeploy": "undeploy=true"}[change]
    plan = running.get(f"{LATTICE}/applications/hello/plan?{query}").json["plan"]["id"]
    said = {"version": "v1"} if change == "deploy" else {}
    stale = running.post(f"{LATTICE}/applications/hello/{change}", json.dumps({**said, "plan": "0123456789ab"}))
    assert (stale.status, "does not hold any more" in stale.json["message"]) == (409, True)
    assert _outcomes(running) == ["deployed"] * 2
    assert running.post(f"{LATTICE}/applications/hello/{change}", json.dumps({**said, "plan": plan})).status == 200


def test_the_author_is_whom_the_token_is_of_whatever_a_request_says(running: Stage) -> None:
    running.put(an_app("hello", version="v1"))
    running.put(an_app("hello", version="v2", instances=1))
    running.deploy("hello", version="v1", author="bob")
    running.post("/api/v1/lattices/default/requests/model.deploy.hello", '{"version": "v2", "author": "bob"}')
    running.post("/api/v1/lattices/default/requests/model.undeploy.hello")
    history = running.get(f"{LATTICE}/applications/hello/history").json["revisions"]
    assert [one["author"] for one in history] == ["ada"] * 3


def test_a_body_that_is_nested_deep_is_refused(running: Stage) -> None:
    for path in ("applications/hello/deploy", "requests/model.deploy.hello"):
        answer = running.post(f"{LATTICE}/{path}", '{"x":' + "[" * 200_000)
        assert (answer.status, answer.json["message"]) == (400, "The body is nested too deep")


def test_a_lattice_that_only_a_request_has_named_is_forgotten(hostless: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "INVENTED", 0.0)
    assert hostless.post("/api/v1/lattices/invented/applications", an_app("hello")).status == 201
    assert hostless.get("/api/v1/lattices").json["lattices"] == ["default"]


def test_lists_come_in_pages(hostless: Stage) -> None:
    for name in ("a", "b", "c"):
        hostless.put(an_app(name))
    first = hostless.get(f"{LATTICE}/applications?limit=2").json
    rest = hostless.get(f"{LATTICE}/applications?limit=2&after={first['next']}").json
    assert [[one["name"] for one in page["models"]] for page in (first, rest)] == [["a", "b"], ["c"]]
    assert "next" not in rest


def test_hosts_are_found_by_a_requirement_and_come_in_pages(running: Stage) -> None:
    hosts = running.get(f"{LATTICE}/hosts").json["hosts"]
    east = running.get(f"{LATTICE}/hosts?labels=zone=east,tier=edge").json["hosts"]
    assert [len(hosts), len(east)] == [3, 2]
    first = running.get(f"{LATTICE}/hosts?limit=2").json
    rest = running.get(f"{LATTICE}/hosts?limit=2&after={first['next']}").json
    assert [host["id"] for page in (first, rest) for host in page["hosts"]] == [host["id"] for host in hosts]
    assert running.get(f"{LATTICE}/hosts/{hosts[0]['id']}").json["host"]["labels"] == hosts[0]["labels"]


class Listening(threading.Thread):
    """Reads a stream of events until ``enough`` says so."""

    def __init__(self, running: Stage, path: str, enough: Any, *, wait: bool = True) -> None:
        super().__init__(daemon=True)
        self.events: list[tuple[str, Any]] = []
        self.begun = threading.Event()
        self._running, self._path, self._enough = running, path, enough
        self.start()
        assert not wait or self.begun.wait(10)

    def run(self) -> None:
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self._running.listener.port, timeout=15)
        connection.request("GET", self._path, headers={"Authorization": f"Bearer {READ}"})
        answer = connection.getresponse()
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        kind = ""
        for line in answer:
            if line.startswith(b"event: "):
                kind = line[7:].strip().decode()
            elif line.startswith(b"data: "):
                self.events.append((kind, json.loads(line[6:])))
                self.begun.set()
                if self._enough(self.events):
                    break
        connection.close()

    def heard(self) -> list[tuple[str, Any]]:
        self.join(15)
        assert not self.is_alive(), self.events
        return self.events


def test_a_page_is_told_everything_and_then_what_changes(running: Stage) -> None:
    running.put(an_app("before"))
    page = Listening(
        running,
        f"{LATTICE}/stream/applications",
        lambda events: any(
            row["name"] == "hello" and row["status"] == "deployed" for _, d in events for row in d["rows"]
        ),
    )
    running.put(an_app("hello"))
    running.deploy("hello")
    kinds = [kind for kind, _ in page.heard()]
    assert kinds[0] == "snapshot"
    assert set(kinds[1:]) == {"changes"}
    assert [row["name"] for row in page.events[0][1]["rows"]] == ["before"]


def test_a_page_of_hosts_sees_what_runs_there(running: Stage) -> None:
    page = Listening(
        running,
        f"{LATTICE}/stream/hosts",
        lambda events: any(
            one["application"] == "hello" for _, d in events for row in d["rows"] for one in row["components"]
        ),
    )
    running.put(an_app("hello"))
    running.deploy("hello")
    assert len(page.heard()[0][1]["rows"]) == 3


def test_an_application_is_followed_by_status_and_timeline(running: Stage) -> None:
    running.put(an_app("hello"))
    page = Listening(
        running,
        f"{LATTICE}/applications/hello/stream",
        lambda events: (
            ("status", "deployed") in [(k, d["type"]) for k, d in events if k == "status"]
            and any(entry["kind"] == "command" for k, d in events if k == "timeline" for entry in d)
        ),
    )
    running.deploy("hello")
    assert page.heard()


@pytest.mark.parametrize("path", ["/stream/applications", "/applications/hello/stream"])
def test_a_page_that_is_closed_is_forgotten(running: Stage, path: str) -> None:
    running.put(an_app("hello"))
    running.deploy("hello")

    def streams(count: int) -> bool:
        return f"wadm_http_streams {count}.0\n".encode() in running.get("/metrics").data

    gone = [Listening(running, LATTICE + path, lambda events: True) for _ in range(3)]
    for page in gone:
        page.heard()
    stays = Listening(running, LATTICE + path, lambda events: False, wait=False)
    until(lambda: streams(1), 60)
    assert stays.is_alive()


def test_one_stream_tells_of_many_topics_and_of_others_when_asked(running: Stage) -> None:
    running.put(an_app("hello"))
    page = Listening(
        running,
        "/api/v1/stream?topic=default/applications&topic=lattices",
        lambda events: any(kind == "status default/applications/hello" for kind, _ in events),
    )
    until(lambda: {"snapshot default/applications", "snapshot lattices", "state"} <= {kind for kind, _ in page.events})
    kind, hello = page.events[0]
    assert kind == "hello"
    asked = f"/api/v1/stream/{hello['stream']}"
    assert running.post(asked, '{"topics": ["default/applications/hello"]}').status == 404  # it is another token's
    assert running.post(asked, '{"topics": ["nonsense"]}', token=READ).status == 400
    assert running.post(asked, '{"topics": 1}', token=READ).status == 400
    assert running.post(asked, '{"topics": ["default/applications/hello"]}', token=READ).status == 200
    assert next(data for kind, data in page.heard() if kind == "state") == {"problem": ""}


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("topic=default/nothing", "is no topic"),
        ("topic=default/applications/a.b", "is no topic"),
        ("topic=a.b/hosts", "cannot be the name of a lattice"),
        ("topics=lattices", "knows no 'topics'"),
        ("&".join(f"topic=l{n}/hosts" for n in range(65)), "64 at most"),
    ],
)
def test_a_stream_of_what_is_no_topic_is_refused(hostless: Stage, query: str, words: str) -> None:
    answer = hostless.get(f"/api/v1/stream?{query}")
    assert (answer.status, words in answer.json["message"]) == (400, True), answer.json


def test_a_stream_says_within_seconds_that_nats_does_not_answer(running: Stage) -> None:
    page = Listening(
        running,
        "/api/v1/stream",
        lambda events: [data["problem"] for kind, data in events if kind == "state"][-1:] not in ([""], []),
    )
    began = time.monotonic()
    running.nats.pause()
    try:
        problem = page.heard()[-1][1]["problem"]
    finally:
        running.nats.resume()
    assert (problem, time.monotonic() - began < 5) == ("NATS does not answer", True)


def test_a_token_that_is_taken_out_of_the_file_ends_its_streams(
    nats_server_factory: NatsServerFactory, tmp_path: Path
) -> None:
    file = tmp_path / "tokens"
    file.write_text(f"read {READ}\nfull {FULL} ada\n")
    with stage(nats_server_factory(), hosts=(), options=Options(tokens=read_tokens(file))) as running:
        page = Listening(running, "/api/v1/stream", lambda events: events[-1][0] == "refused")
        file.write_text(f"full {FULL} ada\n")
        began = time.monotonic()
        assert page.heard()[-1][1]["message"] == "This token is not known here any more"
        assert time.monotonic() - began < 5
        assert running.get("/api/v1/lattices", token=READ).status == 401
        assert running.get("/api/v1/lattices").status == 200


def test_probes_and_metrics_stand_beside(running: Stage) -> None:
    assert running.get("/livez", token=None).json == {"status": "ok"}
    assert running.get("/readyz", token=None).json == {"status": "ok"}
    running.put(an_app("hello"))
    running.deploy("hello")
    running.wait_for("hello", "deployed")  # by then the lattice has an owner
    metrics = running.get("/metrics", token=None)
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert b'wadm_lattice_owned{lattice="default"} 1' in metrics.data
    assert b"wadm_http_requests_total{" in metrics.data


def test_without_nats_everything_but_life_says_so(running: Stage) -> None:
    running.nats.pause()
    try:
        assert running.get("/livez").status == 200
    finally:
        running.nats.resume()
