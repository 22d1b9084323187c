"""Components and providers: the rules of wadm.engine.workloads row by row, and what is said meanwhile."""

from __future__ import annotations

import re

import pytest
from msgspec.structs import replace

from tests.engine.builders import (
    AHost,
    a_component,
    a_config,
    a_host,
    a_lattice,
    a_link,
    a_provider,
    a_secret,
    a_spread,
    an_app,
    an_external_config,
    asked,
    asks,
    commands,
    configs_of,
    join,
    owned,
    plan,
    providing,
    running,
    workload,
)
from wadm.engine.command_kind import PATIENCE_UPDATE
from wadm.engine.expectations import Expectations
from wadm.engine.plan import Plan
from wadm.engine.workloads import HOST_JOIN_WINDOW
from wadm.model.commands import ScaleComponent, StartProvider, UpdateComponent
from wadm.model.lattice import Component, Lattice, Pause, Provider
from wadm.model.manifest import Manifest
from wadm.model.names import SCALER, SPREAD
from wadm.model.status import ScalerStatus

SHOP = an_app("shop", a_component("web", 3))
NEW_IMAGE = an_app("shop", a_component("web", 3, image="x/web:2"), version="v2")
NEW_CONFIG = an_app("shop", a_component("web", 3, config=[a_config("c", k="v")]), version="v2")
NEW_BOTH = an_app("shop", a_component("web", 3, image="x/web:2", config=[a_config("c", k="v")]), version="v2")
WEB = running(SHOP, "web")

STORE = an_app("store", a_provider("kv"))
STORE_NEW_IMAGE = an_app("store", a_provider("kv", image="x/kv:2"), version="v2")
STORE_NEW_CONFIG = an_app("store", a_provider("kv", config=[a_config("c", k="v")]), version="v2")
KV = providing(STORE, "kv")


def the_status(planned: Plan) -> ScalerStatus:
    return planned.status.scalers[0]


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "host", "planned"),
    [
        pytest.param(
            SHOP,
            a_host("h1"),
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  scale shop-web to 3 on h1 (x/web:1)  because spread default wants 3 on h1, none runs there",
            id="component: not there",
        ),
        pytest.param(
            NEW_IMAGE,
            a_host("h1", WEB),
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  update shop-web on h1 to x/web:2  because x/web:1 runs on h1, x/web:2 is wanted",
            id="component: another image",
        ),
        pytest.param(
            NEW_CONFIG,
            a_host("h1", WEB),
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  scale shop-web to 3 on h1 (x/web:1)  because what runs on h1 was started for an earlier version",
            id="component: annotations not the scaler's",
        ),
        pytest.param(
            SHOP,
            a_host("h1", replace(WEB, count=1)),
            "shop: reconciling Scaling component on 1 host(s)\n"
            "  scale shop-web to 3 on h1 (x/web:1)  because 1 run on h1, 3 are wanted",
            id="component: another number",
        ),
        pytest.param(SHOP, a_host("h1", WEB), "shop: deployed", id="component: all right"),
        pytest.param(
            STORE,
            a_host("h1"),
            "store: reconciling Scaling provider on 1 host(s)\n"
            "  start store-kv on h1 (x/kv:1)  because spread default wants it on h1, it does not run there",
            id="provider: not there",
        ),
        pytest.param(
            STORE_NEW_IMAGE,
            a_host("h1", KV),
            "store: reconciling Scaling provider on 1 host(s)\n"
            "  stop store-kv on h1  because x/kv:1 runs on h1, x/kv:2 is wanted; this interrupts store-kv, of which a "
            "host runs only one",
            id="provider: another image",
        ),
        pytest.param(
            STORE_NEW_CONFIG,
            a_host("h1", KV),
            "store: reconciling Scaling provider on 1 host(s)\n"
            "  stop store-kv on h1  because x/kv:1 runs on h1, other settings are wanted; this interrupts store-kv, of "
            "which a host runs only one",
            id="provider: another scaler",
        ),
        pytest.param(STORE, a_host("h1", KV), "store: deployed", id="provider: all right"),
    ],
)
def test_rules(manifest: Manifest, host: AHost, planned: str) -> None:
    assert str(plan(manifest, a_lattice(host, configs=configs_of(manifest)))) == planned


def test_what_is_started_bears_the_annotations_and_configuration_of_its_scaler() -> None:
    web = a_component("web", 3, config=[a_config("c", k="v"), an_external_config("e")], secrets=[a_secret("s")])
    app = an_app("shop", web, a_provider("kv", config=[a_config("c", k="v")]))
    scale, start = commands(plan(app, a_lattice("h1", configs=configs_of(app))))
    assert isinstance(scale, ScaleComponent)
    assert isinstance(start, StartProvider)
    assert scale.config == ("shop-c", "e", "SECRET_shop-s")
    assert scale.annotations == owned("shop", workload(app, "web").id)
    assert start.config == ("shop-c",)
    assert start.annotations == owned("shop", workload(app, "kv").id)


def test_nothing_is_started_before_its_configuration_is_there() -> None:
    planned = plan(NEW_CONFIG, a_lattice("h1", configs={"shop-c": None}))
    assert asks(planned) == ["put configuration shop-c"]
    assert the_status(planned).explanation.waiting_for == "configuration shop-c to be in the lattice"


def test_nothing_is_changed_before_its_configuration_is_there() -> None:
    assert asks(plan(NEW_BOTH, a_lattice(a_host("h1", WEB), configs={"shop-c": None}))) == ["put configuration shop-c"]


# -- upgrades of components -------------------------------------------------------------------------


