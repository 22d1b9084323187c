"""The score of `wadm status`: of each trouble it names the cause, the object, and the next step that helps.

A point for each, three a trouble. Each is planted in a lattice of its own; what the hosts say is what real ones said.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import NamedTuple

import pytest

from tests.cli.test_troubles import (
    IMAGE,
    SHARED,
    TENANT,
    a_component,
    a_host,
    a_link,
    a_provider,
    an_application,
    the_host,
)
from tests.cli.world import World
from wadm.hosts.behaviour import containing
from wadm.hosts.core import HostSpec

Hosts = tuple[str | HostSpec, ...]
SECRET = {"name": "password", "properties": {"policy": "vault", "key": "db-password"}}
VAULT = {"name": "vault", "type": "policy.secret.wasmcloud.dev/v1alpha1", "properties": {"backend": "nats-kv"}}
LOADING = "failed to read component: "
REFUSED = (
    "error sending request for url (https://registry.example/v2/): client error (Connect): tcp connect error: "
    "Connection refused (os error 111)"
)


class Trouble(NamedTuple):
    """What is planted, and what `status` must say of it: cause, object, next step (words that must all be there)."""

    name: str
    hosts: Hosts
    plant: Callable[[World], None]
    points: tuple[str, str, str]


def deployed(*manifests: str, wait: float = 15) -> Callable[[World], None]:
    def plant(world: World) -> None:
        for manifest in manifests:
            world.wadm("deploy", "-", "--wait", "--timeout", f"{wait:g}s", "--author", "ann", stdin=manifest)

    return plant


def then(*steps: Callable[[World], object]) -> Callable[[World], None]:
    def plant(world: World) -> None:
        for step in steps:
            step(world)

    return plant


def passes(seconds: float) -> Callable[[World], object]:
    return lambda world: world.run(asyncio.sleep(seconds))


def typed(*words: str) -> Callable[[World], object]:
    return lambda world: world.wadm(*words)


def sent(subject: str, **body: object) -> Callable[[World], object]:
    """Something is asked of the lattice by hand; HOST is the id of the only host."""

    def send(world: World) -> object:
        text = json.dumps(body).replace("HOST", the_host(world).id)
        where = subject.replace("HOST", the_host(world).id)
        return world.run(world.transport("hand").request(f"wasmbus.ctl.v1.default.{where}", text.encode(), 5))

    return send


def by_hand(image: str, times: int = 1) -> Callable[[World], object]:
    """Somebody starts a component with our id and another image, again and again."""

    async def again(world: World) -> None:
        host = the_host(world)
        for _ in range(times):
            running = host.components.get("shop-web")
            body = {
                "component_ref": image,
                "component_id": "shop-web",
                "annotations": dict(running.annotations) if running is not None and times > 1 else {},
                "count": 2,
                "host_id": host.id,
                "config": [],
                "new_component_ref": image,
            }
            operation = "component.update" if running is not None and times > 1 else "component.scale"
            subject = f"wasmbus.ctl.v1.default.{operation}.{host.id}"
            await world.transport("rogue").request(subject, json.dumps(body).encode(), 5)
            await asyncio.sleep(3)

    return lambda world: world.run(again(world))


def unreadable(world: World) -> None:
    """Something newer has stored the application."""
    bucket = world.transport("newer").bucket("wadm_manifests")

    async def write() -> None:
        stored = b'{"manifests":{"v1":{"apiVersion":"core.oam.dev/v9"}},"deployed_version":"v1"}'
        await bucket.put("default-shop", stored)
        await asyncio.sleep(1)

    world.run(write())


def hangs(world: World) -> None:
    """The provider answers its host's questions no more."""

    async def hang() -> None:
        the_host(world).set_alive("shop-kv", False)

    world.run(hang())


def frozen(world: World) -> None:
    next(host for host in world.fleet.hosts.values() if host.components).freeze()


def silent(world: World) -> None:
    """The host has not answered yet, and is not taken for lost."""
    for _ in range(400):
        if "not answer" in world.wadm("status", "shop").out:
            return
        world.run(asyncio.sleep(0.1))


def without_owner(world: World) -> None:
    assert world.server is not None
    world.run(world.server.lattices.lost("default"))


WEB = an_application(a_component())
KV = an_application(a_provider())
LISTENING = {"source": {"config": [{"name": "listen", "properties": {"address": "127.0.0.1:8080"}}]}}


