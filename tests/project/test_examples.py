"""The manifests in ``examples/`` are valid, one by one and together."""

from pathlib import Path

import pytest

from wadm.engine.validate import validate
from wadm.model.manifest import Manifest
from wadm.wire.manifests import read_manifest

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
MANIFESTS = [read_manifest(path.read_bytes()) for path in EXAMPLES]


@pytest.mark.parametrize("manifest", MANIFESTS, ids=[path.name for path in EXAMPLES])
def test_is_valid_and_gives_no_cause_for_a_warning(manifest: Manifest) -> None:
    assert validate(manifest) == []


def test_each_is_an_application_of_its_own_with_a_version_and_a_description() -> None:
    assert len({manifest.name for manifest in MANIFESTS}) == len(MANIFESTS)
    assert all(manifest.version and manifest.description for manifest in MANIFESTS)


def test_what_they_share_is_there_to_be_shared() -> None:
    shared = {manifest.name: manifest for manifest in MANIFESTS if manifest.shared}
    references = [
        (component, reference)
        for manifest in MANIFESTS
        for component in manifest.spec.components
        if (reference := component.properties.application)
    ]
    assert references
    for component, reference in references:
        target = shared[reference.name].component(reference.component)
        assert target is not None
        assert target.kind == component.kind
