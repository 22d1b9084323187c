"""The objects of our own kinds: what is newer counts, and what is gone stays gone, in whichever order it is heard."""

from __future__ import annotations

from typing import Any

import pytest

from wadm.operator import names
from wadm.operator.store import ApplicationSink, HostConfigSink, Store

KINDS = [names.APPLICATIONS, names.HOST_CONFIGS]


def body(kind: names.Kind, version: int, **status: Any) -> dict[str, Any]:
    spec = {"components": []} if kind == names.APPLICATIONS else {"lattice": "main", "version": "1"}
    metadata = {"namespace": "wild", "name": "shop", "uid": "u", "generation": 1, "resourceVersion": str(version)}
    return {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec, "status": status}


class Kept:
    """A store, and what it tells."""

    def __init__(self, kind: names.Kind) -> None:
        self.told: list[str] = []
        self.store = Store(
            lambda one, before: self.told.append("changed"),
            lambda one: self.told.append("gone"),
            lambda one: self.told.append("gone" if key not in self.store.host_configs else "changed"),
        )
        applications = kind == names.APPLICATIONS
        self.sink = ApplicationSink(self.store) if applications else HostConfigSink(self.store)
        self.objects = self.store.applications if applications else self.store.host_configs


key = ("wild", "shop")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_an_answer_from_before_the_end_brings_nothing_back(kind: names.Kind) -> None:
    kept = Kept(kind)
    kept.sink.put(body(kind, 1))
    kept.sink.drop(key, "3")
    kept.sink.put(body(kind, 2, phase="Deployed"))  # the answer to a write of ours
    assert kept.objects == {}
    assert kept.told == ["changed", "gone"]
    kept.sink.put(body(kind, 4))  # made anew
    assert key in kept.objects


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_the_end_of_an_older_one_does_not_end_the_newer(kind: names.Kind) -> None:
    kept = Kept(kind)
    kept.sink.put(body(kind, 5))  # the answer to our creation
    kept.sink.drop(key, "3")
    assert key in kept.objects


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_what_is_older_changes_nothing_and_a_status_is_no_change(kind: names.Kind) -> None:
    kept = Kept(kind)
    kept.sink.put(body(kind, 5, phase="Deployed"))
    kept.sink.put(body(kind, 4, phase="Waiting"))
    assert kept.objects[key]["status"] == {"phase": "Deployed"}
    kept.sink.put(body(kind, 6, phase="Failed"))
    assert kept.told == ["changed"]
