"""Services that were left behind: by an original operator, or of an application whose object is gone."""

from __future__ import annotations

from typing import Any

from wadm.operator import names
from wadm.operator.service_objects import ServiceObjects


class Recorded:
    """A Kubernetes that only notes what it is asked to do."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def merge(self, kind: Any, namespace: str, name: str, patch: Any) -> None:
        self.asked.append(f"clear finalizers of {namespace}/{name}")

    async def delete(self, kind: Any, namespace: str, name: str) -> None:
        self.asked.append(f"delete {namespace}/{name}")


def kept(application: str, owners: tuple[str, ...] = (), finalizers: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"labels": {"app.kubernetes.io/name": application}, "owners": owners, "finalizers": finalizers}


async def test_only_what_nobody_owns_and_no_application_is_named_as_goes() -> None:
    kube = Recorded()
    services = ServiceObjects(kube, None, None, lambda key: None)  # type: ignore[arg-type]
    services.services.objects = {
        ("wild", "gone"): kept("gone", finalizers=("operator.k8s.wasmcloud.dev/service",)),
        ("wild", "there"): kept("there"),
        ("wild", "ours"): kept("ours", owners=("uid",)),
    }
    services.services.objects["unknown", "gone"] = kept("gone")
    await services.sweep({"wild": ["there"]})
    assert kube.asked == ["clear finalizers of wild/gone", "delete wild/gone"]


async def test_what_was_written_while_the_object_went_goes_too() -> None:
    kube = Recorded()
    services = ServiceObjects(kube, None, None, lambda key: None)  # type: ignore[arg-type]
    for name in ("late", "other"):
        services._made_for[names.SERVICES, ("wild", name)] = ("wild", name)
        services.services.objects["wild", name] = kept(name, owners=("uid",))
    await services.clear(("wild", "late"))
    assert kube.asked == ["delete wild/late"]