def test_a_new_image_is_updated_with_the_new_annotations() -> None:
    [update] = commands(plan(NEW_IMAGE, a_lattice(a_host("h1", WEB))))
    assert isinstance(update, UpdateComponent)
    assert update.annotations[SCALER] == workload(NEW_IMAGE, "web").id


def test_a_new_image_with_new_configuration_is_updated_first_and_scaled_then() -> None:
    """An update leaves the configuration as it is, so the new annotations, which stand for it, come with the scale."""
    configs = configs_of(NEW_BOTH)
    [update] = commands(plan(NEW_BOTH, a_lattice(a_host("h1", WEB), configs=configs)))
    assert isinstance(update, UpdateComponent)
    assert update.annotations == WEB.annotations

    [scale] = commands(plan(NEW_BOTH, a_lattice(a_host("h1", replace(WEB, image="x/web:2")), configs=configs)))
    assert isinstance(scale, ScaleComponent)
    assert (scale.count, scale.config) == (3, ("shop-c",))
    assert scale.annotations[SCALER] == workload(NEW_BOTH, "web").id


def test_a_new_image_with_a_new_number_is_updated_first_and_scaled_then() -> None:
    both = an_app("shop", a_component("web", 9, image="x/web:2"))
    assert asks(plan(both, a_lattice(a_host("h1", WEB)))) == ["update shop-web on h1 to x/web:2"]
    updated = running(both, "web", 3)
    assert asks(plan(both, a_lattice(a_host("h1", updated)))) == ["scale shop-web to 9 on h1 (x/web:2)"]


def test_the_code_of_another_image_gets_its_name_back_and_is_updated_from_there() -> None:
    """A host does not update to an image by whose name it calls a component already
    (docs/protocol/lattice.md#update-a-component)."""
    misnamed = replace(WEB, code="x/web:2")
    lattice = a_lattice(a_host("h1", misnamed))
    planned = plan(SHOP, lattice)
    assert asks(planned) == ["scale shop-web to 4 on h1 (x/web:2)"]
    assert planned.status.type == "reconciling"
    lattice.put("h1", replace(WEB, image="x/web:2", count=4))
    in_flight = asked(*planned.actions)
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=1.0)) == ["update shop-web on h1 to x/web:1"]
    lattice.put("h1", replace(WEB, count=4))
    assert asks(plan(SHOP, lattice)) == ["scale shop-web to 3 on h1 (x/web:1)"]

    assert asks(plan(NEW_IMAGE, a_lattice(a_host("h1", misnamed)))) == ["update shop-web on h1 to x/web:2"]


def test_an_update_after_a_re_scale_that_was_accepted_and_has_not_shown_names_no_scaler() -> None:
    """Its event tells the annotations from before."""
    lattice = a_lattice(a_host("h1", WEB), configs=configs_of(NEW_CONFIG))
    in_flight = Expectations()
    [rescale] = plan(NEW_CONFIG, lattice).actions
    in_flight.ask(rescale, 0.0)
    in_flight.deliver(rescale.command.key, 0.5)
    in_flight.retry(rescale.command.key, 1.0)
    [update] = plan(NEW_IMAGE, lattice, in_flight=in_flight, now=2.0).actions
    assert isinstance(update.command, UpdateComponent)
    assert update.command.annotations == {key: value for key, value in WEB.annotations.items() if key != SCALER}


def test_an_update_after_a_re_scale_that_was_not_answered_names_no_scaler() -> None:
    """The host may have the other configuration by now. Had the update the annotations from before, nothing would show
    that."""
    lattice = a_lattice(a_host("h1", WEB), configs=configs_of(NEW_CONFIG))
    in_flight = Expectations()
    [rescale] = plan(NEW_CONFIG, lattice).actions
    in_flight.ask(rescale, 0.0)
    in_flight.hold(rescale.command.key, "nobody answered", 2.0, lingering=True)

    [update] = plan(NEW_IMAGE, lattice, in_flight=in_flight, now=2.0).actions
    assert isinstance(update.command, UpdateComponent)
    nameless = {key: value for key, value in WEB.annotations.items() if key != SCALER}
    assert update.command.annotations == nameless
    in_flight.ask(update, 2.0)
    in_flight.hold(update.command.key, "nobody answered", 4.0, lingering=True)
    assert commands(plan(NEW_IMAGE, lattice, in_flight=in_flight, now=10.0)) == [update.command], "still in doubt"

    lattice.put("h1", replace(WEB, image="x/web:2", annotations=nameless))
    [scale] = commands(plan(NEW_IMAGE, lattice, in_flight=in_flight, now=10.0))
    assert isinstance(scale, ScaleComponent)
    assert (scale.config, scale.annotations[SCALER]) == ((), workload(NEW_IMAGE, "web").id)


def test_what_is_wanted_again_is_right_only_once_an_update_away_from_it_has_shown_or_is_out_of_time() -> None:
    lattice = a_lattice(a_host("h1", WEB))
    in_flight = asked(*plan(NEW_IMAGE, lattice).actions)
    back = plan(SHOP, lattice, in_flight=in_flight, now=1.0)
    assert (back.actions, back.status.type, back.settled) == ((), "reconciling", ())

    in_flight.due(PATIENCE_UPDATE + 0.1, lattice)
    assert plan(SHOP, lattice, in_flight=in_flight, now=PATIENCE_UPDATE + 0.1).status.type == "deployed"

    in_flight = asked(*plan(NEW_IMAGE, lattice).actions)
    lattice.put("h1", replace(WEB, image="x/web:2"))
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=1.0)) == ["update shop-web on h1 to x/web:1"]


