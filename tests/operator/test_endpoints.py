"""HTTP servers of a manifest, the pods that run them, and the objects that lead there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.world import application
from wadm.model.lattice import Inventory, Provider
from wadm.operator import endpoints, manifests
from wadm.operator.endpoints import HttpServer, Listener, Placement, Pod


def servers(
    address: str | None, *, image: str = "ghcr.io/wasmcloud/http-server:0.27.0", **config: Any
) -> list[HttpServer]:
    body = application("shop")
    component = body["spec"]["components"][1]
    component["properties"] = {"image": image, **config}
    source = component["traits"][1]["properties"]["source"]["config"][0]
    source["properties"] = {} if address is None else {"address": address}
    return endpoints.http_servers(manifests.wanted(body).manifest, {})


@pytest.mark.parametrize(
    ("address", "listener"),
    [
        ("0.0.0.0:8000", Listener(8000)),
        ("[::]:80", Listener(80)),
        ("10.1.2.3:8080", Listener(8080, "10.1.2.3")),
        (None, Listener(8000)),
    ],
)
def test_where_a_server_listens(address: str | None, listener: Listener) -> None:
    (server,) = servers(address)
    assert server.listeners == (listener,)
    assert server.provider_id == "shop-httpserver"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1:8000", "LoopbackAddress"),
        ("[::1]:8000", "LoopbackAddress"),
        ("localhost:8000", "BadAddress"),
        (":8000", "BadAddress"),
        ("0.0.0.0:0", "BadAddress"),
        ("0.0.0.0", "BadAddress"),
    ],
)
def test_addresses_that_cannot_be_reached_are_pointed_out(address: str, reason: str) -> None:
    (server,) = servers(address)
    assert server.listeners == ()
    assert [found for found, _ in server.problems] == [reason]
    assert server.problems[0][1].startswith("spec.components[1] httpserver")


def test_any_image_counts_and_the_scaler_does_not_matter() -> None:
    (server,) = servers("0.0.0.0:9000", image="registry.local/my-web:1")
    assert server.listeners == (Listener(9000),)
    assert servers(None, image="registry.local/my-web:1")[0].problems[0][0] == "NoAddress"


def test_the_providers_own_configuration_counts_where_the_link_says_nothing() -> None:
    (server,) = servers(None, config=[{"name": "own", "properties": {"default_address": "0.0.0.0:7000"}}])
    assert server.listeners == (Listener(7000),)


def test_named_configurations_are_asked_for() -> None:
    body = application("shop")
    link = body["spec"]["components"][1]["traits"][1]["properties"]
    link["source"]["config"] = [{"name": "listen-on"}]
    manifest = manifests.wanted(body).manifest
    assert endpoints.configs_to_ask(manifest) == {"listen-on"}
    (server,) = endpoints.http_servers(manifest, {"listen-on": {"ADDRESS": "0.0.0.0:6000"}})
    assert server.listeners == (Listener(6000),)


def test_the_first_service_is_named_as_the_application() -> None:
    web, admin = (HttpServer(name, name, (Listener(80),)) for name in ("web", "admin"))
    unreachable = HttpServer("x", "x", ())
    assert endpoints.service_names("shop", [unreachable, web, admin]) == {"web": "shop", "admin": "shop-admin"}


# -- placement ---------------------------------------------------------------------------------


def pod(name: str, **changes: Any) -> Pod:
    given: dict[str, Any] = {
        "namespace": "wild", "name": name, "uid": f"u-{name}", "host_config": "hosts", "ips": (f"10.0.0.{name[-1]}",),
        "ready": True, "terminating": False, "node": "n1", "host_labels": (),
    }  # fmt: skip
    return Pod(**given | changes)


def inventory(provider: str, **labels: str) -> Inventory:
    return Inventory("N1", "host", labels, "1.9.2", 1, (), (Provider(provider, "image", {}),))


def found(pods: list[Pod], *inventories: Inventory) -> tuple[list[Pod], bool]:
    return endpoints.pods_with("web", Placement(inventories), {one.name: one for one in pods})


def test_hosts_that_know_their_pod_say_exactly_which() -> None:
    pods = [pod("p1"), pod("p2")]
    assert found(pods, inventory("web", kubernetes_pod_name="p2"), inventory("other")) == ([pods[1]], True)


def test_hosts_of_the_original_operator_count_by_their_labels() -> None:
    pods = [pod("p1", host_labels=(("zone", "a"),)), pod("p2", host_labels=(("zone", "b"),))]
    assert found(pods, inventory("web", kubernetes="true", zone="b")) == ([pods[1]], False)


def test_hosts_outside_the_cluster_have_no_endpoints() -> None:
    assert found([pod("p1")], inventory("web")) == ([], True)


def slices(listener: Listener, *pods: Pod) -> list[Any]:
    server = HttpServer("web", "web", (listener,))
    return endpoints.slices("shop", "wild", "shop", "main", server, pods, {"uid": "u"})


def test_a_slice_of_each_family() -> None:
    made = slices(Listener(80), pod("p1", ips=("10.0.0.1", "fd00::1")), pod("p2", ready=False))
    assert [(one["metadata"]["name"], one["addressType"]) for one in made] == [("shop", "IPv4"), ("shop-ipv6", "IPv6")]
    assert [(one["addresses"], one["conditions"]["ready"]) for one in made[0]["endpoints"]] == [
        (["10.0.0.1"], True),
        (["10.0.0.2"], False),
    ]


def test_a_fixed_address_is_that_pods_alone() -> None:
    (made,) = slices(Listener(80, "10.0.0.2"), pod("p1"), pod("p2"))
    assert [one["addresses"] for one in made["endpoints"]] == [["10.0.0.2"]]


def test_a_pod_that_is_going_gets_no_new_requests() -> None:
    (made,) = slices(Listener(80), pod("p1", terminating=True))
    assert made["endpoints"][0]["conditions"] == {"ready": False, "serving": True, "terminating": True}


def test_many_pods_are_spread_over_slices() -> None:
    pods = [pod(f"p{n}", ips=(f"10.0.{n // 250}.{n % 250}",)) for n in range(1200)]
    made = slices(Listener(80), *pods)
    assert [(one["metadata"]["name"], len(one["endpoints"])) for one in made] == [("shop", 1000), ("shop-2", 200)]
