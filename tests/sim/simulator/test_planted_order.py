"""Bugs planted in what leases, records, order and honesty stand on: each must be found within a few simulations.

What a row names is the first of the simulations that are run, so that the test is quick: there the bug shows soon. The
checks that may find it are named, too: it must not be found by chance.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from wadm.engine import garbage, intake, observe, reconcile
from wadm.engine.dependency_index import DependencyIndex
from wadm.engine.inputs import InventoryReply
from wadm.engine.plan import OtherApplications
from wadm.errors import TooLarge, WadmError
from wadm.hosts.behaviour import HEALTHY, HostBehaviour
from wadm.model.lattice import Inventory
from wadm.server import commands, executor, host_queries, lattice_manager, records
from wadm.sim.network import Trouble
from wadm.sim.options import Options, Rates, draw_options
from wadm.sim.simulation import simulate
from wadm.transport.memory.transport import MemoryBucket
from wadm.wire import subjects
from wadm.wire.commands import encode_command

Plant = Callable[[pytest.MonkeyPatch], None]

SEEDS = 8
"""Simulations in which a planted bug must have shown, from the one that its row names."""


def saved_beside_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record is saved beside the commands that need it, not before them."""

    async def beside(self: Any, to_save: Any, actions: Any) -> None:
        saves = (self._save(name, record) for name, record in to_save.items())
        await asyncio.gather(self._commands.send(actions), *saves)

    monkeypatch.setattr(executor.Executor, "_save_then_send", beside)


