"""Lists: as the original has them, and what becomes of those that no message can hold."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.server.lab import Lab
from wadm.model.status import ApplicationStatus, ScalerStatus
from wadm.server.app import Server


@pytest.fixture
async def lab() -> Lab:
    return Lab()


def a_status(scalers: int, words: int) -> ApplicationStatus:
    troubles = tuple(
        ScalerStatus(f"{number:064}", "SpreadScaler", f"s{number}", "failed", "no room " * words)
        for number in range(scalers)
    )
    return ApplicationStatus("failed", "no room " * words, troubles)


async def test_an_entry_follows_its_application_and_its_status(lab: Lab) -> None:
    server = await lab.server()
    await lab.put("shop", annotations={"description": "web shop"})
    assert entry(await lab.ask("get")) == {
        "name": "shop",
        "version": "v1",
        "description": "web shop",
        "deployed_version": None,
        "status": "undeployed",
        "status_message": "Waiting for status: Lattice contains no hosts, deployment not started.",
    }
    await lab.ask("deploy.shop")
    server.statuses.publish("default", "shop", ApplicationStatus("reconciling", "on its way"))
    assert entry(await lab.ask("get")).items() >= {"deployed_version": "v1", "status": "reconciling"}.items()
    server.statuses.publish("default", "shop", ApplicationStatus("deployed"))
    assert entry(await lab.ask("get")).items() >= {"status": "deployed", "status_message": ""}.items()
    await lab.ask("del.shop")
    assert (await lab.ask("get"))["models"] == []


def entry(reply: Any) -> dict[str, Any]:
    (one,) = reply["models"]
    assert set(one) == {
        *("name", "version", "description", "deployed_version", "detailed_status", "status", "status_message")
    }
    return {key: value for key, value in one.items() if key != "detailed_status"}


async def filled(lab: Lab, applications: int, status: ApplicationStatus) -> Server:
    server = await lab.server()
    for number in range(applications):
        await lab.put(f"app{number:04}")
        server.statuses.publish("default", f"app{number:04}", status)
    return server


async def test_a_long_list_is_told_without_scalers(lab: Lab) -> None:
    await filled(lab, 300, a_status(20, 20))
    reply = await lab.ask("get")
    assert len(reply["models"]) == 300
    assert "next" not in reply
    assert "scalers" not in reply["models"][0]["detailed_status"]
    assert reply["models"][0]["status"] == "failed"
    assert len(await lab.ask("list")) == 300


async def test_a_list_that_no_message_holds_comes_in_pages(lab: Lab) -> None:
    server = await filled(lab, 300, a_status(1, 40))
    server.models.listing._room = 50_000
    names: list[str] = []
    reply = await lab.ask("get")
    while True:
        names += [one["name"] for one in reply["models"]]
        if "next" not in reply:
            break
        reply = await lab.ask("get", {"after": reply["next"]})
    assert names == [f"app{number:04}" for number in range(300)]
    assert 0 < len(await lab.ask("list")) < 300


async def test_a_page_has_as_many_as_were_asked_for(lab: Lab) -> None:
    await filled(lab, 5, a_status(1, 1))
    page = await lab.ask("get", {"limit": 2, "after": "app0001"})
    assert [one["name"] for one in page["models"]] == ["app0002", "app0003"]
    assert page["next"] == "app0003"
    assert "next" not in await lab.ask("get", {"limit": 5})


async def test_a_page_costs_what_is_in_it(lab: Lab) -> None:
    server = await filled(lab, 300, a_status(1, 1))
    kept = server.models.listing._entries
    await lab.ask("get", {"limit": 10, "after": "app0099"})
    assert sorted(kept["default"]) == [f"app{number:04}" for number in range(100, 110)]
    await lab.ask("get", {"limit": 10})
    assert len(kept["default"]) == 20


async def test_entries_of_what_was_deleted_are_not_kept(lab: Lab) -> None:
    server = await filled(lab, 130, a_status(1, 1))
    kept = server.models.listing._entries
    await lab.ask("get")
    assert len(kept["default"]) == 130
    for number in range(129):
        await lab.ask(f"del.app{number:04}")
    await lab.ask("get")
    assert list(kept["default"]) == ["app0129"]
    await lab.ask("del.app0129")
    await lab.ask("get")
    assert json.loads(await lab.raw("nowhere.model.get"))["models"] == []
    assert not kept


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b'{"limit":0}', b'{"limit":"many"}', b'{"after":7}', b"null"])
async def test_a_body_that_asks_for_no_page_is_ignored(lab: Lab, body: bytes) -> None:
    await filled(lab, 2, a_status(1, 1))
    assert len(json.loads(await lab.raw("default.model.get", body))["models"]) == 2
