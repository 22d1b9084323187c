"""Manifests as bytes: YAML and JSON in, JSON out (docs/protocol/manifest.md#fields, and what follows there).

Reading takes what the original takes and refuses what it refuses, in its words. Besides the one problem that it
names, all that can be found are told, each with its place, a hint and a code:

==== ============================================================================
E100 the syntax of YAML or JSON is wrong, or the document is too big or too deep
E101 a content type that is neither YAML nor JSON
E102 a field is missing
E103 a field is not known, where unknown fields are not allowed
E104 a field is there twice
E105 a value of the wrong type
E106 a component type that does not exist
E107 trait properties that cannot be kept, not even as custom ones
E110 a key is there twice in a map of free keys (told by the command line alone: the server takes the last)
W011 the old spelling ``source_config`` in a link
W012 the old spelling ``target_config`` in a link
W018 a key that is not known and is ignored
==== ============================================================================

Two readers go the same way through :mod:`wadm.wire.manifest_shape`: a quick one for what is stored and for JSON
that is right, and one that knows positions for everything else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

import msgspec
from msgspec.structs import replace

from wadm.errors import Malformed, ManifestInvalid
from wadm.model.manifest import (
    Component,
    LinkProperties,
    LinkSource,
    LinkTarget,
    Manifest,
    Problem,
    Properties,
    SecretProperty,
    Spread,
    SpreadProperties,
    Trait,
)
from wadm.model.text import SHOWN_MOST, cut
from wadm.wire.documents import KEY_SHOWN, MAX_BYTES, Document, Mapping, Sequence, dotted, shown_key
from wadm.wire.json_documents import read_json
from wadm.wire.manifest_shape import manifest
from wadm.wire.readers import DocumentReader, Found, Reader, Stop, Unfit, path_of

_REFUSAL = "Unable to parse manifest: "


def read_manifest(data: bytes, content_type: str | None = None) -> Manifest:
    """Read a manifest that somebody put.

    ``content_type`` is the header's exact value: ``application/json``, ``application/yaml``, or ``None`` for
    *YAML, and if that fails JSON*. Raises :class:`~wadm.errors.ManifestInvalid`, whose first problem's message is
    the whole text the API answers.
    """
    if content_type in (None, "application/json"):
        # JSON that is right is the same manifest as YAML, so it need not be tried as YAML first.
        quick = _read_quickly(data)
        if quick is not None:
            return quick
    return _read(data, content_type)[0]


def read_manifest_with_positions(data: bytes, content_type: str | None = None) -> tuple[Manifest, Positions]:
    """Read a manifest as :func:`read_manifest` does, and tell what stands where in its text."""
    read, reader = _read(data, content_type)
    return read, Positions(reader.document, reader.warnings)


def manifest_from_builtins(value: Any) -> Manifest:
    """Make a manifest from decoded JSON as it was stored, by us or the original.

    More is taken than from people: annotations may be missing and unknown fields are passed over, for what is
    stored has been accepted once. Raises :class:`~wadm.errors.Malformed`.
    """
    try:
        stored = manifest(Reader(stored=True), value)
    except Unfit as unfit:
        path = dotted(path_of(unfit.at))
        raise Malformed(f"{path}: {unfit.message}" if path else unfit.message) from unfit
    except RecursionError as error:
        raise Malformed(str(error)) from error
    assert stored is not None, "a quick reader raises"
    return stored


def encode_manifest(manifest: Manifest) -> bytes:
    """Return a manifest as compact JSON, fields in the original's order."""
    return msgspec.json.encode(manifest_to_builtins(manifest))