def test_an_update_after_a_re_scale_that_was_refused_is_like_any() -> None:
    lattice = a_lattice(a_host("h1", WEB), configs=configs_of(NEW_CONFIG))
    in_flight = asked(*plan(NEW_CONFIG, lattice).actions)
    in_flight.hold(("component", "h1", "shop-web"), "policy says no", 1.0)
    assert commands(plan(NEW_IMAGE, lattice, in_flight=in_flight, now=1.0)) == commands(plan(NEW_IMAGE, lattice))


def test_all_hosts_of_a_component_are_updated_side_by_side() -> None:
    old = an_app("shop", a_component("web", 2, daemon=True))
    new = an_app("shop", a_component("web", 2, daemon=True, image="x/web:2"))
    lattice = a_lattice(*(a_host(host, running(old, "web")) for host in ("h1", "h2", "h3")))
    assert asks(plan(new, lattice)) == [f"update shop-web on {host} to x/web:2" for host in ("h1", "h2", "h3")]


def test_a_request_that_the_host_ignored_is_made_again_with_one_more_for_a_moment() -> None:
    """A host with this very number and configuration drops the new annotations
    (docs/protocol/lattice.md#scale-unchanged)."""
    renamed = an_app("shop", a_component("api", 3, image="x/web:1", id="shop-web"))
    lattice = a_lattice(a_host("h1", WEB))
    [first] = plan(renamed, lattice).actions
    in_flight = asked(first)
    in_flight.retry(first.command.key, 1.0)

    [nudge] = plan(renamed, lattice, in_flight=in_flight, now=1.0).actions
    assert asks(plan(renamed, lattice, in_flight=in_flight, now=1.0)) == ["scale shop-web to 4 on h1 (x/web:1)"]
    in_flight.ask(nudge, 1.0)
    assert asks(plan(renamed, lattice, in_flight=in_flight, now=2.0)) == []

    taken = running(renamed, "api", 4)
    lattice.put("h1", taken)
    assert asks(plan(renamed, lattice, in_flight=in_flight, now=2.0)) == ["scale shop-web to 3 on h1 (x/web:1)"]


def test_a_host_that_refuses_the_change_is_asked_with_growing_pauses() -> None:
    lattice = a_lattice(a_host("h1", WEB), configs=configs_of(NEW_CONFIG))
    in_flight = Expectations()
    pauses = []
    now = 0.0
    for _ in range(5):
        [action] = plan(NEW_CONFIG, lattice, in_flight=in_flight, now=now).actions
        assert isinstance(action.command, ScaleComponent)
        assert action.command.count == 3
        in_flight.ask(action, now)
        in_flight.hold(action.command.key, "policy says no", now)
        assert asks(plan(NEW_CONFIG, lattice, in_flight=in_flight, now=now)) == []
        held = in_flight.get(action.command.key)
        assert held is not None
        pauses.append(held.retry_at - now)
        now = held.retry_at
    assert pauses == sorted(pauses)
    assert pauses[-1] > 10


# -- upgrades of providers --------------------------------------------------------------------------


def test_a_provider_is_stopped_and_started_one_host_at_a_time() -> None:
    old = an_app("store", a_provider("kv", 3))
    new = an_app("store", a_provider("kv", 3, image="x/kv:2"))
    lattice = a_lattice(*(a_host(host, providing(old, "kv")) for host in ("h1", "h2", "h3")))
    steps = []
    while planned := plan(new, lattice).actions:
        [action] = planned
        steps.append(type(action.command).__name__)
        host = action.command.key[1]
        if isinstance(action.command, StartProvider):
            lattice.put(host, providing(new, "kv"))
        else:
            lattice.drop("provider", host, "store-kv")
    assert steps == ["StopProvider", "StartProvider"] * 3
    assert plan(new, lattice).status.type == "deployed"


def test_no_provider_is_stopped_while_another_host_lacks_it() -> None:
    old = an_app("store", a_provider("kv", 2))
    new = an_app("store", a_provider("kv", 2, image="x/kv:2"))
    assert asks(plan(new, a_lattice(a_host("h1", providing(old, "kv")), "h2"))) == ["start store-kv on h2 (x/kv:2)"]


@pytest.mark.parametrize("scheme", ["oci://", "https://", "file://", "wasmcloud+builtin://"])
def test_a_provider_is_shown_without_the_scheme_of_its_image(scheme: str) -> None:
    app = an_app("store", a_provider("kv", image=f"{scheme}x/kv:1"))
    shown = replace(providing(app, "kv"), image="x/kv:1")
    assert str(plan(app, a_lattice(a_host("h1", shown)))) == "store: deployed"


def test_a_component_is_shown_with_the_scheme_of_its_image() -> None:
    app = an_app("shop", a_component("web", 3, image="oci://x/web:1"))
    lattice = a_lattice(a_host("h1", replace(running(app, "web"), image="x/web:1")))
    assert asks(plan(app, lattice)) == ["update shop-web on h1 to oci://x/web:1"]


# -- from one kind of scaler to the other -----------------------------------------------------------


def test_a_provider_is_not_restarted_because_its_scaler_is_of_another_kind() -> None:
    daemon = an_app("store", a_provider("kv", daemon=True))
    assert str(plan(daemon, a_lattice(a_host("h1", KV)))) == "store: deployed"
    assert str(plan(STORE, a_lattice(a_host("h1", providing(daemon, "kv"))))) == "store: deployed"


def test_a_component_is_taken_over_where_it_runs_when_its_scaler_is_of_another_kind() -> None:
    daemon = an_app("shop", a_component("web", 3, daemon=True))
    assert asks(plan(daemon, a_lattice(a_host("h1", WEB)))) == ["scale shop-web to 3 on h1 (x/web:1)"]


