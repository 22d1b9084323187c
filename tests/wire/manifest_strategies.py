"""Manifests of every shape, for what must hold for all of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from wadm.model.manifest import (
    Application,
    Component,
    ConfigProperty,
    Custom,
    LinkProperties,
    LinkSource,
    LinkTarget,
    Manifest,
    Metadata,
    Policy,
    Properties,
    SecretProperty,
    SharedReference,
    Specification,
    Spread,
    SpreadProperties,
    Trait,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
strings = st.dictionaries(texts, texts, max_size=3).map(lambda found: dict(sorted(found.items())))
unsigned = st.integers(0, 2**64 - 1)


def tuples(items: st.SearchStrategy[Any], most: int = 2) -> st.SearchStrategy[Any]:
    return st.lists(items, max_size=most).map(tuple)


configs = tuples(st.builds(ConfigProperty, texts, st.none() | strings))
secrets = tuples(st.builds(SecretProperty, texts, texts, texts, st.none() | texts, st.none() | texts))

json_data = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(texts, inner, max_size=3).map(lambda found: dict(sorted(found.items())))
    ),
    max_leaves=6,
)


def is_custom(data: Any) -> bool:
    """Whether data could not be taken for a link or a scaler."""
    return not isinstance(data, dict) or not ({"instances", "replicas", "interfaces"} & data.keys())


links = st.builds(
    LinkProperties,
    texts,
    texts,
    tuples(texts),
    st.builds(LinkTarget, texts, configs, secrets),
    st.none() | st.builds(LinkSource, configs, secrets),
    st.none() | texts,
)
scalers = st.builds(SpreadProperties, unsigned, tuples(st.builds(Spread, texts, strings, st.none() | unsigned)))
trait_types = st.sampled_from(["link", "spreadscaler", "daemonscaler", "linkdef"]) | texts
traits = st.builds(Trait, trait_types, links | scalers | json_data.filter(is_custom).map(Custom))
properties = st.builds(
    Properties,
    st.none() | texts,
    st.none() | st.builds(SharedReference, texts, texts),
    st.none() | texts,
    configs,
    secrets,
)
components = st.builds(
    Component, texts, st.sampled_from(["component", "capability"]), properties, st.none() | tuples(traits)
)
specifications = st.builds(Specification, tuples(components), tuples(st.builds(Policy, texts, strings, texts)))
manifests = st.builds(Manifest, texts, texts, st.builds(Metadata, texts, strings, strings), specifications)


@st.composite
def applications(draw: st.DrawFn) -> Application:
    """Applications with up to three versions, one of which may be deployed."""
    name = draw(texts)
    versions = draw(st.lists(texts, min_size=1, max_size=3, unique=True))
    stored = {
        version: Manifest("a", "b", Metadata(name, {"version": version}), draw(specifications)) for version in versions
    }
    return Application(name, stored, draw(st.none() | st.sampled_from(versions)))
