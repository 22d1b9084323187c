"""Services that an original operator left behind."""

from __future__ import annotations

from typing import Any

from wadm.operator.services import Services


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
    services = Services(kube, None, None, lambda key: None)  # type: ignore[arg-type]
    services.services.objects = {
        ("wild", "gone"): kept("gone", finalizers=("operator.k8s.wasmcloud.dev/service",)),
        ("wild", "there"): kept("there"),
        ("wild", "ours"): kept("ours", owners=("uid",)),
    }
    await services.sweep(["there"])
    assert kube.asked == ["clear finalizers of wild/gone", "delete wild/gone"]