def listening(name: str) -> str:
    link = {"target": {"name": "web"}, "namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}
    traits = [{"type": "link", "properties": link | LISTENING}]
    provider = a_component("http", "registry.example/http:1", 1, type="capability", traits=traits)
    return an_application(a_component(), provider, name=name)


def refused(words: str, image: str = "web") -> Hosts:
    return (a_host(images=containing(image, error=words)),)


TROUBLES = [
    Trouble("no host in the lattice", (), deployed(WEB), ("no host is in", "lattice default", "wash up")),
    Trouble(
        "no host with the label",
        ("a", "b"),
        deployed(an_application(a_component(spread={"moon": "moon"}))),
        ("no host has zone=moon", "has zone=a", "label a host so (wash label)"),
    ),
    Trouble(
        "too few hosts for an exclusive spread",
        ("a", "b"),
        deployed(an_application(a_provider(3))),
        ("1 host too few", "spread default", "start another host, or ask for less"),
    ),
    Trouble(
        "no host for a daemon",
        ("a",),
        deployed(
            an_application(
                a_component(
                    image=None,
                    traits=[
                        {
                            "type": "daemonscaler",
                            "properties": {"instances": 1, "spread": [{"name": "gpu", "requirements": {"gpu": "yes"}}]},
                        }
                    ],
                )
                | {"properties": {"image": IMAGE}}
            )
        ),
        ("no host has gpu=yes", "spread gpu", "label a host so"),
    ),
    Trouble(
        "image not in the registry",
        refused("Registry error: url https://registry.example/v2/web/manifests/1, envelope: MANIFEST_UNKNOWN"),
        deployed(WEB),
        ("cannot be fetched", IMAGE, "correct the reference in the manifest"),
    ),
    Trouble(
        "registry refuses",
        refused("Not authorized: url https://registry.example/v2/web/manifests/1"),
        deployed(WEB),
        ("Not authorized", "registry.example", "give the host the registry's credentials"),
    ),
    Trouble(
        "registry unreachable", refused(REFUSED), deployed(WEB), ("no connection to", "registry.example", "network")
    ),
    Trouble(
        "provider that cannot run here",
        (a_host(provider_start=containing("kv", error="exec format error")),),
        deployed(KV),
        ("exec format error", "registry.example/kv:1 on host", "build it for that"),
    ),
    Trouble(
        "image that the host cannot load",
        (a_host(failing_updates=1.0),),
        deployed(WEB, an_application(a_component(image="registry.example/web:2"), version="v2")),
        ("still runs", "registry.example/web:1", "see that host's log, correct the image"),
    ),
    Trouble(
        "provider that crashes again and again",
        (a_host(provider_crash=containing("kv", error="segmentation fault")),),
        then(deployed(KV), passes(120)),
        ("has not reported its health yet", "(on host", "see the provider's log on that host"),
    ),
    Trouble(
        "provider hung",
        ("a",),
        then(deployed(KV), passes(90), hangs, passes(120)),
        ("does not tell of its health any more", "shop-kv on ", "see the provider's log on that host"),
    ),
    Trouble(
        "deployed, and nothing answers",
        ("a",),
        deployed(listening("shop")),
        ("was told of the link to web with shop-listen", "127.0.0.1:8080", "see its log there, or try `curl"),
    ),
    Trouble(
        "two applications on one address",
        ("a",),
        deployed(listening("blog"), listening("shop")),
        ("127.0.0.1:8080 of http is taken", "http of blog listens there on", "another port in shop-listen"),
    ),
    Trouble(
        "unknown builtin provider",
        ("a",),
        deployed(an_application(a_component("kv", "wasmcloud+builtin://kv", 1, type="capability"))),
        ("is no builtin provider", "wasmcloud+builtin://kv", "correct the image"),
    ),
    Trouble(
        "link refused",
        ("a",),
        then(
            sent(
                "link.put",
                source_id="shop-web",
                target="elsewhere",
                name="default",
                wit_namespace="wasi",
                wit_package="keyvalue",
                interfaces=["store"],
                source_config=[],
                target_config=[],
            ),
            deployed(an_application(a_component(traits=[a_link("kv")]), a_provider())),
        ),
        ("is there already", "shop-web -(wasi:keyvalue)-> elsewhere", "wash link del"),
    ),
    Trouble(
        "configuration that nobody made",
        ("a",),
        deployed(an_application(a_component(config=[{"name": "tuning"}]))),
        ("is not in the lattice", "configuration tuning", "wash config put tuning KEY=VALUE"),
    ),
    Trouble(
        "no secrets backend",
        (a_host(secrets=False),),
        deployed(an_application(a_component(secrets=[SECRET]), policies=[VAULT])),
        ("secret store not configured", "backend nats-kv", "start the host with a secrets backend"),
    ),
    Trouble(
        "secret of which backend",
        (a_host(secrets=False),),
        deployed(an_application(a_component(secrets=[SECRET]), policies=[VAULT])),
        (
            "could not fetch secrets",
            "secret password of web is the key db-password",
            "see that it answers and has that",
        ),
    ),
    Trouble(
        "id taken by another application",
        ("a",),
        deployed(an_application(a_component(id="same"), name="blog"), an_application(a_component(id="same"))),
        ("already deployed in a different", "'same'", "give it another id, or undeploy blog"),
    ),
    Trouble(
        "foreign component with our id",
        ("a",),
        then(by_hand("registry.example/mine:1"), deployed(WEB)),
        ("which wadm did not start", "The id shop-web is used by registry.example/mine:1", "stop what uses it there"),
    ),
    Trouble(
        "foreign provider with our id",
        ("a",),
        then(
            sent(
                "provider.start.HOST",
                host_id="HOST",
                provider_ref="registry.example/other:1",
                provider_id="shop-kv",
                annotations={},
                config=[],
            ),
            deployed(KV),
        ),
        ("which wadm did not start", "The id shop-kv is used by registry.example/other:1", "as soon as the id shop-kv"),
    ),
    Trouble(
        "shared application missing",
        ("a",),
        deployed(TENANT),
        ("shared components that are not deployed", "deploy platform first", "needs the annotation"),
    ),
    Trouble(
        "shared application not shared",
        ("a",),
        deployed(an_application(a_provider(), name="platform"), TENANT),
        ("cannot be deployed as it is", "platform", "annotation experimental.wasmcloud.dev/shared: 'true'"),
    ),
    Trouble(
        "shared application taken down",
        ("a",),
        then(
            deployed(an_application(a_provider(), name="platform", annotations=SHARED), TENANT),
            typed("undeploy", "platform", "--force"),
        ),
        ("is not deployed", "application platform, whose component kv this one uses", "wadm deploy platform"),
    ),
    Trouble(
        "owner missing",
        refused("gone"),
        then(deployed(WEB), without_owner),
        ("no server looks after", "lattice default", "within ten seconds"),
    ),
    Trouble(
        "host silent",
        ("a", "b"),
        then(deployed(WEB), passes(40), frozen, silent),
        ("does not answer", "host ", "is moved within half a minute"),
    ),
    Trouble(
        "host lost",
        ("a",),
        then(deployed(WEB), lambda world: the_host(world).freeze(), passes(120)),
        ("is taken for lost", "host ", "see whether the host and its network are up"),
    ),
    Trouble(
        "command refused by policy",
        (a_host(policy=containing("web", error="issuer is not on the list")),),
        deployed(WEB),
        ("Policy denied", "issuer is not on the list", "ask whoever runs the policy service"),
    ),
    Trouble(
        "flapping between two images",
        ("a",),
        then(deployed(WEB), by_hand("registry.example/theirs:9", 14)),
        ("Somebody undoes this again and again", "registry.example/web:1", "see who else manages this lattice"),
    ),
    Trouble(
        "undeployed by somebody",
        ("a",),
        then(deployed(WEB), typed("undeploy", "shop", "--wait", "--author", "ben", "-m", "too costly")),
        ("undeployed by ben at", "(too costly)", "wadm deploy shop"),
    ),
    Trouble(
        "not the newest version",
        ("a",),
        then(
            deployed(WEB),
            lambda world: world.wadm("put", "-", stdin=an_application(a_component(instances=3), version="v2")),
        ),
        ("a newer version is stored", "v2", "deploy it with `wadm deploy shop`, or leave it at v1"),
    ),
    Trouble(
        "more instances than a host can take",
        ("a",),
        deployed(an_application(a_component(instances=5_000_000_000))),
        ("is more than a host can take", "5000000000 instances", "lower the number of instances"),
    ),
    Trouble(
        "stored by something newer",
        ("a",),
        then(deployed(WEB), unreadable),
        ("cannot be read", "what is stored of shop", "use that wadm, or put an earlier revision back"),
    ),
    Trouble(
        "rollout half-way",
        (a_host("a"), a_host("b", pull_delay=90.0)),
        deployed(an_application(a_component(instances=2, spread={"a": "a", "b": "b"}))),
        ("was asked to run", "host-b", "since:"),
    ),
    Trouble(
        "host full",
        (a_host(capacity=1),),
        deployed(an_application(a_component(), a_component("api", "registry.example/api:1"))),
        ("the host is full", "registry.example/api:1 on host", "start another host, or ask for less"),
    ),
]


def score(trouble: Trouble) -> tuple[str, list[str]]:
    """Return what `status` says, and the points that are missing."""
    world = World(*trouble.hosts)
    try:
        names = {host.friendly_name: spec for host, spec in _labelled(world)}
        trouble.plant(world)
        shown = world.wadm("status", "shop", columns=200)
        said = " ".join(f"{shown.out} {shown.err}".split())
        for name, spec in names.items():
            said = said.replace(name, spec)
        return said, [point for point in trouble.points if point not in said]
    finally:
        world.close()


def _labelled(world: World) -> list[tuple[object, str]]:
    return [(host, f"host-{host.labels.get('zone', '')}") for host in world.fleet.hosts.values()]  # type: ignore[misc]


@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble.name)
def test_status_alone_names_cause_object_and_step(trouble: Trouble) -> None:
    said, missing = score(trouble)
    assert missing == [], said