class Positions:
    """Where the values of a manifest stand in its text, by dotted path (``spec.components[0].traits[1].type``).

    ``warnings`` are what only the text shows: keys that are ignored, and old spellings.
    """

    def __init__(self, document: Document, warnings: Iterable[Problem] = ()) -> None:
        self._document = document
        self._named: dict[int, dict[str, Any]] = {}
        """The keys of maps that were looked into, by what a path calls them. A table of all paths would be far larger
        than the text: each repeats the keys above it."""
        self.warnings = tuple(self.locate(warning) for warning in warnings)

    def find(self, path: str) -> tuple[int, int]:
        """Return line and column, from 1, of what a path names, or of the nearest thing around it."""
        mark, node, rest = self._document.mark, self._document.root, path
        while rest:
            name, step = self._step(node, rest.removeprefix("."))
            if step is None:
                break
            mark = node.marks[step] if type(node) is Sequence else node.value_marks[step]
            node, rest = node[step], rest.removeprefix(".")[len(name) :]
        return mark.line + 1, mark.column + 1

    def _step(self, node: Any, rest: str) -> tuple[str, Any]:
        """Return what the first step of a path is called, and the key or index that it means, ``None`` for none."""
        if type(node) is Sequence:
            name, bracket, _ = rest.partition("]")
            number = name[1:]
            if name[:1] == "[" and bracket and number.isdecimal() and len(number) < 9 and int(number) < len(node):
                return name + bracket, int(number)
        elif type(node) is Mapping:
            named = self._named.get(id(node))
            if named is None:
                named = self._named[id(node)] = {shown_key(key): key for key in node}
            for end in _ends(rest):  # keys may have dots and brackets in them
                if rest[:end] in named:
                    return rest[:end], named[rest[:end]]
        return "", None

    def repeated_keys(self) -> Iterator[Problem]:
        """Yield a problem for every key that is there again in a map of free keys: of fields, reading says so itself.

        The server takes the last one, as the original does; `wash app` refuses the text.
        """
        for path, key, mark in self._document.repeated():
            message = f'duplicate entry with key "{cut(key, SHOWN_MOST)}": the last one counts, the others are lost'
            yield Problem(message, dotted(path), mark.line + 1, mark.column + 1, code="E110", hint="keep one of them")

    def locate(self, problem: Problem) -> Problem:
        """Return the problem with its place filled in, unless it has one."""
        if problem.line:
            return problem
        line, column = self.find(problem.path)
        return replace(problem, line=line, column=column)


def _ends(path: str) -> Iterator[int]:
    """Yield where the first step of a path may end, the longest first; no key is shown longer than so."""
    for at in range(min(len(path), KEY_SHOWN + 32), 0, -1):
        if at == len(path) or path[at] in ".[":
            yield at


def _read(data: bytes, content_type: str | None) -> tuple[Manifest, DocumentReader]:
    from wadm.wire.yaml import read_yaml  # a tenth of a command, which what is read quickly does without

    if content_type == "application/json":
        read, reader = _read_document(read_json(data))
    elif content_type in (None, "application/yaml"):
        read, reader = _read_document(read_yaml(data))
    else:
        message = f"Unsupported content type {content_type} given. Wadm supports YAML and JSON"
        hint = "use application/yaml or application/json"
        raise ManifestInvalid([Problem(_REFUSAL + message, code="E101", hint=hint)])
    found = reader.found
    if read is None and content_type is None:
        read, reader = _read_document(read_json(data))
        found = _both(found, reader.found)
    if read is None:
        first, *others = found
        problem = replace(first.problem, message=_REFUSAL + first.text)
        raise ManifestInvalid([problem, *(other.problem for other in others)])
    return read, reader


def _read_document(document: Document) -> tuple[Manifest | None, DocumentReader]:
    """Read as much as there is to read; there is no manifest if anything was found to be wrong."""
    reader = DocumentReader(document)
    read = None
    try:
        read = manifest(reader, document.root)
        if document.after is not None:
            reader.syntax(document.after)
    except Stop:
        pass
    return None if reader.found else read, reader


def _both(as_yaml: list[Found], as_json: list[Found]) -> list[Found]:
    """Word what went wrong twice; the problems told are those of the notation that it probably was meant in."""
    if not as_json:
        return []
    text = f"YAML parsing failed: {as_yaml[0].debug}\n\nCaused by:\n    JSON parsing failed: {as_json[0].debug}"
    first, *others = as_yaml if any(found.problem.code == "E100" for found in as_json) else as_json
    return [Found(first.problem, text, ""), *others]


def _read_quickly(data: bytes) -> Manifest | None:
    """Read JSON with nothing doubtful in it; anything else is for the reader that knows positions."""
    if len(data) > MAX_BYTES or not data.lstrip(b" \t\r\n").startswith(b"{") or b"\\u" in data:
        return None
    try:
        return manifest(Reader(), _quick_decoder.decode(data.decode()))
    except (Unfit, ValueError, RecursionError):
        return None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise Unfit("a key is there twice")
    return value


