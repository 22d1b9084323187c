"""What is sent to the API server."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.operator.kube import KubeError, merge_patch


@pytest.mark.parametrize(
    ("before", "after", "patch"),
    [
        ({"a": 1}, {"a": 1}, {}),
        ({"a": 1, "b": 2}, {"a": 3}, {"a": 3, "b": None}),
        ({"a": {"b": 1, "former": [1]}}, {"a": {"b": 1}}, {"a": {"former": None}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({}, {"a": {"b": 1}}, {"a": {"b": 1}}),
        ({"a": {"b": 1}}, {"a": 1}, {"a": 1}),
    ],
    ids=["the same", "a field goes", "a field within goes", "lists are whole", "new", "of another type"],
)
def test_a_merge_patch_leaves_nothing_behind(before: Any, after: Any, patch: Any) -> None:
    assert merge_patch(before, after) == patch


@pytest.mark.parametrize(
    ("error", "refused"),
    [
        (KubeError(422, "Invalid", "spec.replicas: must be positive"), True),
        (KubeError(403, "Forbidden", "you may not"), True),
        (KubeError(500, "", "failed to convert new object (x): quantities must match"), True),
        (KubeError(500, "", "etcdserver: request timed out"), False),
        (KubeError(500, "InternalError", "failed calling webhook"), False),
        (KubeError(504, "Timeout", "request did not complete"), False),
        (KubeError(0, "NoAnswer", "the API server does not answer"), False),
    ],
    ids=lambda one: str(one),
)
def test_what_is_wrong_with_the_object_and_what_with_the_server(error: KubeError, refused: bool) -> None:
    assert error.refused is refused
