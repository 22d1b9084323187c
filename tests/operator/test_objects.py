"""Applications as objects: what becomes a manifest, under which version, who owns it, which lattice it is of."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.operator.world import application
from wadm.client import manifests as client_manifests
from wadm.errors import ManifestInvalid
from wadm.operator import manifests, names, ownership, targets
from wadm.operator.conditions import Condition
from wadm.operator.targets import Place, Target, choose, same_lattice, server_url, target_of, undecided

SHOP = Place(Target("main"), "shop")


def body(name: str = "shop", **metadata: Any) -> dict[str, Any]:
    made = application(name, **metadata)
    made["metadata"] |= {"namespace": "wild", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return made


def test_notes_of_tools_make_no_new_version() -> None:
    plain = manifests.wanted(body(annotations={"version": "v1"}))
    noted = manifests.wanted(
        body(
            annotations={
                "version": "v1",
                "kubectl.kubernetes.io/last-applied-configuration": "{}",
                "argocd.argoproj.io/tracking-id": "x",
                "wasmcloud.dev/on-delete": "keep",
            },
            labels={"app.kubernetes.io/instance": "argo"},
        )
    )
    assert plain.digest == noted.digest
    assert noted.data("v1") == plain.data("v1")


def test_what_is_not_a_tools_note_is_carried() -> None:
    made = manifests.wanted(
        body(annotations={"description": "d", "wasmcloud.dev/authors": "us", "corp.example/x": "y"})
    )
    assert set(made.manifest.metadata.annotations) == {"description", "wasmcloud.dev/authors", "corp.example/x"}


@pytest.mark.parametrize(
    ("annotations", "labels"),
    [({}, {"velero.io/restore-name": "x"}), ({"corp.example/run": "7"}, {}), ({}, {"skaffold.dev/run-id": "1"})],
)
def test_only_spec_version_and_description_make_a_version(annotations: Any, labels: Any) -> None:
    plain, noted = manifests.wanted(body()), manifests.wanted(body(annotations=annotations, labels=labels))
    assert (noted.digest, noted.version) == (plain.digest, plain.version)
    assert manifests.same(noted.manifest, plain.manifest)
    described = manifests.wanted(body(annotations={"description": "new"}))
    assert described.digest != plain.digest
    assert not manifests.same(described.manifest, plain.manifest)


@pytest.mark.parametrize(
    ("asked", "stored", "is_it"),
    [
        ("v1", "v1", True), ("v1", "v1+0a1b", True), ("v1", "v10", False), ("v2", "v1", False), (None, "k8s-0a", True),
        (None, "v1", False),
    ],
)  # fmt: skip
def test_which_stored_version_may_be_what_is_asked_for(asked: str | None, stored: str, is_it: bool) -> None:
    wanted = manifests.wanted(body(annotations={"version": asked} if asked else {}))
    assert wanted.is_version(stored) is is_it


def test_only_a_version_made_of_the_content_says_who_stored_it() -> None:
    named = manifests.wanted(body(annotations={"version": "v1"}))
    assert not named.is_made_version("v1")
    assert named.is_made_version(named.other_version)
    unnamed = manifests.wanted(body())
    assert unnamed.is_made_version(unnamed.version)
    assert not unnamed.is_made_version("v1")


def test_versions() -> None:
    unnamed, named = manifests.wanted(body()), manifests.wanted(body(annotations={"version": "v1"}))
    assert unnamed.version == f"k8s-{unnamed.digest}"
    assert (named.version, named.other_version) == ("v1", f"v1+{named.digest}")
    changed = body()
    changed["spec"]["components"][0]["traits"][0]["properties"]["instances"] = 7
    assert manifests.wanted(changed).version != unnamed.version
    assert client_manifests.read(unnamed.data("k8s-x")).version == "k8s-x"


def test_spellings_are_no_difference() -> None:
    old, new = body(), body()
    properties = old["spec"]["components"][1]["traits"][1]["properties"]
    properties["source_config"] = properties.pop("source")["config"]
    properties["target"] = "greeter"
    assert manifests.same(manifests.wanted(old).manifest, manifests.wanted(new).manifest)


def test_a_name_that_wadm_cannot_have_is_refused_and_can_be_given_in_an_annotation() -> None:
    with pytest.raises(ManifestInvalid, match=r"wasmcloud\.dev/application"):
        manifests.wanted(body("my.shop"))
    assert manifests.wanted(body("my.shop", annotations={"wasmcloud.dev/application": "My_Shop"})).name == "My_Shop"


def test_a_mirror_shows_the_manifest_and_reads_back_as_it() -> None:
    manifest = client_manifests.read(manifests.wanted(body()).data("v3"))
    shown = manifests.mirror(manifest, "v3", "main", "wild", "shop")
    assert ownership.is_mirror(shown)
    assert shown["metadata"]["annotations"] == {
        "version": "v3",
        "wasmcloud.dev/lattice": "main",
        "wasmcloud.dev/mirrored-version": "v3",
    }
    assert manifests.wanted(shown).manifest == manifest


@pytest.mark.parametrize(
    ("name", "label"),
    [("shop", "shop"), ("a-1", "a-1"), ("Shop", "shop-"), ("my_shop", "my-shop-"), ("1st", "app-1st-")],
)
def test_names_for_services_and_mirrors(name: str, label: str) -> None:
    made = names.dns_label(name)
    assert made.startswith(label)
    assert names.dns_label(made) == made
    assert len(names.dns_label(name * 40)) <= 63


# -- ownership ---------------------------------------------------------------------------------


def mirror(*entries: dict[str, Any], **annotations: str) -> dict[str, Any]:
    return {
        "metadata": {
            "labels": {"wasmcloud.dev/owner": "wadm"},
            "annotations": annotations,
            "managedFields": [{"manager": "wadm-operator-mirror", "fieldsV1": {"f:spec": {}}}, *entries],
        }
    }


@pytest.mark.parametrize(
    ("entry", "claimed"),
    [
        ({"manager": "kubectl-edit", "fieldsV1": {"f:spec": {}}}, True),
        ({"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {}}}, True),
        ({"manager": "kubectl-label", "fieldsV1": {"f:metadata": {"f:labels": {}}}}, False),
        ({"manager": "wadm-operator", "subresource": "status", "fieldsV1": {"f:status": {}, "f:spec": {}}}, False),
    ],
    ids=["edited", "applied", "labelled", "status"],
)
def test_who_writes_the_spec_of_a_mirror_takes_it_over(entry: dict[str, Any], claimed: bool) -> None:
    assert ownership.is_claimed(mirror(entry)) is claimed
    assert not ownership.is_claimed(mirror())


def test_applying_the_very_same_takes_it_over_too() -> None:
    assert ownership.is_claimed(mirror(**{ownership.LAST_APPLIED: "{}"}))


def test_who_has_it_keeps_it() -> None:
    older, holder = body("a"), body("b")
    holder["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    for one in (older, holder):
        one["metadata"]["annotations"] = {"wasmcloud.dev/application": "shop"}
    holder["status"] = {"lattice": "main", "applied": {"version": "v1"}}
    assert ownership.winner([older, holder], SHOP) is holder


def test_who_had_another_application_before_comes_after_who_is_there() -> None:
    here, moved = body("b"), body("a")
    here["status"] = {"lattice": "main", "applied": {"version": "v1", "name": "shop", "lattice": "main"}}
    moved["status"] = {"lattice": "main", "applied": {"version": "v1", "name": "old", "lattice": "main"}}
    here["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    assert ownership.winner([moved, here], SHOP) is here


def test_the_oldest_counts_and_a_mirror_last() -> None:
    older, newer, shown = body("a"), body("b"), body("c", labels={"wasmcloud.dev/owner": "wadm"})
    newer["metadata"]["creationTimestamp"] = "2026-01-02T00:00:00Z"
    shown["metadata"]["creationTimestamp"] = "2025-01-01T00:00:00Z"
    assert ownership.winner([shown, newer, older], SHOP) is older
    assert ownership.winner([shown, newer], SHOP) is newer


# -- lattices ----------------------------------------------------------------------------------


def host_config(lattice: str, status: Any = None, **spec: Any) -> dict[str, Any]:
    return {
        "metadata": {"name": lattice, "namespace": "wild", "uid": lattice, "generation": 2},
        "spec": {"lattice": lattice, "version": "1", **spec},
        **({"status": status} if status else {}),
    }


OWN = Target("own")


def chosen(*host_configs: dict[str, Any], default: Target | None = None, **annotations: str) -> str:
    found = choose(body(annotations=annotations), host_configs, default)
    return found.reason if isinstance(found, Condition) else found.lattice


def test_the_host_configs_of_the_namespace_say_the_lattice() -> None:
    assert chosen(host_config("main")) == "main"
    assert chosen(host_config("main"), default=OWN) == "main"
    assert chosen(default=OWN) == "own"
    assert chosen() == "NoLattice"
    assert chosen(host_config("a"), host_config("b")) == "AmbiguousLattice"


def test_an_annotation_chooses_among_them_and_reaches_no_further() -> None:
    here = (host_config("a"), host_config("b"))
    assert chosen(*here, default=OWN, **{"wasmcloud.dev/lattice": "b"}) == "b"
    assert chosen(*here, default=OWN, **{"wasmcloud.dev/lattice": "own"}) == "own"
    assert chosen(*here, default=OWN, **{"wasmcloud.dev/lattice": "elsewhere"}) == "NoLattice"


def test_how_a_lattice_is_reached() -> None:
    assert target_of(host_config("main")) == Target("main", "nats://nats.default.svc.cluster.local:4222")
    settings = {"lattice": "main", "natsAddress": "tls://hub", "natsClientPort": 4333, "secretName": "creds"}
    target = target_of(host_config("main", {"accepted": settings}))
    assert target == Target("main", "tls://hub:4333", ("wild", "creds"))


@pytest.mark.parametrize("address", ["nats://hub", "hub", "NATS://Hub", "nats://hub/", "nats://hub/x", "tls://hub"])
def test_however_an_address_is_written_it_is_the_same_lattice(address: str) -> None:
    one, other = target_of(host_config("a")), target_of(host_config("a", natsAddress=address))
    reached = {"lattice": "a", "natsAddress": "nats://hub", "natsClientPort": 4222, "secretName": "creds"}
    hub = target_of(host_config("a", {"accepted": reached}))
    assert same_lattice(other, hub)
    assert not same_lattice(other, one)
    assert not same_lattice(other, target_of(host_config("a", natsAddress=address, natsClientPort=4333)))
    assert not same_lattice(other, target_of(host_config("b", natsAddress=address)))
    own = Target("a", server_url("nats://hub"), targets.OWN)
    assert same_lattice(other, own)
    assert chosen(host_config("a", natsAddress=address), default=own, **{"wasmcloud.dev/lattice": "a"}) == "a"


@pytest.mark.parametrize(
    ("address", "port", "url"),
    [
        ("hub", None, "nats://hub:4222"),
        ("Hub:4333", None, "nats://hub:4333"),
        ("TLS://u:P@Hub", 4222, "tls://u:P@hub:4222"),
        ("nats://[FD00::1]", 4222, "nats://[fd00::1]:4222"),
        ("[fd00::1]", None, "nats://[fd00::1]:4222"),
        ("wss://hub/nats", 443, "wss://hub:443/nats"),
        ("wss://hub:443/nats", None, "wss://hub:443/nats"),
    ],
)
def test_how_an_address_is_written(address: str, port: int | None, url: str) -> None:
    assert server_url(address, port) == url
    assert server_url(url) == url


def test_lattices_of_one_name_in_two_accounts_are_two() -> None:
    def of(account: str) -> Target | None:
        settings = {"lattice": "a", "secretName": "creds", **({"account": account} if account else {})}
        return target_of(host_config("a", {"accepted": settings}, secretName="creds"))

    assert same_lattice(of("A1"), of("A1"))
    assert not same_lattice(of("A1"), of("A2"))
    assert same_lattice(of("A1"), of(""))  # which may be the same
    assert target_of(host_config("a", secretName="creds")) is None  # not known before the credentials are read
    before = {"conditions": [{"type": "Accepted", "status": "True"}]}  # of release 0.22, which noted no settings
    assert target_of(host_config("a", before, secretName="creds")) is not None
    missing = {"conditions": [{"type": "Accepted", "status": "False"}]}
    assert target_of(host_config("a", missing, secretName="creds")) is None
    settled = host_config(
        "a", {"accepted": {"lattice": "a", "secretName": "creds", "account": "A1"}}, secretName="creds"
    )
    target = target_of(settled)
    assert target is not None
    assert undecided(body(), [settled], None, target) is None


def test_a_status_notes_how_a_lattice_is_reached() -> None:
    places = [
        Place(Target("a", "nats://hub:4222"), "shop"),
        Place(Target("a", "nats://hub:4222", ("wild", "creds")), "shop"),
        Place(Target("a", "nats://hub:4222", targets.OWN), "shop"),
        Place(Target("a", "nats://hub:4222", ("wild", "creds"), "A1"), "shop"),
    ]
    for place in places:
        assert ownership.place_from(ownership.noted_place(place)) == place
    before = {"name": "shop", "lattice": "a", "address": "NATS://Hub:4222"}  # as earlier releases wrote it
    assert ownership.place_from(before) == places[0]


ACCEPTED = {"accepted": {"lattice": "old"}}
"""The status of a host config whose settings were accepted when it was of the lattice ``old``."""


@pytest.mark.parametrize(
    ("body", "lattice"),
    [
        (host_config("new", ACCEPTED), "old"),
        (host_config("new"), "new"),
        (host_config("no t"), None),
        (host_config("no t", ACCEPTED), "old"),
    ],
    ids=["not accepted yet", "new", "never valid", "not valid any more"],
)
def test_a_change_that_is_not_accepted_moves_no_application(body: dict[str, Any], lattice: str | None) -> None:
    target = target_of(body)
    assert (target.lattice if target else None) == lattice


@pytest.mark.parametrize(
    ("host_configs", "waits"),
    [
        ([host_config("main")], False),
        ([host_config("new", {"accepted": {"lattice": "main"}})], True),
        ([host_config("main"), host_config("no t")], False),
        ([host_config("main"), host_config("other")], True),
        ([], True),
    ],
    ids=["settled", "another is asked for", "beside one that never was valid", "another has come", "it is gone"],
)
def test_nothing_goes_to_a_lattice_that_the_settings_do_not_say_any_more(
    host_configs: list[dict[str, Any]], waits: bool
) -> None:
    main = target_of(host_config("main"))
    assert main is not None
    found = undecided(body(), host_configs, None, main)
    assert (found.reason if found else None) == ("LatticeChanging" if waits else None)


def test_a_namespace_whose_host_config_was_never_accepted_says_so() -> None:
    found = choose(body(), [host_config("no t")], OWN)
    assert isinstance(found, Condition)
    assert found.message.startswith("the host config no t of namespace wild is not accepted")
    assert found.message.endswith("its condition Accepted says what to change")
    elsewhere = choose(body(annotations={"wasmcloud.dev/lattice": "main"}), [host_config("no t")], OWN)
    assert isinstance(elsewhere, Condition)
    assert "no WasmCloudHostConfig of namespace wild is of lattice main" in elsewhere.message


def test_a_lattice_at_two_addresses_is_no_choice() -> None:
    two = (host_config("a"), host_config("a", natsAddress="nats://elsewhere"))
    assert chosen(*two, **{"wasmcloud.dev/lattice": "a"}) == "AmbiguousLattice"


def test_the_argument_is_not_changed() -> None:
    made = body()
    before = deepcopy(made)
    manifests.wanted(made)
    assert made == before


# -- objects of a host config ------------------------------------------------------------------

OURS = {"manager": "ours", "operation": "Apply"}


@pytest.mark.parametrize(
    ("metadata", "belongs"),
    [
        ({"ownerReferences": [{"uid": "u", "controller": True}]}, True),
        ({"ownerReferences": [{"uid": "other", "controller": True}], "managedFields": [OURS]}, False),
        ({"ownerReferences": [{"uid": "other"}], "managedFields": [OURS]}, True),
        ({"managedFields": [OURS]}, True),
        ({"managedFields": [{"manager": "ours", "operation": "Update"}]}, False),
        ({"managedFields": [{"manager": "kubectl", "operation": "Apply"}]}, False),
        ({}, False),
    ],
    ids=["ours", "another's", "kept for another", "left by one before", "written otherwise", "applied by hand", "bare"],
)
def test_what_a_host_config_may_write_over(metadata: dict[str, Any], belongs: bool) -> None:
    assert ownership.belongs_to({"metadata": metadata}, "u", "ours") is belongs
