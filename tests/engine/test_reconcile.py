"""One application planned as a whole: the order of effects, what it is told as, and how words are kept apart."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.engine.builders import (
    a_bare,
    a_component,
    a_config,
    a_host,
    a_lattice,
    a_link,
    a_provider,
    a_reference,
    a_scaler,
    an_app,
    asked,
    asks,
    configs_of,
    linked,
    plan,
    providing,
    recorded,
    running,
)
from wadm.engine.changes import InformationRequests
from wadm.engine.commands import describe
from wadm.engine.plan import OwnedResources, carry_since
from wadm.model.commands import (
    Command,
    DeleteConfig,
    DeleteLink,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.lattice import Lattice
from wadm.model.status import ApplicationStatus, Explanation, ScalerStatus

ADDRESS = a_config("addr", address="127.0.0.1:8080")
HELLO = an_app(
    "hello",
    a_component("ui", 4),
    a_provider("http", links=[a_link("ui", "incoming-handler", of="wasi:http", source_config=[ADDRESS])]),
)


def test_the_plainest_hello_world_from_nothing_to_deployed() -> None:
    lattice, record, told = a_lattice("h1"), OwnedResources(), []
    while not told or told[-1] != "hello: deployed":
        planned = plan(HELLO, lattice, record=record)
        told.append(str(planned))
        record = planned.record
        for name in planned.questions.configs:
            lattice.set_config(name, None)
        for action in planned.actions:
            _do(action.command, lattice)
    scaling = "Scaling component on 1 host(s), Scaling provider on 1 host(s)"
    linking = "Putting link definition between hello-http and hello-ui"
    assert told == [
        f"hello: reconciling {scaling}, {linking}",
        f"hello: reconciling {scaling}, {linking}\n  put configuration hello-addr  because it is not in the lattice",
        f"hello: reconciling {scaling}, {linking}\n"
        "  put link hello-http -(wasi:http)-> hello-ui (default)  because it is not in the lattice",
        f"hello: reconciling {scaling}\n"
        "  scale hello-ui to 4 on h1 (x/ui:1)  because spread default wants 4 on h1, none runs there\n"
        "  start hello-http on h1 (x/http:1)  because spread default wants it on h1, it does not run there",
        "hello: deployed",
    ]
    assert record == recorded(HELLO)


def _do(command: Command, lattice: Lattice) -> None:
    match command:
        case ScaleComponent():
            lattice.put(command.host_id, running(HELLO, "ui"))
        case StartProvider():
            lattice.put(command.host_id, providing(HELLO, "http"))
        case PutConfig():
            lattice.set_config(command.config_name, command.config)
        case PutLink():
            lattice.put_link(linked(HELLO)[0])


def test_configurations_come_first_then_links_of_new_providers_then_what_runs_and_what_is_left_over() -> None:
    app = an_app(
        "shop",
        a_component("web", links=[a_link("kv"), a_link("db", of="wasi:sql")]),
        a_component("slow", config=[a_config("c", k="v")]),
        a_component("new"),
        a_provider("db"),
        a_provider("kv"),
    )
    old = an_app("shop", a_component("gone"))
    host = a_host("h1", running(app, "web"), running(old, "gone"), providing(app, "db"))
    lattice = a_lattice(host, configs={"shop-c": None})
    assert asks(plan(app, lattice)) == [
        "put configuration shop-c",
        "put link shop-web -(wasi:keyvalue)-> shop-kv (default)",
    ]
    lattice.put_link(linked(app)[0])
    assert asks(plan(app, lattice)) == [
        "put configuration shop-c",
        "scale shop-new to 1 on h1 (x/new:1)",
        "start shop-kv on h1 (x/kv:1)",
        "put link shop-web -(wasi:sql)-> shop-db (default)",
    ]
    lattice.put_link(linked(app)[1])
    for entity in (running(app, "slow"), running(app, "new"), providing(app, "kv")):
        lattice.put("h1", entity)
    assert asks(plan(app, lattice)) == ["put configuration shop-c", "scale shop-gone to 0 on h1 (x/gone:1)"]


def test_scalers_are_told_in_the_order_of_the_manifest() -> None:
    app = an_app("shop", a_component("web", links=[a_link("kv")]), a_provider("kv"))
    assert [s.name for s in plan(app, a_lattice("h1")).status.scalers] == [
        "shop-web",
        "shop-web -(wasi:keyvalue)-> shop-kv",
        "shop-kv",
    ]


def test_planning_changes_nothing() -> None:
    lattice = a_lattice(a_host("h1", running(HELLO, "ui", 1)), "h2", configs={"hello-addr": None})
    in_flight = asked(*plan(HELLO, lattice).actions)
    before = str(plan(HELLO, lattice)), [repr(p) for p in in_flight]
    assert (str(plan(HELLO, lattice)), [repr(p) for p in in_flight]) == before
    assert lattice.links == {}


def test_the_order_in_which_hosts_came_does_not_matter() -> None:
    hosts = [a_host(f"h{i}", zone="ab"[i % 2]) for i in range(8)]
    app = an_app("shop", a_component("web", 5), a_provider("kv", 3), a_component("each", daemon=True))
    plans = {str(plan(app, a_lattice(*order))) for order in (hosts, hosts[::-1], hosts[3:] + hosts[:3])}
    assert len(plans) == 1


def test_an_application_with_nothing_to_do_is_deployed() -> None:
    only_references = an_app("user", a_reference("lib", "base", "lib"))
    assert str(plan(only_references, a_lattice())) == "user: deployed"


def test_what_is_hopeless_fails_and_the_rest_goes_on() -> None:
    app = an_app("shop", a_bare("nothing", a_scaler(1)), a_component("web"))
    planned = plan(app, a_lattice("h1"))
    assert planned.status.type == "failed"
    assert "did not specify an image" in planned.status.message
    assert asks(planned) == ["scale shop-web to 1 on h1 (x/web:1)"]


def test_an_application_is_not_deployed_while_anything_of_it_is_under_way() -> None:
    """A start on a host that has lost its labels meanwhile may still succeed, and must go then."""
    app = an_app("shop", a_component("web", 2, daemon=True))
    lattice = a_lattice("h1", "h2")
    in_flight = asked(*plan(app, lattice).actions)
    lattice.put("h1", running(app, "web"))
    on_one_host = an_app("shop", a_component("web", 2, daemon=False), version="v2")
    planned = plan(on_one_host, lattice, in_flight=in_flight)
    assert planned.status.type == "reconciling"


def test_unknown_things_are_asked_for_and_nothing_is_guessed() -> None:
    lattice = a_lattice(a_host("h1", running(HELLO, "ui"), providing(HELLO, "http")))
    lattice.certainty.links_read = False
    planned = plan(HELLO, lattice)
    assert (asks(planned), planned.questions) == ([], InformationRequests({"hello-addr"}, set(), True))
    assert planned.status.type == "reconciling"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (ScaleComponent("web", "h1", 3, "x/web:1", "shop", {}), "scale web to 3 on h1 (x/web:1)"),
        (UpdateComponent("web", "h1", "x/web:2", "shop", {}), "update web on h1 to x/web:2"),
        (StartProvider("kv", "h1", "x/kv:1", "shop", {}), "start kv on h1 (x/kv:1)"),
        (StopProvider("kv", "h1", "shop", {}), "stop kv on h1"),
        (
            PutLink("web", "kv", "default", "wasi", "keyvalue", (), "shop"),
            "put link web -(wasi:keyvalue)-> kv (default)",
        ),
        (DeleteLink("web", "wasi", "keyvalue", "default", "shop"), "delete link web -(wasi:keyvalue)-> (default)"),
        (PutConfig("c", {"password": "hidden"}), "put configuration c"),
        (DeleteConfig("c"), "delete configuration c"),
    ],
)
def test_commands_in_words(command: Command, words: str) -> None:
    assert describe(command) == words


# -- since when -------------------------------------------------------------------------------------


def a_status(type_: str, since: float = 0.0, message: str = "") -> ApplicationStatus:
    scaler = ScalerStatus("id", "SpreadScaler", "web", type_, message, Explanation(since=since))  # type: ignore[arg-type]
    return ApplicationStatus(type_, message, (scaler,))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "since"),
    [
        pytest.param(None, a_status("reconciling"), 50.0, id="new: since now"),
        pytest.param(None, a_status("reconciling", 40.0), 40.0, id="new: since it was asked"),
        pytest.param(a_status("failed", 30.0), a_status("reconciling", 40.0), 30.0, id="since it is not deployed"),
        pytest.param(a_status("deployed"), a_status("reconciling"), 50.0, id="anew after being deployed"),
        pytest.param(a_status("failed", 30.0), a_status("deployed"), 0.0, id="deployed: nothing to wait for"),
    ],
)
def test_since_when_a_scaler_is_not_deployed(
    before: ApplicationStatus | None, after: ApplicationStatus, since: float
) -> None:
    assert carry_since(before, after, 50.0).scalers[0].explanation.since == since


def test_a_status_that_says_the_same_is_the_same() -> None:
    before = a_status("reconciling", 30.0)
    assert carry_since(before, a_status("reconciling", 30.0), 50.0) is before
    assert carry_since(before, a_status("reconciling", 30.0, "new words"), 50.0) is not before


def test_statuses_survive_that_scalers_come_and_go() -> None:
    before = a_status("reconciling", 30.0)
    other = replace(before.scalers[0], id="other", explanation=Explanation())
    after = carry_since(before, replace(before, scalers=(other, *before.scalers)), 50.0)
    assert [s.explanation.since for s in after.scalers] == [50.0, 30.0]


# -- the whole, as the original leaves it -------------------------------------------------------------


def test_take_over() -> None:
    lattice = a_lattice(
        a_host("h1", running(HELLO, "ui"), providing(HELLO, "http")), links=linked(HELLO), configs=configs_of(HELLO)
    )
    planned = plan(HELLO, lattice)
    assert str(planned) == "hello: deployed"
    assert not planned.questions
    assert planned.record == recorded(HELLO), "what the original put is on record from now on"


def test_an_application_that_wants_nothing_at_all_is_undeployed() -> None:
    """As in the original."""
    assert str(plan(an_app("idle", a_bare("web", image="x/web:1")), a_lattice())) == "idle: undeployed"
    assert plan(an_app("shop"), a_lattice(a_host("h1"))).status == ApplicationStatus("undeployed")


@pytest.mark.parametrize("wants", ["another image", "another number", "nothing"])
def test_nothing_is_asked_of_a_host_of_which_only_events_have_told(wants: str) -> None:
    """A new owner hears of one thing there, and not of what came before it: it asks what the host runs first."""
    old = an_app("shop", a_component("web", 2))
    wanted = {
        "another image": an_app("shop", a_component("web", 2, image="x/web:2"), version="v2"),
        "another number": an_app("shop", a_component("web", 5), version="v2"),
        "nothing": "shop",
    }[wants]
    lattice = a_lattice(a_host("h1", running(old, "web")))
    lattice.hosts["h1"].known = False
    planned = plan(wanted, lattice)
    assert (asks(planned), planned.questions.hosts) == ([], {"h1"})
    lattice.hosts["h1"].known = True
    assert len(asks(plan(wanted, lattice))) == 1
