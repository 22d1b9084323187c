"""Which providers have a link, and what is planned for those that have not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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
    an_app,
    an_external_config,
    asked,
    asks,
    compiled,
    configs_of,
    linked,
    plan,
    providing,
    recorded,
    running,
)
from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.engine.delivery import delivery
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.expectations import Expectations
from wadm.engine.forecast import forecast
from wadm.engine.observe import observe, observe_config, observe_links
from wadm.engine.outcomes import observe_outcome
from wadm.engine.plan import OwnedResources
from wadm.engine.steps import finish
from wadm.model.commands import Action, Outcome, PutLink, ScaleComponent, StartProvider
from wadm.model.events import ConfigSet, LinkDeleted, LinkSet, ProviderHealth, ProviderStarted
from wadm.model.lattice import Component, Lattice, Link
from wadm.model.manifest import Manifest
from wadm.model.provider_starts import HEARD_WITHIN

ADDRESS = a_config("addr", address="127.0.0.1:8080")
TO_UI = a_link("ui", "incoming-handler", of="wasi:http", source_config=[ADDRESS])
APP = an_app("hello", a_component("ui"), a_provider("http", links=[TO_UI]))
(LINK,) = linked(APP)
PUT = "put link hello-http -(wasi:http)-> hello-ui (default)"
DELETE = "delete link hello-http -(wasi:http)-> (default)"
START = "start hello-http on h1 (x/http:1)"
CONFIG = LINK.source_config[0]

Step = Callable[["World"], object]


class World:
    """A host with the component; the provider starts, links and values change, and it is asked who has the link."""

    def __init__(self, *hosts: str, provider: bool = False) -> None:
        runs = (running(APP, "ui"), providing(APP, "http")) if provider else (running(APP, "ui"),)
        self.lattice = a_lattice(*(a_host(h, *runs) for h in hosts or ("h1",)), configs=configs_of(APP))
        self.in_flight = Expectations()
        self.news = ChangeSet()
        self.now = 100.0

    def hear(self, event: object) -> None:
        observe(event, self.lattice, self.in_flight, self.news, LastEventTimes(), self.now)  # type: ignore[arg-type]

    def put(self, link: Link = LINK) -> None:
        put = PutLink(*_fields(link))
        self.in_flight.ask(Action(put, "hello", "", ""), self.now)
        observe_outcome(
            Outcome(put, "accepted"), self.lattice, self.in_flight, self.news, LastEventTimes(), self.now + 0.01
        )
        self.in_flight.settle([put.key])

    def put_by_others(self, link: Link = LINK) -> None:
        self.hear(LinkSet(link))

    def delete(self) -> None:
        self.hear(LinkDeleted(LINK.key, LINK.target))

    def start(self, host: str = "h1", image: str = "x/http:1") -> None:
        [provider] = [providing(APP, "http")]
        self.hear(ProviderStarted(host, type(provider)(provider.id, image, provider.annotations)))

    def report(self, host: str = "h1") -> None:
        self.hear(ProviderHealth(host, "hello-http", "running"))

    def set_config(self, value: str) -> None:
        observe_config(CONFIG, {"address": value}, self.lattice, self.news, self.now)

    @property
    def state(self) -> str:
        link = self.lattice.link(LINK.at)
        return delivery(link, self.lattice).state if link is not None else "absent"


def _fields(link: Link) -> tuple[object, ...]:
    return (
        *(link.source_id, link.target, link.name, link.wit_namespace, link.wit_package, link.interfaces),
        *("hello", link.source_config, link.target_config),
    )


def other_config(name: str = "other") -> Link:
    return Link(*(getattr(LINK, f) for f in LINK.__struct_fields__[:6]), (name,), ())


SLOW = HEARD_WITHIN + 1.0
"""Seconds between two steps: more than it takes until it is heard what others have done."""


@pytest.mark.parametrize(
    ("steps", "state"),
    [
        pytest.param([World.put], "delivered", id="nobody runs: it is in the list of who starts"),
        pytest.param([World.put, World.start], "delivered", id="put before the start"),
        pytest.param([World.start, World.put], "unconfirmed", id="put while it starts"),
        pytest.param([World.start, World.put, World.report], "outdated", id="put while it started, and now it listens"),
        pytest.param(
            [World.start, World.put, World.report, World.put],
            "outdated",
            id="put again when it listens: its host does not tell it of what is not new",
        ),
        pytest.param(
            [World.start, World.put, World.report, World.delete, World.put], "delivered", id="put anew when it listens"
        ),
        pytest.param([World.start, World.report, World.put], "delivered", id="put when it listens"),
        pytest.param(
            [lambda w: w.start(image="http-server"), World.put], "delivered", id="a builtin listens once it has started"
        ),
        pytest.param(
            [World.put, World.start, World.report, lambda w: w.set_config("new")], "outdated", id="other values"
        ),
        pytest.param(
            [World.put, World.start, lambda w: w.set_config("new")], "outdated", id="other values while it starts"
        ),
        pytest.param(
            [World.put, World.start, World.report, lambda w: w.put_by_others(other_config())],
            "outdated",
            id="put over by somebody",
        ),
        pytest.param(
            [World.put, World.start, World.report, World.delete, World.put], "delivered", id="deleted and put anew"
        ),
        pytest.param(
            [World.put, World.start, World.delete, World.put, World.report],
            "outdated",
            id="deleted and put while it started: it may have the old one",
        ),
        pytest.param(
            [World.put, World.start, World.report, lambda w: w.set_config("new"), World.delete, World.put],
            "delivered",
            id="other values, deleted, put anew",
        ),
        pytest.param(
            [World.put, lambda w: w.set_config("new"), World.start], "delivered", id="other values before the start"
        ),
        pytest.param([World.put, World.start, World.put], "delivered", id="put again for no reason"),
        pytest.param(
            [World.start, World.put_by_others, World.report], "outdated", id="put by somebody while it started"
        ),
        pytest.param(
            [World.start, World.report, World.put_by_others], "delivered", id="put by somebody when it listens"
        ),
    ],
)
def test_delivery(steps: list[Step], state: str) -> None:
    world = World()
    for step in steps:
        step(world)
        world.now += SLOW
    assert world.state == state


def test_a_link_that_was_put_while_the_host_was_at_work_on_a_component_is_put_anew_once_its_provider_listens() -> None:
    world = World()
    other = ScaleComponent("other", "h1", 1, "x/other:1", "other", {})
    world.in_flight.ask(Action(other, "other", "", ""), world.now)
    world.now += 0.1
    world.put()
    world.now += 0.1
    start = StartProvider("hello-http", "h1", "x/http:1", "hello", {})
    world.in_flight.ask(Action(start, "hello", "", ""), world.now)
    world.now += 0.1
    world.start()
    assert world.state == "delivered", "most likely"
    world.now += 5.0
    world.report()
    assert world.state == "outdated"
    world.delete()
    world.put()
    assert world.state == "delivered"


@pytest.mark.parametrize(("told", "state"), [(["first", "second"], "delivered"), (["first"], "outdated")])
def test_a_host_is_at_work_on_components_until_it_has_told_of_all_that_it_was_asked_for(
    told: list[str], state: str
) -> None:
    """Though the applications that asked for them have not been planned since."""
    world = World()
    for name in ("first", "second"):
        start = ScaleComponent(name, "h1", 1, f"x/{name}:1", name, {})
        world.in_flight.ask(Action(start, name, "", ""), world.now, world.lattice)
        world.now += 0.1
    world.put()
    for name in told:
        world.lattice.put("h1", Component(name, f"x/{name}:1", 1, {}))
    world.now += 0.1
    world.in_flight.ask(
        Action(StartProvider("hello-http", "h1", "x/http:1", "hello", {}), "hello", "", ""), world.now, world.lattice
    )
    world.now += 0.1
    world.start()
    world.now += 5.0
    world.report()
    assert world.state == state


def test_a_link_put_after_the_start_was_asked_for_may_be_missing_from_the_list_however_late_the_host_tells_of_it() -> (
    None
):
    world = World()
    start = StartProvider("hello-http", "h1", "x/http:1", "hello", {})
    world.in_flight.ask(Action(start, "hello", "", ""), world.now)
    world.now += 0.1
    world.put()
    world.now += 60.0  # the host was cut off meanwhile
    world.start()
    assert world.state == "unconfirmed"
    world.now += 5.0
    world.report()
    assert world.state == "outdated"
    world.delete()
    world.put()
    assert world.state == "delivered"


def test_so_may_one_put_shortly_before_the_start_of_a_provider_that_somebody_else_asked_for_is_heard_of() -> None:
    world = World()
    world.put()
    world.now += HEARD_WITHIN - 0.1
    world.start()
    assert world.state == "unconfirmed"


def test_a_put_of_somebody_else_may_have_been_done_before_a_provider_listened_that_listens_now() -> None:
    world = World()
    world.start()
    world.now += 5.0
    world.report()
    world.now += HEARD_WITHIN - 0.1
    world.put_by_others()
    assert world.state == "outdated"


def test_a_link_is_delivered_once_every_host_has_it() -> None:
    world = World("h1", "h2")
    for step in (World.put, World.start, World.report):
        step(world)
        world.now += SLOW
    world.start("h2")
    assert world.state == "delivered", "it was there before both started"
    world.delete()
    world.put()
    assert world.state == "unconfirmed", "the second is not known to listen"
    world.now += SLOW
    world.report("h2")
    assert world.state == "outdated", "the second was started with it, and may not have heard that it was deleted"


def test_what_a_link_is_found_to_be_counts_as_told() -> None:
    world = World(provider=True)
    world.lattice.certainty.links_read = False
    observe_links([LINK], world.lattice, world.news, now=world.now)
    assert world.state == "delivered"
    world.set_config("new")
    assert world.state == "outdated", "but what changes from then on does not"


@pytest.mark.parametrize(
    ("untold", "changing", "state"),
    [
        pytest.param([LINK.at], [], "outdated", id="an owner that was telling it"),
        pytest.param([], [CONFIG], "outdated", id="an owner that was changing its configuration"),
        pytest.param([], ["another"], "delivered", id="an owner that was changing another configuration"),
    ],
)
def test_unless_the_record_says_that_telling_was_under_way(untold: list, changing: list, state: str) -> None:  # type: ignore[type-arg]
    world = World(provider=True)
    world.lattice.certainty.links_read = False
    world.lattice.link_puts.expect_unsure(untold, changing)
    observe_links([LINK], world.lattice, world.news, now=world.now)
    assert world.state == state


def test_a_list_that_shows_another_link_than_was_known_tells_of_a_put_that_nobody_heard_of() -> None:
    world = World()
    for step in (World.put, World.start, World.report):
        step(world)
        world.now += SLOW
    observe_links([other_config()], world.lattice, world.news, now=world.now)
    assert world.state == "outdated"


def test_values_that_were_forgotten_and_are_read_again_as_they_were_change_nothing() -> None:
    world = World()
    for step in (World.put, World.start, World.report):
        step(world)
        world.now += SLOW
    world.hear(ConfigSet(CONFIG))
    world.set_config("127.0.0.1:8080")
    assert world.state == "delivered"


def test_a_configuration_that_was_missing_counts_as_changed_when_it_is_back() -> None:
    """A provider that its host started again meanwhile, which nobody tells, was told its links without it."""
    world = World()
    for step in (World.put, World.start, World.report):
        step(world)
        world.now += SLOW
    for values in (None, {"address": "127.0.0.1:8080"}):
        observe_config(CONFIG, values, world.lattice, world.news, world.now)
        assert world.state == "outdated"
        world.now += SLOW


def test_values_that_an_owner_changes_before_it_knows_the_links_have_to_be_told() -> None:
    world = World(provider=True)
    world.lattice.certainty.links_read = False
    world.lattice.configs.clear()
    world.set_config("old")
    world.set_config("new")
    observe_links([LINK], world.lattice, world.news, now=world.now)
    assert world.state == "outdated"


@pytest.mark.parametrize("links_first", [True, False])
def test_so_does_one_that_a_new_owner_finds_missing(links_first: bool) -> None:
    world = World(provider=True)
    world.lattice.certainty.links_read = False
    world.lattice.configs.clear()
    links = partial(observe_links, [LINK], world.lattice, world.news, now=world.now)
    config = partial(observe_config, CONFIG, None, world.lattice, world.news, world.now)
    for learn in (links, config) if links_first else (config, links):
        learn()
    world.now += SLOW
    observe_config(CONFIG, {"address": "127.0.0.1:8080"}, world.lattice, world.news, world.now)
    assert world.state == "outdated"


def test_links_with_secrets_are_told_as_others() -> None:
    secret = a_link("kv", secrets=[a_secret("token")])
    app = an_app("shop", a_component("web", links=[secret]), a_provider("kv"))
    (link,) = linked(app)
    lattice = a_lattice(a_host("h1", providing(app, "kv")), configs={name: {"k": "v"} for name in link.configs})
    lattice.provider_starts.started("h1", "shop-kv", "x/kv:1", 100.0)
    lattice.put_link(link, 100.1, 100.1)
    lattice.provider_starts.reported("h1", "shop-kv", 105.0)
    assert delivery(link, lattice).state == "outdated"


# -- planning ---------------------------------------------------------------------------------------


def apart(lattice: Lattice, **more: object) -> tuple[list[str], str, OwnedResources]:
    planned = plan(APP, lattice, **more)  # type: ignore[arg-type]
    return asks(planned), planned.status.type, planned.record


def test_a_provider_is_started_once_its_links_are_there() -> None:
    lattice = a_lattice(a_host("h1", running(APP, "ui")), configs=configs_of(APP))
    planned = plan(APP, lattice)
    assert asks(planned) == [PUT]
    provider = planned.status.scalers[1]
    assert provider.explanation.waiting_for == "the link from hello-http to hello-ui to be in the lattice"
    assert asks(plan(APP, lattice, in_flight=asked(*planned.actions))) == [], "the put is on its way"
    lattice.put_link(LINK, 0.1, 0.0)
    assert asks(plan(APP, lattice)) == [START]


def test_nor_is_a_component_whose_record_the_link_of_a_new_provider_is_put_into() -> None:
    app = an_app("shop", a_component("web", links=[a_link("kv")]), a_provider("kv"))
    lattice = a_lattice("h1")
    put = "put link shop-web -(wasi:keyvalue)-> shop-kv (default)"
    assert asks(plan(app, lattice)) == [put]
    lattice.put_link(linked(app)[0], 0.1, 0.0)
    assert asks(plan(app, lattice)) == ["scale shop-web to 1 on h1 (x/web:1)", "start shop-kv on h1 (x/kv:1)"]


def test_a_link_that_fails_keeps_nothing_from_starting() -> None:
    lattice = a_lattice(a_host("h1", running(APP, "ui")), configs=configs_of(APP))
    in_flight = asked(*plan(APP, lattice).actions)
    in_flight.hold(("link", *LINK.key, LINK.target), "no", 0.1)
    assert asks(plan(APP, lattice, in_flight=in_flight, now=0.2)) == [START]


def test_nor_does_a_link_whose_configuration_nobody_provides() -> None:
    link = a_link("ui", of="wasi:http", source_config=[an_external_config("theirs")])
    app = an_app("hello", a_component("ui"), a_provider("http", links=[link]))
    lattice = a_lattice(a_host("h1", running(app, "ui")), configs={"theirs": None})
    assert asks(plan(app, lattice)) == [START]


def test_another_host_is_served_by_the_links_that_are_there() -> None:
    app = an_app("hello", a_component("ui"), a_provider("http", 2, links=[TO_UI]))
    lattice = a_lattice(a_host("h1", running(app, "ui"), providing(app, "http")), "h2", configs=configs_of(app))
    assert asks(plan(app, lattice)) == [PUT], "the new one is not started before the link is there"
    lattice.put_link(linked(app)[0], 0.1, 0.0)
    assert asks(plan(app, lattice)) == ["start hello-http on h2 (x/http:1)"]


def test_other_values_of_a_configuration_are_told() -> None:
    world = World(provider=True)
    world.lattice.put_link(LINK)
    new = an_app("hello", a_component("ui"), a_provider("http", links=[_to_ui("new")]), version="v2")
    told = []
    record = recorded(APP)
    for _ in range(4):
        planned = plan(new, world.lattice, record=record)
        told.append((asks(planned), planned.status.type, planned.record != recorded(new)))
        record = planned.record
        _carry_out(planned.actions, world)
    put_config = f"put configuration {CONFIG}"
    assert told == [
        ([put_config], "reconciling", True),
        ([DELETE], "reconciling", True),
        ([PUT], "reconciling", True),
        ([], "deployed", False),
    ]


def test_before_values_change_it_is_on_record_that_they_do() -> None:
    world = World(provider=True)
    world.lattice.put_link(LINK)
    new = an_app("hello", a_component("ui"), a_provider("http", links=[_to_ui("new")]), version="v2")
    assert plan(new, world.lattice).record.changing == {CONFIG}


def test_nobody_knows_what_was_told_of_a_configuration_that_a_new_owner_does_not_find() -> None:
    """A provider that was restarted meanwhile has got the link without its values."""
    world = World()
    world.lattice = a_lattice(a_host("h1", running(APP, "ui"), providing(APP, "http")), links=[LINK])
    observe_config(CONFIG, None, world.lattice, world.news, 5.0)
    planned = plan(APP, world.lattice, record=recorded(APP))
    assert asks(planned) == ["put configuration hello-addr"]
    assert planned.record.changing == {CONFIG}
    observe_config(CONFIG, {"address": "127.0.0.1:8080"}, world.lattice, world.news, 6.0)
    assert asks(plan(APP, world.lattice, record=recorded(APP))) == [DELETE]


def test_while_the_values_of_a_configuration_are_not_known_it_stays_on_record_that_they_change() -> None:
    """A put that was not answered may be carried out later, before the eyes of another owner."""
    world = World()
    world.lattice = a_lattice(a_host("h1", running(APP, "ui"), providing(APP, "http")), links=[LINK])
    changing = replace(recorded(APP), changing=frozenset({CONFIG}))
    assert plan(APP, world.lattice, record=changing).record.changing == {CONFIG}
    observe_config(CONFIG, {"address": "127.0.0.1:8080"}, world.lattice, world.news, 6.0)
    assert plan(APP, world.lattice, record=changing).record.changing == frozenset()


def test_a_link_that_comes_after_its_providers_start_was_asked_for_is_untold_until_the_provider_has_it() -> None:
    """A later owner finds the link and the provider, and would take the one for having the other."""
    host = a_host("h1", running(APP, "ui"))
    in_flight = asked(*plan(APP, a_lattice(host, links=[LINK], configs=configs_of(APP))).actions, now=1.0)
    lattice = a_lattice(host, configs=configs_of(APP))
    planned = plan(APP, lattice, in_flight=in_flight, now=2.0)
    assert (asks(planned), planned.record.untold) == ([PUT], {LINK.at})
    lattice.put_link(LINK, 2.0, 2.0)
    assert plan(APP, lattice, in_flight=in_flight, now=2.0).record.untold == {LINK.at}
    in_flight.settle([("provider", "h1", "hello-http")])
    assert plan(APP, lattice, in_flight=in_flight, now=2.0).record.untold == set()


def test_a_link_that_came_before_is_not() -> None:
    host = a_host("h1", running(APP, "ui"))
    lattice = a_lattice(host, configs=configs_of(APP))
    lattice.put_link(LINK, 1.0, 1.0)
    in_flight = asked(*plan(APP, lattice).actions, now=2.0)
    assert plan(APP, lattice, in_flight=in_flight, now=2.0).record.untold == set()


def test_a_configuration_that_no_link_refers_to_changes_without_being_on_record() -> None:
    old, new = (an_app("shop", a_component("web", config=[a_config("c", k=k)])) for k in ("1", "2"))
    lattice = a_lattice(a_host("h1", running(old, "web")), configs=configs_of(old))
    planned = plan(new, lattice)
    assert (asks(planned), planned.record) == (["put configuration shop-c"], recorded(new))


def test_a_link_that_was_put_while_its_provider_started_is_not_deployed_and_is_put_anew_when_it_listens() -> None:
    world = World()
    world.start()
    world.now += 0.01
    world.put()
    waiting = plan(APP, world.lattice, now=world.now)
    assert (asks(waiting), waiting.status.type, waiting.record.untold) == ([], "reconciling", {LINK.at})
    explanation = waiting.status.scalers[2].explanation
    assert explanation.waiting_for == "hello-http on h1 to report its health: it was starting when the link was put"
    world.now += 5.0
    world.report()
    again = plan(APP, world.lattice, in_flight=world.in_flight, now=world.now)
    assert asks(again) == [DELETE]
    _carry_out(again.actions, world)
    put = plan(APP, world.lattice, in_flight=world.in_flight, record=again.record, now=world.now + 0.1)
    assert (asks(put), put.record.untold) == ([PUT], {LINK.at}), "whoever comes after this owner puts it too"
    _carry_out(put.actions, world)
    done = plan(APP, world.lattice, in_flight=world.in_flight, now=world.now + 0.2)
    assert (asks(done), done.status.type, done.record) == ([], "deployed", recorded(APP))


@pytest.mark.parametrize(("put", "untold"), [(2.0, {LINK.at}), (0.5, set())], ids=["after it", "before it"])
def test_a_link_put_after_its_providers_start_was_asked_for_is_on_record_until_that_is_seen(
    put: float,
    untold: set,  # type: ignore[type-arg]
) -> None:
    """The next owner does not know when the start was asked for."""
    world = World()
    command = StartProvider("hello-http", "h1", "x/http:1", "hello", {})
    world.in_flight.ask(Action(command, "hello", "scaler", "reason"), 1.0)
    world.lattice.put_link(LINK, put, put)
    planned = plan(APP, world.lattice, in_flight=world.in_flight, record=recorded(APP), now=3.0)
    assert planned.record.untold == untold
    after = plan(APP, world.lattice, record=planned.record, now=4.0)
    assert after.record.untold == untold, "the next owner has not seen the provider yet"


def test_a_link_whose_put_failed_is_untold_before_its_provider_is_started_without_it() -> None:
    """The put may be done yet, after the start. A later owner finds both."""
    lattice = a_lattice(a_host("h1", running(APP, "ui")), configs=configs_of(APP))
    put = plan(APP, lattice, now=1.0)
    assert (asks(put), put.record.untold) == ([PUT], set())
    in_flight = asked(*put.actions, now=1.0)
    in_flight.hold(("link", *LINK.key, LINK.target), "No host answered in time", 3.0, lingering=True)
    start = plan(APP, lattice, in_flight=in_flight, record=put.record, now=3.0)
    assert (asks(start), start.record.untold) == (["start hello-http on h1 (x/http:1)"], {LINK.at})


def test_changing_values_again_and_again_is_nobody_undoing_anything() -> None:
    world = World(provider=True)
    world.lattice.put_link(LINK)
    record = recorded(APP)
    for number in range(12):
        world.set_config(f"127.0.0.1:{number}")
        done = []
        for _ in range(3):
            app = an_app("hello", a_component("ui"), a_provider("http", links=[_to_ui(f"127.0.0.1:{number}")]))
            planned = plan(app, world.lattice, in_flight=world.in_flight, record=record, now=world.now)
            world.in_flight.settle(planned.settled)
            record = planned.record
            done += asks(planned)
            _carry_out(planned.actions, world)
        assert done == [DELETE, PUT]
        world.now += 1.0


def test_components_are_linked_anew_without_an_interruption() -> None:
    def app(config: str) -> Manifest:
        return an_app(
            "shop", a_component("web", links=[a_link("api", config=[a_config(config, k="v")])]), a_component("api")
        )

    old, new = app("old"), app("new")
    lattice = a_lattice(
        a_host("h1", running(old, "web"), running(old, "api")), links=linked(old), configs=configs_of(new)
    )
    assert asks(plan(new, lattice, record=recorded(new))) == ["put link shop-web -(wasi:keyvalue)-> shop-api (default)"]


def test_a_forecast_names_the_interruption() -> None:
    world = World(provider=True)
    world.lattice.put_link(LINK)
    interests = DependencyIndex()
    interests.put(compiled(APP))
    interests.put_record("hello", recorded(APP))
    new = an_app("hello", a_component("ui"), a_provider("http", links=[_to_ui("new")]), version="v2")
    steps = finish(forecast(compiled(new), interests, world.lattice, world.now)).steps
    assert [(step.effect, step.what) for step in steps] == [
        ("put", f"put configuration {CONFIG}"),
        ("delete", DELETE),
        ("put", PUT),
    ]
    assert "which interrupts it for a moment" in steps[1].reason


def _to_ui(address: str):  # type: ignore[no-untyped-def]
    return a_link("ui", "incoming-handler", of="wasi:http", source_config=[a_config("addr", address=address)])


def _carry_out(actions, world: World) -> None:  # type: ignore[no-untyped-def]
    for action in actions:
        world.in_flight.ask(action, world.now)
        world.now += 0.01
        outcome = Outcome(action.command, "accepted")
        observe_outcome(outcome, world.lattice, world.in_flight, world.news, LastEventTimes(), world.now)
