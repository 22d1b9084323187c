"""Random histories (:mod:`.history`), compared with a model of who owns what: ``WADM_HISTORIES`` of them."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.operator.history import CALM, IMAGES, Clock, History, config, manifest, play
from wadm.operator import applications, conditions, handover, hosts, names, program, recorder
from wadm.transport import virtual_time

HISTORIES = int(os.environ.get("WADM_HISTORIES", "25"))


@pytest.fixture(autouse=True)
def virtual_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (applications, handover, hosts, program, recorder):
        monkeypatch.setattr(module, "time", Clock())
    monkeypatch.setattr(conditions, "PROGRESS_DEADLINE", CALM / 4)  # so that what is stalled is so in the end


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_nobodys_application_is_changed_or_removed_and_all_comes_to_rest(seed: int) -> None:
    history = play(seed)
    ours = (names.OPERATOR, names.MIRROR_MANAGER)
    by_us = [manager in ours for manager, _, kind, _ in history.cluster.log if kind == names.APPLICATIONS]
    # What people and controllers did to objects, and what happened in wadm: what is deployed becomes so a moment later.
    changes = by_us.count(False) + history.changes
    assert by_us.count(True) <= 2 * changes, f"{by_us.count(True)} writes for {changes} changes"


def test_a_mirror_that_changes_while_it_is_removed_goes_all_the_same() -> None:
    async def run() -> None:
        history = History(0)
        history.trouble = 0.0
        history.start()
        history.cluster.apply(config("ns-a", "hosts", "east"), "kubectl", True, False)
        history.wadms["east"].put(manifest("shop", IMAGES[0], "v1"), "wash")
        await asyncio.sleep(5.0)
        [mirror] = history.cluster.all(names.APPLICATIONS)
        key, kube = ("ns-a", mirror["metadata"]["name"]), history.running._kube
        remove = kube.delete

        async def overtaken(kind: names.Kind, *arguments: Any) -> None:
            kube.delete = remove  # type: ignore[method-assign]
            history.cluster.patch(kind, key, lambda there: there | {"status": {"phase": "New"}}, "somebody", True)
            await remove(kind, *arguments)

        kube.delete = overtaken  # type: ignore[method-assign, assignment]
        history.wadms["east"].delete("shop", "wash")
        await asyncio.sleep(5.0)
        assert kube.delete == remove
        assert not history.cluster.all(names.APPLICATIONS)
        history.kill()
        await asyncio.gather(history.operator, return_exceptions=True)  # type: ignore[arg-type]

    virtual_time.run(run())


@pytest.mark.parametrize("kind", [names.CONFIG_MAPS, names.SERVICES, names.SERVICE_ACCOUNTS, names.DEPLOYMENTS])
def test_hosts_take_no_name_of_an_object_that_is_somebody_elses(kind: names.Kind) -> None:
    async def run() -> None:
        history = History(0)
        history.trouble = 0.0
        metadata = {"namespace": "ns-a", "name": "hosts"}
        theirs = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "data": {"mine": "yes"}}
        theirs["spec"] = {"replicas": 1}
        there = history.cluster.create(theirs, "kubectl")
        history.start()
        history.cluster.apply(config("ns-a", "hosts", "east"), "kubectl", True, False)
        await asyncio.sleep(10.0)
        [refused] = history.cluster.all(names.HOST_CONFIGS)
        assert [one["reason"] for one in refused["status"]["conditions"] if one["type"] == "Accepted"] == ["NameTaken"]
        assert history.cluster.find(kind, "ns-a", "hosts") == there
        history.cluster.delete(names.HOST_CONFIGS, ("ns-a", "hosts"), "kubectl")
        await asyncio.sleep(10.0)
        assert not history.cluster.all(names.HOST_CONFIGS)
        assert history.cluster.find(kind, "ns-a", "hosts") == there
        history.kill()
        await asyncio.gather(history.operator, return_exceptions=True)  # type: ignore[arg-type]

    virtual_time.run(run())


def test_a_secret_that_comes_a_moment_later_is_noticed_within_seconds() -> None:
    async def run() -> None:
        history = History(0)
        history.trouble = 0.0
        history.start()
        wanted = config("ns-a", "hosts", "east")
        wanted["spec"]["secretName"] = "late"
        history.cluster.apply(wanted, "kubectl", True, False)
        await asyncio.sleep(20.0)

        def reason() -> str:
            [one] = history.cluster.all(names.HOST_CONFIGS)
            return next(str(each["reason"]) for each in one["status"]["conditions"] if each["type"] == "Accepted")

        assert reason() == "Missing"
        metadata = {"namespace": "ns-a", "name": "late"}
        history.cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": {}}, "kubectl")
        await asyncio.sleep(hosts.MISSING_AGAIN + 1)
        assert reason() == "Accepted"
        history.kill()
        await asyncio.gather(history.operator, return_exceptions=True)  # type: ignore[arg-type]

    virtual_time.run(run())


def test_a_mirror_that_is_applied_and_deleted_while_wadm_is_away_leaves_the_application() -> None:
    async def run() -> None:
        history = History(0)
        history.trouble = 0.0
        history.start()
        wadm = history.wadms["east"]
        history.cluster.apply(config("ns-a", "hosts", "east"), "kubectl", True, False)
        wadm.put(manifest("shop", IMAGES[0], "v1"), "wash")
        wadm.deploy("shop", "v1", "wash")
        await asyncio.sleep(5.0)
        [mirror] = history.cluster.all(names.APPLICATIONS)
        wadm.away = True
        metadata = {"namespace": "ns-a", "name": mirror["metadata"]["name"]}
        head = {"apiVersion": mirror["apiVersion"], "kind": mirror["kind"], "metadata": metadata}
        history.cluster.apply(head | {"spec": mirror["spec"]}, "kubectl", True, False)
        await asyncio.sleep(5.0)
        [adopted] = history.cluster.all(names.APPLICATIONS)
        assert names.APPLICATION_FINALIZER in adopted["metadata"]["finalizers"]
        history.cluster.delete(names.APPLICATIONS, ("ns-a", metadata["name"]), "kubectl")
        await asyncio.sleep(5.0)
        wadm.away = False
        await asyncio.sleep(20.0)
        assert wadm.applications["shop"].deployed == "v1"
        [shown] = history.cluster.all(names.APPLICATIONS)
        assert history.is_mirror(shown)
        history.kill()
        await asyncio.gather(history.operator, return_exceptions=True)  # type: ignore[arg-type]

    virtual_time.run(run())
