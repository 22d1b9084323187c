"""The model of an API server does what a real one does, in what the operator relies on: the same steps on both."""

from __future__ import annotations

import os
import random
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any

import pytest

from tests.operator.cluster import Cluster
from tests.operator.model_cluster import ModelCluster, ModelKube
from tests.operator.world import World, application
from wadm.operator import names
from wadm.operator.kube import Kube, KubeError
from wadm.operator.login import Kubeconfig, Login
from wadm.operator.names import key_of

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]

NAMESPACE = "default"
MANAGER = "somebody"


@pytest.fixture(scope="module")
def nobody_acts(world: World) -> Iterator[None]:
    """No operator writes to the objects of these tests."""
    if world.operator.running:
        world.operator.stop()
    yield
    world.operator.start()


@pytest.fixture(params=["model", "real"])
async def kube(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    if request.param == "model":
        yield ModelKube(ModelCluster(lambda: 1_790_000_000.0), random.Random(1))
        return
    cluster: Cluster = request.getfixturevalue("cluster")
    request.getfixturevalue("nobody_acts")
    real = Kube(Login(Kubeconfig([os.fspath(cluster.kubeconfig())])))
    yield real
    await real.close()


async def made(kube: Any, name: str, **metadata: Any) -> Any:
    return await kube.create(application(name, namespace=NAMESPACE, **metadata), MANAGER)


async def refused(work: Any) -> tuple[int, str]:
    with pytest.raises(KubeError) as caught:
        await work
    return caught.value.status, caught.value.reason


async def test_what_is_new_has_a_generation_and_a_status_that_says_that_nobody_saw_it(kube: Any) -> None:
    body = await made(kube, "new")
    assert (body["metadata"]["generation"], body["status"]) == (1, {"observedGeneration": -1})
    assert await refused(kube.create(application("new", namespace=NAMESPACE))) == (409, "AlreadyExists")


async def test_what_changes_nothing_makes_no_version(kube: Any) -> None:
    body = await made(kube, "same")
    nothing = {"metadata": {"annotations": None}}
    # The default of a new status is stored with the first write.
    body = await kube.merge(names.APPLICATIONS, *key_of(body), nothing)
    again = await kube.merge(names.APPLICATIONS, *key_of(body), nothing)
    assert again["metadata"]["resourceVersion"] == body["metadata"]["resourceVersion"]


async def test_a_status_is_no_generation_and_a_spec_is(kube: Any) -> None:
    body = await made(kube, "stated")
    stated = await kube.merge(names.APPLICATIONS, *key_of(body), {"status": {"phase": "Deployed"}}, "status")
    assert (stated["metadata"]["generation"], stated["status"]["phase"]) == (1, "Deployed")
    await kube.merge(names.APPLICATIONS, *key_of(body), {"status": {"phase": "Failed"}})
    changed = await kube.merge(names.APPLICATIONS, *key_of(body), {"spec": {"policies": []}})
    assert (changed["metadata"]["generation"], changed["status"]["phase"]) == (2, "Deployed")


async def test_a_change_of_an_older_version_is_a_conflict(kube: Any) -> None:
    body = await made(kube, "older")
    await kube.merge(names.APPLICATIONS, *key_of(body), {"metadata": {"labels": {"a": "b"}}})
    version = body["metadata"]["resourceVersion"]
    patch = {"metadata": {"resourceVersion": version, "labels": {"a": "c"}}}
    assert await refused(kube.merge(names.APPLICATIONS, *key_of(body), patch)) == (409, "Conflict")
    steps = [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": version},
        {"op": "replace", "path": "/spec", "value": {"components": []}},
    ]
    changing = kube.json_patch(names.APPLICATIONS, *key_of(body), steps, MANAGER)
    assert await refused(changing) == (409, "Conflict")


async def test_deleting_another_or_an_older_one_deletes_nothing(kube: Any) -> None:
    body = await made(kube, "kept")
    metadata = body["metadata"]
    await kube.delete(names.APPLICATIONS, *key_of(body), "00000000-0000-0000-0000-000000000000")
    await kube.merge(names.APPLICATIONS, *key_of(body), {"metadata": {"labels": {"a": "b"}}})
    deleting = kube.delete(names.APPLICATIONS, *key_of(body), metadata["uid"], metadata["resourceVersion"])
    assert await refused(deleting) == (409, "Conflict")
    found, _ = await kube.list(names.APPLICATIONS, NAMESPACE)
    assert "kept" in {one["metadata"]["name"] for one in found}


async def test_a_finalizer_keeps_an_object_until_it_is_taken_away(kube: Any) -> None:
    body = await made(kube, "finalized", finalizers=["wasmcloud.dev/undeploy"])
    await kube.delete(names.APPLICATIONS, *key_of(body), body["metadata"]["uid"])
    (going,) = [one for one in (await kube.list(names.APPLICATIONS, NAMESPACE))[0] if key_of(one) == key_of(body)]
    assert "deletionTimestamp" in going["metadata"]
    await kube.merge(names.APPLICATIONS, *key_of(body), {"metadata": {"finalizers": []}})
    found, _ = await kube.list(names.APPLICATIONS, NAMESPACE)
    assert key_of(body) not in {key_of(one) for one in found}
    gone = kube.merge(names.APPLICATIONS, *key_of(body), {"metadata": {"finalizers": []}})
    assert await refused(gone) == (404, "NotFound")


def config_map(name: str, text: str, **metadata: Any) -> Any:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "data": {"a": text},
    }


async def test_applying_over_another_object_or_over_somebody_elses_fields_is_a_conflict(kube: Any) -> None:
    nobody = config_map("none", "x", uid="00000000-0000-0000-0000-000000000000")
    assert (await refused(kube.apply(nobody, MANAGER)))[0] == 409
    theirs = await kube.create(config_map("theirs", "x"), "them")
    assert (await refused(kube.apply(config_map("theirs", "y"), MANAGER, force=False)))[0] == 409
    forced = await kube.apply(config_map("theirs", "y", uid=theirs["metadata"]["uid"]), MANAGER)
    assert forced["data"] == {"a": "y"}
    entries = {(one["manager"], one["operation"]) for one in forced["metadata"]["managedFields"]}
    assert (MANAGER, "Apply") in entries


async def test_who_wrote_a_spec_is_on_record(kube: Any) -> None:
    body = await made(kube, "signed")
    spec = deepcopy(body["spec"])
    spec["components"][0]["properties"]["image"] = "registry.local/other:1"
    steps = [{"op": "replace", "path": "/spec", "value": spec}]
    changed = await kube.json_patch(names.APPLICATIONS, *key_of(body), steps, "other")
    writers = {one["manager"] for one in changed["metadata"]["managedFields"] if "f:spec" in one["fieldsV1"]}
    assert writers == {MANAGER, "other"}
