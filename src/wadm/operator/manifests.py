"""From an Application object to the manifest that wadm is given, and back.

An object of Kubernetes carries more than a manifest: what kubectl, Argo CD or Flux noted on it. What tools are known to
note stays behind. Other labels and annotations are handed over with a new version and never make one: only the spec,
the version and the description do.

**Which version.** wadm stores versions by name and never changes one. An object without a ``version`` annotation is
stored under one made of its content (``k8s-3f2a9c1b04de``), so that putting the same twice, as after a crash, is
putting it once, and going back to what was there before deploys what is stored. An object whose ``version`` is stored
with other contents, as after ``kubectl edit``, is stored as ``v1.0.0+3f2a9c1b04de``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from wadm.client import manifests as client_manifests
from wadm.errors import ManifestInvalid
from wadm.model.manifest import Manifest, Problem
from wadm.model.names import DESCRIPTION_ANNOTATION, VERSION_ANNOTATION
from wadm.operator import names
from wadm.operator.doubts import doubts_of_annotations, read
from wadm.operator.kube import Object

_TOOLS: Final = (
    "kubernetes.io", "k8s.io", "argoproj.io", "fluxcd.io", "helm.sh", "kopf.dev", "kopf.zalando.org",
    "operator.k8s.wasmcloud.dev",
)  # fmt: skip
"""Domains of annotations and labels that are notes of tools, with all domains below them."""

_OURS: Final = frozenset(
    {
        names.MIRRORED,
        names.OWNER_LABEL,
        names.LATTICE_LABEL,
        *names.SETTINGS,
    }
)


class Wanted(msgspec.Struct, frozen=True):
    """What an object asks for. ``digest`` stands for its spec and description; ``data`` is what to put."""

    name: str
    manifest: Manifest
    document: dict[str, Any]
    digest: str
    doubts: tuple[Problem, ...] = ()
    """What is odd about it."""

    @property
    def version(self) -> str:
        """The version to store it as, unless that is stored with other contents."""
        return self.manifest.version or f"k8s-{self.digest}"

    @property
    def other_version(self) -> str:
        """The version to store it as then."""
        return f"{self.version}+{self.digest}"

    def is_version(self, version: str) -> bool:
        """Whether ``version`` may hold this content: the version that is asked for, or one made of it."""
        asked = self.manifest.version
        if asked is None:
            return version.startswith("k8s-")
        return version == asked or version.startswith(f"{asked}+")

    def is_made_version(self, version: str) -> bool:
        """Whether ``version`` is a name that the operator makes of this content: nobody else stores any under it."""
        return version != self.manifest.version and self.is_version(version)

    def data(self, version: str) -> bytes:
        """Return the manifest's bytes under that version."""
        metadata = self.document["metadata"]
        annotations = metadata["annotations"] | {VERSION_ANNOTATION: version}
        return msgspec.json.encode(self.document | {"metadata": metadata | {"annotations": annotations}})


def application_name(body: Object) -> str:
    """Return the name in wadm."""
    metadata = body["metadata"]
    return str(metadata.get("annotations", {}).get(names.APPLICATION) or metadata["name"])


def wanted(body: Object) -> Wanted:
    """Return what an object asks for. Raises ManifestInvalid with all that is wrong with it."""
    document = _document(body)
    if "." in document["metadata"]["name"]:
        raise ManifestInvalid(
            [
                Problem(
                    "names of applications hold letters, digits, - and _ only; to keep the object's name, name the "
                    f"application with the annotation {names.APPLICATION}",
                    path="metadata.name",
                )
            ]
        )
    manifest, doubts = read(msgspec.json.encode(document))
    doubts = (*doubts, *doubts_of_annotations(body["metadata"].get("annotations") or {}))
    return Wanted(document["metadata"]["name"], manifest, document, _digest(document), doubts)


def same(stored: Manifest, manifest: Manifest) -> bool:
    """Whether two manifests have the same name, spec and description."""
    return _content(stored) == _content(manifest)


def _content(manifest: Manifest) -> tuple[Any, ...]:
    return manifest.name, manifest.metadata.annotations.get(DESCRIPTION_ANNOTATION), manifest.spec


def _document(body: Object) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "name": application_name(body),
        "annotations": _carried(body["metadata"].get("annotations")),
    }
    if labels := _carried(body["metadata"].get("labels")):
        metadata["labels"] = labels
    return {
        "apiVersion": names.APPLICATIONS.api_version,
        "kind": names.APPLICATIONS.kind,
        "metadata": metadata,
        "spec": body.get("spec") or {},
    }


def _carried(notes: Mapping[str, str] | None) -> dict[str, str]:
    return {key: text for key, text in sorted((notes or {}).items()) if not _is_tools(key)}


def _is_tools(key: str) -> bool:
    domain, slash, _ = key.partition("/")
    return key in _OURS or any(bool(slash) and (domain == tool or domain.endswith(f".{tool}")) for tool in _TOOLS)


def _digest(document: dict[str, Any]) -> str:
    metadata = document["metadata"]
    description = {key: text for key, text in metadata["annotations"].items() if key == DESCRIPTION_ANNOTATION}
    content = document | {"metadata": {"name": metadata["name"], "annotations": description}}
    return hashlib.sha256(msgspec.json.encode(content, order="sorted")).hexdigest()[:12]


# -- from wadm to Kubernetes -------------------------------------------------------------------


def mirror(manifest: Manifest, version: str, lattice: str, namespace: str, name: str) -> Object:
    """Return the object that shows an application which was put with another tool, under ``name``."""
    document = client_manifests.plain(manifest)
    notes = {key: text for key, text in manifest.metadata.annotations.items() if _may_be_annotation(key)}
    ours = {names.LATTICE: lattice, names.MIRRORED: version}
    if name != manifest.name:
        ours[names.APPLICATION] = manifest.name
    return {
        "apiVersion": names.APPLICATIONS.api_version,
        "kind": names.APPLICATIONS.kind,
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {names.OWNER_LABEL: "wadm"},
            "annotations": notes | ours,
        },
        "spec": document["spec"],
    }


def mirror_names(application: str, lattice: str) -> tuple[str, str]:
    """Return the name of an application's mirror, and the one to take where that belongs to another object."""
    name = names.dns_label(application)
    digest = hashlib.sha256(f"{lattice}/{application}".encode()).hexdigest()[:8]
    return name, f"{name[:54].rstrip('-')}-{digest}"


def _may_be_annotation(key: str) -> bool:
    """Whether Kubernetes takes the key: a name of at most 63 characters, with a domain before it or without."""
    domain, slash, name = key.rpartition("/")
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    return 0 < len(name) <= 63 and plain.isascii() and plain.isalnum() and (not slash or domain.islower())
