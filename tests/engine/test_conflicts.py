"""What deployed applications take from each other."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.engine.compile import compile_manifest
from wadm.engine.conflicts import conflicts, uses_of
from wadm.engine.scalers import Desired
from wadm.wire.manifests import manifest_from_builtins


def app(name: str, *components: dict[str, Any]) -> Desired:
    metadata = {"name": name, "annotations": {"version": "v1"}}
    return compile_manifest(
        manifest_from_builtins(
            {
                "apiVersion": "core.oam.dev/v1beta1",
                "kind": "Application",
                "metadata": metadata,
                "spec": {"components": list(components)},
            }
        )
    )


def component(name: str, **properties: Any) -> dict[str, Any]:
    scaler = {"type": "spreadscaler", "properties": {"instances": 1}}
    properties = {"image": "x/it:1", **properties}
    return {"name": name, "type": "component", "properties": properties, "traits": [scaler]}


def provider(address: str, target: str = "api", name: str = "http") -> dict[str, Any]:
    config = [{"name": "where", "properties": {"address": address}}]
    link = {"namespace": "wasi", "package": "http", "interfaces": ["incoming-handler"]}
    properties = {**link, "target": {"name": target}, "source": {"config": config}}
    traits = [{"type": "link", "properties": properties}]
    return {"name": name, "type": "capability", "properties": {"image": "x/http:1"}, "traits": traits}


def on(**hosts: list[str]) -> Any:
    return lambda kind, id_: hosts.get(id_.replace("-", "_"), [])


def test_applications_with_ids_of_their_own_share_nothing() -> None:
    assert conflicts(app("shop", component("api")), [app("store", component("api"))], on()) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (app("my-app", component("api")), app("my_app", component("api"))),
        (app("other", component("web", id="my_app-api")), app("my-app", component("api"))),
        (app("a", component("x", id="my_app-api")), app("b", component("y", id="my_app-api"))),
    ],
    ids=["generated alike", "explicit as generated", "explicit alike"],
)
def test_ids_are_compared_generated_ones_too(one: Desired, other: Desired) -> None:
    for mine, theirs in ((one, other), (other, one)):
        (text,) = conflicts(mine, [mine, theirs], on())
        said = f"The id my_app-api is also that of a component or provider of application {theirs.application}:"
        assert text.startswith(said)


@pytest.mark.parametrize(
    ("address", "other", "clash"),
    [
        ("127.0.0.1:8080", "127.0.0.1:8080", True),
        ("0.0.0.0:8080", "127.0.0.1:8080", True),
        ("127.0.0.1:8080", "[::]:8080", True),
        ("127.0.0.1:8080", "127.0.0.2:8080", False),
        ("127.0.0.1:8080", "127.0.0.1:8081", False),
        ("127.0.0.1:0", "127.0.0.1:0", False),
    ],
)
def test_two_providers_on_one_address_of_one_host(address: str, other: str, clash: bool) -> None:
    shop, store = app("shop", component("api"), provider(address)), app("store", component("api"), provider(other))
    found = conflicts(shop, [store], on(shop_http=["alpha", "beta"], store_http=["beta", "gamma"]))
    said = (
        f"shop-http listens on {address}, and so does store-http of application store on the same host beta: "
        "only one of the two can"
    )
    assert found == ((said,) if clash else ())
    assert conflicts(shop, [store], on(shop_http=["alpha"], store_http=["beta"])) == ()


def test_who_would_miss_a_shared_application() -> None:
    lib = {"name": "base", "type": "component", "properties": {"application": {"name": "lib", "component": "base"}}}
    users = [app("user", lib), app("shop", component("api"))]
    (text,) = uses_of("lib", users)
    assert text == "Application user uses components of this one: its links to them lead nowhere then"
