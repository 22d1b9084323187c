"""From a manifest to its scalers: their ids, which the original's must equal, and what is understood of traits."""

from __future__ import annotations

import json

import pytest

from tests.engine.builders import (
    a_bare,
    a_component,
    a_config,
    a_link,
    a_policy,
    a_provider,
    a_reference,
    a_scaler,
    a_secret,
    a_spread,
    an_app,
    an_external_config,
    link_scaler,
    workload,
)
from wadm.engine.compile import compile_manifest
from wadm.engine.placing.targets import SpreadTarget
from wadm.engine.scalers import LinkScaler, UnsatisfiableScaler, WorkloadScaler, nothing
from wadm.engine.traits.scope import secret_reference
from wadm.model import manifest as m
from wadm.model.manifest import Custom, Manifest, Trait
from wadm.model.names import entity_id, scaler_id

RUST_HELLO = "ghcr.io/wasmcloud/components/http-hello-world-rust:0.1.0"

# -- docs/protocol/reconciliation.md#examples-of-scaler-ids ---------------------------------------

HELLO = an_app(
    "hello-simple",
    a_component("hello", image=RUST_HELLO, id="http_hello_world"),
    a_provider(
        "httpserver",
        image="ghcr.io/wasmcloud/http-server:0.23.0",
        id="http_server",
        links=[a_link("hello", "incoming-handler", of="wasi:http", source_config=[a_config("httpaddr", address="x")])],
    ),
)
BLOBBY = an_app(
    "complex",
    a_component(
        "blobby",
        image="ghcr.io/wasmcloud/components/blobby-rust:0.4.0",
        id="littleblobbytables",
        config=[a_config("defaultcode", code="1"), an_external_config("blobby-default-configuration-values")],
    ),
)
HELLO_DAEMON = an_app("hello-simple", a_component("hello", image=RUST_HELLO, id="http_hello_world", daemon=True))


@pytest.mark.parametrize(
    ("manifest", "number", "id_of_the_original"),
    [
        pytest.param(HELLO, 0, "51f5a7b765665fbd56fb630960d59b2b6b5f41507ccfd5fe1eaca6b154f3c6ac", id="component"),
        pytest.param(HELLO, 1, "71e4e16aae6b1fd1cac75ad82f407ccabbba4adfcfb631c6a84da5db2eb4759b", id="provider"),
        pytest.param(HELLO, 2, "0fcff01255dc1d2cf54a276555e7cf894fae75a49d273d1a0264a609e9a62aa5", id="link"),
        pytest.param(BLOBBY, 0, "d36e09698c59c5e75ed6bf91e2ebda026b6aaa8bd247746260ea9fb6094838ce", id="with config"),
        pytest.param(HELLO_DAEMON, 0, "5e83f63152019d9b89a919409bcd0c8b53c38da78d00f4839d44dee7cf5d3624", id="daemon"),
    ],
)
def test_scaler_ids_are_the_originals(manifest: Manifest, number: int, id_of_the_original: str) -> None:
    assert compile_manifest(manifest).scalers[number].id == id_of_the_original


@pytest.mark.parametrize(
    ("application", "component", "expected"),
    [
        ("mymodel", "echo-component", "mymodel-echo_component"),
        ("some model name with spaces cause yaml", "echo", "some_model_name_with_spaces_cause_yaml-echo"),
        ("My ThInG", "thing.wasm", "my_thing-thing_wasm"),
        ("größe", "Ünï", "gr__e-_n_"),
    ],
)
def test_ids_are_sanitised_names(application: str, component: str, expected: str) -> None:
    assert entity_id(application, component) == expected
    assert workload(an_app(application, a_component(component)), component).entity_id == expected


