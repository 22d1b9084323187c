"""What hosts say, folded into the lattice: state in, one event, state out, and who is to be told."""

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
    an_app,
    an_external_config,
    compiled,
    linked,
    owned,
)
from wadm.engine.changes import ChangeSet, InformationRequests, LastEventTimes
from wadm.engine.commands import patience
from wadm.engine.expectations import Expectations, Pending
from wadm.engine.observe import (
    STANDS_STILL,
    observe,
    observe_config,
    observe_desired,
    observe_due,
    observe_given_up,
    observe_inventory,
    observe_links,
    observe_no_effect,
    remove_host,
)
from wadm.engine.outcomes import observe_outcome
from wadm.engine.scalers import nothing
from wadm.model.commands import (
    Action,
    Command,
    DeleteConfig,
    DeleteLink,
    Outcome,
    PutConfig,
    PutLink,
    ScaleComponent,
    StartProvider,
    StopProvider,
    UpdateComponent,
)
from wadm.model.events import (
    ComponentScaled,
    ComponentScaleFailed,
    ConfigDeleted,
    ConfigSet,
    Event,
    HostHeartbeat,
    HostStarted,
    HostStopped,
    LabelsChanged,
    LinkDeleted,
    LinkSet,
    LinkSetFailed,
    ProviderHealth,
    ProviderStarted,
    ProviderStartFailed,
    ProviderStopped,
)
from wadm.model.lattice import Component, Entity, Inventory, Lattice, Link, Provider

OLD = owned("shop", "old scaler")
NEW = owned("shop", "new scaler")
WEB = Component("web", "x/web:1", 3, OLD)
KV = Provider("kv", "x/kv:1", OLD, "running")
LINK = Link("web", "kv", "default", "wasi", "keyvalue", ("store",))

START = ScaleComponent("web", "h1", 3, "x/web:1", "shop", OLD)
STOP = ScaleComponent("web", "h1", 0, "x/web:1", "shop", OLD)
UPDATE = UpdateComponent("web", "h1", "x/web:2", "shop", NEW)
START_KV = StartProvider("kv", "h1", "x/kv:1", "shop", OLD)
STOP_KV = StopProvider("kv", "h1", "shop", OLD)
PUT_LINK = PutLink("web", "kv", "default", "wasi", "keyvalue", ("store",), "shop")
DELETE_LINK = DeleteLink("web", "wasi", "keyvalue", "default", "shop")
PUT_CONFIG = PutConfig("c", {"k": "v"}, "shop")
DELETE_CONFIG = DeleteConfig("c", "shop")


class World:
    """A lattice with host h1, what is in flight, and the news since the beginning."""

    def __init__(self, *runs: Entity, asked: Command | None = None) -> None:
        self.lattice = a_lattice(a_host("h1", *runs))
        self.in_flight = Expectations()
        self.news = ChangeSet()
        self.touched = LastEventTimes()
        if asked is not None:
            self.in_flight.ask(Action(asked, "shop", "scaler", "reason"), 0.0)

    def hear(self, event: Event, now: float = 1.0) -> World:
        observe(event, self.lattice, self.in_flight, self.news, self.touched, now)
        return self

    def outcome(self, command: Command, result: str, message: str = "") -> World:
        outcome = Outcome(command, result, message)  # type: ignore[arg-type]
        observe_outcome(outcome, self.lattice, self.in_flight, self.news, self.touched, 1.0)
        return self

    def runs(self, kind: str = "component", name: str = "web", host: str = "h1") -> Entity | None:
        return self.lattice.find(kind, host, name)  # type: ignore[arg-type]

    def pending(self, command: Command) -> Pending | None:
        return self.in_flight.get(command.key)


def scaled(count: int, image: str = "x/web:1", annotations: dict[str, str] = OLD) -> ComponentScaled:
    return ComponentScaled("h1", Component("web", image, count, annotations))


def inventory(*runs: Entity, host: str = "h1", **labels: str) -> Inventory:
    components = tuple(e for e in runs if isinstance(e, Component))
    providers = tuple(e for e in runs if isinstance(e, Provider))
    return Inventory(host, "name", labels, "1.9.2", 30, components, providers)


# -- components -------------------------------------------------------------------------------------


def test_a_first_start_tells_twice_and_is_news_once() -> None:
    world = World(asked=START).hear(scaled(3))
    assert world.runs() == WEB
    assert world.news.entities == {("component", "web")}
    assert world.news.applications == {"shop"}
    world.news = ChangeSet()
    assert not world.hear(scaled(3)).news


def test_after_a_rescale_the_event_tells_what_was_before_and_the_request_is_believed() -> None:
    """docs/protocol/lattice.md#scale-changed"""
    rescale = replace(START, count=5, annotations=NEW)
    world = World(WEB, asked=rescale).hear(scaled(5))
    assert world.runs() == Component("web", "x/web:1", 5, NEW)
    assert not world.news.questions


