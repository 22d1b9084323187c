"""Links and configurations, which belong to the lattice
(docs/protocol/lattice.md#links, docs/protocol/lattice.md#configurations)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hosts.conftest import LabFactory
from tests.hosts.lab import Lab, a_host
from wadm.transport.memory import MemoryTransport

OTHER_TARGET = (
    "link already exists with different target, consider deleting the existing link or using a different link name"
)


def a_link(target: str = "kv", *interfaces: str, **more: Any) -> dict[str, Any]:
    return {
        "source_id": "api",
        "target": target,
        "name": "default",
        "wit_namespace": "wasi",
        "wit_package": "keyvalue",
        "interfaces": list(interfaces or ("store",)),
        "source_config": [],
        "target_config": [],
        **more,
    }


KEY = {"source_id": "api", "wit_namespace": "wasi", "wit_package": "keyvalue"}


async def links(lab: Lab) -> Any:
    return (await lab.ask("link.get"))["response"]


async def test_a_link_is_kept_and_told_as_it_was_put(lab: Lab) -> None:
    assert await lab.ask("link.put", a_link()) == {"success": True, "message": "successfully set link"}
    assert [event["data"] for event in lab.events()] == [a_link()]
    assert await links(lab) == [a_link()]


async def test_the_same_link_again_is_told_again(lab: Lab) -> None:
    await lab.ask("link.put", a_link())
    await lab.ask("link.put", a_link())
    assert lab.said() == ["linkdef_set api"] * 2
    assert len(await links(lab)) == 1


async def test_an_equal_target_is_replaced_in_place(lab: Lab) -> None:
    for link in (a_link("kv"), a_link("cache", "atomics"), a_link("kv", "store", "batch")):
        await lab.ask("link.put", link)
    assert await links(lab) == [a_link("kv", "store", "batch"), a_link("cache", "atomics")]


async def test_another_target_with_a_common_interface_is_refused(lab: Lab) -> None:
    await lab.ask("link.put", a_link("kv", "store", "atomics"))
    lab.said()
    assert await lab.ask("link.put", a_link("cache", "atomics")) == {"success": False, "message": OTHER_TARGET}
    assert lab.said() == [f"linkdef_set_failed api ({OTHER_TARGET})"]
    assert len(await links(lab)) == 1


async def test_all_missing_configurations_and_secrets_are_named(lab: Lab) -> None:
    await lab.ask("config.put.there", {})
    link = a_link(source_config=["there", "one"], target_config=["SECRET_two"])
    text = (
        "Failed to validate configuration and secrets. Configuration one not found in config store. "
        "Secret reference SECRET_two not found in config store. "
    )
    assert await lab.ask("link.put", link) == {"success": False, "message": text}


async def test_the_answer_leaves_out_the_deeper_cause_that_the_event_has(lab: Lab) -> None:
    answer = await lab.ask("link.put", a_link(source_id="a b"))
    assert answer == {"success": False, "message": "failed to get component spec"}
    assert lab.said() == [
        "linkdef_set_failed a b (failed to get component spec: key cannot be empty or start/end with `.`)"
    ]


async def test_one_deletion_takes_the_first_link_and_puts_the_last_into_its_place(lab: Lab) -> None:
    for target in ("a", "b", "c"):
        await lab.ask("link.put", a_link(target, target))
    lab.said()
    assert await lab.ask("link.del", KEY) == {"success": True, "message": "successfully deleted link"}
    [event] = lab.events()
    assert event["data"] == {**KEY, "name": "default", "target": "a", "interfaces": ["a"]}
    assert [link["target"] for link in await links(lab)] == ["c", "b"]


async def test_deleting_a_link_that_is_not_there_is_told_without_target(lab: Lab) -> None:
    await lab.scale(1, id="api")
    lab.said()
    assert (await lab.ask("link.del", KEY))["success"]
    [event] = lab.events()
    assert event["data"] == {**KEY, "name": "default"}


async def test_deleting_from_a_source_never_heard_of_is_not_told(lab: Lab) -> None:
    answer = await lab.ask("link.del", KEY)
    assert answer == {"success": True, "message": "successfully deleted link (spec doesn't exist)"}
    assert lab.said() == []


async def test_a_spec_keeps_its_first_url(lab: Lab, transport: MemoryTransport) -> None:
    await lab.ask("link.put", a_link(source_id="c"))
    await lab.scale(1)
    await lab.start_provider("oci://kv:1")
    bucket = transport.bucket("LATTICEDATA_default")
    component, provider = await bucket.get("COMPONENT_c"), await bucket.get("COMPONENT_p")
    assert component is not None
    assert component.value is not None
    assert component.value.startswith(b'{"url":"","links":[{"source_id":"c","target":"kv","name":"default"')
    assert provider is not None
    assert provider.value == b'{"url":"kv:1","links":[]}'


async def test_links_put_side_by_side_for_one_source_can_be_lost(lab: Lab) -> None:
    lab.send("link.put", a_link("a", "a"))
    lab.send("link.put", a_link("b", "b"))
    await lab.wait()
    assert lab.said() == ["linkdef_set api"] * 2
    assert len(await links(lab)) == 1


async def test_links_and_configurations_outlive_their_hosts(a_lab: LabFactory) -> None:
    lab = await a_lab(a_host(), a_host("b"))
    await lab.ask("link.put", a_link())
    await lab.ask("config.put.one", {"a": "1"})
    for host_id in list(lab.fleet.hosts):
        await lab.fleet.restart(host_id)
    assert await links(lab) == [a_link()]
    assert (await lab.ask("config.get.one"))["response"] == {"a": "1"}


# -- configurations --------------------------------------------------------------------------


async def test_a_configuration_is_put_told_and_deleted(lab: Lab) -> None:
    assert await lab.ask("config.put.one", {"a": "1"}) == {"success": True, "message": "successfully put config"}
    assert await lab.ask("config.get.one") == {"success": True, "message": "", "response": {"a": "1"}}
    assert await lab.ask("config.del.one") == {"success": True, "message": "successfully deleted config"}
    assert await lab.ask("config.get.one") == {"success": True, "message": "Configuration not found"}
    assert lab.said() == ["config_set one", "config_deleted one"]


async def test_deleting_what_never_was_is_told_all_the_same(lab: Lab) -> None:
    assert (await lab.ask("config.del.never"))["success"]
    assert lab.said() == ["config_deleted never"]


@pytest.mark.parametrize("body", [b"nope", ["a"], {"a": 1}, {"a": {"b": "c"}}, {"a": None}])
async def test_only_text_under_names_is_a_configuration(lab: Lab, body: Any) -> None:
    answer = await lab.ask("config.put.one", body)
    assert answer == {"success": False, "message": "config data should be a map of string -> string"}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("config.put.a!b", "unable to store config data"),
        ("config.del.a!b", "Unable to delete config data"),
        ("config.get.a!b", "key cannot be empty or start/end with `.`"),
        ("config.get.a.b", "unsupported subject"),
        ("config.put.a.b", "unsupported subject"),
        ("config.get", "unsupported subject"),
        ("link.list", "unsupported subject"),
    ],
)
async def test_names_that_cannot_be(lab: Lab, call: str, message: str) -> None:
    assert await lab.ask(call, {}) == {"success": False, "message": message}
