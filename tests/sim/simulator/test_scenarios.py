"""Scripts that read like the rules they check. All in virtual time: a host's heartbeat takes no time at all."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import pytest

from wadm.engine.carrying_out import PlanExecution
from wadm.engine.observe import STANDS_STILL
from wadm.engine.planning import Decided
from wadm.engine.rereading import READ_LINKS_EVERY
from wadm.errors import Unavailable
from wadm.hosts.behaviour import HEALTHY, HostBehaviour, containing
from wadm.hosts.providers import RunningProvider
from wadm.sim import checks
from wadm.sim.manifests import Manifest
from wadm.sim.order import COMMANDS
from wadm.sim.scenario import Scenario, application, component, link, play, provider, zones
from wadm.sim.world import LATTICE
from wadm.transport.memory import Fault


def played(script: Callable[[Scenario], Awaitable[None]]) -> Callable[[], None]:
    """Make a test of a script."""

    @wraps(script)
    def test() -> None:
        play(script)

    del test.__wrapped__  # pytest would ask for its argument
    return test


SHOP = application("shop", component("api", 6), provider("http", links=(link("api", config={"address": ":80"}),)))


@played
async def test_an_application_is_deployed_and_then_there_is_silence(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    assert sorted(call.split()[0] for call in scene.asked()) == ["put", "put", "scale", "start"]
    await scene.wait(30)
    assert scene.written()["wadm_commands"] == 4
    await scene.wait(600)
    assert scene.asked() == []
    assert scene.written() == {}


@played
async def test_a_link_whose_put_the_command_stream_refused_is_put_a_few_seconds_later(scene: Scenario) -> None:
    """It is not known whether it was put, and a host's list of links is too young to tell that at once."""
    await scene.start(servers=1, hosts=1)
    await scene.deploy(application("shop", component("api", 1), provider("http")))
    await scene.until_whole(within=2)
    await scene.wait(READ_LINKS_EVERY + 5)
    scene.world.network.refuses = COMMANDS
    await scene.deploy(application("shop", component("api", 1), provider("http", links=(link("api"),)), version="v2"))
    await scene.until_whole(within=10)


def test_many_applications_that_are_touched_at_once_are_planned_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []
    carry_out = PlanExecution.carry_out

    def carry_out_and_count(self: PlanExecution, plans: list[Decided], now: float) -> None:
        planned.append(len(plans))
        carry_out(self, plans, now)

    async def script(scene: Scenario) -> None:
        await scene.start(servers=1, hosts=3)
        for number in range(9):
            await scene.deploy(application(f"app{number}", component("api", 2)))
        await scene.until_whole(within=5)
        scene.asked()
        before = scene.owner()
        before.kill()
        planned.clear()
        scene.world.add_server()
        await scene.until_owned(within=10, by_another_than=before)
        await scene.wait(10)
        assert scene.asked() == []
        await scene.deploy(application("app9", component("api", 2)))
        await scene.until_whole(within=5)

    monkeypatch.setattr("wadm.engine.planner.PLANNED_AT_ONCE", 2)
    monkeypatch.setattr(PlanExecution, "carry_out", carry_out_and_count)
    play(script)
    assert max(planned) == 2
    assert planned[:5] == [2, 2, 2, 2, 1]


