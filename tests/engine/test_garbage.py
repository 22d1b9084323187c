"""What is left over: everything of ours goes, nothing that anybody wants does, and it is said until it is gone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tests.engine.builders import (
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
    configs_of,
    linked,
    owned,
    plan,
    providing,
    recorded,
    running,
)
from wadm.engine.changes import ChangeSet
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.expectations import Expectations
from wadm.engine.observe import STANDS_STILL, observe_due, observe_given_up, observe_outlived
from wadm.engine.plan import OtherApplications, OwnedResources
from wadm.model.commands import Action, Command, DeleteConfig, PutConfig, ScaleComponent
from wadm.model.lattice import Component, Lattice, Provider
from wadm.model.manifest import Manifest

SHOP = an_app(
    "shop",
    a_component("web", 3, links=[a_link("kv", config=[a_config("url", u="1")])], secrets=[a_secret("pw")]),
    a_provider("kv", config=[an_external_config("theirs")]),
)


def deployed(app: Manifest = SHOP) -> Lattice:
    host = a_host("h1", running(app, "web"), providing(app, "kv"))
    return a_lattice(host, links=linked(app), configs=configs_of(app))


def uses(*configs: str, link: bool = False) -> OtherApplications:
    """What others need."""
    return OtherApplications(lambda name: name in configs, lambda _key, _target: link)


# -- undeploying ------------------------------------------------------------------------------------


def test_undeploying_removes_what_is_ours_and_configurations_last() -> None:
    lattice = deployed()
    first = plan("shop", lattice, record=recorded(SHOP))
    assert str(first) == (
        "shop: reconciling Removing what is left of the application: 5 to go\n"
        "  scale shop-web to 0 on h1 (x/web:1)  because the application does not want it any more\n"
        "  stop shop-kv on h1  because the application does not want it any more\n"
        "  delete link shop-web -(wasi:keyvalue)-> (default)  because the application does not want it any more"
    )
    assert first.record == recorded(SHOP), "what is not gone stays on record"

    lattice.drop("component", "h1", "shop-web")
    lattice.drop("provider", "h1", "shop-kv")
    lattice.drop_link(linked(SHOP)[0].key)
    second = plan("shop", lattice, record=first.record)
    assert str(second) == (
        "shop: reconciling Removing what is left of the application: 2 to go\n"
        "  delete configuration SECRET_shop-pw  because nothing uses it now\n"
        "  delete configuration shop-url  because nothing uses it now"
    )

    lattice.set_config("SECRET_shop-pw", None)
    lattice.set_config("shop-url", None)
    third = plan("shop", lattice, record=second.record)
    assert str(third) == "shop: undeployed Manifest has been undeployed"
    assert not third.record


def test_what_was_never_deployed_is_undeployed() -> None:
    assert str(plan("shop", a_lattice("h1"))) == "shop: undeployed Manifest has been undeployed"


@pytest.mark.parametrize(
    "there",
    [
        pytest.param(Component("shop-web", "x/web:1", 1, owned("other")), id="another application's"),
        pytest.param(Component("shop-web", "x/web:1", 1, {}), id="started by hand"),
        pytest.param(Provider("shop-kv", "x/kv:1", owned("other")), id="another application's provider"),
        pytest.param(Component("shop-web", "x/web:1", 1, {"wasmcloud.dev/appspec": "shop"}), id="without managed-by"),
    ],
)
def test_what_is_not_ours_stays(there: Component | Provider) -> None:
    assert plan("shop", a_lattice(a_host("h1", there))).status.type == "undeployed"


def test_links_and_configurations_that_are_not_on_record_stay() -> None:
    assert asks(plan("shop", a_lattice("h1", links=linked(SHOP), configs=configs_of(SHOP)))) == []


def test_a_refusal_is_told_while_something_stays() -> None:
    lattice = a_lattice(a_host("h1", running(SHOP, "web")))
    in_flight = asked(*plan("shop", lattice).actions)
    in_flight.hold(("component", "h1", "shop-web"), "policy says no", 1.0)
    assert str(plan("shop", lattice, in_flight=in_flight, now=1.0)) == (
        "shop: failed Removing what is left of the application: 1 to go policy says no"
    )


def test_before_the_links_are_known_none_is_taken_as_gone() -> None:
    lattice = a_lattice("h1")
    lattice.certainty.links_read = False
    record = OwnedResources(links=recorded(SHOP).links)
    planned = plan("shop", lattice, record=record)
    assert (asks(planned), planned.record, planned.questions.links) == ([], record, True)
    assert planned.status.type == "reconciling"


def test_a_link_that_seems_gone_stays_on_record_until_the_links_of_its_source_have_been_read() -> None:
    """Another change of the same source may bring it back, or have been told of late."""
    record = OwnedResources(links=recorded(SHOP).links)
    lattice = a_lattice("h1")
    lattice.certainty.changed_sources[linked(SHOP)[0].source_id] = 1.0
    planned = plan("shop", lattice, record=record)
    assert (str(planned), planned.record) == ("shop: undeployed Manifest has been undeployed", record)
    assert not planned.questions, "all links are read now and then"

    lattice.put_link(linked(SHOP)[0])
    assert asks(plan("shop", lattice, record=record)) == ["delete link shop-web -(wasi:keyvalue)-> (default)"]

    lattice.drop_link(linked(SHOP)[0].key)
    lattice.certainty.changed_sources.clear()
    assert plan("shop", lattice, record=record).record == OwnedResources()


def test_while_it_is_not_known_whether_a_link_was_deleted_its_failures_are_remembered() -> None:
    record = OwnedResources(links=recorded(SHOP).links)
    lattice = a_lattice("h1", links=linked(SHOP))
    actions = plan("shop", lattice, record=record).actions
    in_flight = asked(*actions)
    in_flight.hold(actions[0].command.key, "No host answered in time", 2.0, lingering=True)
    lattice.certainty.doubtful.add(linked(SHOP)[0].key)
    planned = plan("shop", lattice, record=record, in_flight=in_flight, now=2.0)
    assert planned.settled == ()
    assert str(planned) == "shop: failed Removing what is left of the application: 1 to go No host answered in time"

    lattice.certainty.doubtful.clear()
    assert asks(plan("shop", lattice, record=record, in_flight=in_flight, now=2.5)) == [], "its pause is not over"
    assert len(plan("shop", lattice, record=record, in_flight=in_flight, now=4.0).actions) == 1


def test_what_a_host_may_still_put_stays_on_record() -> None:
    """A put of it got no answer: a host that stood still would carry it out when it goes on."""
    record = recorded(SHOP)
    lattice = a_lattice("h1", configs=dict.fromkeys(record.configs))
    lattice.certainty.late_puts |= {("link", linked(SHOP)[0].source_id): 1.0, ("config", "shop-url"): 1.0}
    planned = plan("shop", lattice, record=record)
    assert str(planned) == "shop: undeployed Manifest has been undeployed"
    assert planned.record == OwnedResources(record.links, frozenset({"shop-url"}))

    lattice.set_config("shop-url", {"u": "1"})
    assert asks(plan("shop", lattice, record=planned.record)) == ["delete configuration shop-url"]


def test_so_does_what_was_asked_for_and_shows_no_sign_in_time() -> None:
    """It may wait to be sent still, and is then deleted as soon as it is there."""
    lattice = deployed()
    lattice.drop_link(linked(SHOP)[0].key)
    put = plan(SHOP, lattice)
    in_flight = asked(*put.actions)
    for kind, name in (("component", "shop-web"), ("provider", "shop-kv")):
        lattice.drop(kind, "h1", name)
    observe_due(lattice, in_flight, ChangeSet(), 60.0)
    lattice.set_links([])
    lattice.certainty.note_reading(61.0, ())
    gone = plan("shop", lattice, in_flight=in_flight, record=OwnedResources(put.record.links), now=61.0)
    assert (gone.status.type, gone.record.links) == ("undeployed", put.record.links)

    lattice.put_link(linked(SHOP)[0], 62.0)
    assert asks(plan("shop", lattice, record=gone.record, now=62.0)) == [
        "delete link shop-web -(wasi:keyvalue)-> (default)"
    ]


def test_so_does_what_an_earlier_owner_has_left_for_as_long_as_a_host_may_stand_still() -> None:
    """That owner may have asked for it to be put a moment ago."""
    record = recorded(SHOP)
    lattice = a_lattice("h1", configs=dict.fromkeys(record.configs))
    interests, news = DependencyIndex(), ChangeSet()
    interests.put_record("shop", record)
    observe_outlived(interests.outlived(), lattice, 100.0)
    planned = plan("shop", lattice, record=record)
    assert planned.status.type == "undeployed"
    assert planned.record == record
    lattice.put_link(linked(SHOP)[0], 110.0)
    assert asks(plan("shop", lattice, record=planned.record))[0].startswith("delete link shop-web")
    lattice.drop_link(linked(SHOP)[0].key)
    observe_given_up(lattice, news, 100.1 + STANDS_STILL)
    assert news.sources == {"shop-web"}
    assert plan("shop", lattice, record=planned.record).record == OwnedResources()


def test_a_configuration_that_is_not_known_is_asked_for_before_it_is_deleted() -> None:
    record = OwnedResources(configs=frozenset({"shop-url"}))
    planned = plan("shop", a_lattice("h1"), record=record)
    assert (asks(planned), planned.questions.configs, planned.record) == ([], {"shop-url"}, record)
    assert planned.status.type == "reconciling"


# -- what may still come ----------------------------------------------------------------------------


def test_a_start_under_way_is_waited_for_and_then_stopped() -> None:
    lattice = a_lattice("h1", links=linked(SHOP), configs=configs_of(SHOP))
    in_flight = asked(*(a for a in plan(SHOP, lattice).actions if isinstance(a.command, ScaleComponent)))
    waiting = plan("shop", lattice, in_flight=in_flight, now=1.0)
    assert str(waiting) == "shop: reconciling Removing what is left of the application: 1 to go"
    assert waiting.settled == ()
    lattice.put("h1", running(SHOP, "web"))
    come = plan("shop", lattice, in_flight=in_flight, now=2.0)
    assert asks(come) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_a_start_that_failed_is_forgotten() -> None:
    lattice = a_lattice("h1", links=linked(SHOP), configs=configs_of(SHOP))
    in_flight = asked(*plan(SHOP, lattice).actions)
    for pending in list(in_flight):
        in_flight.hold(pending.command.key, "no such image", 1.0)
    planned = plan("shop", lattice, in_flight=in_flight, now=1.0)
    assert planned.status.type == "undeployed"
    assert len(planned.settled) == 2


def test_a_start_that_may_still_come_is_remembered_for_the_case_that_another_version_is_deployed() -> None:
    app = an_app("shop", a_component("web", 3))
    lattice = a_lattice("h1")
    in_flight = asked(*plan(app, lattice).actions)
    in_flight.due(60.0, lattice)
    gone = plan("shop", lattice, in_flight=in_flight, now=60.0)
    assert (gone.status.type, gone.settled) == ("undeployed", ())
    back = an_app("shop", a_component("web", 5, image="x/web:2"))
    assert asks(plan(back, lattice, in_flight=in_flight, now=60.0)) == ["scale shop-web to 3 on h1 (x/web:2)"]

    lattice.put("h1", running(app, "web"))
    assert asks(plan("shop", lattice, in_flight=in_flight, now=61.0)) == ["scale shop-web to 0 on h1 (x/web:1)"]


def test_a_link_that_is_being_put_is_waited_for_and_then_deleted() -> None:
    lattice = deployed()
    lattice.drop_link(linked(SHOP)[0].key)
    put = plan(SHOP, lattice)
    in_flight = asked(*put.actions)
    lattice.drop("component", "h1", "shop-web")
    lattice.drop("provider", "h1", "shop-kv")
    record = OwnedResources(links=put.record.links)
    waiting = plan("shop", lattice, in_flight=in_flight, record=record)
    assert (asks(waiting), waiting.record, waiting.settled) == ([], record, ())
    assert waiting.status.message.endswith(": 1 to go")

    lattice.put_link(linked(SHOP)[0])
    come = plan("shop", lattice, in_flight=in_flight, record=waiting.record)
    assert asks(come) == ["delete link shop-web -(wasi:keyvalue)-> (default)"]


def test_a_configuration_that_is_being_put_is_waited_for_and_then_deleted() -> None:
    lattice = a_lattice("h1", configs={"shop-url": None})
    in_flight = asked(Action(PutConfig("shop-url", {"u": "1"}, "shop"), "shop", "", ""))
    record = OwnedResources(configs=frozenset({"shop-url"}))
    waiting = plan("shop", lattice, in_flight=in_flight, record=record)
    assert (asks(waiting), waiting.record, waiting.settled) == ([], record, ())
    assert waiting.status.message.endswith(": 1 to go")
    lattice.set_config("shop-url", {"u": "1"})
    assert asks(plan("shop", lattice, in_flight=in_flight, record=record)) == ["delete configuration shop-url"]


def test_nothing_is_deleted_twice() -> None:
    lattice = deployed()
    in_flight = asked(*plan("shop", lattice, record=recorded(SHOP)).actions)
    assert asks(plan("shop", lattice, record=recorded(SHOP), in_flight=in_flight)) == []


def test_deploying_again_right_after_undeploying_starts_again_what_has_gone() -> None:
    lattice = deployed()
    in_flight = asked(*plan("shop", lattice, record=recorded(SHOP)).actions)
    lattice.drop("component", "h1", "shop-web")
    again = plan(SHOP, lattice, in_flight=in_flight, record=recorded(SHOP))
    assert asks(again) == ["scale shop-web to 3 on h1 (x/web:1)"]
    assert ("component", "h1", "shop-web") in again.settled


# -- upgrades ---------------------------------------------------------------------------------------

SLIM = an_app("shop", a_component("web", 3), version="v2")


def test_what_a_version_leaves_out_goes() -> None:
    lattice = deployed(SHOP)
    lattice.put("h1", running(SLIM, "web"))
    planned = plan(SLIM, lattice, record=recorded(SHOP))
    assert str(planned) == (
        "shop: reconciling Removing what is left of an earlier version: 4 to go\n"
        "  stop shop-kv on h1  because the application does not want it any more\n"
        "  delete link shop-web -(wasi:keyvalue)-> (default)  because the application does not want it any more"
    )


@pytest.mark.parametrize(
    ("new", "kept"),
    [
        pytest.param(a_component("web", 3, config=[a_config("url", u="1")]), True, id="for something else"),
        pytest.param(a_component("web", 3, config=[an_external_config("shop-url")]), True, id="now by its full name"),
        pytest.param(a_component("web", 3), False, id="not any more"),
    ],
)
def test_a_configuration_stays_as_long_as_it_is_used(new: object, kept: bool) -> None:
    app = an_app("shop", new, version="v2")  # type: ignore[arg-type]
    lattice = a_lattice(a_host("h1", running(app, "web")), configs={"shop-url": {"u": "1"}})
    record = OwnedResources(configs=frozenset({"shop-url"}))
    planned = plan(app, lattice, record=record)
    assert (asks(planned) == []) is kept
    assert planned.record == record, "on record until it is gone"
    assert planned.status.type == ("deployed" if kept else "reconciling")


def test_a_configuration_stays_while_what_uses_it_leaves_a_host() -> None:
    """It is being stopped there, and has not been seen to be gone."""
    before = an_app("shop", a_component("web", daemon=True, config=[a_config("url", u="1")]))
    after = an_app("shop", a_component("web"), version="v2")
    hosts = a_host("h1", running(after, "web")), a_host("h2", running(before, "web"))
    lattice = a_lattice(*hosts, configs=configs_of(before))
    planned = plan(after, lattice, record=recorded(before))
    assert asks(planned) == ["scale shop-web to 0 on h2 (x/web:1)"]
    lattice.drop("component", "h2", "shop-web")
    assert asks(plan(after, lattice, record=planned.record)) == ["delete configuration shop-url"]


# -- what an earlier version left may be what a new part replaces -----------------------------------

RENAMED = an_app("shop", a_component("web", 3, id="web"), version="v2")


def test_a_component_under_a_new_id_replaces_the_old_one_once_it_runs() -> None:
    lattice = a_lattice(a_host("h1", running(SLIM, "web")))
    planned = plan(RENAMED, lattice)
    assert asks(planned) == ["scale web to 3 on h1 (x/web:1)"]
    assert planned.status.scalers[0].explanation.next.endswith("until then x/web:1 goes on running on h1")
    lattice.put("h1", running(RENAMED, "web"))
    assert asks(plan(RENAMED, lattice)) == ["scale shop-web to 0 on h1 (x/web:1)"]


@pytest.mark.parametrize("error", ["no such image", "policy says no"])
def test_while_a_new_part_does_not_start_nothing_of_an_earlier_version_is_stopped(error: str) -> None:
    lattice = a_lattice(a_host("h1", running(SLIM, "web")))
    in_flight = asked(*plan(RENAMED, lattice).actions)
    in_flight.hold(("component", "h1", "web"), error, 1.0)
    planned = plan(RENAMED, lattice, in_flight=in_flight, now=1.0)
    assert (asks(planned), planned.status.type) == ([], "failed")
    assert error in planned.status.message


def test_what_is_removed_goes_at_once_where_nothing_new_is_to_come() -> None:
    """That another part waits for its new image is no reason to keep it: that one has its own earlier version."""
    before = an_app("shop", a_component("web"), a_component("gone"))
    after = an_app("shop", a_component("web", image="x/web:2"), version="v2")
    lattice = a_lattice(a_host("h1", running(before, "web"), running(before, "gone")))
    assert asks(plan(after, lattice)) == ["update shop-web on h1 to x/web:2", "scale shop-gone to 0 on h1 (x/gone:1)"]


def test_the_way_to_what_goes_on_stays_until_its_replacement_runs() -> None:
    """The provider leads to the old component until the new one runs, and then to the new one alone."""
    before = an_app("shop", a_component("ui"), a_provider("http", links=[a_link("ui", of="wasi:http")]))
    after = an_app("shop", a_component("ui2"), a_provider("http", links=[a_link("ui2", of="wasi:http")]), version="v2")
    host = a_host("h1", running(before, "ui"), providing(before, "http"))
    lattice = a_lattice(host, links=linked(before))
    planned = plan(after, lattice, record=recorded(before))
    assert asks(planned) == ["scale shop-ui2 to 1 on h1 (x/ui2:1)"]
    assert planned.status.scalers[2].explanation.waiting_for == (
        "shop-ui2 to run; until then shop-http leads to shop-ui"
    )
    lattice.put("h1", running(after, "ui2"))
    planned = plan(after, lattice, record=planned.record)
    assert asks(planned) == ["delete link shop-http -(wasi:http)-> (default)"]
    lattice.drop_link(linked(before)[0].key)
    assert asks(plan(after, lattice, record=planned.record)) == [
        "put link shop-http -(wasi:http)-> shop-ui2 (default)",
        "scale shop-ui to 0 on h1 (x/ui:1)",
    ]


@pytest.mark.parametrize("first", ["component", "provider"])
@pytest.mark.parametrize("why", ["no host", "no image", "it is on its way"])
def test_a_provider_waits_for_a_link_only_as_long_as_its_new_target_may_run(first: str, why: str) -> None:
    """Else its further places would stay empty, as the link leads to the old component until the new one runs."""

    def shop(ui: str, places: int, *spread: object) -> Manifest:
        component = a_component(ui, 1, *spread)
        http = a_provider("http", places, links=[a_link(ui, of="wasi:http")])
        return an_app("shop", *((component, http) if first == "component" else (http, component)), version=ui)

    before, after = shop("ui", 1), shop("ui2", 2, *([a_spread("moon", zone="moon")] if why == "no host" else []))
    host = a_host("h1", running(before, "ui"), providing(before, "http"))
    lattice = a_lattice(host, a_host("h2", running(before, "ui")), links=linked(before))
    in_flight = Expectations()
    if why != "no host":
        start = next(action for action in plan(after, lattice, record=recorded(before)).actions if "ui2" in str(action))
        in_flight = asked(start)
        if why == "no image":
            in_flight.hold(start.command.key, "no such image", 0.1)
    planned = plan(after, lattice, record=recorded(before), in_flight=in_flight, now=0.2)
    asks_for = [ask for ask in asks(planned) if "http" in ask]
    assert asks_for == ([] if why == "it is on its way" else ["start shop-http on h2 (x/http:1)"])


def test_what_an_earlier_version_calls_stays_while_that_version_goes_on() -> None:
    """Its link and the configuration of that: the code that still runs cannot do without."""
    config = [a_config("url", u="1")]
    before = an_app("shop", a_component("web", links=[a_link("kv", config=config)]), a_provider("kv"))
    after = an_app("shop", a_component("web", image="x/web:2"), a_provider("kv"), version="v2")
    host = a_host("h1", running(before, "web"), providing(before, "kv"))
    lattice = a_lattice(host, links=linked(before), configs=configs_of(before))
    planned = plan(after, lattice, record=recorded(before))
    assert asks(planned) == ["update shop-web on h1 to x/web:2"]
    assert planned.record == recorded(before)
    lattice.put("h1", running(after, "web"))
    assert asks(plan(after, lattice, record=planned.record)) == ["delete link shop-web -(wasi:keyvalue)-> (default)"]


def test_a_provider_that_is_to_listen_where_another_does_waits_for_it_to_go() -> None:
    """Two cannot listen on one address: the new one would never hear anything."""

    def serving(name: str, address: str) -> Manifest:
        link = a_link("ui", of="wasi:http", source_config=[a_config(f"addr-{name}", address=address)])
        return an_app("shop", a_component("ui"), a_provider(name, links=[link]), version=name)

    before = serving("http", ":80")
    lattice = a_lattice(
        a_host("h1", running(before, "ui"), providing(before, "http")),
        links=linked(before),
        configs={**configs_of(before), "shop-addr_web": {"address": ":80"}, "shop-addr_other": {"address": ":81"}},
    )
    stop = "stop shop-http on h1"
    assert stop in asks(plan(serving("web", ":80"), lattice, record=recorded(before)))
    assert stop not in asks(plan(serving("other", ":81"), lattice, record=recorded(before)))


# -- others -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("needed", "asked_for"),
    [
        pytest.param(uses(), ["delete configuration shop-url"], id="nobody"),
        pytest.param(uses("shop-url"), [], id="another application uses the configuration"),
    ],
)
def test_a_configuration_that_another_application_uses_stays(needed: OtherApplications, asked_for: list[str]) -> None:
    record = OwnedResources(configs=frozenset({"shop-url"}))
    planned = plan("shop", a_lattice("h1", configs={"shop-url": {"u": "1"}}), record=record, needed=needed)
    assert asks(planned) == asked_for
    assert planned.record == record, "it goes when that application does not use it any more"
    assert planned.status.type == ("reconciling" if asked_for else "undeployed")


def test_a_link_that_another_application_wants_stays() -> None:
    record = OwnedResources(links=recorded(SHOP).links)
    lattice = a_lattice("h1", links=linked(SHOP))
    planned = plan("shop", lattice, record=record, needed=uses(link=True))
    assert (asks(planned), planned.record, planned.status.type) == ([], record, "undeployed")
    assert asks(plan("shop", lattice, record=record)) != []


@pytest.mark.parametrize(
    "command",
    [
        pytest.param(lambda: ScaleComponent("shop-web", "h2", 0, "x/web:1", "shop", {}), id="stop"),
        pytest.param(lambda: DeleteConfig("gone", "shop"), id="delete"),
    ],
)
def test_what_is_pending_for_what_nobody_cares_for_is_settled(command: Callable[[], Command]) -> None:
    in_flight = asked(Action(command(), "shop", "", ""))
    lattice = deployed()
    lattice.put("h1", replace(running(SHOP, "web")))
    assert plan(SHOP, lattice, in_flight=in_flight).settled == (command().key,)


def test_what_runs_in_the_wrong_place_is_no_leftover() -> None:
    """What runs of a wanted thing outside its placement is the scaler's business, not garbage."""
    east = an_app("shop", a_component("web", 3, a_spread("east", zone="east")))
    lattice = a_lattice(a_host("h1", running(east, "web"), zone="west"), a_host("h2", zone="east"))
    assert asks(plan(east, lattice)) == ["scale shop-web to 3 on h2 (x/web:1)"]


