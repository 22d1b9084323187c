"""How things look: each view, at 80 and at 200 columns, compared with a picture kept as text.

The pictures are in ``golden/``. After a change that is meant, make them with ``WADM_UPDATE_GOLDEN=1``, and read them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import RenderableType

from wadm.cli.doctor import Finding
from wadm.cli.output import UNLIMITED, render
from wadm.cli.views import (
    applications,
    causes,
    configs,
    contexts,
    difference,
    explained,
    findings,
    hosts,
    inventories,
    links,
    plans,
    problems,
    progress,
    status,
    timeline,
    versions,
)
from wadm.cli.views.configs import ConfigUse
from wadm.client.contexts import Context
from wadm.client.replies import Summary
from wadm.client.settings import Settings
from wadm.model.insight import (
    ApplicationView,
    Consequence,
    OnHost,
    Planned,
    PlannedStep,
    ScalerView,
    ShareView,
    Unfit,
    Waiting,
)
from wadm.model.lattice import Component, Inventory, Link, Provider
from wadm.model.manifest import Problem
from wadm.model.names import APPSPEC, MANAGED_BY, MANAGER, SPREAD
from wadm.model.status import NO_HOSTS_MESSAGE, UNDEPLOYED, ApplicationStatus, Explanation, ScalerStatus, aggregate
from wadm.model.timeline import Entry, Revision
from wadm.wire.api import Version
from wadm.wire.control import HostPing

GOLDEN = Path(__file__).parent / "golden"
NOW = 1_700_000_000.0
ULID = "01HF7YAT00TSV4RRFFQ69G5FAV"  # made at NOW
HOST_A = "NCSQ6IEWQZ4JRFBOWTWYGKRGZHYMEGH7MQ6AVQH7CXNI7LLZTVOOL2XB"
HOST_B = "NBVQ6IEWQZ4JRFBOWTWYGKRGZHYMEGH7MQ6AVQH7CXNI7LLZTVOOL3XC"

GOOD = aggregate(
    [
        ScalerStatus("11" * 32, "SpreadScaler", "hello-greeter", "deployed", "", Explanation(wanted=6, running=6)),
        ScalerStatus("22" * 32, "LinkScaler", "hello-httpserver -(wasi:http)-> hello-greeter", "deployed"),
        ScalerStatus("33" * 32, "DaemonScaler", "hello-httpserver", "deployed", "", Explanation(wanted=1, running=1)),
    ]
)
BAD = aggregate(
    [
        ScalerStatus(
            "44" * 32,
            "SpreadScaler",
            "my_shop-api",
            "failed",
            "Could not satisfy spread east for ghcr.io/example/api:0.3.0, 0/1 eligible hosts found.",
            Explanation(
                waiting_for="a host with label zone=east (3 hosts have no label zone)",
                since=NOW - 200,
                next="looks again when a host comes or changes its labels",
                wanted=10,
                running=4,
            ),
        ),
        ScalerStatus(
            "55" * 32,
            "LinkScaler",
            "my_shop-api -(wasi:keyvalue)-> platform-kv",
            "reconciling",
            "Putting link definition between my_shop-api and platform-kv",
            Explanation(attempts=3, last_error="link already exists with different target", next_try=NOW + 100),
        ),
        ScalerStatus("66" * 32, "SpreadScaler", "my_shop-kv", "unhealthy", "Unhealthy provider on 1 host(s)"),
        ScalerStatus("77" * 32, "SpreadScaler", "my_shop-web", "deployed"),
    ]
)
BY_THE_ORIGINAL = aggregate(
    [ScalerStatus("88" * 32, "SpreadScaler", "hello-greeter", "reconciling", "Scaling component on 1 host(s)")]
)
UNHEARD = ApplicationStatus("waiting", NO_HOSTS_MESSAGE)

SUMMARIES = [
    Summary("blog", "v2", "Words", None, UNHEARD),
    Summary("hello", "v1.0.0", "Answers every HTTP request with a greeting", "v1.0.0", GOOD),
    Summary("my-shop", ULID, None, "v1", BAD),
    Summary("new", "v1", None, "v1", UNHEARD),
    Summary("old", "v1", None, None, UNDEPLOYED),
]
PINGS = [
    HostPing(
        HOST_A,
        "keen-nectar-8600",
        {"zone": "a", "hostcore.os": "linux", "hostcore.arch": "x86_64"},
        "1.9.2",
        "default",
        65,
    ),
    HostPing(HOST_B, "", {}, "1.9.2", "default", 200_000),
]
OURS = {MANAGED_BY: MANAGER, APPSPEC: "hello", SPREAD: "east"}
INVENTORIES = [
    Inventory(
        HOST_A,
        "keen-nectar-8600",
        PINGS[0].labels,
        "1.9.2",
        65,
        (
            Component("started-by-hand", "file:///home/me/a-directory/with-a-long-name/and-more/component.wasm", 1, {}),
            Component("hello-greeter", "ghcr.io/wasmcloud/components/http-hello-world-rust:0.1.0", 6, OURS),
        ),
        (Provider("hello-httpserver", "ghcr.io/wasmcloud/http-server:0.27.0", OURS),),
    ),
    Inventory(HOST_B, "", {}, "1.9.2", 200_000, (), ()),
]
LINKS = [
    Link("by-hand", "kv", "cache", "wasi", "keyvalue", ("atomics", "batch", "store", "watcher")),
    Link("hello-httpserver", "hello-greeter", "default", "wasi", "http", ("incoming-handler",), ("hello-listen_on",)),
]
CONFIGS = [
    ConfigUse("hello-listen_on", "hello", ("hello/httpserver",), True),
    ConfigUse("site-wide", None, ("hello/greeter", "my-shop/api", "my-shop/web"), False),
    ConfigUse("unknown", None, ("link a → b",), None),
]
MANIFEST = """\
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata:
  name: bad