def test_after_a_rescale_that_names_another_image_than_runs_the_code_is_known_to_be_the_old() -> None:
    """docs/protocol/lattice.md#scale-changed"""
    rescale = replace(START, count=5, reference="x/web:2")
    there = Component("web", "x/web:2", 5, OLD, code="x/web:1")
    told = World(WEB, asked=rescale).hear(scaled(5))
    assert told.runs() == there
    assert told.hear(scaled(5)).runs() == there, "the same told twice"

    listed = World(WEB, asked=rescale).hear(HostHeartbeat(inventory(replace(there, code=""))))
    assert listed.runs() == there
    assert listed.hear(scaled(5)).runs() == there, "told after it was seen"
    assert listed.hear(HostHeartbeat(inventory(replace(there, code="")))).runs() == there


def test_what_gets_its_own_name_again_is_what_it_is_called() -> None:
    rescale = replace(START, count=6)
    world = World(replace(WEB, image="x/web:2", count=5, code="x/web:1"), asked=rescale).hear(scaled(6, "x/web:2"))
    assert world.runs() == replace(WEB, count=6)


def test_an_image_that_nobody_asked_a_rescale_to_is_one_that_it_was_updated_to() -> None:
    updated = replace(WEB, image="x/web:2")
    assert World(WEB).hear(HostHeartbeat(inventory(updated))).runs() == updated
    assert World(WEB, asked=UPDATE).hear(HostHeartbeat(inventory(updated))).runs() == updated
    misnamed = replace(WEB, image="x/web:3", code="x/web:1")
    assert World(misnamed).hear(HostHeartbeat(inventory(updated))).runs() == updated


def test_where_the_number_says_nothing_the_host_is_asked() -> None:
    """Whether nothing changed or the configuration did, the event is the same
    (docs/protocol/lattice.md#scale-unchanged)."""
    world = World(WEB, asked=replace(START, annotations=NEW)).hear(scaled(3))
    assert world.runs() == WEB
    assert world.news.questions.hosts == {"h1"}
    pending = world.pending(START)
    assert pending is not None
    assert pending.answered


@pytest.mark.parametrize("event_first", [True, False])
def test_a_request_whose_event_has_come_has_not_failed_though_its_reply_is_lost(event_first: bool) -> None:
    """What the host runs tells whether it had its effect: until then it is not asked again."""
    rescale = replace(START, annotations=NEW)
    world = World(WEB, asked=rescale)
    if event_first:
        world.hear(scaled(3)).outcome(rescale, "unanswered")
    else:
        world.outcome(rescale, "unanswered").hear(scaled(3), 2.0)
    pending = world.pending(rescale)
    assert pending is not None
    assert (pending.held, pending.delivered, pending.error == "") == (False, True, event_first)
    assert world.news.questions.hosts == {"h1"}


def test_a_request_of_which_neither_event_nor_reply_has_come_has_failed() -> None:
    rescale = replace(START, annotations=NEW)
    for world in (World(WEB, asked=rescale), World(WEB, asked=rescale).hear(scaled(4))):
        pending = world.outcome(rescale, "unanswered").pending(rescale)
        assert pending is not None
        assert (pending.held, pending.lingering) == (True, True)


def test_an_event_with_another_number_is_no_answer() -> None:
    world = World(WEB, asked=replace(START, count=5)).hear(scaled(4))
    pending = world.pending(START)
    assert pending is not None
    assert not pending.answered
    assert world.news.questions.hosts == {"h1"}


def test_a_stop_that_was_asked_for_is_believed() -> None:
    world = World(WEB, asked=STOP).hear(scaled(0))
    assert world.runs() is None
    assert world.news.applications == {"shop"}


@pytest.mark.parametrize("asked", [None, UPDATE])
def test_a_stop_that_nobody_asked_for_is_looked_into(asked: Command | None) -> None:
    """It may be the odd last event of an update, while all run (docs/protocol/lattice.md#update-events)."""
    world = World(WEB, asked=asked).hear(scaled(0))
    assert world.runs() == WEB
    assert world.news.questions.hosts == {"h1"}


def test_the_two_events_of_an_update() -> None:
    world = World(WEB, asked=UPDATE).hear(scaled(3, "x/web:2", NEW)).hear(scaled(0, "x/web:2", NEW))
    assert world.runs() == Component("web", "x/web:2", 3, NEW)
    assert world.news.questions.hosts == {"h1"}


def test_the_last_event_of_an_update_is_not_taken_for_a_stop_asked_meanwhile() -> None:
    world = World(WEB, asked=UPDATE).hear(scaled(3, "x/web:2", NEW))
    world.in_flight.ask(Action(STOP, "shop", "scaler", "reason"), 1.0)
    assert world.hear(scaled(0, "x/web:2", NEW)).runs() is not None
    assert world.news.questions.hosts == {"h1"}
    assert world.hear(scaled(0, "x/web:2", NEW)).runs() is None


def test_an_event_of_a_re_scale_that_comes_once_more_does_not_bring_its_old_annotations_back() -> None:
    """It tells those from before. Somebody may have given it others, too: the host is asked."""
    now = replace(WEB, annotations=NEW)
    world = World(now).hear(scaled(3))
    assert world.runs() == now
    assert world.news.questions.hosts == {"h1"}
    observe_inventory(inventory(WEB), world.lattice, world.in_flight, world.news, 1.1, world.touched, asked=1.05)
    assert world.runs() == WEB


def test_a_stop_of_what_is_not_known_is_nothing() -> None:
    assert not World().hear(scaled(0)).news