def _finite(digits: str) -> float:
    number = float(digits)
    if abs(number) == float("inf"):
        raise Unfit("number out of range")
    return number


def _integer(digits: str) -> int | float:
    number = int(digits)
    # As the original has it: what does not fit into 64 bits, and minus zero, is floating point.
    return float(digits) if not -(2**63) <= number < 2**64 or digits == "-0" else number


def _no_constant(name: str) -> NoReturn:
    raise Unfit(f"{name} is not JSON")


_quick_decoder = json.JSONDecoder(
    object_pairs_hook=_without_repetition, parse_int=_integer, parse_float=_finite, parse_constant=_no_constant
)


def manifest_to_builtins(manifest: Manifest) -> dict[str, Any]:
    """Return a manifest as JSON data: the original's field order, and what it leaves out left out.

    One thing more is written than the original writes: ``requirements`` of a spread, also when empty, because
    the original cannot read a spread without (docs/compatibility.md#empty-requirements).
    """
    metadata: dict[str, Any] = {"name": manifest.metadata.name}
    if manifest.metadata.annotations:
        metadata["annotations"] = _sorted(manifest.metadata.annotations)
    if manifest.metadata.labels:
        metadata["labels"] = _sorted(manifest.metadata.labels)
    spec: dict[str, Any] = {"components": [_component_data(component) for component in manifest.spec.components]}
    if manifest.spec.policies:
        spec["policies"] = [
            {"name": policy.name, "properties": _sorted(policy.properties), "type": policy.type}
            for policy in manifest.spec.policies
        ]
    return {"apiVersion": manifest.api_version, "kind": manifest.kind, "metadata": metadata, "spec": spec}


def _sorted(strings: dict[str, str]) -> dict[str, str]:
    return dict(sorted(strings.items()))


def _component_data(component: Component) -> dict[str, Any]:
    given = component.properties
    properties: dict[str, Any] = {}
    if given.image is not None:
        properties["image"] = given.image
    if given.application is not None:
        properties["application"] = {"name": given.application.name, "component": given.application.component}
    if given.id is not None:
        properties["id"] = given.id
    properties |= _config_and_secrets(given)
    data: dict[str, Any] = {"name": component.name, "type": component.kind, "properties": properties}
    if component.traits is not None:
        data["traits"] = [_trait_data(trait) for trait in component.traits]
    return data


def _config_and_secrets(given: Properties | LinkSource | LinkTarget) -> dict[str, Any]:
    data: dict[str, Any] = {}
    if given.config:
        data["config"] = [
            {"name": config.name}
            if config.properties is None
            else {"name": config.name, "properties": _sorted(config.properties)}
            for config in given.config
        ]
    if given.secrets:
        data["secrets"] = [_secret_data(secret) for secret in given.secrets]
    return data


def _secret_data(secret: SecretProperty) -> dict[str, Any]:
    source = {"policy": secret.policy, "key": secret.key}
    if secret.field is not None:
        source["field"] = secret.field
    if secret.version is not None:
        source["version"] = secret.version
    return {"name": secret.name, "properties": source}


def _trait_data(trait: Trait) -> dict[str, Any]:
    match trait.properties:
        case LinkProperties() as link:
            properties = _link_data(link)
        case SpreadProperties() as scaler:
            properties = _scaler_data(scaler)
        case custom:
            properties = custom.data
    return {"type": trait.type, "properties": properties}


def _link_data(link: LinkProperties) -> dict[str, Any]:
    data: dict[str, Any] = {"namespace": link.namespace, "package": link.package, "interfaces": [*link.interfaces]}
    if link.source is not None:
        data["source"] = _config_and_secrets(link.source)
    data["target"] = {"name": link.target.name, **_config_and_secrets(link.target)}
    if link.name is not None:
        data["name"] = link.name
    return data


def _scaler_data(scaler: SpreadProperties) -> dict[str, Any]:
    data: dict[str, Any] = {"instances": scaler.instances}
    if scaler.spread:
        data["spread"] = [_spread_data(spread) for spread in scaler.spread]
    return data


def _spread_data(spread: Spread) -> dict[str, Any]:
    data: dict[str, Any] = {"name": spread.name, "requirements": _sorted(spread.requirements)}
    if spread.weight is not None:
        data["weight"] = spread.weight
    return data
