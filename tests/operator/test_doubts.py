"""What is said of a bad manifest without asking wadm or the API server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.bad_manifests import BAD, spoilt
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
    from tests.operator.world import application

    assert manifests.wanted(application("good")).doubts == ()
