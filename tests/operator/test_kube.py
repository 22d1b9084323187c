"""What is sent to the API server."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.operator.kube import merge_patch


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