# -- make before break ------------------------------------------------------------------------------

EAST = an_app("shop", a_component("web", 3, a_spread("default", zone="east")))


def test_what_must_move_is_stopped_when_it_runs_elsewhere() -> None:
    lattice = a_lattice(a_host("h1", WEB, zone="west"), a_host("h2", zone="east"))
    assert str(plan(EAST, lattice)) == (
        "shop: reconciling Scaling component on 2 host(s)\n"
        "  scale shop-web to 3 on h2 (x/web:1)  because spread default wants 3 on h2, none runs there"
    )
    lattice.put("h2", WEB)
    assert str(plan(EAST, lattice)) == (
        "shop: reconciling Found components running on ineligible hosts, removing them.\n"
        "  scale shop-web to 0 on h1 (x/web:1)  because h1: its labels match no spread"
    )
    lattice.drop("component", "h1", "shop-web")
    assert str(plan(EAST, lattice)) == "shop: deployed"


def test_what_may_not_run_where_it_does_goes_on_while_no_host_is_there_for_it() -> None:
    planned = plan(EAST, a_lattice(a_host("h1", WEB, zone="west")))
    assert (asks(planned), planned.status.type) == ([], "failed")
    assert the_status(planned).explanation.next == (
        "goes on as soon as such a host joins, or one of those there gets zone=east; "
        "until then x/web:1 goes on running on h1"
    )


def test_nothing_is_stopped_on_a_host_whose_labels_are_not_known() -> None:
    lattice = a_lattice()
    lattice.put("h1", WEB)
    planned = plan(EAST, lattice)
    assert str(planned) == "shop: deployed"
    gone = an_app("shop", a_component("web", 0))
    planned = plan(gone, lattice)
    assert asks(planned) == []
    assert planned.questions.hosts == {"h1"}


def test_a_number_is_lowered_only_when_others_have_taken_over() -> None:
    """Two shares live together on h1; h2 comes and takes one of them."""
    app = an_app("shop", a_component("web", 10, a_spread("any", 50), a_spread("east", 50, zone="east")))
    lattice = a_lattice(a_host("h1", zone="east"))
    [together] = commands(plan(app, lattice))
    assert isinstance(together, ScaleComponent)
    lattice.put("h1", Component("shop-web", "x/web:1", together.count, together.annotations))
    assert plan(app, lattice).status.type == "deployed"
    assert plan(app, lattice).wants_hosts

    join(lattice, a_host("h2"))
    [start] = commands(plan(app, lattice))
    assert isinstance(start, ScaleComponent)
    assert (start.host_id, start.count) == ("h2", 5)
    lattice.put("h2", Component("shop-web", "x/web:1", 5, start.annotations))
    assert asks(plan(app, lattice)) == ["scale shop-web to 5 on h1 (x/web:1)"]


def test_twice_by_mistake_is_once_too_many() -> None:
    lattice = a_lattice(a_host("h1", WEB), a_host("h2", WEB))
    assert str(plan(SHOP, lattice)) == (
        "shop: reconciling Scaling component on 1 host(s)\n"
        "  scale shop-web to 0 on h2 (x/web:1)  because h2: more run than are wanted"
    )


def test_none_of_a_component_is_a_state_like_any_other() -> None:
    none = an_app("shop", a_component("web", 0))
    assert asks(plan(none, a_lattice(a_host("h1", WEB)))) == ["scale shop-web to 0 on h1 (x/web:1)"]
    assert str(plan(none, a_lattice("h1"))) == "shop: deployed"


def test_fewer_providers_than_run() -> None:
    lattice = a_lattice(*(a_host(host, KV) for host in ("h1", "h2", "h3")))
    assert asks(plan(STORE, lattice)) == ["stop store-kv on h2", "stop store-kv on h3"]


# -- restraint --------------------------------------------------------------------------------------


def test_what_is_under_way_is_not_asked_again() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(SHOP, lattice).actions)
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=59.0)) == []
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=61.0)) == ["scale shop-web to 3 on h1 (x/web:1)"]


def test_a_start_under_way_is_not_moved_by_a_host_that_would_have_suited_better() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(SHOP, lattice).actions)
    for number in range(20):
        join(lattice, a_host(f"new{number}"))
    assert asks(plan(SHOP, lattice, in_flight=in_flight)) == []


def test_a_stop_under_way_is_not_asked_again_though_there_was_a_reason_to_wait_meanwhile() -> None:
    lattice = a_lattice(a_host("h1", WEB, zone="west"), a_host("h2", WEB, zone="east"))
    in_flight = asked(*plan(EAST, lattice).actions)
    lattice.drop("component", "h2", "shop-web")
    waiting = plan(EAST, lattice, in_flight=in_flight)
    assert waiting.settled == ()
    lattice.put("h2", WEB)
    assert asks(plan(EAST, lattice, in_flight=in_flight)) == []


