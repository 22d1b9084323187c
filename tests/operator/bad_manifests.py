"""Manifests that are wrong in one way each, and how it comes out.

``apply``: the API server refuses it, by the schema or by the policy of the chart. ``invalid``: the condition
``Accepted`` is false. ``doubt``: it is taken, as ``put`` takes it, and ``Accepted`` says what cannot work. Each has the
words by which the field and the reason are named.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.operator.world import application

SECRET_POLICY = {"name": "vault", "type": "policy.secret.wasmcloud.dev/v1alpha1", "properties": {"backend": "v"}}


class Bad(NamedTuple):
    """How a manifest is spoilt, how that comes out, and words that are said of it."""

    spoil: Callable[[Any], Any]
    outcome: str
    words: str


def scaler(body: Any) -> Any:
    return body["spec"]["components"][0]["traits"][0]["properties"]


def link(body: Any) -> Any:
    return body["spec"]["components"][1]["traits"][1]["properties"]


def component(body: Any) -> Any:
    return body["spec"]["components"][0]


def _spread(*spreads: Any) -> Callable[[Any], Any]:
    return lambda body: scaler(body).update(spread=[*spreads])


def _set(of: Callable[[Any], Any], **changes: Any) -> Callable[[Any], Any]:
    return lambda body: of(body).update(changes)


def _drop(of: Callable[[Any], Any], field: str) -> Callable[[Any], Any]:
    return lambda body: of(body).pop(field)


def _property(**changes: Any) -> Callable[[Any], Any]:
    return lambda body: component(body)["properties"].update(changes)


def _twice(body: Any) -> None:
    body["spec"]["components"][1]["name"] = component(body)["name"]


def _same_ids(body: Any) -> None:
    for one in body["spec"]["components"]:
        one["properties"]["id"] = "x"


def _same_call(body: Any) -> None:
    traits = body["spec"]["components"][1]["traits"]
    traits.append({"type": "link", "properties": {**traits[1]["properties"], "target": {"name": "httpserver"}}})


def _secret(policy: str, *policies: Any) -> Callable[[Any], Any]:
    def spoil(body: Any) -> None:
        component(body)["properties"]["secrets"] = [{"name": "s", "properties": {"policy": policy, "key": "k"}}]
        body["spec"]["policies"] = [*policies]

    return spoil


def _annotation(**notes: str) -> Callable[[Any], Any]:
    return lambda body: body["metadata"].setdefault("annotations", {}).update(notes)


def _trait(**trait: Any) -> Callable[[Any], Any]:
    return lambda body: component(body)["traits"].append(trait)


_COUNT = "instances of a scaler: one whole number, 0 or more"
_LINK = "of a link: it needs namespace, package, interfaces and target"

BAD: dict[str, Bad] = {
    "a negative number": Bad(_set(scaler, instances=-1), "apply", _COUNT),
    "a word for a number": Bad(_set(scaler, instances="many"), "apply", _COUNT),
    "a fraction": Bad(_set(scaler, instances=1.5), "apply", _COUNT),
    "a number beyond 32 bits": Bad(
        _set(scaler, instances=5_000_000_000), "doubt", "spec.components[0].traits[0].properties.instances: 5000000000"
    ),
    "no image": Bad(_drop(lambda body: component(body)["properties"], "image"), "apply", "either image or application"),
    "an empty image": Bad(_property(image=""), "doubt", "spec.components[0].properties.image: it is empty"),
    "both image and application": Bad(
        _property(application={"name": "a", "component": "b"}), "apply", "either image or application"
    ),
    "an unknown kind of component": Bad(_set(component, type="widget"), "apply", "is of type component"),
    "the same name twice": Bad(_twice, "apply", "spec.components[1]: Duplicate value"),
    "the same id twice": Bad(_same_ids, "apply", "two components have the same id"),
    "a name with a blank": Bad(
        lambda body: (_set(component, name="a b")(body), link(body)["target"].update(name="a b")),
        "doubt", "spec.components[0].name",
    ),
    "a name of 300 characters": Bad(
        lambda body: (_set(component, name="x" * 300)(body), link(body)["target"].update(name="x" * 300)),
        "doubt", "spec.components[0].name",
    ),
    "a link to nobody": Bad(lambda body: link(body)["target"].update(name="nobody"), "apply", "name of a component"),
    "a link without package": Bad(_drop(link, "package"), "apply", _LINK),
    "a link without namespace": Bad(_drop(link, "namespace"), "apply", _LINK),
    "a link without interfaces": Bad(_drop(link, "interfaces"), "apply", _LINK),
    "interfaces as a word": Bad(_set(link, interfaces="incoming-handler"), "apply", "interfaces a list of texts"),
    "two links that answer the same call": Bad(_same_call, "apply", "answer the same call"),
    "a misspelt property of a scaler": Bad(_set(scaler, replica=3), "apply", "the fields are instances"),
    "a misspelt key of the spec": Bad(lambda body: body["spec"].update(componets=[]), "doubt", "componets"),
    "an unknown type of trait": Bad(
        _trait(type="spreadscalar", properties={"instances": 1}), "doubt", "spec.components[0].traits[1]"
    ),
    "a negative weight": Bad(_spread({"name": "a", "requirements": {}, "weight": -5}), "apply", "weight"),
    "weights that sum to nothing": Bad(
        _spread({"name": "a", "requirements": {}, "weight": 0}), "doubt", "all weights are 0"
    ),
    "requirements as a list": Bad(_spread({"name": "a", "requirements": ["zone"]}), "apply", "requirements"),
    "the same spread name twice": Bad(
        _spread({"name": "a", "requirements": {}}, {"name": "a", "requirements": {}}), "doubt", "spreads are called a"
    ),
    "no components": Bad(_set(lambda body: body["spec"], components=[]), "doubt", "spec.components: it is empty"),
    "a configuration value that is no text": Bad(
        _property(config=[{"name": "c", "properties": {"port": 8080}}]), "apply", "properties.port"
    ),
    "a nested configuration value": Bad(
        _property(config=[{"name": "c", "properties": {"a": {"b": "c"}}}]), "apply", "properties.a"
    ),
    "a secret of an unknown policy": Bad(_secret("nowhere"), "apply", "must name a policy"),
    "a policy without backend": Bad(
        _secret("vault", SECRET_POLICY | {"properties": {}}), "apply", "must name a policy"
    ),
    "a version that is not allowed": Bad(_annotation(version="latest"), "apply", "latest is not allowed"),
    "properties within properties": Bad(_property(properties={"image": "x"}), "apply", "the fields are image"),
    "traits within properties": Bad(_property(traits=[]), "apply", "the fields are image"),
    "a link of the old form": Bad(
        _trait(type="linkdef", properties={"target": "httpserver", "values": {"a": "b"}}), "doubt",
        "spec.components[0].traits[1]",
    ),
    # Of the same kinds, others.
    "nothing for a number": Bad(_set(scaler, instances=None), "apply", _COUNT),
    "two numbers": Bad(_set(scaler, replicas=2), "apply", _COUNT),
    "a list for an image": Bad(_property(image=["a"]), "apply", "properties.image"),
    "a weight as a word": Bad(_spread({"name": "a", "weight": "heavy"}), "apply", "weight"),
    "a requirement that is no text": Bad(_spread({"name": "a", "requirements": {"zone": 1}}), "apply", "requirements"),
    "a spread without a name": Bad(_spread({"requirements": {}}), "apply", "a list of name"),
    "a misspelt key of a spread": Bad(_spread({"name": "a", "requirement": {}}), "apply", "a list of name"),
    "a link whose target has no name": Bad(_set(link, target={"config": []}), "apply", "name of a component"),
    "a policy that is not for secrets": Bad(
        _secret("vault", SECRET_POLICY | {"type": "other"}), "apply", "must name a policy"
    ),
    "a secret without a key": Bad(
        _property(secrets=[{"name": "s", "properties": {"policy": "vault"}}]), "apply", "properties.key: Required"
    ),
    "a configuration of two kinds of link under one name": Bad(
        lambda body: link(body)["source"]["config"].append(link(body)["source"]["config"][0]),
        "invalid", "spec.components[1].traits[1].properties.source.config[1].name",
    ),
    "a shared component with a scaler": Bad(
        lambda body: component(body).update(properties={"application": {"name": "a", "component": "b"}}),
        "invalid", "spec.components[0].traits[0]",
    ),
    "a misspelt key of a component": Bad(_set(component, trait=[]), "doubt", "spec.components[0].trait"),
    "no scaler": Bad(lambda body: component(body)["traits"].clear(), "doubt", "spec.components[0]"),
    "an empty name": Bad(
        lambda body: (_set(component, name="")(body), link(body)["target"].update(name="")),
        "doubt", "spec.components[0].name: it is empty",
    ),
    "an empty id": Bad(_property(id=""), "doubt", "spec.components[0].properties.id: '' cannot be part"),
    "an id with dots": Bad(_property(id="a.b"), "doubt", "spec.components[0].properties.id: 'a.b' cannot be part"),
    "an image with a blank": Bad(_property(image="ghcr.io/x y:1"), "doubt", "properties.image: the image 'ghcr"),
    "a link for no interface": Bad(
        _set(link, interfaces=[]), "doubt", "spec.components[1].traits[1].properties.interfaces: it is empty"
    ),
    "a link with an empty name": Bad(
        _set(link, name=""), "doubt", "spec.components[1].traits[1].properties.name: it is empty"
    ),
    "a link with a number for its name": Bad(_set(link, name=5), "apply", "interfaces a list of texts"),
    "a link that gives namespace and package in one": Bad(
        _set(link, namespace="wasi:http"), "doubt", "traits[1].properties.namespace: 'wasi:http' names no namespace"
    ),
    "a misspelt key of a link": Bad(_set(link, interface="x"), "doubt", "traits[1].properties.interface: unknown key"),
    "a link of a component to itself": Bad(
        lambda body: link(body)["target"].update(name="httpserver"), "doubt", "spec.components[1].traits[1]: the link"
    ),
    "two scalers": Bad(
        _trait(type="spreadscaler", properties={"instances": 2}), "doubt", "spec.components[0].traits: greeter has 2"
    ),
    "a requirement without a label": Bad(
        _spread({"name": "a", "requirements": {"": "x"}}), "doubt", "spread[0].requirements: a label has no name"
    ),
    "two policies of one name": Bad(
        _set(lambda body: body["spec"], policies=[SECRET_POLICY, SECRET_POLICY]), "doubt", "spec.policies[1].name"
    ),
    "two contents under one name of a configuration": Bad(
        _property(config=[{"name": "c", "properties": {"a": one}} for one in "bc"]), "doubt", "config[1]: the config"
    ),
    "digits in a text for a number": Bad(_set(scaler, instances="3"), "apply", _COUNT),
    "a truth for a number": Bad(_set(scaler, instances=True), "apply", _COUNT),
    "a trait that is nothing": Bad(_set(component, traits=[None]), "apply", "spec.components[0].traits[0]"),
    "no properties": Bad(_drop(component, "properties"), "apply", "spec.components[0].properties: Required"),
    "components as a map": Bad(_set(lambda body: body["spec"], components={}), "apply", "spec.components"),
}  # fmt: skip


def spoilt(kind: str, name: str = "bad", namespace: str = "default") -> Any:
    """Return a manifest that is wrong in that way."""
    body = application(name, namespace=namespace)
    BAD[kind].spoil(body)
    return body
