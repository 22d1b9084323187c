"""A manifest as it is told to others without the values of configurations."""

from __future__ import annotations

from wadm.wire.manifests import manifest_from_builtins, manifest_to_builtins
from wadm.wire.told_manifest import LEFT_OUT, without_values

CONFIG = [{"name": "c", "properties": {"user": "me", "password": "hunter2"}}, {"name": "external"}]
MANIFEST = {
    "apiVersion": "core.oam.dev/v1beta1",
    "kind": "Application",
    "metadata": {"name": "shop", "annotations": {"version": "v1"}, "labels": {}},
    "spec": {
        "components": [
            {
                "name": "api",
                "type": "component",
                "properties": {"image": "registry.example/api:1", "config": CONFIG},
                "traits": [
                    {
                        "type": "link",
                        "properties": {
                            "namespace": "wasi",
                            "package": "http",
                            "interfaces": ["incoming-handler"],
                            "source": {"config": CONFIG},
                            "target": {"name": "http", "config": CONFIG},
                        },
                    }
                ],
            },
            {
                "name": "http",
                "type": "capability",
                "properties": {"image": "registry.example/http:1", "config": CONFIG},
            },
        ]
    },
}


def test_every_value_is_left_out_and_names_and_keys_stay() -> None:
    whole = manifest_to_builtins(manifest_from_builtins(MANIFEST))
    told = without_values(whole)
    assert "hunter2" not in repr(told)
    assert repr(whole).count("hunter2") == repr(told).count(f"'password': '{LEFT_OUT}'") == 4
    assert manifest_from_builtins(told).name == "shop"
    assert "hunter2" in repr(whole)


def test_what_is_named_config_and_is_none_is_told_as_it_is() -> None:
    odd = {"config": "text", "x": [{"config": [1, {"name": "c", "properties": None}]}]}
    assert without_values(odd) == odd