def test_a_failed_start_is_held_in_the_hosts_words() -> None:
    world = World(asked=START).hear(ComponentScaleFailed("h1", "web", "x/web:1", "no such image"))
    pending = world.pending(START)
    assert pending is not None
    assert (pending.held, pending.error) == (True, "no such image")
    assert world.news.applications == {"shop"}


def test_after_a_failure_its_configurations_are_looked_at_for_they_may_be_why() -> None:
    world = World(asked=replace(START, config=("c", "d")))
    world.hear(
        ComponentScaleFailed("h1", "web", "x/web:1", "Unable to fetch requested config: Config c does not exist")
    )
    assert world.news.questions.configs == {"c", "d"}


def test_the_failure_of_an_earlier_image_does_not_hold_up_the_new_one() -> None:
    world = World(asked=replace(START, reference="x/web:2"))
    world.hear(ComponentScaleFailed("h1", "web", "x/web:1", "no such image"))
    pending = world.pending(START)
    assert pending is not None
    assert not pending.held


def test_a_failure_of_what_was_not_asked_is_nothing() -> None:
    assert not World().hear(ComponentScaleFailed("h1", "web", "x/web:1", "no such image")).news


# -- providers --------------------------------------------------------------------------------------


def test_a_provider_starts_and_stops() -> None:
    world = World(asked=START_KV).hear(ProviderStarted("h1", replace(KV, health="pending")))
    assert world.runs("provider", "kv") == replace(KV, health="pending")
    world.hear(ProviderStopped("h1", "kv"))
    assert world.runs("provider", "kv") is None
    assert world.news.entities == {("provider", "kv")}


def test_a_provider_that_cannot_start() -> None:
    world = World(asked=START_KV).hear(ProviderStartFailed("h1", "kv", "x/kv:1", "no such image"))
    pending = world.pending(START_KV)
    assert pending is not None
    assert pending.error == "no such image"


def test_the_failure_is_told_with_the_reference_as_it_was_asked() -> None:
    command = replace(START_KV, reference="oci://x/kv:1")
    world = World(asked=command).hear(ProviderStartFailed("h1", "kv", "oci://x/kv:1", "no such image"))
    pending = world.pending(command)
    assert pending is not None
    assert pending.held


def test_the_second_of_two_rapid_starts_has_not_failed() -> None:
    event = ProviderStartFailed("h1", "kv", "x/kv:1", "provider is already running with that ID")
    world = World(asked=START_KV).hear(event)
    pending = world.pending(START_KV)
    assert pending is not None
    assert not pending.held
    assert world.news.questions.hosts == {"h1"}


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        ("pending", ProviderHealth("h1", "kv", "running"), "running"),
        ("running", ProviderHealth("h1", "kv", "failed"), "failed"),
        ("failed", ProviderHealth("h1", "kv", "running"), "running"),
        ("failed", ProviderHealth("h1", "kv", "running", unchanged=True), "failed"),
        ("pending", ProviderHealth("h1", "kv", "running", unchanged=True), "running"),
        ("running", ProviderHealth("h1", "another", "failed"), "running"),
    ],
)
def test_health(before: str, event: ProviderHealth, after: str) -> None:
    world = World(replace(KV, health=before)).hear(event)
    found = world.runs("provider", "kv")
    assert isinstance(found, Provider)
    assert found.health == after
    assert bool(world.news) == (before != after)


# -- hosts ------------------------------------------------------------------------------------------


def test_a_new_host_is_known_and_empty() -> None:
    world = World().hear(HostStarted("h2", "two", {"zone": "a"}, "1.9.2"))
    host = world.lattice.hosts["h2"]
    assert (host.known, host.labels, host.last_heard) == (True, {"zone": "a"}, 1.0)
    assert world.news.hosts == {"h2"}
    assert not world.news.relabelled


def test_a_host_that_starts_again_is_asked_what_runs_there_and_nothing_is_pending_there() -> None:
    world = World(WEB, asked=START).hear(HostStarted("h1", "one", {}, "1.9.2"))
    assert world.runs() == WEB, "it may be a late event"
    assert not world.lattice.hosts["h1"].known
    assert world.news.questions.hosts == {"h1"}
    assert world.news.applications == {"shop"}
    assert len(world.in_flight) == 0


def test_a_component_that_may_have_ended_is_in_doubt_until_its_host_has_said() -> None:
    """A host accepts the start of what has ended as well as of what runs: an event that says 0 is asked about."""
    running = Component("web", "x/web:1", 3, OLD, rescaled=True)
    world = World(running, asked=START).hear(ComponentScaled("h1", replace(running, count=0)))
    assert world.runs() == replace(running, perhaps_gone=True)
    assert world.news.questions.hosts == {"h1"}
    assert world.outcome(START, "accepted").runs() == replace(running, perhaps_gone=True)
    assert world.hear(HostHeartbeat(inventory(running))).runs() == running


def test_a_component_is_no_more_in_doubt_once_its_host_has_accepted_the_number_that_it_has() -> None:
    """Where a host has that number and configuration, no event follows (docs/protocol/lattice.md#scale-unchanged)."""
    doubted = Component("web", "x/web:1", 3, OLD, rescaled=True)
    world = World(doubted).outcome(START, "accepted")
    assert world.runs() == replace(doubted, rescaled=False)
    assert world.news.entities == {("component", "web")}
    assert World(doubted).outcome(replace(START, count=4), "accepted").runs() == doubted


