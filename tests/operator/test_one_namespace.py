"""An operator that serves one namespace, with the rights that the chart grants it then."""

from __future__ import annotations

from typing import Any

import pytest

from tests.operator.cluster import OPERATOR_NAMESPACE
from tests.operator.test_deploy import rules_of
from tests.operator.world import World, application, condition, eventually

pytestmark = [pytest.mark.xdist_group("kube"), pytest.mark.timeout(180)]


def granted(kind: str, namespace: str | None, rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A role for the narrow account, and its binding."""
    metadata = {"name": "narrow"} | ({"namespace": namespace} if namespace else {})
    api = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": metadata}
    return [
        {**api, "kind": kind, "rules": rules},
        {
            **api,
            "kind": f"{kind}Binding",
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "narrow"},
            "subjects": [{"kind": "ServiceAccount", "name": "narrow", "namespace": OPERATOR_NAMESPACE}],
        },
    ]


def test_rights_in_its_namespace_are_enough(world: World) -> None:
    world.operator.stop()
    served, other = world.namespace(), world.namespace()
    world.cluster.apply(
        *granted("ClusterRole", None, rules_of("cluster-rules")),
        *granted("Role", served, rules_of("rules")),
        *granted("Role", OPERATOR_NAMESPACE, rules_of("lease-rules")),
    )
    narrow = world.another_operator("narrow", "--namespace", served, user="narrow")
    narrow.start()
    world.cluster.apply(world.host_config(served), world.host_config(other, lattice=served))
    world.hosts(served)
    world.cluster.apply(application("near", namespace=served), application("far", namespace=other))
    eventually(lambda: world.status(served, "near").get("phase") == "Deployed")
    eventually(lambda: condition(world.status(served, "near"), "Reachable"))
    assert world.cluster.get("service", "near", served)
    assert world.cluster.get("deployment", "hosts", served)
    assert world.status(other, "far") == {"observedGeneration": -1}  # as the API server made it
    world.cluster.kubectl("delete", "app/near", "whc/hosts", "-n", served, "--timeout=60s")
    assert narrow.stop() == 0
    world.operator.start()  # for what other modules set up before their first test
    assert "forbidden" not in narrow.log.read_text()
