"""What is said of a bad manifest without asking wadm or the API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.bad_manifests import BAD, spoilt
from tests.operator.world import application
from wadm.errors import ManifestInvalid
from wadm.operator import conditions, manifests

VERDICT = {"apply": "invalid", "invalid": "invalid", "doubt": "doubt"}


@pytest.mark.parametrize("kind", BAD)
def test_each_kind_is_named_with_its_field(kind: str) -> None:
    body: Any = spoilt(kind)
    try:
        said = [conditions.warning(one) for one in manifests.wanted(body).doubts]
    except ManifestInvalid as error:
        assert BAD[kind].outcome in ("apply", "invalid")
        message = conditions.invalid(error).message
        assert "spec" in message or "metadata" in message
    else:
        assert BAD[kind].outcome == "doubt", said
        assert any(BAD[kind].words in one for one in said), said


def test_a_good_manifest_leaves_no_doubt() -> None:
    assert manifests.wanted(application("good")).doubts == ()


@pytest.mark.parametrize(
    ("annotations", "key", "words"),
    [
        ({"ingress-hosts": "a.example"}, "ingress-hosts", "did you mean wasmcloud.dev/ingress-host?"),
        ({"on_delete": "keep"}, "on_delete", "did you mean wasmcloud.dev/on-delete?"),
        ({"on-delete": "Keep"}, "on-delete", "undeploys"),
        ({"service": "no"}, "service", "neither true nor false"),
        ({"progress-deadline-seconds": "10m"}, "progress-deadline-seconds", "'10m' is not a whole number"),
        ({"progress-deadline-seconds": "0"}, "progress-deadline-seconds", "1 or more"),
        ({"ingress-path": "/a"}, "ingress-path", "without wasmcloud.dev/ingress-host"),
        ({"http-route-host": "a"}, "http-route-host", "without wasmcloud.dev/http-route-gateway"),
        ({"ingress-host": "a", "service": "false"}, "ingress-host", "no Services"),
    ],
)
def test_annotations_that_do_nothing_are_named(annotations: dict[str, str], key: str, words: str) -> None:
    given = {f"wasmcloud.dev/{name}": value for name, value in annotations.items()}
    (doubt,) = manifests.wanted(application("shop", annotations=given)).doubts
    said = conditions.warning(doubt)
    assert said.startswith(f"metadata.annotations[wasmcloud.dev/{key}]: ")
    assert words in said


def test_annotations_of_others_and_good_ones_leave_no_doubt() -> None:
    notes = {"authors": "a", "version": "1", "source-url": "b", "categories": "c", "readme-md-url": "d"}
    ours = {
        "lattice": "a", "application": "b", "on-delete": "keep", "service": "true", "progress-deadline-seconds": "60",
        "service-type": "NodePort", "ingress-host": "a", "ingress-path": "/", "http-route-gateway": "a",
        "http-route-host": "b",
    }  # fmt: skip
    given = {f"wasmcloud.dev/{name}": value for name, value in (notes | ours).items()}
    assert manifests.wanted(application("shop", annotations=given | {"version": "v1"})).doubts == ()