def test_a_host_that_stops_takes_all_with_it() -> None:
    world = World(WEB, KV, asked=replace(START, component_id="api")).hear(HostStopped("h1"))
    assert not world.lattice.hosts
    assert world.runs() is None
    assert world.news.hosts == {"h1"}
    assert world.news.entities == {("component", "web"), ("provider", "kv")}
    assert len(world.in_flight) == 0
    assert not World().hear(HostStopped("h9")).news


def test_a_host_is_removed_when_it_is_lost() -> None:
    world = World(WEB)
    remove_host("h1", world.lattice, world.in_flight, world.news)
    assert world.news.applications == {"shop"}
    assert not world.lattice.hosts


def test_changed_labels_concern_those_who_want_hosts_and_those_who_are_there() -> None:
    world = World(WEB).hear(LabelsChanged("h1", {"zone": "b"}))
    assert world.lattice.hosts["h1"].labels == {"zone": "b"}
    assert (world.news.hosts, world.news.relabelled, world.news.applications) == ({"h1"}, {"h1"}, {"shop"})
    world.news = ChangeSet()
    assert not world.hear(LabelsChanged("h1", {"zone": "b"})).news


def test_a_host_that_is_heard_of_for_the_first_time_is_asked() -> None:
    assert World().hear(LabelsChanged("h2", {})).news.questions.hosts == {"h2"}
    world = World().hear(ComponentScaled("h2", WEB))
    assert world.news.questions.hosts == {"h2"}
    assert not world.lattice.hosts["h2"].known


# -- heartbeats and inventories ---------------------------------------------------------------------


def test_a_heartbeat_is_the_whole_truth_of_a_host() -> None:
    other = Component("api", "x/api:1", 1, owned("other"))
    world = World(WEB, KV).hear(HostHeartbeat(inventory(replace(WEB, count=4), other)))
    assert world.runs() == replace(WEB, count=4, rescaled=True)
    assert world.runs("component", "api") == other
    assert world.runs("provider", "kv") is None
    assert world.news.entities == {("component", "web"), ("component", "api"), ("provider", "kv")}
    assert world.news.applications == {"shop", "other"}


def test_a_heartbeat_that_tells_nothing_new_is_no_news() -> None:
    world = World(WEB, KV)
    assert not world.hear(HostHeartbeat(inventory(WEB, replace(KV, health="pending"))), 9.0).news
    assert world.lattice.hosts["h1"].last_heard == 9.0
    found = world.runs("provider", "kv")
    assert isinstance(found, Provider)
    assert found.health == "running", "an inventory does not tell of health"


def test_a_heartbeat_makes_a_host_known() -> None:
    world = World().hear(ComponentScaled("h2", WEB))
    world.news = ChangeSet()
    world.hear(HostHeartbeat(inventory(WEB, host="h2", zone="a")))
    assert world.lattice.hosts["h2"].known
    assert (world.news.hosts, world.news.relabelled) == ({"h2"}, {"h2"})


@pytest.mark.parametrize(
    ("event_at", "asked_at", "runs"),
    [
        pytest.param(5.0, 6.0, False, id="asked after the event: it knows better"),
        pytest.param(5.0, 5.0, False, id="asked because of the event"),
        pytest.param(5.0, 4.0, True, id="asked before the event: it may not know yet"),
    ],
)
def test_an_inventory_does_not_overrule_what_came_after_it_was_asked(
    event_at: float, asked_at: float, runs: bool
) -> None:
    world = World().hear(scaled(3), event_at).hear(ProviderStarted("h1", KV), event_at)
    world.hear(ConfigSet("c"))
    observe_inventory(inventory(), world.lattice, world.in_flight, world.news, 7.0, world.touched, asked_at)
    assert (world.runs() is not None) is runs
    assert (world.runs("provider", "kv") is not None) is runs


def test_nor_does_it_bring_back_what_was_seen_to_stop() -> None:
    world = World(WEB, KV, asked=STOP).hear(scaled(0), 5.0).hear(ProviderStopped("h1", "kv"), 5.0)
    observe_inventory(inventory(WEB, KV), world.lattice, world.in_flight, world.news, 7.0, world.touched, 4.0)
    assert world.runs() is None
    assert world.runs("provider", "kv") is None


def test_after_an_inventory_a_request_without_effect_may_be_made_again() -> None:
    world = World(WEB, asked=replace(START, annotations=NEW)).hear(scaled(3))
    world.news = ChangeSet()
    observe_no_effect("h1", world.lattice, world.in_flight, world.news, 2.0)
    pending = world.pending(START)
    assert pending is not None
    assert pending.ignored
    assert world.news.applications == {"shop"}


@pytest.mark.parametrize(("asked_at", "ignored"), [(4.9, False), (5.0, True)], ids=["before", "because of it"])
def test_an_inventory_asked_for_before_the_answer_does_not_tell_whether_a_request_had_an_effect(
    asked_at: float, ignored: bool
) -> None:
    """It shows how things were before: nothing is asked again, in another way, because of it."""
    world = World(WEB, asked=replace(START, annotations=NEW)).hear(scaled(3), 5.0)
    observe_no_effect("h1", world.lattice, world.in_flight, world.news, 7.0, world.touched, asked_at)
    pending = world.pending(START)
    assert pending is not None
    assert pending.ignored is ignored


