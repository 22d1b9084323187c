"""A kind of trait is known in one module: one that is added there is validated, compiled, planned and explained as any
other, and passes through the API as it was written."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest

from tests.engine.builders import a_host, a_lattice, asks, compiled, plan
from wadm.engine.expectations import Expectations
from wadm.engine.explain import explain_application
from wadm.engine.placing.targets import SpreadTarget, allocate
from wadm.engine.scalers import WorkloadScaler
from wadm.engine.traits import TRAIT_KINDS
from wadm.engine.traits.scaling import ScalingTrait
from wadm.engine.validate import refusal, validate, wants_nothing
from wadm.model.lattice import EntityKind, Lattice
from wadm.model.manifest import Custom, Manifest, Spread, SpreadProperties, Trait
from wadm.wire.manifests import encode_manifest, read_manifest

MANIFEST = """
apiVersion: core.oam.dev/v1beta1
kind: Application
metadata: {name: shop, annotations: {version: v1}}
spec:
  components:
    - name: web
      type: component
      properties: {image: "registry.example/web:1.0.0"}
      traits:
        - type: TYPE
          properties: PROPERTIES
"""


class Singleton(ScalingTrait):
    """One instance, in a zone."""

    type = "singleton"
    scaler_kind = "SingletonScaler"
    daemon = False

    def read(self, trait: Trait) -> SpreadProperties | None:
        data = trait.properties.data if isinstance(trait.properties, Custom) else None
        zone = data.get("zone") if isinstance(data, dict) else None
        return SpreadProperties(1, (Spread("single", {"zone": zone}),)) if isinstance(zone, str) else None

    def wrong_shape(self, properties: Any) -> tuple[str, str, str] | None:
        return "E099", "a singleton has no zone", "add zone"

    def targets(self, spread: SpreadProperties, kind: EntityKind) -> tuple[SpreadTarget, ...]:
        return allocate(spread)

    def wants(self, scaler: WorkloadScaler, lattice: Lattice) -> str:
        return f"one {scaler.image}"


@pytest.fixture
def _singleton(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add a kind of trait for the time of a test."""
    monkeypatch.setitem(TRAIT_KINDS, "singleton", Singleton())


def a_manifest(type_: str = "singleton", properties: str = "{zone: a}") -> Manifest:
    return read_manifest(MANIFEST.replace("TYPE", type_).replace("PROPERTIES", properties).encode())


def test_the_schema_for_editors_knows_every_kind_of_trait() -> None:
    schema = json.loads((files("wadm.cli") / "manifest.schema.json").read_text())
    trait = schema["$defs"]["trait"]
    described: set[str] = set()
    for rule in trait["allOf"]:
        types = rule["if"]["properties"]["type"]
        described |= set(types.get("enum", [types.get("const")]))
    assert described == set(trait["properties"]["type"]["examples"]) == TRAIT_KINDS.keys()


def test_a_trait_that_is_not_known_means_nothing() -> None:
    assert [problem.code for problem in validate(a_manifest())] == ["W027", "W028"]
    assert wants_nothing(a_manifest())
    assert compiled(a_manifest()).scalers == ()


@pytest.mark.usefixtures("_singleton")
def test_an_added_trait_is_kept_as_it_was_written() -> None:
    written = json.loads(encode_manifest(a_manifest()))
    assert written["spec"]["components"][0]["traits"] == [{"type": "singleton", "properties": {"zone": "a"}}]


@pytest.mark.usefixtures("_singleton")
def test_its_shape_is_checked() -> None:
    assert validate(a_manifest()) == []
    assert not wants_nothing(a_manifest())
    wrong = refusal(a_manifest(properties="{zone: 1}"))
    assert wrong is not None
    told = (wrong.code, wrong.message, wrong.path, wrong.hint)
    assert told == ("E099", "a singleton has no zone", "spec.components[0].traits[0].properties", "add zone")


@pytest.mark.usefixtures("_singleton")
def test_its_type_is_suggested_for_a_misspelt_one() -> None:
    hints = [problem.hint for problem in validate(a_manifest("singelton")) if problem.code == "W028"]
    assert hints == ["did you mean singleton?"]


@pytest.mark.usefixtures("_singleton")
def test_it_counts_among_the_scalers_of_a_component() -> None:
    text = MANIFEST.replace("TYPE", "singleton").replace("PROPERTIES", "{zone: a}")
    text += "        - {type: spreadscaler, properties: {instances: 1}}\n"
    assert [problem.code for problem in validate(read_manifest(text.encode()))] == ["W022"]


@pytest.mark.usefixtures("_singleton")
def test_what_it_wants_is_planned_and_explained() -> None:
    lattice = a_lattice(a_host("h1", zone="b"), a_host("h2", zone="a"))
    desired, planned = compiled(a_manifest()), plan(a_manifest(), lattice)
    assert asks(planned) == ["scale shop-web to 1 on h2 (registry.example/web:1.0.0)"]
    assert [(s.kind, s.type) for s in planned.status.scalers] == [("SingletonScaler", "reconciling")]
    [scaler] = explain_application(desired, planned, {}, lattice, Expectations()).scalers
    assert (scaler.kind, scaler.wants) == ("SingletonScaler", "one registry.example/web:1.0.0")