def test_what_another_application_waits_to_ask_again_is_left_to_it() -> None:
    lattice = a_lattice("h1")
    rival = an_app("rival", a_component("web", id="shop-web", image="x/rival:1"))
    in_flight = asked(*plan(rival, lattice).actions)
    in_flight.hold(("component", "h1", "shop-web"), "no such image", 0.0)
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=0.1)) == []
    assert asks(plan(SHOP, lattice, in_flight=in_flight, now=2.0)) == ["scale shop-web to 3 on h1 (x/web:1)"]


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(NEW_IMAGE, id="image"),
        pytest.param(an_app("shop", a_component("web", 4, image="x/web:2")), id="image and number"),
        pytest.param(NEW_BOTH, id="image and configuration"),
    ],
)
def test_another_image_need_not_wait_for_a_start_that_may_take_for_ever(changed: Manifest) -> None:
    """Nothing but the image differs until it runs: otherwise the host would run the old code under the new name
    (docs/protocol/lattice.md#scale-changed), were it to finish the first start before."""
    lattice = a_lattice("h1", configs=configs_of(changed))
    [first] = plan(SHOP, lattice).actions
    assert isinstance(first.command, ScaleComponent)
    beside = replace(first.command, reference="x/web:2")

    under_way = asked(first)
    assert commands(plan(changed, lattice, in_flight=under_way)) == [beside]
    under_way.due(60.0, lattice)
    assert commands(plan(changed, lattice, in_flight=under_way, now=60.0)) == [beside], "it may still be at work on it"

    failed = asked(first)
    failed.hold(first.command.key, "no such image", 1.0)
    assert commands(plan(changed, lattice, in_flight=failed, now=1.0)) == commands(plan(changed, lattice))

    lattice.put("h1", Component("shop-web", "x/web:2", 3, beside.annotations))
    [handed_over] = commands(plan(changed, lattice))
    assert isinstance(handed_over, ScaleComponent)
    assert handed_over.annotations[SCALER] == workload(changed, "web").id
    assert handed_over.config == workload(changed, "web").config


def test_a_start_asked_beside_another_is_kept_to_until_it_is_seen_what_became_of_it() -> None:
    """That it was not answered says nothing of the first one, which may still come, and must not find another number or
    configuration then."""
    lattice, in_flight = a_lattice("h1"), Expectations()
    changed = an_app("shop", a_component("web", 4, image="x/web:2"))
    for manifest in (SHOP, changed):
        [action] = plan(manifest, lattice, in_flight=in_flight).actions
        in_flight.ask(action, 0.0)
    beside, key = action.command, action.command.key
    assert isinstance(beside, ScaleComponent)
    assert (beside.count, beside.reference) == (3, "x/web:2")

    in_flight.hold(key, "nobody answered", 2.0, lingering=True)
    assert commands(plan(changed, lattice, in_flight=in_flight, now=2.0)) == [], "its pause is not over"
    assert commands(plan(changed, lattice, in_flight=in_flight, now=10.0)) == [beside]
    again = an_app("shop", a_component("web", 5, image="x/web:3"))
    assert commands(plan(again, lattice, in_flight=in_flight, now=2.0)) == [replace(beside, reference="x/web:3")]

    in_flight.hold(key, "no such image", 3.0)
    assert commands(plan(changed, lattice, in_flight=in_flight, now=3.0)) == commands(plan(changed, lattice))


def test_with_secrets_another_image_waits() -> None:
    """A host never ignores a request that names a secret."""
    old, new = (an_app("shop", a_component("web", secrets=[a_secret("s")], image=f"x/web:{n}")) for n in (1, 2))
    lattice = a_lattice("h1", configs=configs_of(old))
    assert asks(plan(new, lattice, in_flight=asked(*plan(old, lattice).actions))) == []


def test_a_start_that_has_come_true_with_what_is_wanted_no_more_does_not_hold_up() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(STORE, lattice).actions)
    lattice.put("h1", replace(KV, image="x/kv:0"))  # "already running", as it turned out
    planned = plan(STORE, lattice, in_flight=in_flight)
    assert asks(planned) == ["stop store-kv on h1"]
    assert planned.settled == (("provider", "h1", "store-kv"),)


def test_what_is_as_wanted_is_settled() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(SHOP, lattice).actions)
    lattice.put("h1", WEB)
    planned = plan(SHOP, lattice, in_flight=in_flight)
    assert str(planned) == "shop: deployed"
    assert planned.settled == (("component", "h1", "shop-web"),)


# -- others -----------------------------------------------------------------------------------------


def test_a_lattice_as_the_original_leaves_it_is_taken_over_without_a_command() -> None:
    app = an_app(
        "shop",
        a_component("web", 10, a_spread("east", 80, zone="east"), a_spread("west", 20, zone="west")),
        a_component("each", 2, daemon=True),
        a_provider("kv", 2),
    )
    lattice = a_lattice(
        a_host("h1", running(app, "web", 8, "east"), running(app, "each"), providing(app, "kv"), zone="east"),
        a_host("h2", running(app, "each"), zone="east"),
        a_host("h3", running(app, "web", 1, "west"), running(app, "each"), providing(app, "kv"), zone="west"),
        a_host("h4", running(app, "web", 1, "west"), running(app, "each"), zone="west"),
    )
    assert str(plan(app, lattice)) == "shop: deployed"


def test_an_id_that_another_application_uses_is_left_to_it() -> None:
    other = Component("shop-web", "x/other:1", 1, owned("other", "their-scaler"))
    lattice = a_lattice(a_host("h1", other), "h2")
    assert asks(plan(SHOP, lattice)) == ["scale shop-web to 3 on h2 (x/web:1)"]
    lattice.remove_host("h2")
    assert str(plan(SHOP, lattice)) == (
        "shop: failed Spread requirement conflict: default spread requires 3 instances vs 0 computed from "
        "reconciliation commands The id shop-web is used by application other on h1."
    )