@pytest.mark.parametrize("host", ["h1", "h9"])
def test_a_request_that_is_not_answered_is_left_alone(host: str) -> None:
    world = World(WEB, asked=START)
    observe_no_effect(host, world.lattice, world.in_flight, world.news, 2.0)
    assert not world.news


# -- links ------------------------------------------------------------------------------------------


def test_links_are_set_and_deleted() -> None:
    world = World().hear(LinkSet(LINK))
    assert world.lattice.links == {LINK.key: (LINK,)}
    world.hear(LinkDeleted(LINK.key, "kv"))
    assert not world.lattice.links
    assert world.news.links == {LINK.key}


def test_of_several_targets_the_one_that_is_named_goes() -> None:
    world = World().hear(LinkSet(LINK)).hear(LinkSet(replace(LINK, target="kv2", interfaces=("batch",))))
    world.hear(LinkDeleted(LINK.key, "kv"))
    assert [link.target for link in world.lattice.links[LINK.key]] == ["kv2"]


def test_a_deletion_that_found_nothing_makes_us_look() -> None:
    assert not World().hear(LinkDeleted(LINK.key, None)).news
    assert World().hear(LinkSet(LINK)).hear(LinkDeleted(LINK.key, None)).news.questions.links


def test_a_refused_link_is_told_to_whom_it_concerns_by_the_reply() -> None:
    assert not World().hear(LinkSetFailed(LINK, "no")).news


def test_the_list_of_links_replaces_all_and_tells_what_changed() -> None:
    world = World().hear(LinkSet(LINK))
    world.news = ChangeSet()
    other = replace(LINK, name="other")
    observe_links([other], world.lattice, world.news)
    assert world.lattice.links == {other.key: (other,)}
    assert world.news.links == {LINK.key, other.key}
    assert not world.news.all_links


def test_the_first_list_is_news_to_all_even_if_it_is_empty() -> None:
    world = World()
    world.lattice.certainty.links_read = False
    observe_links([], world.lattice, world.news)
    assert world.news.all_links
    assert world.news


def test_a_list_does_not_overrule_what_was_heard_since() -> None:
    world = World().hear(LinkSet(LINK))
    other = replace(LINK, name="other")
    observe_links([other], world.lattice, world.news, newer={LINK.key, other.key})
    assert world.lattice.links == {LINK.key: (LINK,)}


@pytest.mark.parametrize("result", ["unanswered", "refused"])
def test_after_a_put_that_failed_it_is_not_known_whether_the_link_is_there_until_the_list_says(result: str) -> None:
    """Also where it was refused: the host's store may have taken it without telling the host."""
    world = World(asked=PUT_LINK).outcome(PUT_LINK, result)
    assert not world.lattice.certainty.knows_link(LINK.key)
    world.news = ChangeSet()
    observe_links([], world.lattice, world.news)
    assert world.lattice.certainty.knows_link(LINK.key)
    assert world.news.links == {LINK.key}, "somebody may have waited to know"


def test_a_list_that_may_be_too_old_settles_a_doubt_only_if_it_has_the_link() -> None:
    world = World(asked=PUT_LINK).outcome(PUT_LINK, "unanswered")
    observe_links([], world.lattice, world.news, newer={LINK.key})
    assert not world.lattice.certainty.knows_link(LINK.key)
    observe_links([LINK], world.lattice, world.news, newer={LINK.key})
    assert world.lattice.certainty.knows_link(LINK.key)
    assert world.lattice.links == {LINK.key: (LINK,)}


def test_a_delete_that_removed_another_link_than_the_first_one_shows_that_the_list_is_not_as_it_was_known() -> None:
    """Of several links with one identity a host deletes the first (docs/protocol/lattice.md#link-delete)."""
    other = replace(LINK, target="kv2", interfaces=("atomics",))
    right = World().hear(LinkSet(LINK)).hear(LinkSet(other)).hear(LinkDeleted(LINK.key, LINK.target))
    assert not right.news.questions.links
    assert right.lattice.certainty.knows_link(LINK.key)
    wrong = World().hear(LinkSet(LINK)).hear(LinkSet(other)).hear(LinkDeleted(LINK.key, other.target))
    assert wrong.news.questions.links
    assert not wrong.lattice.certainty.knows_link(LINK.key)
    assert wrong.lattice.links[LINK.key] == (LINK,)


@pytest.mark.parametrize("event", [LinkSet(LINK), LinkDeleted(LINK.key, "kv")])
def test_an_event_settles_a_doubt(event: Event) -> None:
    world = World(asked=PUT_LINK).outcome(PUT_LINK, "unanswered")
    world.news = ChangeSet()
    world.hear(event)
    assert world.lattice.certainty.knows_link(LINK.key)
    assert world.news.links == {LINK.key}


CHANGES: list[Callable[[World], World]] = [
    lambda world: world.hear(LinkSet(LINK)),
    lambda world: world.hear(LinkDeleted(LINK.key, "kv")),
    lambda world: world.hear(LinkDeleted(LINK.key, None)),
    lambda world: world.outcome(PUT_LINK, "accepted"),
    lambda world: world.outcome(DELETE_LINK, "accepted"),
    lambda world: world.outcome(DELETE_LINK, "unanswered"),
]