# -- what is not known --------------------------------------------------------------------------------


def test_what_may_be_used_on_a_host_that_is_not_seen_stays_until_it_is() -> None:
    """An owner that has taken over knows of a silent host, not what it runs: an earlier version may go on there."""
    after = an_app("shop", a_component("web", 3), version="v2")
    lattice = a_lattice(a_host("h1", running(after, "web")), links=linked(SHOP), configs=configs_of(SHOP))
    lattice.put_host("h2", "", {}, "1.9.2", 0.0)
    lattice.certainty.silent["h2"], lattice.certainty.unseen["h2"] = 1.0, 61.0
    assert asks(plan(after, lattice, record=recorded(SHOP))) == []
    lattice.remove_host("h2")
    assert asks(plan(after, lattice, record=recorded(SHOP))) == ["delete link shop-web -(wasi:keyvalue)-> (default)"]
    lattice.drop_link(linked(SHOP)[0].key)
    lattice.put_host("h2", "", {}, "1.9.2", 0.0)
    lattice.certainty.unseen["h2"] = 61.0
    assert asks(plan(after, lattice, record=recorded(SHOP))) == []


def test_an_undeployed_application_loses_its_links_at_once_and_its_configurations_last() -> None:
    lattice = a_lattice("h1", links=linked(SHOP), configs=configs_of(SHOP))
    lattice.put_host("h2", "", {}, "1.9.2", 0.0)
    lattice.certainty.silent["h2"], lattice.certainty.unseen["h2"] = 1.0, 61.0
    assert asks(plan("shop", lattice, record=recorded(SHOP))) == ["delete link shop-web -(wasi:keyvalue)-> (default)"]
    lattice.drop_link(linked(SHOP)[0].key)
    assert asks(plan("shop", lattice, record=recorded(SHOP))) == []