@pytest.mark.parametrize("image", ["x/web:1", "x/other:1"])
@pytest.mark.parametrize(
    ("annotations", "marked"),
    [
        ({}, "it has no annotations"),
        ({"wasmcloud.dev/managed-by": "somebody-else"}, "its annotations are wasmcloud.dev/managed-by=somebody-else"),
        ({"wasmcloud.dev/appspec": "shop"}, "its annotations are wasmcloud.dev/appspec=shop"),
    ],
)
def test_a_component_that_wadm_did_not_start_is_never_touched(
    image: str, annotations: dict[str, str], marked: str
) -> None:
    """Not even where it is what is wanted: nobody knows its configuration, or who counts on it."""
    lattice = a_lattice(a_host("h1", Component("shop-web", image, 1, annotations)))
    assert str(plan(SHOP, lattice)) == (
        "shop: failed Spread requirement conflict: default spread requires 3 instances vs 0 computed from "
        f"reconciliation commands The id shop-web is used by {image}, which wadm did not start, on h1: {marked}. "
        "Give one of the two another id, or stop that one."
    )
    join(lattice, a_host("h2"))
    assert asks(plan(SHOP, lattice)) == ["scale shop-web to 3 on h2 (x/web:1)"]


def test_beside_what_is_wanted_a_component_that_wadm_did_not_start_is_left_alone() -> None:
    by_hand = Component("shop-web", "x/web:1", 1, {})
    assert str(plan(SHOP, a_lattice(a_host("h1", WEB), a_host("h2", by_hand)))) == "shop: deployed"


def test_a_provider_that_wadm_did_not_start_counts_where_it_is_the_same() -> None:
    by_hand = Provider("store-kv", "x/kv:1", {})
    assert str(plan(STORE, a_lattice(a_host("h1", by_hand), "h2"))) == "store: deployed"


def test_a_provider_that_wadm_did_not_start_is_left_alone_where_it_is_another() -> None:
    lattice = a_lattice(a_host("h1", Provider("store-kv", "x/another:1", {})))
    assert plan(STORE, lattice).status.message == (
        "Could not satisfy spread default for x/kv:1, 0/1 eligible hosts found. "
        "The id store-kv is used by x/another:1, which wadm did not start, on h1: it has no annotations. "
        "Give one of the two another id, or stop that one."
    )
    join(lattice, a_host("h2"))
    assert asks(plan(STORE, lattice)) == ["start store-kv on h2 (x/kv:1)"]


# -- statuses ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "hosts", "message"),
    [
        pytest.param(
            SHOP,
            [],
            "Spread requirement conflict: default spread requires 3 instances vs 0 computed from "
            "reconciliation commands",
            id="component spread",
        ),
        pytest.param(
            an_app("store", a_provider("kv", 5)),
            [a_host("h1", KV), a_host("h2", KV)],
            "Could not satisfy spread default for x/kv:1, 2/5 eligible hosts found.",
            id="provider spread",
        ),
        pytest.param(
            an_app("shop", a_component("web", 2, a_spread("moon", zone="moon"), daemon=True)),
            [a_host("h1")],
            "Could not satisfy daemonscaler moon for x/web:1, 0 eligible hosts found.",
            id="component daemon",
        ),
        pytest.param(
            an_app("store", a_provider("kv", 1, a_spread("moon", zone="moon"), daemon=True)),
            [a_host("h1")],
            "Could not satisfy daemonscaler moon for x/kv:1, 0 eligible hosts found.",
            id="provider daemon",
        ),
    ],
)
def test_words_for_too_few_hosts(manifest: Manifest, hosts: list[AHost], message: str) -> None:
    planned = plan(manifest, a_lattice(*hosts))
    assert (planned.status.type, planned.status.message) == ("failed", message)
    assert planned.wants_hosts


def test_what_can_be_placed_is_placed_although_something_cannot() -> None:
    app = an_app("shop", a_component("web", 10, a_spread("east", zone="east"), a_spread("moon", zone="moon")))
    lattice = a_lattice(a_host("h1", zone="east"))
    planned = plan(app, lattice, now=HOST_JOIN_WINDOW)
    assert asks(planned) == ["scale shop-web to 5 on h1 (x/web:1)"]
    assert planned.status.type == "failed"
    assert (
        the_status(planned).explanation.waiting_for
        == "a host with zone=moon (spread moon); 1 host is there: h1 has zone=east"
    )
    assert asks(plan(app, lattice, now=HOST_JOIN_WINDOW - 0.1)) == [], "the host that lacks may be about to join"


def test_a_failure_is_told_in_the_hosts_words() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(SHOP, lattice).actions)
    in_flight.hold(("component", "h1", "shop-web"), "no such image", 1.0)
    planned = plan(SHOP, lattice, in_flight=in_flight, now=1.0)
    assert str(planned) == "shop: failed no such image"
    why = the_status(planned).explanation
    assert (why.attempts, why.last_error, why.since) == (1, "no such image", 0.0)
    assert why.next_try > 1.0
    again = plan(SHOP, lattice, in_flight=in_flight, now=why.next_try)
    assert asks(again) == ["scale shop-web to 3 on h1 (x/web:1)"]
    assert again.status.message == "no such image", "it is kept until success or change"


def test_the_status_says_what_was_asked_and_until_when_it_is_waited_for() -> None:
    why = the_status(plan(SHOP, a_lattice("h1"), now=100.0)).explanation
    assert why.waiting_for == "h1 to run x/web:1"
    assert (why.since, why.next_try) == (100.0, 160.0)
    assert (why.wanted, why.running) == (3, 0)


def test_long_lists_of_hosts_are_cut_short() -> None:
    each = an_app("shop", a_component("web", daemon=True))
    why = the_status(plan(each, a_lattice("h1", "h2", "h3", "h4", "h5"))).explanation
    assert why.waiting_for == "h1, h2, h3 and 2 more to run x/web:1"


def test_unhealthy_providers_show() -> None:
    ill = replace(KV, health="failed")
    assert str(plan(STORE, a_lattice(a_host("h1", ill)))) == "store: unhealthy Unhealthy provider on 1 host(s)"


