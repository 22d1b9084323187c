"""The troubles that people have with a lattice, planted one by one: ``wadm status`` alone names the cause, the object
and the next step, and ``wadm explain`` shows the chain of what led there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.world import Result, World
from wadm.hosts.behaviour import HostBehaviour, containing
from wadm.hosts.core import HostSpec
from wadm.hosts.host import ModelHost
from wadm.server.app import Server
from wadm.server.settings import Settings
from wadm.transport.base import Message
from wadm.transport.memory.network import Fault, Network
from wadm.wire.subjects import API_QUEUE

MakeWorld = Callable[..., World]
Deploy = Callable[..., Result]
IMAGE = "registry.example/web:1"


def a_component(name: str = "web", image: str | None = IMAGE, instances: int = 2, **more: Any) -> dict[str, Any]:
    """A component; ``spread``: label values of ``zone`` by name, ``traits`` besides, the rest are properties."""
    spread = [{"name": n, "requirements": {"zone": zone}} for n, zone in more.pop("spread", {}).items()]
    properties = {"instances": instances, **({"spread": spread} if spread else {})}
    traits = [{"type": "spreadscaler", "properties": properties}] if image is not None else []
    return {
        "name": name,
        "type": more.pop("type", "component"),
        "traits": traits + more.pop("traits", []),
        "properties": ({"image": image} if image is not None else {}) | more,
    }


def a_provider(instances: int = 1, **more: Any) -> dict[str, Any]:
    return a_component("kv", "registry.example/kv:1", instances, type="capability", **more)


def a_link(target: str) -> dict[str, Any]:
    properties = {"target": {"name": target}, "namespace": "wasi", "package": "keyvalue", "interfaces": ["store"]}
    return {"type": "link", "properties": properties}


def an_application(*components: dict[str, Any], name: str = "shop", version: str = "v1", **more: Any) -> str:
    annotations = {"version": version} | more.get("annotations", {})
    spec = {"components": list(components), "policies": more.get("policies", [])}
    metadata = {"name": name, "annotations": annotations}
    return json.dumps({"apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "metadata": metadata, "spec": spec})


def a_host(zone: str = "a", **habits: Any) -> HostSpec:
    return HostSpec(f"host-{zone}", {"zone": zone}, HostBehaviour(**habits))


def the_host(world: World) -> ModelHost:
    (host,) = world.fleet.hosts.values()
    return host


async def _set_alive(host: ModelHost, alive: bool) -> None:
    host.set_alive("shop-kv", alive)


def passing(world: World, seconds: float) -> None:
    world.run(asyncio.sleep(seconds))


@pytest.fixture
def deploy(tmp_path: Path) -> Deploy:
    """Deploy an application, waiting for it for some seconds."""

    def run(world: World, text: str, seconds: float = 20) -> Result:
        path = tmp_path / "wadm.json"
        path.write_text(text)
        return world.wadm("deploy", str(path), "--wait", "--timeout", f"{seconds:g}s", "--author", "ann")

    return run


def status(world: World) -> str:
    """What ``wadm status`` says, as one line of words."""
    shown = world.wadm("status", "shop", columns=200)
    assert shown.code == 0, shown.err
    return " ".join(shown.out.split())


def explained(world: World) -> str:
    """What ``wadm explain`` says, as one line of words."""
    shown = world.wadm("explain", "shop", columns=200)
    assert shown.code == 0, shown.err
    return " ".join(shown.out.split())


def has(text: str, *parts: str) -> None:
    for part in parts:
        assert part in text, f"{part!r} is not in {text!r}"


# -- hosts -------------------------------------------------------------------------------------


def test_no_host_matches(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a", "b")
    deploy(world, an_application(a_component(spread={"moon": "moon"})))
    said = status(world)
    has(said, "why: no host has zone=moon (spread moon): 2 hosts are there: ", "has zone=a", "has zone=b")
    has(said, "to do: label a host so (wash label), start one with that label, or change the spread")
    has(said, "next: goes on as soon as such a host joins, or one of those there gets zone=moon")
    has(explained(world), "2 wanted on zone=moon, 0 hosts match", "has zone=b", "What happened last", "status failed")


def test_among_many_hosts_none_has_the_label(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a", "b", "c", "d")
    deploy(world, an_application(a_component(spread={"moon": "moon"})))
    has(
        status(world),
        "4 hosts are there, none has that label",
        "there are: zone=a (1), zone=b (1), zone=c (1), zone=d (1)",
    )


def test_no_hosts_at_all(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world()
    deploy(world, an_application(a_component()))
    said = status(world)
    has(said, "waiting version v1", "no host is in lattice default, so nothing can run: start a wasmCloud host in it")
    has(said, "wash up --nats-connect-only --disable-wadm --nats-host 127.0.0.1 --nats-port 4222", "`wadm simulate`")


def test_the_last_words_of_a_deploy_say_that_no_host_is_there(make_world: MakeWorld) -> None:
    world = make_world()
    late = world.wadm("deploy", "-", "--wait", "--timeout", "3s", stdin=an_application(a_component()))
    assert late.code == 4
    assert "error: shop: not deployed within 3 s: no host is in lattice default, so nothing can run" in late.err


def test_too_few_hosts_for_a_provider(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a", "b")
    deploy(world, an_application(a_provider(3)))
    said = status(world)
    has(said, "why: 1 host too few (spread default): 2 hosts are there", "to do: start another host, or ask for less")
    has(world.wadm("status", "shop", "-o", "wide").out, "2/3 eligible hosts found")
    has(explained(world), "3 wanted on any host, 2 hosts match")


def test_host_silent(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component()))
    the_host(world).freeze()
    deploy(world, an_application(a_component(instances=5), version="v2"), 8)
    said = status(world)
    has(said, f"({the_host(world).id[:8]}) did not answer in time; to do: see whether the host still runs")
    passing(world, 120)
    said = status(world)
    has(said, "no host is there", the_host(world).friendly_name, "is lost", "fell silent and is taken for lost")
    has(world.wadm("list", columns=200).err, "fell silent and is taken for lost: what ran there is placed elsewhere")
    has(explained(world), "the host is lost: nothing heard for")


def test_host_slow_to_answer(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(pull_delay=40.0))
    deploy(world, an_application(a_component()), 10)
    said = status(world)
    has(said, f"why: {the_host(world).friendly_name}", f"was asked to run {IMAGE}", "since:", "next: ")
    has(explained(world), "state: ", "asked at", "accepted: scale shop-web to 2")


def test_host_full(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(capacity=1))
    deploy(world, an_application(a_component(), a_component("api", "registry.example/api:1")))
    has(status(world), "api", "the host is full", "to do: start another host, or ask for less", "next: asks again")
    has(explained(world), "held back after a failure", "the host is full")


def test_label_changed_after_placement(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component(spread={"east": "a"})))

    async def relabel() -> None:
        the_host(world).set_label("zone", "b")

    world.run(relabel())
    passing(world, 10)
    has(status(world), "why: no host has zone=a (spread east): 1 host is there: ", "has zone=b", "gets zone=a")


# -- images and providers ----------------------------------------------------------------------


def test_image_cannot_be_had(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(images=containing("web")))
    deploy(world, an_application(a_component()))
    said = status(world)
    has(said, IMAGE, "Not authorized: url not found", "tried: 5 times", "next: asks again after a pause")
    has(said, f"{IMAGE} cannot be fetched by {the_host(world).friendly_name}")
    has(said, "to do: check that the image exists (correct the manifest", "give the host the registry's credentials")
    has(explained(world), "could not be scaled", "held back after a failure")


def test_image_with_a_bad_reference(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component(image="registry.example/web:latest")))
    said = status(world)
    has(said, "registry.example/web:latest", "'latest' is currently prohibited", "to do: give the image a version")
    has(explained(world), "could not be scaled (registry.example/web:latest)")


def test_component_refused_by_policy(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(policy=containing("web", error="issuer is not on the list")))
    deploy(world, an_application(a_component()))
    has(
        status(world),
        "Policy denied",
        "shop-web",
        "issuer is not on the list",
        "to do: ask whoever runs the policy service",
    )
    has(explained(world), "issuer is not on the list")


def test_provider_does_not_start(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(provider_start=containing("kv", error="exec format error")))
    deploy(world, an_application(a_provider()))
    has(status(world), "kv", "exec format error", "to do: the provider's archive has nothing for this host's machine")
    has(explained(world), "shop-kv could not be started (registry.example/kv:1): exec format error")


def test_provider_fails_later(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_provider()))
    passing(world, 90)  # healthy once
    the_host(world).set_health("shop-kv", False)
    passing(world, 90)
    has(
        status(world), "unhealthy", "why: shop-kv on ", "is not healthy, by its own word; to do: see the provider's log"
    )
    has(explained(world), "shop-kv is not healthy")


def test_provider_dies_and_nobody_says_so(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_provider()))
    passing(world, 90)
    world.run(_set_alive(the_host(world), False))
    passing(world, 120)
    has(
        status(world),
        "unhealthy",
        "why: shop-kv on ",
        "does not tell of its health any more: it may have crashed, or hang; to do: see the provider's",
    )
    has(explained(world), "shop-kv does not tell of its health any more")
    world.run(_set_alive(the_host(world), True))
    passing(world, 60)
    has(status(world), "deployed")


# -- links, configurations, secrets ------------------------------------------------------------


def test_link_refused(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    stranger = {
        "source_id": "shop-web",
        "target": "elsewhere",
        "name": "default",
        "wit_namespace": "wasi",
        "wit_package": "keyvalue",
        "interfaces": ["store"],
        "source_config": [],
        "target_config": [],
    }
    by_hand = world.transport("hand").request("wasmbus.ctl.v1.default.link.put", json.dumps(stranger).encode(), 5)
    world.run(by_hand)
    deploy(world, an_application(a_component(traits=[a_link("kv")]), a_provider()))
    said = status(world)
    has(
        said,
        "why: link shop-web -(wasi:keyvalue)-> elsewhere is there already",
        "not of this application",
        "wash link del",
    )
    has(explained(world), "(not in force)", "refused: put link shop-web")


def test_configuration_missing(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component(config=[{"name": "tuning"}])))
    said = status(world)
    has(said, "why: configuration tuning is not in the lattice; to do: put it (wash config put")
    has(said, "next: goes on as soon as somebody puts it (wash config put tuning KEY=VALUE)")
    has(explained(world), "tuning: missing")


def test_policy_of_a_secret_unknown(make_world: MakeWorld, deploy: Deploy) -> None:
    secret = {"name": "password", "properties": {"policy": "vault", "key": "k"}}
    refused = deploy(make_world("a"), an_application(a_component(secrets=[secret])))
    assert refused.code == 2
    has(refused.err, "secret 'password' is mapped to unknown policy 'vault'", "hint: add it to spec.policies")


def test_host_without_a_secrets_backend(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(secrets=False))
    secret = {"name": "password", "properties": {"policy": "vault", "key": "k"}}
    policy = {"name": "vault", "type": "policy.secret.wasmcloud.dev/v1alpha1", "properties": {"backend": "nats-kv"}}
    deploy(world, an_application(a_component(secrets=[secret]), policies=[policy]))
    has(status(world), "secret store not configured", "to do: start the host with a secrets backend")


# -- other applications ------------------------------------------------------------------------

SHARED = {"experimental.wasmcloud.dev/shared": "true"}
TENANT = an_application(
    a_component("kv", None, type="capability", application={"name": "platform", "component": "kv"}),
    a_component(traits=[a_link("kv")]),
)


def test_shared_application_not_deployed(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    refused = deploy(world, TENANT)
    has(refused.err, "shared components that are not deployed", "hint:  deploy the application that shares them first")
    said = status(world)
    has(said, "undeployed", "it cannot be deployed as it is: ", "shared components that are not deployed in other")
    has(
        said,
        '["kv"]; to do: deploy platform first; its manifest needs the annotation experimental.wasmcloud.dev/shared',
    )


def test_shared_application_taken_down(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_provider(), name="platform", annotations=SHARED))
    assert deploy(world, TENANT).code == 0
    has(world.wadm("undeploy", "platform").err, "shop uses kv of platform", "--force")
    world.wadm("undeploy", "platform", "--force")
    has(status(world), "application platform, whose component kv this one uses, is not deployed: wadm deploy platform")


def test_id_used_by_another_application(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component(id="same"), name="blog"))
    refused = deploy(world, an_application(a_component(id="same")))
    has(refused.err, "identifier 'same' is already deployed in a different application 'blog'", "give it another id")
    said = status(world)
    has(said, "undeployed", "identifier 'same' is already deployed in a different application 'blog'")
    has(said, "; to do: give it another id, or undeploy blog")


def test_id_used_by_what_somebody_started(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    host = the_host(world).id
    body = {
        "host_id": host,
        "provider_ref": "registry.example/other:1",
        "provider_id": "shop-kv",
        "annotations": {},
        "config": [],
    }
    subject = f"wasmbus.ctl.v1.default.provider.start.{host}"
    world.run(world.transport("hand").request(subject, json.dumps(body).encode(), 5))
    deploy(world, an_application(a_provider()))
    said = status(world)
    has(said, "The id shop-kv is used by registry.example/other:1, which wadm did not start,", "to do: give")


# -- who manages the lattice -------------------------------------------------------------------


class _Slow(Network):
    """Every call takes long."""

    def fault(self, client: str, operation: str, target: str) -> Fault | None:
        return Fault(delay=1.0)


def test_nats_slow(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    world.broker.network = _Slow()
    deploy(world, an_application(a_component()), 3)
    has(status(world), "NATS or the server is slow: one answer took", "`wadm doctor` tells which")


def test_another_manager_at_work(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    deploy(world, an_application(a_component()))
    host = the_host(world)

    async def undo_again_and_again() -> None:
        for _ in range(14):
            await asyncio.sleep(3)
            running = host.components.get("shop-web")
            body = {
                "component_ref": IMAGE,
                "component_id": "shop-web",
                "annotations": dict(running.annotations) if running is not None else {},
                "max_instances": 0,
                "host_id": host.id,
                "config": [],
            }
            subject = f"wasmbus.ctl.v1.default.component.scale.{host.id}"
            await world.transport("rogue").request(subject, json.dumps(body).encode(), 5)
        await asyncio.sleep(2)

    world.run(undo_again_and_again())
    said = status(world)
    has(said, "Somebody undoes this again and again: scale shop-web to 2", "to do: see who else manages this lattice")
    commands = [line for line in world.wadm("events", "shop", "--limit", "500").out.splitlines() if " command " in line]
    assert len(commands) < 12, "what is undone again and again is asked again ever more slowly"


def test_the_original_beside_this_one(make_world: MakeWorld, deploy: Deploy) -> None:
    """It takes its turn with the requests, and does not know all of them."""
    world = make_world(a_host(images=containing("web")))
    deploy(world, an_application(a_component()))
    original = world.transport("original")

    def answer(message: Message) -> None:
        said = {"result": "error", "message": f"Unsupported subject: {message.subject}"}
        original.publish(message.reply, json.dumps(said).encode())

    world.run(original.subscribe("wadm.api.default.model.events", answer, API_QUEUE))
    has(
        status(world), "the original wadm (0.21 or older) and this one serve the same lattices", ": stop one of the two"
    )
    has(world.wadm("list").err, "the original wadm (0.21 or older) and this one serve the same lattices")


def test_server_just_started_and_still_asking_hosts(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    the_host(world).habits = HostBehaviour(images=containing("web"))
    deploy(world, an_application(a_component()))
    assert world.server is not None
    world.run(world.server.stop())
    the_host(world).habits = HostBehaviour(ack_delay=(1.4, 1.5))  # a host that takes long to say what it runs

    async def start() -> Server:
        server = Server(world.transport("next"), Settings(), "next")
        await server.start()
        await asyncio.sleep(2)
        return server

    world.server = world.run(start())
    has(status(world), "still asking its hosts what they run", "Try again in a few seconds")


def test_nobody_looks_after_the_lattice(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world("a")
    the_host(world).habits = HostBehaviour(images=containing("web"))
    deploy(world, an_application(a_component()))
    assert world.server is not None
    world.run(world.server.lattices.lost("default"))
    has(
        status(world),
        "no server looks after lattice default at the moment",
        "within ten seconds",
        "`wadm doctor` tells more",
    )


def test_version_superseded_while_deploying(make_world: MakeWorld, deploy: Deploy) -> None:
    world = make_world(a_host(pull_delay=30.0))
    deploy(world, an_application(a_component()), 2)
    deploy(world, an_application(a_component(image="registry.example/web:2"), version="v2"), 2)
    has(status(world), "version v1 was superseded by v2 by ann while it was being deployed", "`wadm history shop`")
    has(" ".join(world.wadm("history", "shop").out.split()), "superseded ann v1")


def test_most_hosts_that_are_silent_are_said_and_resume_ends_the_wait() -> None:
    world = World("a", "b", "c")
    try:
        manifest = an_application(a_component())
        assert world.wadm("deploy", "-", "--wait", stdin=manifest).code == 0
        running = next(host for host in world.fleet.hosts.values() if host.components)
        other = next(host for host in world.fleet.hosts.values() if host is not running)
        world.run(asyncio.sleep(40))
        world.run(running.kill())
        world.run(other.kill())
        world.run(asyncio.sleep(60))
        said = " ".join(world.wadm("status", "shop").out.split())
        assert "to answer: 2 of 3 hosts do not" in said
        assert "`wadm resume` ends the wait at once" in said
        assert "is moved if that goes on" not in said
        resumed = world.wadm("resume")
        assert resumed.code == 0
        assert resumed.out.startswith("Taken for lost unless they answer now: ")
        world.run(asyncio.sleep(12))
        assert world.wadm("resume").out == "Nothing was paused.\n"
        assert "deployed" in world.wadm("status", "shop").out
    finally:
        world.close()