@pytest.mark.parametrize("change", CHANGES)
def test_links_of_a_source_that_changed_are_certain_once_they_were_read_as_of_later(
    change: Callable[[World], World],
) -> None:
    world = change(World(asked=DELETE_LINK))
    changed = world.lattice.certainty.changed_sources[LINK.source_id]
    observe_links([], world.lattice, world.news, as_of=changed)
    assert world.lattice.certainty.changed_sources
    assert not world.news.sources
    observe_links([], world.lattice, world.news, as_of=changed + 1)
    assert not world.lattice.certainty.changed_sources
    assert world.news.sources == {LINK.source_id}


@pytest.mark.parametrize(
    ("command", "thing", "news"),
    [
        (PUT_LINK, ("link", LINK.source_id), ChangeSet(sources={LINK.source_id})),
        (PUT_CONFIG, ("config", "c"), ChangeSet(configs={"c"})),
    ],
)
def test_a_put_that_got_no_answer_may_come_as_long_as_a_host_may_stand_still(
    command: Command, thing: tuple[str, str], news: ChangeSet
) -> None:
    lattice = World(asked=command).outcome(command, "unanswered").lattice
    at, heard = lattice.certainty.late_puts[thing], ChangeSet()
    observe_given_up(lattice, heard, at + STANDS_STILL)
    assert (thing in lattice.certainty.late_puts, heard) == (True, ChangeSet())
    observe_given_up(lattice, heard, at + STANDS_STILL + 1)
    assert (lattice.certainty.late_puts, heard) == ({}, news)


@pytest.mark.parametrize("command", [PUT_LINK, PUT_CONFIG, DELETE_LINK, DELETE_CONFIG])
def test_what_shows_no_sign_in_time_is_as_uncertain_as_what_got_no_answer(command: Command) -> None:
    """It may not even have been sent: its record or the command stream was slow."""
    overdue, unanswered = World(asked=command), World(asked=command)
    for world in (overdue, unanswered):
        world.lattice.certainty.links_read = True
        world.lattice.set_config("c", {})
    unanswered.outcome(command, "unanswered")
    observe_due(overdue.lattice, overdue.in_flight, overdue.news, patience(command) - 0.1)
    assert overdue.lattice.certainty.late_puts == {}
    overdue.news = ChangeSet()
    observe_due(overdue.lattice, overdue.in_flight, overdue.news, patience(command))
    mine, other = overdue.lattice.certainty, unanswered.lattice.certainty
    assert mine.late_puts.keys() == other.late_puts.keys()
    assert mine.changed_sources.keys() == other.changed_sources.keys()
    assert mine.doubtful == other.doubtful
    assert overdue.lattice.configs == unanswered.lattice.configs
    assert overdue.news == unanswered.news


@pytest.mark.parametrize("result", ["accepted", "refused", "unreachable"])
@pytest.mark.parametrize("command", [PUT_LINK, PUT_CONFIG, DELETE_LINK, DELETE_CONFIG])
def test_of_what_was_answered_nothing_comes_later(command: Command, result: str) -> None:
    assert not World(asked=command).outcome(command, result).lattice.certainty.late_puts


# -- configurations ---------------------------------------------------------------------------------


def test_a_configuration_that_somebody_sets_is_to_be_looked_at() -> None:
    world = World()
    world.lattice.set_config("c", {"k": "v"})
    world.hear(ConfigSet("c"))
    assert "c" not in world.lattice.configs
    assert world.news.configs == {"c"}


def test_a_configuration_that_nobody_asked_for_is_nothing() -> None:
    assert not World().hear(ConfigSet("c")).news


def test_a_configuration_that_somebody_deletes_is_not_known_any_more() -> None:
    world = World()
    world.lattice.set_config("c", {"k": "v"})
    assert world.hear(ConfigDeleted("c")).lattice.configs == {}


@pytest.mark.parametrize("event", [ConfigSet("c"), ConfigDeleted("c")])
def test_what_we_do_ourselves_is_confirmed_by_the_reply(event: Event) -> None:
    assert not World(asked=PUT_CONFIG).hear(event).news


def test_the_content_of_a_configuration_is_news_once() -> None:
    world = World()
    observe_config("c", {"k": "v"}, world.lattice, world.news)
    assert world.news.configs == {"c"}
    world.news = ChangeSet()
    observe_config("c", {"k": "v"}, world.lattice, world.news)
    assert not world.news


# -- outcomes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [START, UPDATE, START_KV])
def test_a_host_that_accepts_is_given_its_time_and_changes_nothing_yet(command: Command) -> None:
    world = World(asked=command).outcome(command, "accepted")
    pending = world.pending(command)
    assert pending is not None
    assert pending.delivered
    assert not world.news


@pytest.mark.parametrize(
    ("command", "links", "configs"),
    [
        (PUT_LINK, {LINK.key: (LINK,)}, {}),
        (PUT_CONFIG, {}, {"c": {"k": "v"}}),
        (DELETE_CONFIG, {}, {"c": None}),
    ],
)
def test_a_reply_confirms_links_and_configurations(
    command: Command, links: dict[object, object], configs: dict[object, object]
) -> None:
    world = World(asked=command).outcome(command, "accepted")
    assert (world.lattice.links, world.lattice.configs) == (links, configs)
    assert world.news.applications == {"shop"}, "who asked may have gone on to want something else"


