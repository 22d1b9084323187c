"""Components that are called over the lattice: a new image is tried beside the old one, which then gives way."""

from __future__ import annotations

import pytest

from tests.engine.builders import (
    a_component,
    a_host,
    a_lattice,
    a_link,
    a_provider,
    a_spread,
    an_app,
    asked,
    asks,
    commands,
    compiled,
    linked,
    plan,
    providing,
    recorded,
    running,
    workload,
)
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.forecast import forecast
from wadm.engine.steps import finish
from wadm.model.commands import ScaleComponent, UpdateComponent
from wadm.model.lattice import Component, Lattice
from wadm.model.manifest import Manifest

BUILTIN = "wasmcloud+builtin://http-server"
TRY = "scale hello-ui-next to 1 on h1 (x/ui:2)"
STOP = "scale hello-ui to 0 on h1 (x/ui:1)"
START = "scale hello-ui to 2 on h1 (x/ui:2)"
END = "scale hello-ui-next to 0 on h1 (x/ui:2)"


def app(version: int, *, everywhere: bool = False) -> Manifest:
    link = a_link("ui", of="wasi:http")
    ui = a_component("ui", 2, image=f"x/ui:{version}", daemon=everywhere)
    return an_app("hello", ui, a_provider("http", links=[link]), version=f"v{version}")


OLD, NEW = app(1), app(2)


def serving(manifest: Manifest, *hosts: str) -> Lattice:
    runs = [a_host(host, running(manifest, "ui", 2), providing(manifest, "http")) for host in hosts]
    return a_lattice(*runs, links=linked(manifest))


def trial(manifest: Manifest = NEW) -> Component:
    scaler = workload(manifest, "ui")
    return Component("hello-ui-next", scaler.image, 1, scaler.annotations("default"))


def test_step_by_step() -> None:
    lattice = serving(OLD, "h1")
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == [TRY]
    lattice.put("h1", trial())
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == [STOP]
    lattice.drop("component", "h1", "hello-ui")
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == [START]
    lattice.put("h1", running(NEW, "ui", 2))
    last = plan(NEW, lattice, record=recorded(OLD))
    assert asks(last) == [END]
    lattice.drop("component", "h1", "hello-ui-next")
    assert str(plan(NEW, lattice, record=recorded(OLD))) == "hello: deployed"


def test_that_a_trial_is_being_stopped_is_remembered_by_a_version_that_does_not_care_for_it() -> None:
    """The version before has no use for it while it starts anew; then it wants it gone, too, and must not ask again."""
    lattice = a_lattice(a_host("h1", running(NEW, "ui", 2), providing(NEW, "http"), trial()), links=linked(NEW))
    in_flight = asked(*plan(NEW, lattice, record=recorded(NEW)).actions)
    assert [str(one.command.key[2]) for one in in_flight.of("hello")] == ["hello-ui-next"]
    lattice.drop("component", "h1", "hello-ui")
    back = plan(OLD, lattice, in_flight=in_flight, record=recorded(NEW), now=0.5)
    assert asks(back) == ["scale hello-ui to 2 on h1 (x/ui:1)"]
    in_flight.settle(back.settled, "hello")
    lattice.put("h1", running(OLD, "ui", 2))
    assert asks(plan(OLD, lattice, in_flight=in_flight, record=recorded(OLD), now=1.0)) == []


def test_what_cannot_be_loaded_replaces_nothing() -> None:
    lattice = serving(OLD, "h1")
    in_flight = asked(*plan(NEW, lattice, record=recorded(OLD)).actions)
    in_flight.hold(("component", "h1", "hello-ui-next"), "no such image", 1.0)
    planned = plan(NEW, lattice, in_flight=in_flight, record=recorded(OLD), now=1.5)
    assert (asks(planned), planned.status.type, planned.status.message) == ([], "failed", "no such image")


def test_a_trial_of_another_image_goes_first() -> None:
    lattice = serving(OLD, "h1")
    lattice.put("h1", trial(app(3)))
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == ["scale hello-ui-next to 0 on h1 (x/ui:3)"]


