"""Services, Ingresses and HTTPRoutes as annotations ask for them."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.operator import endpoints
from wadm.operator.endpoints import HttpServer, Listener
from wadm.operator.exposure import BadAnnotation, Exposure, exposure, routes, with_exposure

PREFIX = "wasmcloud.dev/"
OWNER = {"apiVersion": "core.oam.dev/v1beta1", "kind": "Application", "name": "shop", "uid": "u", "controller": True}


def plain() -> Any:
    server = HttpServer("web", "web", (Listener(8000), Listener(9000)))
    return endpoints.service("shop", "wild", "shop", "main", server, OWNER)


def asked(**annotations: str) -> Exposure:
    return exposure({f"{PREFIX}{key.replace('_', '-')}": text for key, text in annotations.items()}, "wild")


def test_without_annotations_it_is_a_service_in_the_cluster_that_has_both_families_where_there_are_two() -> None:
    service = with_exposure(plain(), asked())
    assert service["spec"]["type"] == "ClusterIP"
    assert service["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    assert "annotations" not in service["metadata"]
    assert routes(service, asked()) == []


def test_type_annotations_and_families() -> None:
    of = asked(
        service_type="LoadBalancer", service_annotations='{"lb.example/kind": "nlb"}',
        service_ip_family_policy="SingleStack",
    )  # fmt: skip
    service = with_exposure(plain(), of)
    assert (service["spec"]["type"], service["spec"]["ipFamilyPolicy"]) == ("LoadBalancer", "SingleStack")
    assert service["metadata"]["annotations"]["lb.example/kind"] == "nlb"


def test_a_change_of_annotations_is_a_difference_and_what_others_add_is_none() -> None:
    one, other = (with_exposure(plain(), asked(service_annotations=f'{{"a": "{text}"}}')) for text in "bc")
    assert endpoints.essence(one) != endpoints.essence(other)
    live = one | {"metadata": one["metadata"] | {"annotations": one["metadata"]["annotations"] | {"cloud": "x"}}}
    assert endpoints.essence(live) == endpoints.essence(one)
    assert endpoints.essence(one) != endpoints.essence(with_exposure(plain(), asked()))


def test_an_ingress_leads_to_the_first_port() -> None:
    of = asked(
        ingress_host="shop.example, *", ingress_class="nginx", ingress_path="/api", ingress_tls_secret="crt",
        ingress_annotations='{"a": "b"}',
    )  # fmt: skip
    (ingress,) = routes(with_exposure(plain(), of), of)
    spec = ingress["spec"]
    assert (ingress["kind"], ingress["metadata"]["name"]) == ("Ingress", "shop")
    assert [rule.get("host") for rule in spec["rules"]] == ["shop.example", None]
    (path,) = spec["rules"][0]["http"]["paths"]
    assert (path["path"], path["backend"]) == ("/api", {"service": {"name": "shop", "port": {"name": "http"}}})
    assert (spec["ingressClassName"], spec["tls"]) == ("nginx", [{"secretName": "crt", "hosts": ["shop.example"]}])
    assert ingress["metadata"]["ownerReferences"] == [OWNER]
    assert ingress["metadata"]["annotations"]["a"] == "b"


@pytest.mark.parametrize(
    ("gateway", "parent"),
    [
        ("edge", {"namespace": "wild", "name": "edge"}),
        ("infra/edge", {"namespace": "infra", "name": "edge"}),
        ("infra/edge/https", {"namespace": "infra", "name": "edge", "sectionName": "https"}),
    ],
)
def test_a_route_of_a_gateway(gateway: str, parent: Any) -> None:
    of = asked(http_route_gateway=gateway, http_route_host="shop.example")
    (route,) = routes(with_exposure(plain(), of), of)
    assert (route["apiVersion"], route["kind"]) == ("gateway.networking.k8s.io/v1", "HTTPRoute")
    assert route["spec"]["parentRefs"] == [parent]
    assert route["spec"]["hostnames"] == ["shop.example"]
    assert route["spec"]["rules"][0]["backendRefs"] == [{"name": "shop", "port": 8000}]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("service-type", "ExternalName"),
        ("service-ip-family-policy", "Both"),
        ("service-annotations", "a=b"),
        ("service-annotations", '{"a": 1}'),
        ("ingress-annotations", "[]"),
        ("ingress-path", "api"),
        ("http-route-gateway", "a/b/c/d"),
        ("http-route-gateway", "a//c"),
        ("http-route-path", ""),
    ],
)
def test_what_cannot_be_acted_on_is_named(name: str, text: str) -> None:
    with pytest.raises(BadAnnotation) as caught:
        exposure({f"{PREFIX}{name}": text}, "wild")
    assert str(caught.value).startswith(f"metadata.annotations[{PREFIX}{name}]")
