"""One lattice's state machine: what is fed to it, what it decides, what it is asked."""

from __future__ import annotations

from tests.engine.builders import a_component, a_config, a_provider, an_app
from tests.engine.keeper import Keeper
from tests.engine.model_lattice import ModelLattice
from wadm.engine import journal
from wadm.engine.controller import AT_ONCE, LatticeController
from wadm.engine.effects import PublishStatus, QueryHosts, ReadApplications, SendCommands, StoreRecords
from wadm.engine.inputs import (
    ApplicationRead,
    ApplicationsListed,
    ConfigReply,
    DesiredChanged,
    DoubtsChanged,
    HostEvent,
    InventoryReply,
    LeaseChanged,
    RecordStored,
    TakeOver,
)
from wadm.engine.liveness import KnownHost, Remembered
from wadm.engine.plan import OwnedResources
from wadm.model.events import HostStarted
from wadm.model.lattice import Inventory

NOW = 1000.0
SHOP = an_app("shop", a_component("web", 2))


def of_shop(lifecycle: str = "deployed") -> DesiredChanged:
    return DesiredChanged("shop", SHOP if lifecycle == "deployed" else None, lifecycle)  # type: ignore[arg-type]


def a_controller(*hosts: str, records: dict[str, OwnedResources] | None = None) -> LatticeController:
    """A controller that has taken over a lattice of empty hosts."""
    controller = LatticeController("default")
    known = {host: KnownHost("", {}) for host in hosts}
    controller.feed(TakeOver(NOW, records or {}, Remembered({}), known), NOW)
    for host in hosts:
        assert controller.waits_for_hosts
        controller.feed(InventoryReply(host, Inventory(host, "", {}, "1.9.2", 1, (), ()), NOW), NOW)
    assert not controller.waits_for_hosts
    controller.feed(ApplicationsListed(), NOW)
    controller.decide(NOW)
    return controller


def commands(controller: LatticeController, now: float) -> int:
    """Return how many commands are sent by the next decisions, records being stored at once."""
    sent = 0
    while controller.next_deadline() == AT_ONCE or sent == 0:
        effects = controller.decide(now)
        for effect in effects:
            if isinstance(effect, SendCommands):
                sent += len(effect.actions)
        if not any(isinstance(effect, ReadApplications) for effect in effects):
            return sent
    return sent


def test_nothing_is_planned_before_all_hosts_have_said_what_they_run() -> None:
    controller = LatticeController("default")
    controller.feed(TakeOver(NOW, {}, Remembered({}), {"h1": KnownHost("", {})}), NOW)
    controller.feed(of_shop(), NOW)
    assert not any(isinstance(effect, SendCommands | PublishStatus) for effect in controller.decide(NOW))
    assert controller.waits_for_hosts
    assert not controller.taken_over


def test_what_is_deployed_is_started_once_hosts_have_gathered() -> None:
    controller = a_controller("h1")
    controller.feed(of_shop(), NOW + 60)
    assert commands(controller, NOW + 60) == 1
    assert commands(controller, NOW + 61) == 0


def test_nothing_is_sent_without_the_lease_and_all_of_it_once_it_is_back() -> None:
    controller = a_controller("h1")
    controller.feed(LeaseChanged(False), NOW + 60)
    controller.feed(of_shop(), NOW + 60)
    assert commands(controller, NOW + 60) == 0
    controller.feed(LeaseChanged(True), NOW + 70)
    assert commands(controller, NOW + 70) == 1


def test_nothing_of_an_application_is_changed_that_the_store_has_lost() -> None:
    controller = a_controller("h1")
    controller.feed(DoubtsChanged({"shop": "the bucket was deleted"}), NOW + 60)
    controller.feed(of_shop(), NOW + 60)
    effects = controller.decide(NOW + 60)
    [said] = [effect.status for effect in effects if isinstance(effect, PublishStatus)]
    assert (said.type, said.message) == ("failed", "the bucket was deleted")
    assert not any(isinstance(effect, SendCommands | StoreRecords) for effect in effects)


def test_what_is_on_record_of_an_unknown_application_is_asked_about_before_it_is_planned() -> None:
    record = OwnedResources(configs=frozenset({"settings"}))
    controller = LatticeController("default")
    controller.feed(TakeOver(NOW, {"gone": record}, Remembered({}), {}), NOW)
    controller.feed(HostEvent(HostStarted("h1", "", {}, "1.9.2")), NOW)
    controller.feed(ApplicationsListed(), NOW)
    *_, asked = controller.decide(NOW)
    assert asked == ReadApplications(("gone",), frozenset())
    controller.feed(ApplicationRead("gone", "unknown"), NOW)
    effects = controller.decide(NOW)
    assert not any(isinstance(effect, StoreRecords | SendCommands | ReadApplications) for effect in effects)


def test_commands_wait_for_the_record_of_what_they_put_and_it_is_stored_once() -> None:
    controller = a_controller("h1")
    app = an_app("shop", a_component("web", config=[a_config("c", k="v")]))
    controller.feed(DesiredChanged("shop", app, "deployed"), NOW + 60)
    [asked] = [effect for effect in controller.decide(NOW + 60) if isinstance(effect, QueryHosts)]
    [name] = asked.questions.configs
    controller.feed(ConfigReply(name, None), NOW + 61)
    effects = controller.decide(NOW + 61)
    [stored] = [effect for effect in effects if isinstance(effect, StoreRecords)]
    assert stored.records == {"shop": OwnedResources(configs=frozenset({name}))}
    assert [action.command.key for action in stored.then] == [("config", name)]
    assert not any(isinstance(effect, SendCommands) for effect in effects)
    controller.feed(RecordStored("shop", stored.records["shop"]), NOW + 61)
    controller.feed(ConfigReply(name, {"k": "v"}), NOW + 62)
    effects = controller.decide(NOW + 62)
    assert [action.command.key for e in effects if isinstance(e, SendCommands) for action in e.actions] == [
        ("component", "h1", "shop-web")
    ]
    assert not any(isinstance(effect, StoreRecords) for effect in effects)


def test_a_fork_can_be_fed_what_its_original_is_not() -> None:
    world = ModelLattice()
    world.join("h1", {})
    keeper = Keeper(world)
    keeper.work()
    keeper.advance(60.0)
    keeper.deploy(SHOP)
    keeper.calm_down()
    other = keeper.controller.fork()
    before = journal.encode(keeper.said["shop"])
    other.feed(of_shop("undeployed"), keeper.now)
    [sent] = [effect for effect in other.decide(keeper.now) if isinstance(effect, SendCommands)]
    assert [action.reason for action in sent.actions]
    assert other.interests.desired("shop") != keeper.controller.interests.desired("shop")
    assert not any(isinstance(effect, SendCommands) for effect in keeper.controller.decide(keeper.now))
    assert journal.encode(keeper.said["shop"]) == before


def test_the_questions_of_a_controller_change_nothing() -> None:
    controller = a_controller("h1")
    controller.feed(DesiredChanged("shop", an_app("shop", a_provider("kv")), "deployed"), NOW + 60)
    facts = ApplicationRead("shop", "deployed")
    planning = controller.plan(facts, NOW + 60)
    assert planning is not None
    planning.advance(1000, NOW + 60)
    assert planning.plan is not None
    assert controller.explain("shop", planning.plan).application == "shop"
    for _ in controller.forecast(controller.desired("shop", SHOP, {}), facts, NOW + 60):
        pass
    assert commands(controller, NOW + 60) == 1