def test_an_explicit_id_is_taken_as_it_is() -> None:
    assert workload(an_app("shop", a_component("web", id="My-Own.Id")), "web").entity_id == "My-Own.Id"


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(a_component("web", 9), id="number"),
        pytest.param(a_component("web", 1, a_spread("east", zone="east")), id="spread"),
        pytest.param(a_component("web", config=[]), id="nothing"),
    ],
)
def test_the_id_does_not_depend_on(change: m.Component) -> None:
    assert workload(an_app("shop", change), "web").id == workload(an_app("shop", a_component("web")), "web").id


def test_the_id_depends_on_the_names_of_configurations_and_not_on_their_content() -> None:
    def of(**properties: str) -> str:
        return workload(an_app("shop", a_component("web", config=[a_config("c", **properties)])), "web").id

    assert of(a="1") == of(a="2")
    assert of(a="1") != workload(an_app("shop", a_component("web")), "web").id


def test_the_id_of_an_earlier_image_can_be_told() -> None:
    old, new = (workload(an_app("shop", a_component("web", image=image)), "web") for image in ("x/web:1", "x/web:2"))
    assert new.id_for("x/web:1") == old.id
    daemon = workload(an_app("shop", a_component("web", daemon=True)), "web")
    assert daemon.id_for("x/web:1", daemon=False) == old.id


# -- which traits give which scalers ----------------------------------------------------------------

NOT_A_SPREAD = Trait("spreadscaler", Custom({"replicas": 1}))
A_LINK = a_link("kv")
KV = a_bare("kv", kind="capability", image="x/kv:1")
IMPLICIT_KV = "SpreadScaler shop-kv"


@pytest.mark.parametrize(
    ("component", "scalers"),
    [
        pytest.param(a_bare("web", image="x/web:1"), [], id="a component without a scaler trait does not run"),
        pytest.param(a_bare("web", a_scaler(2), image="x/web:1"), ["SpreadScaler shop-web"], id="spread"),
        pytest.param(a_bare("web", a_scaler(2, daemon=True), image="x/web:1"), ["DaemonScaler shop-web"], id="daemon"),
        pytest.param(a_bare("web", NOT_A_SPREAD, image="x/web:1"), [], id="properties of another shape say nothing"),
        pytest.param(
            a_bare("http", kind="capability", image="x/http:1"),
            ["SpreadScaler shop-http"],
            id="a provider without a scaler trait runs once",
        ),
        pytest.param(
            a_bare("http", NOT_A_SPREAD, kind="capability", image="x/http:1"),
            ["SpreadScaler shop-http"],
            id="so does one whose trait is of another shape",
        ),
        pytest.param(
            a_bare("http", a_scaler(1, daemon=True), kind="capability", image="x/http:1"),
            ["DaemonScaler shop-http"],
            id="provider daemon",
        ),
        pytest.param(
            a_bare("web", Trait("linkdef", A_LINK.properties), image="x/web:1"), [], id="a link by another type"
        ),
        pytest.param(a_bare("web", Trait("link", Custom({})), image="x/web:1"), [], id="a link of another shape"),
        pytest.param(
            a_reference("web", "base", "web", a_scaler(3)), [], id="a shared component is scaled by its owner"
        ),
        pytest.param(
            a_reference("web", "base", "web", A_LINK),
            ["LinkScaler base-web -(wasi:keyvalue)-> shop-kv"],
            id="a shared component can be linked",
        ),
    ],
)
def test_traits(component: m.Component, scalers: list[str]) -> None:
    found = compile_manifest(an_app("shop", component, KV)).scalers
    assert [f"{s.kind} {s.name}" for s in found] == [*scalers, IMPLICIT_KV]


def test_the_implicit_scaler_of_a_provider_comes_after_its_links() -> None:
    http = a_bare("http", a_link("web", of="wasi:http"), kind="capability", image="x/http:1")
    kinds = [s.kind for s in compile_manifest(an_app("shop", http, a_component("web"))).scalers]
    assert kinds == ["LinkScaler", "SpreadScaler", "SpreadScaler"]


def test_a_provider_runs_once_anywhere_by_default() -> None:
    assert workload(an_app("shop", KV), "kv").shares == (SpreadTarget("default", (), 1),)