def test_how_many_run_is_told() -> None:
    app = an_app("store", a_provider("kv", 3))
    why = the_status(plan(app, a_lattice(a_host("h1", KV), a_host("h2", KV)))).explanation
    assert (why.wanted, why.running) == (3, 2)


# -- what may change the plan -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manifest", "host", "wants_hosts"),
    [
        pytest.param(SHOP, a_host("h1", WEB), False, id="all right"),
        pytest.param(SHOP, a_host("h1", replace(WEB, count=1)), False, id="another number where it lives"),
        pytest.param(SHOP, a_host("h1"), True, id="not started yet"),
        pytest.param(an_app("shop", a_component("web", daemon=True)), a_host("h1", WEB), True, id="daemon"),
        pytest.param(an_app("store", a_provider("kv", 2)), a_host("h1", KV), True, id="too few"),
    ],
)
def test_whether_another_host_could_change_the_plan(manifest: Manifest, host: AHost, wants_hosts: bool) -> None:
    assert plan(manifest, a_lattice(host)).wants_hosts is wants_hosts


# -- links wait for first starts --------------------------------------------------------------------

LINKED = an_app("shop", a_component("web", 3, links=[a_link("api")]), a_component("api"))
PUT = "put link shop-web -(wasi:keyvalue)-> shop-api (default)"


def test_a_link_waits_for_the_first_start_of_its_source_and_not_of_its_target() -> None:
    lattice = a_lattice("h1")
    first = plan(LINKED, lattice)
    assert PUT not in asks(first)
    assert first.status.scalers[1].explanation.waiting_for == "shop-web to start"
    lattice.put("h1", running(LINKED, "web"))
    assert asks(plan(LINKED, lattice, in_flight=asked(*first.actions))) == [PUT]


def test_a_link_does_not_wait_for_a_source_that_cannot_start() -> None:
    lattice = a_lattice("h1")
    in_flight = asked(*plan(LINKED, lattice).actions)
    in_flight.hold(("component", "h1", "shop-web"), "no such image", 1.0)
    assert asks(plan(LINKED, lattice, in_flight=in_flight, now=1.0)) == [PUT]


def test_a_link_does_not_wait_for_a_slow_host_while_its_source_runs_on_another() -> None:
    app = an_app("shop", a_component("web", daemon=True, links=[a_link("api")]), a_component("api"))
    lattice = a_lattice("h1", "h2")
    in_flight = asked(*plan(app, lattice).actions)
    lattice.put("h1", running(app, "web"))
    assert PUT not in asks(plan(app, lattice, in_flight=in_flight, now=1.0)), "the other start may be just as far"
    applications, _ = in_flight.due(3.0, lattice)
    assert applications == {"shop"}
    assert asks(plan(app, lattice, in_flight=in_flight, now=3.0)) == [PUT]


def test_the_name_of_a_spread_is_handed_over_like_any_annotation() -> None:
    old = an_app("shop", a_component("web", 3, a_spread("north", zone="east")))
    new = an_app("shop", a_component("web", 3, a_spread("east", zone="east")))
    [scale] = commands(plan(new, a_lattice(a_host("h1", running(old, "web"), zone="east"))))
    assert isinstance(scale, ScaleComponent)
    assert scale.annotations[SPREAD] == "east"


# -- trying another host ----------------------------------------------------------------------------


def test_after_three_failures_another_host_is_tried_and_the_first_is_not_forgotten() -> None:
    lattice, in_flight, now = a_lattice("h1", "h2"), Expectations(), 0.0
    tried = []
    for _ in range(6):
        (action,) = plan(SHOP, lattice, in_flight=in_flight, now=now).actions
        in_flight.ask(action, now)
        tried.append(action.command.host_id)
        in_flight.hold(action.command.key, f"cannot on {action.command.host_id}", now)
        now += 100.0
    first = tried[0]
    other = "h2" if first == "h1" else "h1"
    assert tried == [first, first, first, other, first, other]
    failed = plan(SHOP, lattice, in_flight=in_flight, now=now)
    assert failed.status.type == "failed"
    assert {f"cannot on {first}", f"cannot on {other}"} <= set(re.findall(r"cannot on h\d", failed.status.message))
    assert max(pending.attempts for pending in in_flight) == 6, "the pauses go on growing"


def test_once_it_runs_elsewhere_the_failures_are_forgotten() -> None:
    lattice, in_flight = a_lattice("h1", "h2"), Expectations()
    for now in (0.0, 100.0, 200.0):
        (action,) = plan(SHOP, lattice, in_flight=in_flight, now=now).actions
        in_flight.ask(action, now)
        in_flight.hold(action.command.key, "cannot", now)
    (action,) = plan(SHOP, lattice, in_flight=in_flight, now=300.0).actions
    in_flight.ask(action, 300.0)
    lattice.put(action.command.host_id, WEB)
    done = plan(SHOP, lattice, in_flight=in_flight, now=301.0)
    assert done.status.type == "deployed"
    in_flight.settle(done.settled)
    assert not len(in_flight)


def test_a_daemon_that_some_of_its_hosts_cannot_have_has_failed() -> None:
    others = Component("shop-web", "x/other:1", 1, owned("other", "their-scaler"))
    lattice = a_lattice(a_host("h1", others), "h2", "h3")
    desired = an_app("shop", a_component("web", 1, daemon=True))
    first = plan(desired, lattice)
    assert asks(first) == ["scale shop-web to 1 on h2 (x/web:1)", "scale shop-web to 1 on h3 (x/web:1)"]
    assert first.status.message == (
        "Could not satisfy daemonscaler default for x/web:1, 2 eligible hosts found. "
        "The id shop-web is used by application other on h1."
    )
    assert first.status.scalers[0].explanation.wanted == 3


