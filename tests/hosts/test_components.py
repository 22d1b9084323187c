"""Scale and update, row by row (docs/protocol/lattice.md#components)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.hosts.conftest import LabFactory
from tests.hosts.lab import HOST, Lab, a_host
from wadm.hosts.behaviour import containing

OLD, NEW = {"by": "old"}, {"by": "new"}
FAILS = containing("absent", error="manifest unknown")
PULL_ERROR = (
    "failed to fetch component: failed to fetch component under OCI reference `absent:1`: failed to fetch OCI path: "
    "failed to fetch OCI bytes: manifest unknown"
)


@pytest.mark.parametrize(
    ("running", "request_", "events", "inventory"),
    [
        pytest.param(None, (0, "img:1"), ["component_scaled c img:1 x0 by=new"], None, id="A: stop what does not run"),
        pytest.param(None, (0, "absent:1"), ["component_scaled c absent:1 x0 by=new"], None, id="A: image absent"),
        pytest.param(
            None, (4, "img:1"), ["component_scaled c img:1 x4 by=new"] * 2, ("img:1", 4, NEW), id="B: first start"
        ),
        pytest.param(
            None,
            (4, "absent:1"),
            [f"component_scale_failed c absent:1 x4 by=new ({PULL_ERROR})"],
            None,
            id="B: image absent",
        ),
        pytest.param(
            (4, "img:1"), (0, "absent:1"), ["component_scaled c img:1 x0 by=old"], None, id="C: whatever is asked"
        ),
        pytest.param(
            (4, "img:1"), (4, "img:2"), ["component_scaled c img:1 x4 by=old"], ("img:1", 4, OLD), id="D: same count"
        ),
        pytest.param(
            (4, "img:1"), (2, "img:1"), ["component_scaled c img:1 x2 by=old"], ("img:1", 2, NEW), id="E: other count"
        ),
        pytest.param(
            (4, "img:1"),
            (2, "img:2"),
            ["component_scaled c img:1 x2 by=old"],
            ("img:2", 2, NEW),
            id="E: other image, told only by the inventory",
        ),
    ],
)
async def test_rows(
    a_lab: LabFactory,
    running: tuple[int, str] | None,
    request_: tuple[int, str],
    events: list[str],
    inventory: tuple[str, int, dict[str, str]] | None,
) -> None:
    lab = await a_lab(a_host(images=FAILS))
    if running is not None:
        await lab.scale(*running, annotations=OLD)
        lab.said()
    assert (await lab.scale(*request_, annotations=NEW))["success"]
    assert lab.said() == events
    entries = (await lab.inventory())["components"]
    assert [(e["image_ref"], e["max_instances"], e["annotations"]) for e in entries] == (
        [inventory] if inventory else []
    )


async def test_the_first_event_of_a_start_names_the_host_and_the_second_what_was_asked(lab: Lab) -> None:
    await lab.scale(1)
    assert [event["data"]["host_id"] for event in lab.events()] == [HOST, "asked"]


async def test_a_scale_to_another_image_changes_the_name_but_not_the_code(lab: Lab) -> None:
    await lab.scale(4, "img:1")
    await lab.scale(2, "img:2")
    assert (lab.host.components["c"].image, lab.host.components["c"].code) == ("img:2", "img:1")


async def test_the_answer_says_that_another_image_will_not_be_taken(lab: Lab) -> None:
    await lab.scale(4, "img:1")
    answer = await lab.scale(4, "img:2")
    assert answer["message"].startswith(
        "Requested to scale existing component to a different image reference: img:1 != img:2. The component will be "
    )


async def test_count_left_out_stops(lab: Lab) -> None:
    await lab.scale(4)
    await lab.ask("component.scale.$H", {"component_id": "c", "component_ref": "img:1", "max_instances": 4})
    assert lab.said()[-1] == "component_scaled c img:1 x0"


# -- configuration and secrets ---------------------------------------------------------------


async def test_a_missing_configuration_comes_before_a_missing_image(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(images=FAILS))
    await lab.scale(1, "absent:1", config=["nowhere"])
    error = "Unable to fetch requested config: Config nowhere does not exist"
    assert lab.said() == [f"component_scale_failed c absent:1 x1 ({error})"]


async def test_a_configuration_missing_from_a_running_component_changes_nothing(lab: Lab) -> None:
    await lab.scale(1)
    lab.said()
    await lab.scale(2, config=["nowhere"])
    error = "Unable to fetch requested config: Config nowhere does not exist"
    assert lab.said() == [f"component_scale_failed c img:1 x2 ({error})"]
    assert lab.host.components["c"].max_instances == 1


async def test_the_same_configuration_is_no_change_and_another_order_is(lab: Lab) -> None:
    for name in ("one", "two"):
        await lab.ask(f"config.put.{name}", {})
    await lab.scale(1, config=["one", "two"], annotations=OLD)
    await lab.scale(1, config=["one", "two"], annotations=NEW)
    assert lab.host.components["c"].annotations == OLD
    await lab.scale(1, config=["two", "one"], annotations=NEW)
    assert lab.host.components["c"].annotations == NEW


async def test_a_secret_makes_every_repetition_a_change(lab: Lab) -> None:
    await lab.ask("config.put.SECRET_key", {"key": "k"})
    await lab.scale(1, config=["SECRET_key"], annotations=OLD)
    await lab.scale(1, config=["SECRET_key"], annotations=NEW)
    assert lab.host.components["c"].annotations == NEW


async def test_a_host_without_secrets_backend_refuses_secrets(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(secrets=False))
    await lab.scale(1, config=["SECRET_key"])
    error = "Unable to fetch requested secrets: secret store not configured, could not fetch secrets"
    assert lab.said() == [f"component_scale_failed c img:1 x1 ({error})"]


async def test_limits_that_are_no_numbers_are_dropped(lab: Lab) -> None:
    await lab.scale(1, component_limits={"max_memory_limit": "1000", "max_execution_time": "soon", "other": "1"})
    assert (await lab.inventory())["components"][0]["limits"] == {"max_memory_limit": "1000"}
    await lab.scale(2)
    assert (await lab.inventory())["components"][0]["limits"] is None


# -- what a host may have against it ---------------------------------------------------------


async def test_policy_can_keep_a_component_from_being_stopped(lab: Lab) -> None:
    await lab.scale(1)
    lab.said()
    lab.host.habits = a_host(policy=containing("img", error="no")).habits
    await lab.scale(0)
    assert lab.said() == ['component_scale_failed c img:1 x0 (Policy denied request to scale component `c`: `"no"`)']
    assert "c" in lab.host.components


async def test_the_tag_latest_is_refused(lab: Lab) -> None:
    await lab.scale(1, "reg/img:latest")
    [event] = lab.events()
    assert event["data"]["error"].endswith("This option can be overridden with WASMCLOUD_OCI_ALLOW_LATEST")


async def test_a_full_host_starts_nothing_more(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(capacity=1))
    await lab.start_provider()
    await lab.scale(1)
    assert lab.said()[1:] == [
        "component_scale_failed c img:1 x1 (the host is full: it runs 1 components and providers already)"
    ]


async def test_an_id_that_cannot_be_a_key_does_not_start(lab: Lab) -> None:
    await lab.scale(1, id="a b")
    error = "failed to get component spec: key cannot be empty or start/end with `.`"
    assert lab.said() == [f"component_scale_failed a b img:1 x1 ({error})"]


async def test_a_slow_pull_delays_only_the_first_start_of_an_image(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(pull_delay=10))
    await lab.scale(1)
    await lab.scale(1)  # a second try meanwhile
    assert lab.said() == []
    await lab.wait(10)
    assert lab.said() == ["component_scaled c img:1 x1"] * 3
    await lab.scale(2)
    assert lab.said() == ["component_scaled c img:1 x2"]


# -- update ----------------------------------------------------------------------------------


async def test_an_update_ends_with_an_event_that_says_none_run(lab: Lab) -> None:
    await lab.scale(4, annotations=OLD)
    lab.said()
    answer = await lab.update("img:2", annotations=NEW)
    assert answer == {"success": True, "message": "component c updating from img:1 to img:2"}
    assert lab.said() == ["component_scaled c img:2 x4 by=new", "component_scaled c img:2 x0 by=new"]
    assert lab.host.components["c"].code == "img:2"
    assert (await lab.inventory())["components"] == [
        {
            "id": "c",
            "image_ref": "img:2",
            "annotations": NEW,
            "revision": 0,
            "max_instances": 4,
            "limits": None,
        }
    ]


async def test_an_update_without_annotations_takes_them_away(lab: Lab) -> None:
    await lab.scale(4, annotations=OLD)
    await lab.update("img:2")
    assert lab.host.components["c"].annotations == {}


@pytest.mark.parametrize("habits", [{"images": FAILS}, {"failing_updates": 1.0}], ids=["no image", "no luck"])
async def test_nobody_is_told_of_an_update_that_fails(a_lab: LabFactory, habits: dict[str, Any]) -> None:
    lab = await a_lab(a_host(**habits))
    await lab.scale(4)
    lab.said()
    assert (await lab.update("absent:1"))["success"]
    assert lab.said() == []
    assert lab.host.components["c"].image == "img:1"


async def test_updates_that_cannot_be_or_need_not_be(lab: Lab) -> None:
    assert await lab.update("img:2") == {"success": False, "message": "component c not found"}
    await lab.scale(1)
    lab.said()
    assert await lab.update("img:1") == {"success": True, "message": "component c already updated to img:1"}
    assert lab.said() == []


async def test_allow_update_updates_after_the_same_count(lab: Lab) -> None:
    await lab.scale(4, annotations=OLD)
    lab.said()
    answer = await lab.scale(4, "img:2", allow_update=True, annotations=NEW)
    assert answer["message"].endswith("and the image reference will be updated afterwards.")
    assert lab.said() == [
        "component_scaled c img:1 x4 by=old",
        "component_scaled c img:2 x4",
        "component_scaled c img:2 x0",
    ]
    assert lab.host.components["c"].code == "img:2"


async def test_allow_update_is_forgotten_after_another_count(lab: Lab) -> None:
    await lab.scale(4, annotations=OLD)
    lab.said()
    await lab.scale(2, "img:2", allow_update=True, annotations=NEW)
    assert lab.said() == ["component_scaled c img:1 x2 by=old"]
    assert (lab.host.components["c"].image, lab.host.components["c"].code) == ("img:2", "img:1")


async def test_a_slow_update_and_a_scale_silence_the_host(a_lab: LabFactory) -> None:
    """The update holds the table shared through its pull; the scale waits for it, and all others behind the scale."""
    lab = await a_lab(a_host(heartbeat_interval=5))
    await lab.scale(1)
    await lab.scale(1, id="other")
    lab.said()
    lab.host.habits = a_host(heartbeat_interval=5, pull_delay=12).habits
    await lab.update("img:2")
    assert await lab.ask("host.get.$H") is not None
    await lab.scale(2, id="other")  # img:1 is there already: it waits for the lock alone
    assert await lab.ask("host.get.$H") is None
    assert await lab.scale(2, id="other") is None
    assert await lab.ask("host.ping") is not None
    await lab.wait(11)
    assert lab.said() == []
    await lab.wait(1)
    assert lab.said().count("host_heartbeat") == 2


# -- auctions --------------------------------------------------------------------------------


async def test_a_bid_repeats_the_reference_as_the_id(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(labels={"zone": "a"}))
    call = {"component_ref": "img:1", "component_id": "c", "constraints": {"zone": "a", "hostcore.os": "linux"}}
    assert (await lab.ask("component.auction", call))["response"] == {
        "component_ref": "img:1",
        "component_id": "img:1",
        "host_id": HOST,
        "constraints": {"zone": "a", "hostcore.os": "linux"},
    }


async def test_auctions_ask_for_labels_and_whether_the_reference_runs_as_an_id(lab: Lab) -> None:
    await lab.scale(1)
    assert (
        await lab.ask("component.auction", {"component_ref": "x", "component_id": "x", "constraints": {"a": "b"}})
        is None
    )
    assert await lab.ask("component.auction", {"component_ref": "img:1", "component_id": "c", "constraints": {}})
    assert await lab.ask("component.auction", {"component_ref": "c", "component_id": "x", "constraints": {}}) is None


async def test_everything_at_once_ends_in_one_component(lab: Lab) -> None:
    await asyncio.gather(*(lab.scale(count) for count in (1, 2, 3)))
    assert lab.host.components["c"].max_instances == 3