# -- what cannot be done, and says so ---------------------------------------------------------------


def hopes(manifest: Manifest) -> dict[str, str]:
    return {s.name: s.message for s in compile_manifest(manifest).scalers if isinstance(s, UnsatisfiableScaler)}


@pytest.mark.parametrize(
    ("components", "name", "message"),
    [
        pytest.param(
            [a_bare("web", a_scaler(1))],
            "web",
            "Application did not specify an image or shared application reference",
            id="no image",
        ),
        pytest.param(
            [a_bare("web", a_scaler(1), image="x/web:1", application=m.SharedReference("base", "web"))],
            "web",
            "Application specified both an image and a shared application reference",
            id="image and reference",
        ),
        pytest.param(
            [a_component("web", links=[a_link("kv")]), a_bare("kv", kind="capability")],
            "kv -(wasi:keyvalue)-> kv",
            "Application did not specify an image or shared application reference",
            id="link to what cannot be resolved",
        ),
        pytest.param(
            [a_component("web", links=[a_link("kv")])],
            "shop-web -(wasi:keyvalue)-> kv",
            "web is linked to kv, which the manifest does not have",
            id="link to nothing",
        ),
        pytest.param(
            [a_provider("http", links=[a_link("kv")]), KV],
            "shop-http -(wasi:keyvalue)-> shop-kv",
            "A provider cannot be linked to a provider (http to kv)",
            id="provider to provider",
        ),
        pytest.param(
            [a_bare("web", a_scaler(1), a_scaler(2), image="x/web:1")],
            "shop-web",
            "Only the first scaler of shop-web is used: it has several scaler traits",
            id="two scalers",
        ),
        pytest.param(
            [a_component("web", id="same"), a_component("api", id="same")],
            "same",
            "Only the first scaler of same is used: web has the same id",
            id="two components with one id",
        ),
    ],
)
def test_what_cannot_be_done_is_said(components: list[m.Component], name: str, message: str) -> None:
    assert hopes(an_app("shop", *components))[name] == message


def test_of_two_scalers_the_first_is_used() -> None:
    manifest = an_app("shop", a_bare("web", a_scaler(1), a_scaler(2), image="x/web:1"))
    assert [w.shares[0].target for w in compile_manifest(manifest).workloads] == [1]


# -- shared applications ----------------------------------------------------------------------------

BASE = an_app("base", a_component("lib", id="the-lib"), a_provider("kv"))


def test_a_reference_stands_for_the_id_that_the_shared_manifest_gives() -> None:
    user = an_app("user", a_provider("web", links=[a_link("lib")]), a_reference("lib", "base", "lib"))
    link = next(iter(compile_manifest(user, {"base": BASE}.get).links)).link
    assert (link.source_id, link.target) == ("user-web", "the-lib")


def test_without_the_shared_manifest_the_id_is_made_of_names() -> None:
    user = an_app("user", a_component("web", links=[a_link("kv")]), a_reference("kv", "base", "kv"))
    assert link_scaler(user).link.target == "base-kv"
    assert compile_manifest(user).shared == {"base"}


def test_a_link_of_a_shared_source_has_the_shared_applications_name_in_its_id() -> None:
    user = an_app("user", a_reference("lib", "base", "lib", a_link("kv")), KV)
    scaler = link_scaler(user)
    assert scaler.model_name == "base"
    parts = ("default", "base-lib", "user-kv", "wasi", "keyvalue", "store")
    assert scaler.id == scaler_id("LinkScaler", "base", *parts)


# -- links ------------------------------------------------------------------------------------------


def test_a_link_names_configurations_and_secrets_in_order() -> None:
    link = a_link(
        "kv",
        config=[a_config("url", u="1"), an_external_config("pool")],
        secrets=[a_secret("password")],
        source_config=[a_config("timeout", t="2")],
    )
    manifest = an_app("my shop", a_component("web", links=[link]), KV, policies=[a_policy()])
    found = link_scaler(manifest).link
    assert found.source_config == ("my_shop-timeout",)
    assert found.target_config == ("my_shop-url", "pool", "SECRET_my_shop-password")