spec:
  components:
    - name: api
      type: componnt
"""
PROBLEMS = [
    Problem(
        "unknown variant `componnt`", "spec.components[0].type", 8, 13, "error", "E106", "did you mean `component`?"
    ),
    Problem("missing field `annotations`", "metadata", 4, 3, "error", "E102", "`annotations: {}` is enough"),
    Problem("something that has no place in the text", level="warning"),
]
CONTEXTS = [
    Context("host_config", "wash", Path("/home/me/.config/wash/contexts/host_config.json"), True),
    Context("prod", "nats", Path("/home/me/.config/nats/context/prod.json"), False, "production"),
]
SETTINGS = Settings(
    servers=("nats://me:secret@a:4222", "nats://b:4222"),
    lattice="staging",
    creds="/home/me/prod.creds",
    sources={"servers": "NATS_URL", "lattice": "given", "creds": "nats context 'prod'"},
)

HOST = "keen-nectar-8600 (NCSQ6IEW)"
PLAN = Planned(
    "my-shop",
    "v2",
    "1f0c2a9b77de",
    (
        PlannedStep(1, "put", "put configuration my_shop-limits", "", "it is not in the lattice"),
        PlannedStep(1, "stop", f"stop my_shop-kv on {HOST}", HOST, "registry.example/kv:1 runs there, kv:2 is wanted"),
        PlannedStep(
            1,
            "update live",
            f"update my_shop-api on {HOST} to registry.example/api:2",
            HOST,
            f"registry.example/api:1 runs on {HOST}, registry.example/api:2 is wanted",
        ),
        PlannedStep(2, "restart", f"start my_shop-kv on {HOST} (registry.example/kv:2)", HOST, "it does not run there"),
        PlannedStep(2, "start", "start my_shop-kv on NBVQ6IEW (registry.example/kv:2)", "NBVQ6IEW", "spread default"),
    ),
    BAD,
    (Consequence("tenant", "deployed", "failed: shared application my-shop is not deployed"),),
)
PLAN_OF_NOTHING = Planned("hello", "v1", "00c2a9b77de1", (), GOOD)
ENTRIES = (
    Entry(NOW - 20, "request", "version v1 to be deployed", "my-shop"),
    Entry(NOW - 19, "command", f"scale my_shop-api to 6 on {HOST} (registry.example/api:1), because none runs there",
          "my-shop", "my_shop-api", HOST),
    Entry(NOW - 18, "answer", "accepted: scale my_shop-api to 6", "my-shop", "my_shop-api", HOST),
    Entry(NOW - 10, "event", "my_shop-api could not be scaled: not found", "my-shop", "my_shop-api", HOST),
    Entry(NOW - 10, "status", "failed: not found", "my-shop"),
)  # fmt: skip
EXPLAINED = ApplicationView(
    "my-shop",
    "v1",
    "failed",
    "not found",
    3,
    (
        ScalerView(
            "44" * 32,
            "SpreadScaler",
            "my_shop-api",
            "failed",
            "not found",
            NOW - 200,
            "a host with zone=east (spread east); 3 hosts are there, none has that label",
            "goes on as soon as such a host joins, or one of those there gets zone=east",
            "10 of registry.example/api:1 in all",
            (OnHost(HOST, HOST_A, "registry.example/api:1", 4, "my-shop"),),
            (
                ShareView("east", 6, {"zone": "east"}, 0, (), (Unfit(HOST, HOST_A, "zone", "east", None),)),
                ShareView("rest", 4, {}, 1, (HOST,), ()),
            ),
            (Waiting("scale my_shop-api to 6", "none runs there", NOW - 20, NOW - 19, "held back after a failure",
                     NOW + 8, 3, "not found"),),
        ),
        ScalerView("77" * 32, "LinkScaler", "my_shop-api -(wasi:http)-> my_shop-web", "deployed", "", 0.0, "", "",
                   "the link to my_shop-web for wasi:http/incoming-handler (in force)", (), (), ()),
        ScalerView("88" * 32, "ProviderSpreadScaler", "my_shop-kv", "deployed", "", 0.0, "", "",
                   "1 of registry.example/kv:1 in all", (), (), (), "my_shop-kv has not reported its health yet"),
    ),
    {"my_shop-limits": "there", "site-wide": "missing"},
    (),
    (),
)  # fmt: skip
REVISIONS = (
    Revision(1, "deploy", "v1", NOW, "ann@desk", "first", "deployed", 12.5),
    Revision(2, "deploy", ULID, NOW + 1000, "ci", "", "superseded", 30.0),
    Revision(3, "rollback", "v1", NOW + 1030, "ann@desk", "v2 loses orders, see the report of this morning"),
)
FINDINGS = (
    Finding("NATS", "ok", "reached nats://127.0.0.1:4222 (identity: none), there and back in 1 ms"),
    Finding("owner", "note", "nobody looks after lattice default", "normal while nothing is deployed"),
    Finding("leftovers", "warning", "the original left the stream wadm_event_consumer with 4711 messages: a work queue "
            "that nobody reads", "a server of ours deletes it when it starts"),
    Finding("hosts", "error", "no host answers in lattice default", "start a wasmCloud host in it"),
)  # fmt: skip

VIEWS: dict[str, Callable[[], RenderableType]] = {
    "applications": lambda: applications.applications(SUMMARIES, "default"),
    "applications-none": lambda: applications.applications([], "default"),
    "configs": lambda: configs.configs(CONFIGS, "default"),
    "config": lambda: configs.config({"url": "redis://127.0.0.1:6379", "a": "1"}),
    "connection": lambda: contexts.connection(SETTINGS),
    "contexts": lambda: contexts.contexts(CONTEXTS, CONTEXTS[0]),
    "difference": lambda: difference.coloured(
        difference.difference("a: 1\nb: 2\n", "a: 1\nb: 3\n", "shop v1", "shop v2")
    ),
    "hosts": lambda: hosts.hosts(PINGS, {HOST_A: INVENTORIES[0]}, "default"),
    "inventories": lambda: inventories.inventories(INVENTORIES, [HOST_B], "default"),
    "links": lambda: links.links(LINKS, {LINKS[1].at: "hello"}, "default"),
    "problems": lambda: problems.problems("wadm.yaml", MANIFEST, PROBLEMS),
    "problems-none": lambda: problems.problems("wadm.yaml", MANIFEST, []),
    "progress-of-one": lambda: progress.board({"my-shop": BAD}, {"my-shop": "v1"}, NOW),
    "progress-of-several": lambda: progress.board({"my-shop": BAD, "hello": GOOD}, {"my-shop": "v1"}, NOW),
    "status-bad": lambda: status.status("my-shop", BAD, "v1", NOW),
    "status-by-the-original": lambda: status.status("hello", BY_THE_ORIGINAL, "v1", NOW, {"88" * 32: 4}),
    "status-good": lambda: status.status("hello", GOOD, "v1.0.0", NOW),
    "status-undeployed": lambda: status.status("old", UNDEPLOYED, None, NOW),
    "status-unheard": lambda: status.status("new", UNHEARD, "v1", NOW),
    "status-with-hints": lambda: status.status(
        "new", UNHEARD, "v1", NOW, hints=["no host is in lattice default: " * 3]
    ),
    "plan": lambda: plans.plan(PLAN, "wadm deploy my-shop.yaml --plan 1f0c2a9b77de"),
    "plan-of-nothing": lambda: plans.plan(PLAN_OF_NOTHING, "wadm deploy hello"),
    "explained": lambda: explained.explained(EXPLAINED, ENTRIES, NOW),
    "timeline": lambda: timeline.timeline(ENTRIES, NOW),
    "timeline-of-last-week": lambda: timeline.timeline(ENTRIES[:2], NOW + 400_000, of_one=True),
    "history": lambda: versions.history(REVISIONS, [Version("v1", True), Version(ULID, False)], NOW + 3700),
    "findings": lambda: findings.findings(FINDINGS),
    "versions": lambda: versions.versions([Version("v1", True), Version(ULID, False)], NOW + 3700),
}
WIDE: dict[str, Callable[[], RenderableType]] = {
    "applications-wide": lambda: applications.applications(SUMMARIES, "default", wide=True),
    "hosts-wide": lambda: hosts.hosts(PINGS, {HOST_A: INVENTORIES[0]}, "default", wide=True),
    "inventories-wide": lambda: inventories.inventories(INVENTORIES, [], "default", wide=True),
    "links-wide": lambda: links.links(LINKS, {LINKS[1].at: "hello"}, "default", wide=True),
    "status-wide": lambda: status.status("my-shop", BAD, "v1", NOW, wide=True),
}


def test_events_say_in_plain_words_which_spread_has_no_host() -> None:
    conflict = (
        "Spread requirement conflict: in-b spread requires 2 instances vs 0 computed from reconciliation commands"
    )
    none = "Could not satisfy daemonscaler far for x/kv:1, 0 eligible hosts found."
    entries = [Entry(NOW, "status", f"failed: {conflict} {none}", "shop")]
    said = render(timeline.timeline(entries, NOW, of_one=True), 200)
    assert "failed: too few hosts will do for spread in-b, which wants 2" in said
    assert "too few hosts will do for spread far, which wants x/kv:1" in said


@pytest.mark.parametrize("hosts", ["a (A)", "a (A) and 2 more", "a (A), b (B)", "a (A), b (B), c (C)"])
def test_hosts_that_were_asked_are_a_sentence(hosts: str) -> None:
    told = Explanation(waiting_for=f"{hosts} to run x/web:1", wanted=3)
    why = causes.cause(ScalerStatus("id", "SpreadScaler", "web", "reconciling", "", told)).why
    several = hosts != "a (A)"
    assert why.endswith(f" {'were' if several else 'was'} asked to run x/web:1, which takes a while")
    assert ("and" in why) == several


@pytest.mark.parametrize("name", VIEWS)
@pytest.mark.parametrize("width", [80, 200])
def test_view(name: str, width: int) -> None:
    shown = render(VIEWS[name](), width)
    assert all(len(line) <= width for line in shown.splitlines())
    _compare(f"{name}.{width}", shown)


@pytest.mark.parametrize("name", WIDE)
def test_wide_view(name: str) -> None:
    _compare(name, render(WIDE[name](), UNLIMITED))


def test_a_change_as_one_line() -> None:
    assert progress.line("my-shop", BAD, "v1") == (
        "my-shop  ✗ failed  version v1  1 of 4 scalers as wanted: "
        "api: waits for a host with label zone=east (3 hosts have no label zone)"
    )


def test_there_is_no_picture_of_nothing() -> None:
    kept = {path.name.removesuffix(".txt") for path in GOLDEN.glob("*.txt")}
    assert kept == {f"{name}.{width}" for name in VIEWS for width in (80, 200)} | set(WIDE)


def _compare(name: str, shown: str) -> None:
    path = GOLDEN / f"{name}.txt"
    if os.environ.get("WADM_UPDATE_GOLDEN"):
        path.write_text(shown)
    assert shown == path.read_text()