def saved_in_any_order(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records of one application are stored side by side."""
    monkeypatch.setattr(records.Records, "save", records.Records._write)


def failed_stream_not_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """That the stream did not take a command is not reported to whoever waits for it."""

    async def publish(self: Any, command: Any) -> None:
        try:
            await self._transport.append(subjects.command(self._lattice), encode_command(command))
        except TooLarge as error:
            self._report(commands.Outcome(command, "refused", str(error)))
        except WadmError:
            pass

    monkeypatch.setattr(commands.Commands, "_publish", publish)


def absent_is_undeployed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that is not in the store counts as deleted, whatever is known of that."""
    before = lattice_manager.PlaceApplications.lifecycle

    def lifecycle(self: Any, name: str) -> Any:
        found = before(self, name)
        return "deleted" if found == "unknown" else found

    monkeypatch.setattr(lattice_manager.PlaceApplications, "lifecycle", lifecycle)


def leftovers_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A status says deployed while something of an earlier version is there."""
    before = reconcile._status

    def status(*arguments: Any) -> Any:
        left = next(one for one in arguments if isinstance(one, garbage.Leftovers))
        count, left.count = left.count, 0
        try:
            return before(*arguments)
        finally:
            left.count = count

    monkeypatch.setattr(reconcile, "_status", status)


def links_of_others_deleted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that another application wants, too, is deleted."""
    before = DependencyIndex.needed_by_others

    def needed(self: Any, application: str, *_: Any) -> OtherApplications:
        return OtherApplications(before(self, application).config, lambda _key, _target: False)

    monkeypatch.setattr(DependencyIndex, "needed_by_others", needed)


def configurations_deleted_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A configuration goes before what uses it has gone."""
    before = garbage._configs

    def configs(work: Any, wanted: Any, left: Any) -> Any:
        work.workloads.still_serving.clear()
        return before(work, wanted, garbage.Leftovers(left.record))

    monkeypatch.setattr(garbage, "_configs", configs)


def inventories_overrule_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inventory that was asked for overrules what events have told of since."""
    before = observe.observe_inventory

    def observed(inventory: Any, lattice: Any, in_flight: Any, news: Any, now: float, *_: Any) -> None:
        before(inventory, lattice, in_flight, news, now)

    monkeypatch.setattr(intake, "observe_inventory", observed)


def written_whatever_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written over the revision that was read: every compare-and-set is left out."""
    before = MemoryBucket._write

    async def write(self: Any, operation: str, key: str, value: bytes, headers: Any, _revision: Any) -> int:
        return await before(self, operation, key, value, headers, None)

    monkeypatch.setattr(MemoryBucket, "_write", write)


def hosts_not_asked_at_take_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new owner takes the hosts that are there for empty, until they tell otherwise."""
    before = host_queries.HostQueries.inventory

    def inventory(self: Any, host_id: str, *arguments: Any) -> None:
        if self._now() - self.__dict__.setdefault("began", self._now()) < 5:
            empty = Inventory(host_id, host_id, {}, "1.4.0", 1, (), ())
            self._tell(InventoryReply(host_id, empty, self._now()))
        else:
            before(self, host_id, *arguments)

    monkeypatch.setattr(host_queries.HostQueries, "inventory", inventory)


# -- simulations in which a bug shows soon ---------------------------------------------------


def as_drawn(seed: int) -> Options:
    """A simulation like any other."""
    return draw_options(seed)


def forgetful(seed: int) -> Options:
    """NATS forgets all, a lone server dies with it, and people do little."""
    rates = Rates(nats_stopped=4, server_killed=6, put=0.5, deploy=1)
    return replace(
        draw_options(seed), hosts=2, servers=1, persistence="memory", rates=rates, habits=HEALTHY, attack=120
    )


def unanswered(seed: int) -> Options:
    """Answers of hosts are lost or late, so that hosts are asked what they run."""
    habits = HostBehaviour(pull_delay=(0.0, 2.0), ack_lost=0.4)
    rates = Rates(put=6, deploy=15, undeploy=3)
    trouble = Trouble(reply_late=0.5)
    return replace(draw_options(seed), hosts=3, servers=1, habits=habits, rates=rates, trouble=trouble, attack=120)


def sharing(seed: int) -> Options:
    """Applications share parts, and people do a lot."""
    rates = Rates(put=8, deploy=20, undeploy=6)
    return replace(draw_options(seed), hosts=2, servers=1, applications=3, shared=True, rates=rates, habits=HEALTHY)


def slowly_written(seed: int) -> Options:
    """What is written takes its time, and people do a lot."""
    rates, trouble = Rates(put=8, deploy=20, undeploy=6), Trouble(write_slow=0.5)
    return replace(draw_options(seed), hosts=2, servers=1, rates=rates, habits=HEALTHY, trouble=trouble)


PLANTED: tuple[tuple[Plant, Callable[[int], Options], int, set[str]], ...] = (
    (saved_beside_the_commands, as_drawn, 0, {"order"}),
    (saved_in_any_order, slowly_written, 0, {"order"}),
    (failed_stream_not_reported, as_drawn, 4, {"convergence"}),
    (absent_is_undeployed, forgetful, 3, {"ignorance"}),
    (leftovers_not_counted, unanswered, 40, {"honesty"}),
    (links_of_others_deleted, sharing, 7, {"restraint", "honesty", "convergence"}),
    (configurations_deleted_in_use, as_drawn, 20, {"restraint"}),
    (inventories_overrule_events, unanswered, 54, {"restraint"}),
    (written_whatever_is_there, as_drawn, 0, {"writers"}),
    (hosts_not_asked_at_take_over, as_drawn, 0, {"take-over", "composure", "restraint"}),
)


@pytest.mark.parametrize(("plant", "draw", "first", "checks"), PLANTED, ids=[row[0].__name__ for row in PLANTED])
def test_a_planted_bug_is_found(
    plant: Plant, draw: Callable[[int], Options], first: int, checks: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(monkeypatch)
    found = (failure.check for seed in range(first, first + SEEDS) for failure in simulate(draw(seed)).failures)
    assert any(check in checks for check in found), f"{plant.__doc__} Nobody noticed."


@pytest.mark.parametrize("draw", [forgetful, unanswered, sharing, slowly_written])
def test_nothing_is_found_where_nothing_is_planted(draw: Callable[[int], Options]) -> None:
    """What finds the bugs above is not the simulation itself."""
    assert [failure for seed in range(3) for failure in simulate(draw(seed)).failures] == []