@played
async def test_a_killed_owner_is_succeeded_within_ten_seconds_and_nothing_restarts(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    scene.asked()
    before = scene.owner()
    before.kill()
    await scene.until_owned(within=10, by_another_than=before)
    await scene.wait(60)
    assert scene.asked() == []


@played
async def test_an_owner_killed_at_any_step_of_a_deployment_leaves_nothing_undone(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    for number, steps in enumerate(range(1, 120, 7)):
        victim = await scene.until_owned(within=20)
        victim.kill(steps=steps)
        await scene.deploy(application("shop", component("api", number + 1), version=f"v{number}"))
        await scene.until(lambda victim=victim: not victim.lives, within=60)
        victim.start()
        await scene.until_whole(within=20)


@played
async def test_an_owner_that_stands_still_past_its_lease_does_not_act_when_it_goes_on(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    stale = scene.owner()
    stale.freeze()
    await scene.until_owned(within=10, by_another_than=stale)
    await scene.deploy(application("shop", component("api", 2), version="v2"))
    await scene.until_whole(within=10)
    scene.asked()
    stale.thaw()
    await scene.wait(60)
    assert scene.asked() == []


@played
async def test_a_host_that_dies_without_a_word_is_replaced_within_45_seconds(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=2)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    (home,) = scene.where("shop-api")
    await next(host for host in scene.world.hosts if host.name == home).kill()
    assert await scene.until_whole(within=45) > 10


@played
async def test_a_host_that_stops_politely_is_replaced_at_once(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=2)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    (home,) = scene.where("shop-api")
    await next(host for host in scene.world.hosts if host.name == home).stop()
    await scene.until_whole(within=1)


@played
async def test_a_host_that_was_cut_off_and_returns_is_not_restarted(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=1)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    await scene.host(1).cut_off()
    await scene.wait(120)
    await scene.host(1).reconnect()
    scene.asked()
    await scene.until_whole(within=40)
    assert scene.asked() == []


@played
async def test_a_host_that_stands_still_for_a_moment_is_not_declared_lost(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=2)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    scene.asked()
    scene.host(1).freeze()
    await scene.wait(34)
    scene.host(1).thaw()
    await scene.wait(60)
    assert scene.asked() == []


@played
async def test_a_label_that_changes_moves_what_ran_for_it(scene: Scenario) -> None:
    await scene.start(servers=1)
    await scene.world.add_host(zone="a")
    await scene.world.add_host(zone="b")
    await scene.deploy(application("shop", component("api", 10, spread=zones(a=80, b=20))))
    await scene.until_whole(within=2)
    assert scene.where("shop-api") == {"host-1": 8, "host-2": 2}
    scene.host(1).relabel("zone", "b")
    scene.host(2).relabel("zone", "a")
    await scene.until_whole(within=2)
    assert scene.where("shop-api") == {"host-1": 2, "host-2": 8}


@played
async def test_a_slow_pull_is_waited_for_and_asked_for_once(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=1, habits=HostBehaviour(pull_delay=50.0))
    await scene.deploy(application("shop", component("api", 6)))
    await scene.until_whole(within=52)
    assert scene.asked() == ["scale component host-1 shop-api x6 registry.example/api:1 for default"]


@played
async def test_an_image_that_cannot_be_had_is_tried_ever_more_rarely_and_said(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=1, habits=HostBehaviour(images=containing("api")))
    await scene.deploy(application("shop", component("api", 6)))
    await scene.wait(120)
    assert 5 <= len(scene.asked()) <= 9
    assert scene.status("shop") == "failed"


@played
async def test_an_upgrade_does_not_stop_what_runs(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=2)
    await scene.deploy(application("shop", component("api", 6)))
    await scene.until_whole(within=2)
    scene.asked()
    await scene.deploy(application("shop", component("api", 6, image="registry.example/api:2"), version="v2"))
    await scene.until_whole(within=2)
    assert [call.split()[0] for call in scene.asked()] == ["update"]


@played
async def test_the_old_code_runs_again_though_an_update_away_from_it_was_done_after_it_was_taken_back(
    scene: Scenario,
) -> None:
    """The re-scale waits for the update, and gives the new code the old name, by which a host refuses to update it."""
    await scene.start(servers=1, hosts=1, habits=HostBehaviour(pull_delay=20.0))
    await scene.deploy(application("shop", component("api", 6)))
    await scene.until_whole(within=22)
    await scene.deploy(application("shop", component("api", 6, image="registry.example/api:2"), version="v2"))
    await scene.wait(16)
    scene.asked()
    await scene.deploy(application("shop", component("api", 3), version="v3"))
    await scene.until_whole(within=6)
    assert scene.asked() == [
        "scale component host-1 shop-api x3 registry.example/api:1 for default",
        "scale component host-1 shop-api x4 registry.example/api:2 for default",
        "update component host-1 shop-api registry.example/api:1 for default",
        "scale component host-1 shop-api x3 registry.example/api:1 for default",
    ]


def configured(instances: int, image: str) -> dict[str, Any]:
    part = component("api", instances, image=image)
    part["properties"]["config"] = [{"name": "settings", "properties": {"level": "info"}}]
    return dict(part)


async def rescaled_by_a_stranger(scene: Scenario, count: int) -> None:
    """Have somebody re-scale a component under its own annotations, without its configuration."""
    ((name, _),) = scene.where("shop-api").items()
    host = next(one for one in scene.world.hosts if one.name == name)
    assert host.host is not None
    running = host.host.components["shop-api"]
    body = {"component_id": "shop-api", "component_ref": running.image, "count": count, "host_id": host.spec.id}
    data = json.dumps({**body, "annotations": running.annotations}).encode()
    scene.world.calls.meddler_rescales(host.spec.id, "shop-api", LATTICE)
    await scene.world.stranger.request(f"wasmbus.ctl.v1.{LATTICE}.component.scale.{host.spec.id}", data, 2)


@pytest.mark.parametrize("before", [0.0, 0.001, 0.002, 0.01, 5.0])
def test_what_a_stranger_rescales_to_the_number_that_the_next_version_wants_gets_its_configuration_again(
    before: float,
) -> None:
    """Neither an event nor an inventory shows that the configuration is gone; that somebody changed the number does."""

    async def script(scene: Scenario) -> None:
        await scene.start(servers=1, hosts=2)
        await scene.deploy(application("shop", configured(2, "registry.example/api:1")))
        await scene.until_whole(within=2)
        await rescaled_by_a_stranger(scene, 3)
        await scene.wait(before)
        await scene.deploy(application("shop", configured(3, "registry.example/api:2"), version="v2"))
        await scene.until_whole(within=10)
        assert checks.look(scene.world).rescaled_before == frozenset()

    play(script)


@played
async def test_what_a_stranger_rescaled_while_nobody_owned_the_lattice_cannot_be_told(scene: Scenario) -> None:
    """An inventory has no configuration: under our annotations, with the wanted number, it looks right."""
    await scene.start(servers=1, hosts=2)
    await scene.deploy(application("shop", configured(2, "registry.example/api:1")))
    await scene.until_whole(within=2)
    await scene.owner().stop()
    await rescaled_by_a_stranger(scene, 3)
    scene.world.servers[0].start()
    await scene.until_owned(within=10)
    await scene.deploy(application("shop", configured(3, "registry.example/api:2"), version="v2"))
    await scene.wait(20)
    (excused,) = checks.look(scene.world).rescaled_before
    assert excused[1] == "shop-api"
    assert checks.unfinished(scene.world) == []


@played
async def test_links_of_one_source_are_all_there(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=4)
    links = (link("kv", "store"), link("sql", "query"), link("blob", "container"))
    parts = (component("api", 1, links=links), provider("kv"), provider("sql"), provider("blob"))
    await scene.deploy(application("shop", *parts))
    await scene.until_whole(within=2)
    assert scene.link_targets("shop-api") == ["shop-blob", "shop-kv", "shop-sql"]
    await scene.deploy(application("shop", component("api", 1), version="v2"))
    await scene.until_whole(within=2)
    assert scene.link_targets("shop-api") == []


@played
async def test_a_provider_fills_its_places_though_its_new_target_has_no_host(scene: Scenario) -> None:
    """It leads to the component of the earlier version, which goes on, and takes the new image."""
    await scene.start(servers=1, hosts=3)
    http = provider("http", 1, "http:1", links=(link("ui"),))
    await scene.deploy(application("shop", http, component("ui", 1)))
    await scene.until_whole(within=2)
    http = provider("http", 2, "http:2", links=(link("ui2"),))
    await scene.deploy(application("shop", http, component("ui2", 1, spread=zones(moon=1)), version="v2"))
    await scene.until_whole(within=30)
    assert sum(scene.where("shop-http").values()) == 2
    assert scene.link_targets("shop-http") == ["shop-ui"]
    assert sum(scene.where("shop-ui").values()) == 1


@played
async def test_a_link_that_goes_just_after_it_was_put_is_missed_soon(scene: Scenario) -> None:
    """The list of links is read once a minute. What it says of a link that was put a moment before is not believed.

    The link is put again while its provider starts, and once more when that has reported its health for the first time.
    """
    await scene.start(servers=1, hosts=1)
    await scene.until(lambda: scene.world.now() >= READ_LINKS_EVERY, within=READ_LINKS_EVERY)
    await scene.deploy(application("shop", component("api", 1, links=(link("kv"),)), provider("kv")))
    await scene.until_whole(within=2)
    host = scene.host(1).host
    assert host is not None
    host.habits = HostBehaviour(event_lost=1.0)
    link_id = {"source_id": "shop-api", "wit_namespace": "wasi", "wit_package": "incoming-handler", "name": "default"}
    await scene.world.stranger.request("wasmbus.ctl.v1.default.link.del", json.dumps(link_id).encode(), 2)
    assert scene.link_targets("shop-api") == []
    host.habits = HEALTHY  # only that it was deleted is not heard: what is waited for later is
    await scene.until_whole(within=6)


@played
async def test_a_link_that_a_host_brings_back_after_it_was_deleted_is_deleted_again(scene: Scenario) -> None:
    """Hosts write all links of a source as they read them before: what another has done meanwhile is undone."""
    await scene.start(servers=1, hosts=1)
    await scene.deploy(application("shop", component("api", 1, links=(link("kv"),)), provider("kv")))
    await scene.until_whole(within=2)
    before = scene.world.value("LATTICEDATA_default", "COMPONENT_shop-api")
    assert before is not None
    await scene.world.user.undeploy("shop")
    await scene.until_whole(within=2)
    await scene.world.stranger.bucket("LATTICEDATA_default").put("COMPONENT_shop-api", before)
    assert scene.link_targets("shop-api") == ["shop-kv"]
    await scene.until_whole(within=READ_LINKS_EVERY + 2)
    assert scene.world.value("wadm_state", "owned.default.shop") is not None
    await scene.wait(READ_LINKS_EVERY)
    assert scene.world.value("wadm_state", "owned.default.shop") is None


@played
async def test_what_is_put_long_after_it_was_given_up_is_removed_as_long_as_a_host_may_stand_still(
    scene: Scenario,
) -> None:
    """A put without an answer may be done by a host that goes on when nobody wants it any more."""

    def shop(version: str, *links: object) -> Manifest:
        parts = (component("api", 1, links=links), provider("kv"), provider("sql"))
        return application("shop", *parts, version=version)

    async def put_late() -> None:
        put_link = {"source_id": "shop-api", "target": "shop-kv", "name": "default", "interfaces": ["incoming-handler"]}
        put_link |= {"wit_namespace": "wasi", "wit_package": "incoming-handler"}
        for call, body in ("link.put", put_link), ("config.put.shop-for_sql", {"a": "c"}):
            await scene.world.stranger.request(f"wasmbus.ctl.v1.default.{call}", json.dumps(body).encode(), 2)

    await scene.start(servers=1, hosts=1)
    await scene.deploy(shop("v1", link("sql", "query", config={"a": "b"})))
    await scene.until_whole(within=2)
    host = scene.host(1).host
    assert host is not None
    host.habits = HostBehaviour(ack_lost=1.0)
    await scene.deploy(shop("v2", link("sql", "query", config={"a": "c"}), link("kv")))
    await scene.wait(3)
    host.habits = HostBehaviour()
    await scene.until_whole(within=30)
    assert await scene.world.user.delete("shop")
    await scene.until_whole(within=5)
    await scene.wait(120)
    await put_late()
    await scene.wait(2)
    assert (scene.link_targets("shop-api"), checks.look(scene.world).configs) == ([], {})
    await scene.wait(STANDS_STILL)
    await put_late()
    await scene.wait(2 * READ_LINKS_EVERY)
    assert scene.link_targets("shop-api") == ["shop-kv"], "it is not ours any more"
    assert list(checks.look(scene.world).configs) == ["shop-for_sql"]


@played
async def test_a_deleted_application_leaves_nothing(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    assert await scene.world.user.delete("shop")
    await scene.until_whole(within=2)
    assert scene.where("shop-api") == scene.where("shop-http") == {}


@played
async def test_what_an_application_left_is_removed_by_an_owner_that_found_no_hosts(scene: Scenario) -> None:
    """Nothing runs of it and nothing is deployed: all that tells of it is the record of what was put."""
    await scene.start(servers=2, hosts=1)
    await scene.deploy(application("shop", component("api", 1, links=(link("kv", config={"a": "b"}),)), provider("kv")))
    await scene.until_whole(within=5)
    await scene.host(1).kill()
    assert await scene.world.user.delete("shop")
    before = scene.owner()
    before.kill()
    await scene.until_owned(within=10, by_another_than=before)
    await scene.wait(10)
    await scene.host(1).start(new_id=True)
    await scene.until_whole(within=10)


@played
async def test_what_was_said_of_an_application_is_put_right_by_an_owner_that_finds_nothing_of_it(
    scene: Scenario,
) -> None:
    """It was deleted while its host and its owner were gone, and had put nothing."""
    await scene.start(servers=2, hosts=1)
    await scene.deploy(application("shop", component("api", 1)))
    await scene.until_whole(within=5)
    before = scene.owner()
    before.kill()
    await scene.host(1).kill()
    assert await scene.world.user.delete("shop")
    assert scene.status("shop") == "deployed"
    await scene.until_owned(within=60, by_another_than=before)
    await scene.until(lambda: scene.status("shop") in ("", "undeployed"), within=5)


@played
async def test_that_one_component_has_few_hosts_does_not_hide_that_another_has_none(scene: Scenario) -> None:
    await scene.start()
    await scene.world.add_host(zone="a")
    two = [{"name": name, "requirements": {"zone": "a"}, "weight": 1} for name in ("one", "two")]
    nowhere, crowded = component("web", 1, spread=zones(nowhere=100)), component("api", 2, spread=two)
    await scene.deploy(application("shop", nowhere, crowded))
    await scene.until_whole(within=10)
    assert (scene.status("shop"), scene.where("shop-api")) == ("failed", {"host-1": 2})


@played
async def test_a_provider_is_ill_till_its_owner_hears_that_it_is_well(scene: Scenario) -> None:
    """Its host says so once. An owner that does not hear of it cannot know, and is not blamed; one that does is."""
    await scene.start(servers=1, hosts=1)
    await scene.deploy(application("shop", provider("kv")))
    await scene.wait(6)
    host, transport = scene.host(1).host, scene.owner().transport
    assert host is not None
    assert transport is not None
    for is_heard in (False, True):
        host.set_health("shop-kv", healthy=False)
        await scene.wait(31)
        assert scene.status("shop") == "unhealthy"
        host.set_health("shop-kv", healthy=True)
        if not is_heard:
            transport.go_away()
        await scene.wait(31)
        if not is_heard:
            transport.came_back()
        await scene.wait(65)
        assert scene.status("shop") == ("deployed" if is_heard else "unhealthy")
        assert checks.unfinished(scene.world) == []
    said = scene.world.status("shop")
    transport.go_away()  # the owner would tell its own status again at once
    scene.world.stranger.publish("wadm.status.default.shop", json.dumps(said).replace("deployed", "unhealthy").encode())
    await scene.wait(0.1)
    (why,) = checks.unfinished(scene.world)
    assert why.startswith("shop runs as it should, its status says unhealthy")


def shop_with(kv: str = "") -> Manifest:
    """An application whose first provider is well, and a second one."""
    return application("shop", provider("http"), provider("kv", image=kv))


async def ill_within(scene: Scenario, least: float, most: float) -> None:
    took = await scene.until(lambda: scene.status("shop") == "unhealthy", most)
    assert took >= least


@played
async def test_a_provider_that_crashes_as_soon_as_it_starts_is_ill_within_twenty_seconds(scene: Scenario) -> None:
    """Nobody listens for it, and others answer. Its host starts it again and again, and says nothing."""
    await scene.start(servers=1, hosts=1, habits=HostBehaviour(provider_crash=containing("kv:crash")))
    await scene.deploy(shop_with("registry.example/kv:crash"))
    await ill_within(scene, 8, 20)
    said = str(scene.world.status("shop"))
    assert "to report its health: it may crash again and again, or hang" in said


@played
async def test_a_provider_that_ends_after_its_first_report_is_ill_within_a_minute(scene: Scenario) -> None:
    await scene.start(servers=1, hosts=1)
    await scene.deploy(shop_with())
    await scene.wait(8)
    host = scene.host(1).host
    assert host is not None
    host.set_alive("shop-kv", False)
    await ill_within(scene, 20, 60)
    assert "to tell of its health again: it may have crashed, or hang" in str(scene.world.status("shop"))
    host.set_alive("shop-kv", True)
    await scene.until(lambda: scene.status("shop") == "deployed", 35)


@pytest.mark.parametrize("refused", [False, True], ids=["asked", "it is not permitted to ask"])
def test_a_link_put_while_its_provider_starts_is_in_force_soon_after_it_listens(refused: bool) -> None:
    async def script(scene: Scenario) -> None:
        if refused:
            network = scene.world.network.fault
            scene.world.network.fault = (  # type: ignore[method-assign]
                lambda client, operation, target: (
                    Fault(before=Unavailable("not permitted"))
                    if client.startswith("server") and target.startswith("wasmbus.rpc.")
                    else network(client, operation, target)
                )
            )
        await scene.start(servers=1, hosts=1, habits=HostBehaviour(provider_subscribes=2.0))
        await scene.deploy(application("shop", component("api", 1), provider("http")))
        await scene.until(lambda: bool(scene.where("shop-http")), 5)
        linked = application("shop", component("api", 1), provider("http", links=(link("api"),)), version="v2")
        await scene.deploy(linked)
        took = await scene.until_whole(within=12)
        assert (took > 3) is refused, "else its first health report is waited for"

    play(script)


@played
async def test_nats_goes_away_and_comes_back_and_nothing_restarts(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    scene.asked()
    scene.world.stop_nats()
    await scene.wait(30)
    scene.world.start_nats()
    await scene.until_whole(within=40)
    await scene.wait(60)
    assert scene.asked() == []


@played
async def test_clocks_that_step_change_nothing(scene: Scenario) -> None:
    await scene.start(servers=2, hosts=3)
    await scene.deploy(SHOP)
    await scene.until_whole(within=2)
    scene.asked()
    for seconds in (3600, -7200):
        transport = scene.owner().transport
        assert transport is not None
        assert transport.step_clock is not None
        transport.step_clock(seconds)
        await scene.wait(120)
    assert scene.asked() == []


# -- what serves goes on until its replacement runs ------------------------------------------------

HTTP, OTHER = "registry.example/http:1", "registry.example/http:2"


def serving(image: str = HTTP, hosts: int = 1, version: str = "v1") -> Manifest:
    return application("shop", provider("http", hosts, image), version=version)


def images(scene: Scenario) -> list[str]:
    found = (host.host.providers.get("shop-http") for host in scene.world.alive() if host.host is not None)
    return sorted(one.image for one in found if one is not None)


@played
async def test_a_version_that_no_host_is_there_for_leaves_the_one_before_alone(scene: Scenario) -> None:
    await scene.start(servers=1)
    await scene.world.add_host(zone="west")
    await scene.deploy(application("shop", component("api", 4, spread=zones(west=100))))
    await scene.until_whole(within=10)
    scene.asked()
    await scene.deploy(application("shop", component("api", 4, spread=zones(moon=100)), version="v2"))
    await scene.wait(600)
    assert scene.asked() == []
    assert scene.where("shop-api") == {"host-1": 4}
    assert scene.status("shop") == "failed"
    await scene.world.add_host(zone="moon")
    await scene.until_whole(within=10)
    assert scene.where("shop-api") == {"host-2": 4}


@pytest.mark.parametrize(
    ("habits", "within"),
    [
        pytest.param(HostBehaviour(images=containing("http:2")), 10, id="no such image"),
        pytest.param(HostBehaviour(provider_start=containing("http:2")), 10, id="does not start"),
        pytest.param(HostBehaviour(provider_crash=containing("http:2")), 12, id="crashes"),
    ],
)
@pytest.mark.parametrize("hosts", [1, 2])
def test_a_provider_whose_new_image_does_not_come_to_run_runs_again_as_before(
    habits: HostBehaviour, within: float, hosts: int
) -> None:
    async def script(scene: Scenario) -> None:
        await scene.start(servers=2, hosts=hosts, habits=habits)
        await scene.deploy(serving(hosts=hosts))
        await scene.until_whole(within=5)
        await scene.wait(60)
        scene.asked()
        await scene.deploy(serving(OTHER, hosts, "v2"))
        await scene.until(lambda: scene.status("shop") == "failed", within=within)
        await scene.until(lambda: images(scene) == [HTTP] * hosts, within=2)
        await scene.wait(120)
        assert images(scene) == [HTTP] * hosts
        stops = [call for call in scene.asked() if call.startswith("stop")]
        assert len({call.split()[2] for call in stops}) == 1, f"on one host alone: {stops}"

        scene.owner().kill()
        await scene.wait(60)
        assert scene.asked() == [], "another owner does not try again either"
        scene.world.habits = HostBehaviour()
        for host in scene.world.alive():
            assert host.host is not None
            host.host.habits = HostBehaviour()
        await scene.world.user.deploy("shop", "v2")
        await scene.until(lambda: images(scene) == [OTHER] * hosts, within=60)
        await scene.until_whole(within=10)

    play(script)


@played
async def test_an_owner_killed_while_a_provider_is_replaced_leaves_none_away(scene: Scenario) -> None:
    """What ran is recorded before it is stopped: the next owner knows what to start again."""
    await scene.start(servers=2, hosts=1, habits=HostBehaviour(provider_crash=containing("http:2")))
    await scene.deploy(serving())
    await scene.until_whole(within=5)
    await scene.wait(60)
    for number, steps in enumerate(range(1, 90, 8)):
        victim = await scene.until_owned(within=20)
        victim.kill(steps=steps)
        await scene.deploy(serving(OTHER, version=f"v{number}-bad"))
        await scene.until(lambda victim=victim: not victim.lives, within=60)
        victim.start()
        await scene.until(lambda: images(scene) == [HTTP], within=90)
        await scene.until(lambda: scene.status("shop") == "failed", within=90)
        await scene.deploy(serving(version=f"v{number}-good"))
        await scene.until(lambda: scene.status("shop") == "deployed", within=60)


SETTINGS = {"config": [{"name": "settings", "properties": {"level": "1"}}]}


@pytest.mark.parametrize(("changed", "stopped"), [({}, False), (SETTINGS, True)], ids=["the same", "other settings"])
def test_an_owner_that_comes_late_restarts_the_only_provider_for_other_settings_alone(
    changed: dict[str, Any], stopped: bool
) -> None:
    """It is the last one of what is deployed, and what is deployed wants it with other settings: no ignorance."""

    async def script(scene: Scenario) -> None:
        scene.world.on_call = lambda call: ignorant.append(checks.ignorant(scene.world, call))
        await scene.start(servers=1, hosts=1)
        await scene.deploy(application("shop", provider("kv")))
        await scene.until_whole(within=8)
        server = scene.owner()
        part = provider("kv")
        part["properties"] |= changed
        await scene.deploy(application("shop", part, version="v2"))
        server.kill()
        scene.asked()
        await scene.wait(40)
        server.start()
        await scene.until_whole(within=60)
        assert any(call.startswith("stop") for call in scene.asked()) is stopped

    ignorant: list[str] = []
    play(script)
    assert not any(ignorant)


@played
async def test_a_new_image_that_runs_on_several_hosts_is_kept_by_an_owner_that_finds_it(scene: Scenario) -> None:
    """What their hosts report is no evidence, so it asks them before it judges."""
    await scene.start(servers=2, hosts=2)
    await scene.deploy(application("shop", provider("kv", 2)))
    await scene.until_whole(within=8)
    await scene.wait(40)
    before = scene.owner()
    await scene.deploy(application("shop", provider("kv", 2, image="registry.example/kv:2"), version="v2"))
    await scene.until(lambda: len({one.image for one in _providers(scene, "shop-kv")}) > 1, within=2)
    before.kill()
    await scene.until_owned(60, by_another_than=before)
    # A link that is put just after its provider's start makes the owner learn that questions reach providers.
    api = component("api", 1)
    await scene.deploy(application("other", api, provider("http")))
    await scene.wait(1)
    await scene.deploy(application("other", api, provider("http", links=(link("api"),)), version="v2"))
    await scene.until_whole(within=60)
    assert {one.image for one in _providers(scene, "shop-kv")} == {"registry.example/kv:2"}


def _providers(scene: Scenario, provider_id: str) -> list[RunningProvider]:
    there = (one.host.providers for one in scene.world.alive() if one.host is not None)
    return [providers[provider_id] for providers in there if provider_id in providers]


@played
async def test_what_runs_of_an_application_that_was_just_put_into_a_store_that_lost_it_stays(scene: Scenario) -> None:
    """That nothing is deployed of it was said by nobody: neither this owner nor the next takes it for undeployed."""
    await scene.start(servers=1, hosts=1)
    before = scene.owner()
    await _runs_as_ours(scene, "shop")
    shop = application("shop", component("api", 2))
    assert await scene.world.user.put(shop)
    await scene.wait(5)
    before.kill()
    before.start()
    await scene.wait(40)
    assert (scene.asked(), scene.where("shop-api")) == ([], {"host-1": 2})

    await scene.deploy(shop)
    await scene.until_whole(within=5)
    assert {call.split()[0] for call in scene.asked()} == {"scale"}, "it is taken over as it runs"
    assert await scene.world.user.undeploy("shop")
    await scene.until(lambda: not scene.where("shop-api"), within=5)


@played
async def test_what_runs_of_an_application_that_was_put_anew_goes_when_somebody_undeploys_it(scene: Scenario) -> None:
    """Its owner looks at once, though a store that lost what was deployed has nothing to undeploy."""
    await scene.start(servers=1, hosts=1)
    await _runs_as_ours(scene, "shop")
    assert await scene.world.user.put(application("shop", component("api", 2)))
    await scene.wait(5)
    assert await scene.world.user.undeploy("shop")
    await scene.until(lambda: not scene.where("shop-api"), within=5)


@played
async def test_the_owner_has_the_last_word_of_an_application_that_is_not_deployed(scene: Scenario) -> None:
    """A server that fills a new stream tells what a former owner said last, and the owner knows nothing of it."""
    await scene.start(servers=1, hosts=1)
    assert await scene.world.user.put(application("shop", component("api", 2)))
    _tells(scene, "shop", "reconciling")
    assert scene.status("shop") == "reconciling"
    await scene.until(lambda: scene.status("shop") == "undeployed", within=1)


@played
async def test_what_others_say_of_an_application_that_is_not_deployed_stops_nothing_of_it(scene: Scenario) -> None:
    """It may have been put a moment ago into a store that has lost that it is deployed."""
    await scene.start(servers=1, hosts=1)
    await _runs_as_ours(scene, "shop")
    assert await scene.world.user.put(application("shop", component("api", 2)))
    _tells(scene, "shop", "deployed")
    await scene.wait(60)
    assert (scene.asked(), scene.where("shop-api"), scene.status("shop")) == ([], {"host-1": 2}, "deployed")


def _tells(scene: Scenario, name: str, status: str) -> None:
    """Have somebody who is not the owner tell the status of an application."""
    said = {"status": {"type": status}, "version": "", "components": []}
    scene.world.stranger.publish(f"wadm.status.{LATTICE}.{name}", json.dumps(said).encode())


async def _runs_as_ours(scene: Scenario, name: str) -> None:
    """Have something run that bears the name of an application of which nothing is stored."""
    host = scene.host(1)
    ours = {"wasmcloud.dev/managed-by": "wadm", "wasmcloud.dev/appspec": name, "wasmcloud.dev/spread_name": "default"}
    body = {"component_id": f"{name}-api", "component_ref": "registry.example/api:1", "count": 2, "annotations": ours}
    subject = f"wasmbus.ctl.v1.{LATTICE}.component.scale.{host.spec.id}"
    await scene.world.stranger.request(subject, json.dumps(body | {"host_id": host.spec.id}).encode(), 2)
    await scene.wait(5)
