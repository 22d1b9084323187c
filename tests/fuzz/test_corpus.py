"""The inputs that are kept for each reader: it takes them, or refuses them as it should."""

from __future__ import annotations

import pytest

from tests.fuzz.readers import READERS, corpus


@pytest.mark.parametrize("name", READERS)
def test_a_reader_gets_along_with_what_is_kept_for_it(name: str) -> None:
    inputs = corpus(name)
    assert inputs
    for data in inputs:
        READERS[name](data)