def test_more_instances_than_a_host_can_be_asked_for_have_failed_at_once_and_what_runs_stays() -> None:
    lattice = a_lattice(a_host("h1", WEB))
    many = an_app("shop", a_component("web", 2**40))
    assert str(plan(many, lattice)) == (
        "shop: failed 1099511627776 instances is more than a host can take (4294967295)"
    )
    most = an_app("shop", a_component("web", 2**32 - 1))
    assert asks(plan(most, lattice)) == ["scale shop-web to 4294967295 on h1 (x/web:1)"]


def silenced(lattice: Lattice, *hosts: str) -> Lattice:
    """Have these hosts of a lattice fall silent together."""
    lattice.certainty.silent = dict.fromkeys(hosts, 1.0)
    lattice.pause = Pause(1.0, len(hosts), len(lattice.hosts), hosts, 301.0)
    return lattice


def test_a_provider_stays_on_a_silent_host_though_it_was_started_for_another_spread() -> None:
    provider = replace(KV, annotations={**KV.annotations, SPREAD: "of old"})
    lattice = silenced(a_lattice(a_host("h1", provider), "h2"), "h1")
    assert asks(plan(STORE, lattice)) == []


def test_shares_that_live_together_on_a_silent_host_stay_so() -> None:
    app = an_app("shop", a_component("web", 4, a_spread("a", zone="a"), a_spread("b", zone="a")))
    lattice = silenced(a_lattice(a_host("h1", running(app, "web", 4, "a"), zone="a")), "h1")
    assert asks(plan(app, lattice)) == []


# -- hosts of which it is not known what they run ------------------------------------------------------


def unseen(lattice: Lattice, *hosts: str, zone: str = "b") -> Lattice:
    """Have these hosts be known of, and not what they run, as after a change of owners."""
    for host in hosts:
        lattice.put_host(host, "", {"zone": zone}, "1.9.2", 0.0)
        lattice.certainty.silent[host], lattice.certainty.unseen[host] = 1.0, 61.0
    return lattice


def the_first(planned: Plan) -> ScalerStatus:
    status = the_status(planned)
    assert status.type == "reconciling"
    assert status.message == "Waiting for silent hosts to say what they run"
    return status


def test_a_share_that_may_run_on_an_unseen_host_is_not_added_where_another_runs() -> None:
    """Of two shares in one zone, one lives on a host that is not seen: the other host could take both."""
    app = an_app("shop", a_component("web", 3, a_spread("a", 67, zone="b"), a_spread("b", 33, zone="b")))
    lattice = unseen(a_lattice(a_host("h1", running(app, "web", 2, "a"), zone="b")), "h2")
    planned = plan(app, lattice)
    assert asks(planned) == []
    assert the_first(planned).explanation.waiting_for.startswith("h2")
    lattice.certainty.unseen.clear()
    lattice.remove_host("h2")
    assert asks(plan(app, lattice)) == ["scale shop-web to 3 on h1 (x/web:1)"]


def test_a_component_does_not_become_that_of_a_share_that_may_run_on_an_unseen_host() -> None:
    """What an earlier version left on h1 is as large as the share that is to be placed."""
    app = an_app("shop", a_component("web", 2, a_spread("b", zone="b")))
    lattice = unseen(a_lattice(a_host("h1", running(app, "web", 2, "of before"), zone="b")), "h2")
    assert asks(plan(app, lattice)) == []
    lattice.certainty.unseen.clear()
    lattice.remove_host("h2")
    assert asks(plan(app, lattice)) == ["scale shop-web to 2 on h1 (x/web:1)"]


def test_nothing_is_stopped_for_what_may_be_gone_from_a_host_that_has_just_started_again() -> None:
    runs = running(SHOP, "web", 3)
    lattice = a_lattice(a_host("h1", runs), a_host("h2", runs))
    (stop,) = asks(plan(SHOP, lattice))
    assert stop.startswith("scale shop-web to 0 on ")
    for host in lattice.hosts.values():
        host.known = f" on {host.id} " in stop
    assert asks(plan(SHOP, lattice)) == []


def test_a_share_of_which_part_may_run_on_an_unseen_host_is_not_raised() -> None:
    lattice = unseen(a_lattice(a_host("h1", running(SHOP, "web", 2))), "h2")
    assert asks(plan(SHOP, lattice)) == []


def test_a_provider_is_not_replaced_while_it_is_not_known_whether_others_serve() -> None:
    lattice = unseen(a_lattice(a_host("h1", KV)), "h2")
    planned = plan(STORE_NEW_IMAGE, lattice)
    assert asks(planned) == []
    the_first(planned)
    lattice.certainty.unseen.clear()
    lattice.remove_host("h2")
    assert asks(plan(STORE_NEW_IMAGE, lattice)) == ["stop store-kv on h1"]


@pytest.mark.parametrize("app", [SHOP, STORE])
def test_nothing_is_started_on_a_host_that_is_back_and_has_not_said_yet_what_it_runs(app: Manifest) -> None:
    lattice = a_lattice("h1")
    lattice.hosts["h1"].known = False
    planned = plan(app, lattice)
    assert asks(planned) == []
    assert planned.questions.hosts == {"h1"}
    assert the_status(planned).explanation.waiting_for == "h1 to say what it runs"
    lattice.hosts["h1"].known = True
    assert asks(plan(app, lattice))[0].split()[0] in ("scale", "start")