def test_one_host_after_another() -> None:
    def version(number: int) -> Manifest:
        spreads = [a_spread(zone, 50, zone=zone) for zone in ("a", "b")]
        ui = a_component("ui", 4, *spreads, image=f"x/ui:{number}")
        return an_app("hello", ui, a_provider("http", links=[a_link("ui", of="wasi:http")]), version=f"v{number}")

    old, new = version(1), version(2)
    hosts = [a_host(f"h{zone}", running(old, "ui", 2, zone), zone=zone) for zone in ("a", "b")]
    lattice = a_lattice(*hosts, a_host("hc", providing(old, "http")), links=linked(old))
    tried = plan(new, lattice, record=recorded(old))
    assert asks(tried) == [f"scale hello-ui-next to 1 on h{zone} (x/ui:2)" for zone in ("a", "b")]
    for zone in ("a", "b"):
        lattice.put(f"h{zone}", trial(new))
    assert asks(plan(new, lattice, record=recorded(old))) == ["scale hello-ui to 0 on ha (x/ui:1)"]
    lattice.drop("component", "ha", "hello-ui")
    assert asks(plan(new, lattice, record=recorded(old))) == ["scale hello-ui to 2 on ha (x/ui:2)"]
    lattice.put("ha", running(new, "ui", 2, "a"))
    assert asks(plan(new, lattice, record=recorded(old))) == [
        "scale hello-ui to 0 on hb (x/ui:1)",
        "scale hello-ui-next to 0 on ha (x/ui:2)",
    ]


def test_an_undeployed_application_leaves_no_trial() -> None:
    lattice = serving(OLD, "h1")
    lattice.put("h1", trial())
    stops = [c for c in commands(plan("hello", lattice, record=recorded(OLD))) if isinstance(c, ScaleComponent)]
    assert {stop.component_id for stop in stops} == {"hello-ui", "hello-ui-next"}


def caller(kind: str) -> tuple[Manifest, Manifest, Lattice]:
    """Return two versions of an application whose component is called by this, and the first of them running."""

    def version(number: int) -> Manifest:
        ui = a_component("ui", image=f"x/ui:{number}")
        link = a_link("ui", of="wasi:http")
        match kind:
            case "nobody":
                return an_app("hello", ui)
            case "a component":
                return an_app("hello", ui, a_component("web", links=[link]))
            case "a built-in provider":
                return an_app("hello", ui, a_provider("http", image=BUILTIN, links=[link]))
            case _:
                return an_app("hello", ui, a_provider("http", links=[link]))

    old, new = version(1), version(2)
    runs = [running(old, w.component) for w in compiled(old).workloads if w.entity_kind == "component"]
    provides = [providing(old, w.component) for w in compiled(old).workloads if w.entity_kind == "provider"]
    return old, new, a_lattice(a_host("h1", *runs, *provides), links=linked(old))


@pytest.mark.parametrize(
    ("kind", "live"),
    [("nobody", True), ("a built-in provider", True), ("a provider process", False), ("a component", False)],
)
def test_only_what_built_in_providers_call_is_updated_live(kind: str, live: bool) -> None:
    old, new, lattice = caller(kind)
    [command] = commands(plan(new, lattice, record=recorded(old)))
    assert isinstance(command, UpdateComponent) is live


def test_whoever_of_another_application_is_linked_counts_too() -> None:
    old, new, lattice = caller("nobody")
    other = an_app("other", a_component("web", links=[a_link("ui", of="wasi:http")]), a_component("ui", id="hello-ui"))
    lattice.put("h1", running(other, "web"))
    lattice.put_link(linked(other)[0])
    assert asks(plan(new, lattice, record=recorded(old))) == [TRY]


def test_a_forecast_calls_it_a_restart() -> None:
    lattice = serving(OLD, "h1")
    interests = DependencyIndex()
    interests.put(compiled(OLD))
    interests.put_record("hello", recorded(OLD))
    steps = finish(forecast(compiled(NEW), interests, lattice, 100.0)).steps
    assert [(step.effect, step.what) for step in steps] == [
        ("start", TRY),
        ("restart", STOP),
        ("start", START),
        ("stop", END),
    ]
    assert steps[1].reason.endswith("stopped and started anew; this interrupts calls to it for a moment")


def test_a_forecast_says_that_other_hosts_serve_meanwhile() -> None:
    old, new = app(1, everywhere=True), app(2, everywhere=True)
    interests = DependencyIndex()
    interests.put(compiled(old))
    interests.put_record("hello", recorded(old))
    steps = finish(forecast(compiled(new), interests, serving(old, "h1", "h2"), 100.0)).steps
    reasons = [step.reason for step in steps if step.effect == "restart" and "hello-ui" in step.what]
    assert [reason.rpartition("; ")[2] for reason in reasons] == ["1 other host serves meanwhile"] * 2


def test_nothing_is_stopped_while_it_is_not_known_what_a_host_runs() -> None:
    """It could not be started again before that is known."""
    lattice = serving(OLD, "h1")
    lattice.put("h1", trial())
    lattice.put_host("h2", "", {}, "1.9.2", 0.0)
    lattice.certainty.silent["h2"], lattice.certainty.unseen["h2"] = 1.0, 61.0
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == []
    lattice.remove_host("h2")
    assert asks(plan(NEW, lattice, record=recorded(OLD))) == [STOP]