@pytest.mark.parametrize(
    ("event", "command"),
    [
        pytest.param(LinkSet(LINK), PUT_LINK, id="a link that is there"),
        pytest.param(ProviderStopped("h1", "kv"), STOP_KV, id="a provider that has stopped"),
        pytest.param(LinkDeleted(LINK.key, "kv"), DELETE_LINK, id="a link that is gone"),
    ],
)
def test_a_reply_is_no_news_after_an_event_that_was_planned_for(event: Event, command: Command) -> None:
    world = World(KV, asked=command)
    world.lattice.certainty.links_read = True
    if isinstance(event, LinkDeleted):
        world.hear(LinkSet(LINK))
    world.hear(event)
    world.in_flight.settle([command.key])  # as a plan does that finds it in the lattice
    world.news = ChangeSet()
    world.outcome(command, "accepted")
    assert not world.news


def test_a_provider_is_gone_once_the_host_answers_that_it_has_stopped_it() -> None:
    world = World(KV, asked=STOP_KV).outcome(STOP_KV, "accepted")
    assert world.runs("provider", "kv") is None, "its event may be lost"
    assert world.pending(STOP_KV) is None
    assert world.news.applications == {"shop"}

    observe_inventory(inventory(KV), world.lattice, world.in_flight, world.news, 1.1, world.touched, asked=0.9)
    assert world.runs("provider", "kv") is None, "what was asked before does not bring it back"


def test_the_answer_to_a_stop_says_nothing_of_the_start_that_is_asked_since() -> None:
    world = World(asked=START_KV).outcome(STOP_KV, "accepted")
    pending = world.pending(START_KV)
    assert pending is not None
    assert not pending.delivered


def test_a_deleted_link_is_gone_whether_the_event_or_the_reply_comes_first() -> None:
    for event_first in (True, False):
        world = World(asked=DELETE_LINK).hear(LinkSet(LINK))
        if event_first:
            world.hear(LinkDeleted(LINK.key, "kv"))
        world.outcome(DELETE_LINK, "accepted")
        if not event_first:
            world.hear(LinkDeleted(LINK.key, "kv"))
        assert not world.lattice.links
        assert not world.news.questions
        assert world.pending(DELETE_LINK) is None
        assert world.news.applications == {"shop"}


def test_which_of_several_links_went_the_event_tells_else_the_list() -> None:
    other = replace(LINK, target="kv2", interfaces=("batch",))
    told = World(asked=DELETE_LINK).hear(LinkSet(LINK)).hear(LinkSet(other)).hear(LinkDeleted(LINK.key, "kv"))
    told.outcome(DELETE_LINK, "accepted")
    assert told.lattice.links == {LINK.key: (other,)}
    assert not told.news.questions

    untold = World(asked=DELETE_LINK).hear(LinkSet(LINK)).hear(LinkSet(other))
    untold.outcome(DELETE_LINK, "accepted")
    assert untold.lattice.links == {LINK.key: (LINK, other)}
    assert untold.news.questions.links
    assert not untold.lattice.certainty.knows_link(LINK.key), "until then nothing more is deleted there"


def test_the_answer_to_a_deletion_whose_event_was_heard_leaves_no_doubt() -> None:
    world = World(asked=DELETE_LINK).hear(LinkSet(LINK)).hear(LinkDeleted(LINK.key, "kv"))
    world.lattice.certainty.links_read = True
    world.in_flight.settle([DELETE_LINK.key])
    assert world.outcome(DELETE_LINK, "accepted").lattice.certainty.knows_link(LINK.key)


def test_a_list_that_may_lag_does_not_tell_that_what_was_deleted_is_there_still() -> None:
    other = replace(LINK, target="kv2", interfaces=("batch",))
    world = World(asked=DELETE_LINK).hear(LinkSet(LINK)).hear(LinkSet(other)).outcome(DELETE_LINK, "accepted")
    observe_links([LINK, other], world.lattice, world.news, newer={LINK.key})
    assert not world.lattice.certainty.knows_link(LINK.key)
    observe_links([other], world.lattice, world.news)
    assert world.lattice.certainty.knows_link(LINK.key)
    assert world.lattice.links == {LINK.key: (other,)}


def test_it_does_tell_of_a_link_of_which_it_was_not_known_whether_it_was_put() -> None:
    world = World()
    world.lattice.certainty.links_read = True
    world.lattice.certainty.doubtful.add(LINK.key)
    observe_links([LINK], world.lattice, world.news, newer={LINK.key})
    assert world.lattice.certainty.knows_link(LINK.key)
    assert world.lattice.links == {LINK.key: (LINK,)}