def test_several_traits_that_mean_one_link_become_one_link() -> None:
    links = [a_link("kv", "store"), a_link("kv", "store atomics", config=[a_config("c", k="v")])]
    scalers = compile_manifest(an_app("shop", a_component("web", links=links), KV)).links
    assert [s.link.interfaces for s in scalers] == [("store", "atomics")] * 2
    assert [s.link.target_config for s in scalers] == [("shop-c",)] * 2
    assert scalers[0].id != scalers[1].id


def test_the_first_component_of_the_targets_name_is_meant() -> None:
    twice = [a_component("api", id="first"), a_component("api", id="second")]
    manifest = an_app("shop", a_component("web", links=[a_link("api")]), *twice)
    assert link_scaler(manifest).link.target == "first"


# -- configurations and secrets ---------------------------------------------------------------------


def test_configurations_are_wanted_by_their_names_in_the_lattice() -> None:
    web = a_component("web", config=[a_config("a-b", k="1"), an_external_config("a-b")], secrets=[a_secret("pw")])
    desired = compile_manifest(an_app("Shop", web, policies=[a_policy()]))
    assert list(desired.configs) == ["shop-a_b", "a-b", "SECRET_shop-pw"]
    assert desired.configs["shop-a_b"] == {"k": "1"}
    assert desired.configs["a-b"] is None


def test_of_two_configurations_with_one_name_the_first_counts() -> None:
    components = [a_component(name, config=[a_config("c", of=name)]) for name in ("one", "two")]
    assert compile_manifest(an_app("shop", *components)).configs == {"shop-c": {"of": "one"}}


def test_a_given_configuration_counts_where_another_entry_only_names_it() -> None:
    components = [
        a_component("one", config=[an_external_config("shop-c")]),
        a_component("two", config=[a_config("c", k="v")]),
    ]
    assert compile_manifest(an_app("shop", *components)).configs == {"shop-c": {"k": "v"}}


def test_a_secret_is_stored_as_a_reference_without_its_value() -> None:
    secret = m.SecretProperty("token", "vault", "apps/shop/token")
    reference = secret_reference(secret, m.Policy("vault", {"backend": "vault", "mount": "kv"}, m.SECRET_POLICY_TYPE))
    assert reference == {
        "name": "token",
        "type": "secret.wasmcloud.dev/v1alpha1",
        "backend": "vault",
        "key": "apps/shop/token",
        "policy": '{"type":"properties.secret.wasmcloud.dev/v1alpha1","properties":{"mount":"kv"}}',
    }


def test_field_and_version_of_a_secret_are_given_where_they_are_named() -> None:
    reference = secret_reference(m.SecretProperty("token", "vault", "k", "password", "3"), a_policy())
    assert (reference["field"], reference["version"]) == ("password", "3")


@pytest.mark.parametrize("policy", [None, m.Policy("vault", {"backend": "b"}, "another.type")])
def test_a_secret_without_its_policy_has_no_backend(policy: m.Policy | None) -> None:
    reference = secret_reference(a_secret("token"), policy)
    assert reference["backend"] == ""
    assert json.loads(reference["policy"])["properties"] == {}


# -- the whole --------------------------------------------------------------------------------------


def test_scalers_come_in_the_order_of_the_manifest() -> None:
    scalers = compile_manifest(HELLO).scalers
    assert [type(s) for s in scalers] == [WorkloadScaler, WorkloadScaler, LinkScaler]
    assert [s.name for s in scalers] == [
        "http_hello_world",
        "http_server",
        "http_server -(wasi:http)-> http_hello_world",
    ]


def test_an_application_that_is_not_deployed_wants_nothing() -> None:
    assert nothing("shop").scalers == ()
    assert nothing("shop").version is None
