"""What hosts say of starts and health of providers, folded into what is known of each start."""

from __future__ import annotations

from tests.engine.builders import a_host, a_lattice, owned
from wadm.engine.changes import ChangeSet, LastEventTimes
from wadm.engine.expectations import Expectations
from wadm.engine.observe import observe, observe_inventory, remove_host
from wadm.model.commands import Action, StartProvider
from wadm.model.events import Event, ProviderHealth, ProviderStarted, ProviderStopped
from wadm.model.lattice import Inventory, Lattice, Provider
from wadm.model.provider_starts import SUBSCRIBES_WITHIN, ProviderStart

KV = Provider("kv", "x/kv:1", owned("shop", "scaler"))
START = StartProvider("kv", "h1", "x/kv:1", "shop", owned("shop", "scaler"))
STARTED = ProviderStarted("h1", KV)
REPORT = ProviderHealth("h1", "kv", "running", unchanged=True)


class World:
    def __init__(self, lattice: Lattice | None = None) -> None:
        self.lattice = lattice or a_lattice("h1")
        self.in_flight = Expectations()
        self.news = ChangeSet()

    def hear(self, event: Event, now: float) -> World:
        observe(event, self.lattice, self.in_flight, self.news, LastEventTimes(), now)
        return self

    def read(self, now: float, *providers: Provider) -> World:
        inventory = Inventory("h1", "", {}, "1.9.2", 0, (), providers)
        observe_inventory(inventory, self.lattice, self.in_flight, self.news, now)
        return self

    @property
    def start(self) -> ProviderStart | None:
        return self.lattice.provider_starts.get("h1", "kv")


def test_a_start_that_was_asked_here_has_the_links_of_when_it_was_asked() -> None:
    world = World()
    world.in_flight.ask(Action(START, "shop", "scaler", "reason"), 9.5)
    assert world.hear(STARTED, 10.0).start == ProviderStart(10.0, 9.5, likely=9.5)


def test_an_event_that_comes_twice_is_one_start() -> None:
    world = World().hear(STARTED, 20.0).hear(REPORT, 25.0).hear(STARTED, 26.0)
    assert world.start == ProviderStart(20.0, 5.0, 25.0, 25.0, likely=5.0)


def test_a_start_after_a_stop_is_another() -> None:
    world = World().hear(STARTED, 10.0).hear(REPORT, 15.0).hear(ProviderStopped("h1", "kv"), 20.0)
    assert world.start is None
    assert world.hear(STARTED, 30.0).start == ProviderStart(30.0, 15.0, likely=15.0)


def test_the_first_report_is_news_to_those_whose_provider_it_is_and_the_next_is_not() -> None:
    world = World().hear(STARTED, 10.0)
    for now, told in ((15.0, {"shop"}), (45.0, set())):
        world.news = ChangeSet()
        world.hear(REPORT, now)
        assert world.news.applications == told


def test_that_it_ceased_to_report_is_no_report() -> None:
    assert World().hear(STARTED, 20.0).hear(ProviderHealth("h1", "kv", "silent"), 60.0).start == ProviderStart(
        20.0, 5.0, likely=5.0
    )


def test_an_inventory_tells_of_a_start_that_was_not_heard() -> None:
    start = World().read(10.0, KV).start
    assert start == ProviderStart(10.0, float("-inf"))


def test_what_runs_on_a_host_that_is_met_is_found_not_started() -> None:
    assert World(Lattice()).read(10.0, KV).start == ProviderStart(None, 10.0, 10.0)


def test_with_its_host_it_goes_and_comes_back_with_the_links_of_before() -> None:
    world = World(a_lattice(a_host("h1")))
    world.hear(STARTED, 10.0).lattice.hosts["h1"].last_heard = 70.0
    remove_host("h1", world.lattice, world.in_flight, world.news)
    assert world.start is None
    assert world.read(200.0, KV).start == ProviderStart(None, 70.0, 200.0)


# -- one id on several hosts ---------------------------------------------------------------------


def two_hosts() -> World:
    """A provider that runs on another host, and has just been started on this one."""
    world = World(a_lattice("h1", a_host("h2", KV)))
    return world.hear(STARTED, 10.0)


def reported(world: World) -> float | None:
    assert world.start is not None
    return world.start.reported


def test_a_report_says_nothing_where_another_host_may_have_answered_and_it_can_be_asked() -> None:
    """A host reports a process healthy that has crashed, as the other host's answers its probe."""
    world = two_hosts()
    world.lattice.provider_starts.answers = True
    assert reported(world.hear(REPORT, 15.0)) is None
    assert world.lattice.provider_starts.reports("h1")


def test_a_report_counts_where_nobody_can_be_asked_or_the_other_host_is_silent() -> None:
    assert reported(two_hosts().hear(REPORT, 15.0)) == 15.0
    world = two_hosts()
    world.lattice.provider_starts.answers = True
    world.lattice.certainty.silent["h2"] = 12.0
    assert reported(world.hear(REPORT, 15.0)) == 15.0


def test_that_all_answer_is_a_report_from_the_time_of_the_first_probe_on() -> None:
    world = two_hosts()
    starts = world.lattice.provider_starts
    assert starts.overdue(14.9) == []
    assert starts.answered("h1", "kv", 11.0)
    assert world.start is not None
    assert (world.start.listens, reported(world)) == (11.0, None), "it listens, and may crash yet"
    assert starts.overdue(15.0) == ["kv"]
    assert starts.answered("h1", "kv", 15.0)
    assert reported(world) == 15.0
    assert starts.overdue(100.0) == []
    assert not starts.answered("h1", "kv", 16.0)
    assert not starts.answered("h3", "kv", 16.0)


def test_one_whose_first_reports_were_missed_has_to_be_asked_until_it_answers() -> None:
    """The reports that follow do not say which of several providers they are about, and for a young one only somebody
    asks by himself."""
    world = two_hosts()
    starts = world.lattice.provider_starts
    starts.answers = True
    assert not starts.is_overlooked("h1", "kv"), "it is young"
    starts.expired(10.0 + SUBSCRIBES_WITHIN)
    assert starts.overdue(60.0) == []
    assert reported(world.hear(REPORT, 75.0)) is None
    assert starts.is_overlooked("h1", "kv")
    starts.answered("h1", "kv", 76.0)
    assert reported(world) == 76.0
    assert not starts.is_overlooked("h1", "kv")
    assert not starts.is_overlooked("h3", "kv")