@pytest.mark.parametrize(
    ("command", "questions"),
    [
        (START, InformationRequests(set(), {"h1"})),
        (UPDATE, InformationRequests(set(), {"h1"})),
        (STOP_KV, InformationRequests(set(), {"h1"})),
        (PUT_LINK, InformationRequests(set(), set(), True)),
        (DELETE_LINK, InformationRequests(set(), set(), True)),
        (PUT_CONFIG, InformationRequests({"c"}, set())),
        (DELETE_CONFIG, InformationRequests({"c"}, set())),
    ],
)
@pytest.mark.parametrize("result", ["refused", "unanswered", "unreachable"])
def test_what_was_not_done_is_held_and_looked_into(
    command: Command, questions: InformationRequests, result: str
) -> None:
    world = World(asked=command)
    world.lattice.set_config("c", {"k": "old"})
    world.outcome(command, result, "because")
    pending = world.pending(command)
    assert pending is not None
    assert (pending.held, pending.error) == (True, "because")
    assert world.news.questions == questions
    assert world.news.applications == {"shop"}


@pytest.mark.parametrize(
    ("command", "result", "words"),
    [
        (START, "refused", "Refused without a reason"),
        (START, "unanswered", "Host h1 did not answer in time"),
        (START, "unreachable", "Host h1 cannot be reached"),
        (PUT_LINK, "unanswered", "No host answered in time"),
        (PUT_CONFIG, "unreachable", "There is no host to answer"),
    ],
)
def test_words_where_the_host_has_none(command: Command, result: str, words: str) -> None:
    pending = World(asked=command).outcome(command, result).pending(command)
    assert pending is not None
    assert pending.error == words


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (START_KV, "provider with that ID is already running"),
        (STOP_KV, "provider with that ID is not running"),
    ],
)
def test_what_is_so_already_is_no_failure(command: Command, message: str) -> None:
    world = World(asked=command).outcome(command, "refused", message)
    pending = world.pending(command)
    assert pending is not None
    assert (pending.held, pending.delivered) == (False, True)
    assert world.news.questions.hosts == {"h1"}


def test_what_became_of_a_command_that_nobody_waits_for_any_more_is_nothing() -> None:
    assert not World().outcome(START, "refused", "no").news
    assert not World(asked=replace(START, count=9)).outcome(START, "unanswered").news


# -- time and wishes -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "questions"),
    [
        (START, InformationRequests(set(), {"h1"})),
        (PUT_LINK, InformationRequests(set(), set(), True)),
        (PUT_CONFIG, InformationRequests({"c"}, set())),
    ],
)
def test_what_does_not_show_is_looked_for(command: Command, questions: InformationRequests) -> None:
    world = World(asked=command)
    observe_due(world.lattice, world.in_flight, world.news, 2.9)
    assert not world.news
    observe_due(world.lattice, world.in_flight, world.news, 3.0)
    assert world.news.questions == questions
    assert world.news.applications == {"shop"}


def test_another_wish_concerns_whoever_wants_or_has_put_the_same() -> None:
    before = an_app("shop", a_component("web", links=[a_link("kv", config=[a_config("c", k="v")])]), a_provider("kv"))
    news, lattice = ChangeSet(), a_lattice()
    lattice.set_config("shop-c", {"k": "v"})
    observe_desired(compiled(before), nothing("shop"), news, lattice)
    assert news.applications == {"shop"}
    assert news.entities == {("component", "shop-web"), ("provider", "shop-kv")}
    assert news.links == {linked(before)[0].key}
    assert news.configs == {"shop-c"}

    after = ChangeSet()
    observe_desired(None, compiled(before), after, lattice)
    assert after == news
    assert not after.questions, "what its configuration holds is known"


def test_configurations_of_a_new_wish_are_read_at_once_where_they_are_not_known() -> None:
    wish = compiled(an_app("shop", a_component("web", config=[a_config("c", k="v"), an_external_config("d")])))
    news, lattice = ChangeSet(), a_lattice()
    lattice.set_config("d", None)
    observe_desired(None, wish, news, lattice)
    assert news.questions == InformationRequests({"shop-c"}, set())


# -- news -------------------------------------------------------------------------------------------


def test_no_news_is_false() -> None:
    assert not ChangeSet()
    assert not Lattice().hosts


@pytest.mark.parametrize(
    "news",
    [
        ChangeSet(applications={"shop"}),
        ChangeSet(entities={("component", "web")}),
        ChangeSet(links={LINK.key}),
        ChangeSet(all_links=True),
        ChangeSet(configs={"c"}),
        ChangeSet(hosts={"h1"}),
        ChangeSet(questions=InformationRequests({"c"}, set())),
        ChangeSet(questions=InformationRequests(set(), {"h1"})),
        ChangeSet(questions=InformationRequests(set(), set(), True)),
    ],
)
def test_any_news_is_true(news: ChangeSet) -> None:
    assert news


@pytest.mark.parametrize(
    ("image", "why"),
    [
        ("x/kv:1", ""),
        (
            "wasmcloud+builtin://http-servr",
            ": it may know no builtin provider http-servr (hosts have http-client, http-server, messaging-nats)",
        ),
        ("wasmcloud+builtin://http-server", ": its builtin provider http-server may be switched off"),
    ],
)
def test_a_start_of_a_builtin_provider_that_gets_no_answer_says_what_that_means(image: str, why: str) -> None:
    start = StartProvider("shop-http", "h1", image, "shop", {})
    world = World(asked=start)
    observe_outcome(Outcome(start, "unanswered"), world.lattice, world.in_flight, ChangeSet(), LastEventTimes(), 2.0)
    pending = world.in_flight.get(start.key)
    assert pending is not None
    assert pending.error == f"Host h1 did not answer in time{why}"
