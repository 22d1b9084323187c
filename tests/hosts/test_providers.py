"""Starting, stopping and probing providers (docs/protocol/lattice.md#providers)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosts.conftest import LabFactory
from tests.hosts.lab import HOST, Lab, a_host
from wadm.hosts.behaviour import containing

BUILTIN = "wasmcloud+builtin://http-server"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("ghcr.io/demo/kv:1", "ghcr.io/demo/kv:1"),
        ("oci://ghcr.io/demo/kv:1", "ghcr.io/demo/kv:1"),
        ("https://ghcr.io/demo/kv:1", "ghcr.io/demo/kv:1"),
        ("http://ghcr.io/demo/kv:1", "ghcr.io/demo/kv:1"),
        ("file:///p/kv.par.gz", "/p/kv.par.gz"),
        (BUILTIN, "http-server"),
    ],
)
async def test_references_lose_their_scheme(lab: Lab, asked: str, told: str) -> None:
    assert await lab.start_provider(asked) == {"success": True, "message": "successfully started provider"}
    assert lab.said() == [f"provider_started p {told}"]
    assert (await lab.inventory())["providers"] == [{"id": "p", "image_ref": told, "annotations": {}, "revision": 0}]


async def test_what_is_told_of_a_start(lab: Lab) -> None:
    await lab.start_provider(annotations={"k": "v"})
    [event] = lab.events()
    assert event["data"] == {"annotations": {"k": "v"}, "host_id": "asked", "image_ref": "kv:1", "provider_id": "p"}


async def test_a_running_provider_is_not_started_again_whatever_differs(lab: Lab) -> None:
    await lab.start_provider()
    lab.said()
    answer = await lab.start_provider("kv:2", annotations={"k": "v"})
    assert answer == {"success": False, "message": "provider with that ID is already running"}
    assert lab.said() == []
    assert lab.host.providers["p"].image == "kv:1"


async def test_of_two_rapid_starts_the_second_fails(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(pull_delay=2))
    await lab.start_provider()
    await lab.start_provider()
    await lab.wait(2)
    assert lab.said() == [
        "provider_started p kv:1",
        "provider_start_failed p kv:1 (provider is already running with that ID)",
    ]


async def test_the_failure_of_a_start_names_the_reference_that_was_asked_for(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(images=containing("kv", error="No such file or directory (os error 2)")))
    await lab.start_provider("file:///kv.par.gz")
    [event] = lab.events()
    assert event["data"] == {
        "error": "failed to fetch provider: failed to read provider: failed to load provider archive: failed to load "
        "target [x86_64-linux] from PAR from file [/kv.par.gz]: No such file or directory (os error 2)",
        "host_id": "asked",
        "link_name": "default",
        "provider_id": "p",
        "provider_ref": "file:///kv.par.gz",
    }


@pytest.mark.parametrize(
    ("image", "habits", "error"),
    [
        ("wasmcloud+builtin://http-client", {}, "feature `builtin-http-client` is not enabled, denying start"),
        ("wasmcloud+builtin://teapot", {}, "unknown builtin name: teapot"),
        ("kv:1", {"provider_start": containing("kv", error="exit status 1")}, "exit status 1"),
        ("kv:1", {"capacity": 0}, "the host is full: it runs 0 components and providers already"),
    ],
)
async def test_starts_that_fail(a_lab: LabFactory, image: str, habits: dict[str, Any], error: str) -> None:
    lab = await a_lab(a_host(**habits))
    assert (await lab.start_provider(image))["success"]
    assert lab.said() == [f"provider_start_failed p {image} ({error})"]
    assert lab.host.providers == {}


async def test_a_refusal_by_policy_names_the_request(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(policy=containing("kv", error="no")))
    await lab.start_provider()
    [event] = lab.events()
    assert event["data"]["error"].startswith("policy denied request to start provider `")
    assert event["data"]["error"].endswith('`: `Some("no")`')


async def test_a_builtin_that_is_off_is_not_even_answered(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(builtins=()))
    assert await lab.start_provider(BUILTIN) is None
    assert lab.said() == []


async def test_a_missing_configuration_fails_the_start(lab: Lab) -> None:
    await lab.start_provider(config=["nowhere"])
    assert lab.said() == [
        "provider_start_failed p kv:1 (Unable to fetch requested config: Config nowhere does not exist)"
    ]


# -- stop ------------------------------------------------------------------------------------


async def test_the_event_of_a_stop_comes_before_the_answer(lab: Lab) -> None:
    await lab.start_provider(annotations={"k": "v"})
    lab.said()
    lab.send("provider.stop.$H", {"provider_id": "p", "host_id": "asked"})
    await lab.wait()
    event, answer = lab.messages()
    assert b"successfully stopped provider" in answer.data
    assert (
        b'"data":{"annotations":{"k":"v"},"host_id":"asked","instance_id":"p","link_name":"default",'
        b'"provider_id":"p","public_key":"p","reason":"stop"}}'
    ) in event.data
    assert lab.host.providers == {}


async def test_what_does_not_run_cannot_be_stopped(lab: Lab) -> None:
    answer = await lab.ask("provider.stop.$H", {"provider_id": "p"})
    assert answer == {"success": False, "message": "provider with that ID is not running"}


async def test_the_id_may_be_called_a_reference_but_not_both(lab: Lab) -> None:
    await lab.start_provider()
    both = await lab.ask("provider.stop.$H", {"provider_id": "p", "provider_ref": "p"})
    assert both == {"success": False, "message": "failed to deserialize provider stop command"}
    assert (await lab.ask("provider.stop.$H", {"provider_ref": "p"}))["success"]


# -- health ----------------------------------------------------------------------------------

PASSED, STATUS, FAILED = ("health_check_passed p", "health_check_status p", "health_check_failed p")
FIRST, NEXT = 5, 30


async def probes(lab: Lab, *waits: float) -> list[list[str]]:
    """Return what is said of health while these times pass one after the other."""
    said = []
    for seconds in waits:
        await lab.wait(seconds)
        said.append([line for line in lab.said() if line.startswith("health")])
    return said


async def test_a_healthy_provider_passes_once_and_then_reports(lab: Lab) -> None:
    await lab.start_provider()
    assert await probes(lab, FIRST, NEXT, NEXT) == [[PASSED], [STATUS], [STATUS]]


async def test_a_provider_that_never_was_healthy_is_never_said_to_have_failed(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(unhealthy_probes=1.0))
    await lab.start_provider()
    assert await probes(lab, FIRST, NEXT) == [[STATUS], [STATUS]]


async def test_health_comes_and_goes(lab: Lab) -> None:
    await lab.start_provider()
    assert await probes(lab, FIRST) == [[PASSED]]
    lab.host.set_health("p", healthy=False)
    assert await probes(lab, NEXT, NEXT) == [[FAILED], [STATUS]]
    lab.host.set_health("p", healthy=True)
    assert await probes(lab, NEXT) == [[PASSED]]


async def test_a_dead_provider_stays_in_the_inventory_and_falls_silent(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(provider_lifetime=10))
    await lab.start_provider()
    assert await probes(lab, FIRST, NEXT, NEXT) == [[PASSED], [], []]
    assert [provider["id"] for provider in (await lab.inventory())["providers"]] == ["p"]


async def test_a_provider_can_be_made_to_crash(lab: Lab) -> None:
    await lab.start_provider()
    lab.host.crash_provider("p")
    assert await probes(lab, FIRST) == [[]]


async def test_builtins_are_not_probed(lab: Lab) -> None:
    await lab.start_provider(BUILTIN)
    assert await probes(lab, FIRST, NEXT) == [[], []]


async def test_a_stopped_provider_is_not_probed_and_its_successor_begins_anew(lab: Lab) -> None:
    await lab.start_provider()
    await lab.wait(3)
    await lab.ask("provider.stop.$H", {"provider_id": "p"})
    await lab.start_provider()
    assert await probes(lab, 2, 3) == [[], [PASSED]]


# -- auctions --------------------------------------------------------------------------------


async def test_a_bid_has_the_reference_unstripped(lab: Lab) -> None:
    call = {"provider_ref": BUILTIN, "provider_id": "p", "constraints": {}}
    assert (await lab.ask("provider.auction", call))["response"] == {"host_id": HOST, **call}


async def test_a_host_that_runs_the_id_or_lacks_a_label_is_silent(lab: Lab) -> None:
    await lab.start_provider()
    assert await lab.ask("provider.auction", {"provider_ref": "x", "provider_id": "p", "constraints": {}}) is None
    assert (
        await lab.ask("provider.auction", {"provider_ref": "x", "provider_id": "q", "constraints": {"a": "b"}}) is None
    )
