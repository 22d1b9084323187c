"""Rules of manifests that a schema cannot say, as a ValidatingAdmissionPolicy: the API server refuses what breaks them.

They are those of ``put`` (:mod:`wadm.engine.validate`) that need more than one field, or the type of the trait. What
they do not catch, and what is applied where there is no such policy, is named in the condition ``Accepted``. Each rule
is an expression of CEL over a manifest, in which ``SPEC`` and ``ANNOTATIONS`` stand for its parts. An object that broke
a rule before may go on breaking it, so that what is stored stays editable.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from wadm.model.manifest import SECRET_POLICY_TYPE
from wadm.operator import names
from wadm.operator.kube import Object

NAME: Final = "wadm-operator-applications"


class Rule(NamedTuple):
    """A rule: what is said where it is broken, and the expression that is true where it is kept."""

    message: str
    expression: str


_TRAITS = "(has(c.traits) && c.traits != null ? c.traits : [])"
_SCALER = "(t.type == 'spreadscaler' || t.type == 'daemonscaler')"
_IS_MAP = "type(t.properties) == map"
_TARGET = (
    "(type(t.properties.target) == string ? t.properties.target : "
    "type(t.properties.target) == map && has(t.properties.target.name) ? t.properties.target.name : '')"
)
_IS_LINK = (
    f"{_IS_MAP} && has(t.properties.namespace) && has(t.properties.package) && has(t.properties.interfaces) "
    "&& has(t.properties.target)"
)


def _components(condition: str) -> str:
    return f"SPEC.components.all(c, {condition})"


def _traits(condition: str) -> str:
    return _components(f"{_TRAITS}.all(t, {condition})")


def _scalers(condition: str) -> str:
    return _traits(f"!{_SCALER} || ({condition})")


def _links(condition: str) -> str:
    return _traits(f"t.type != 'link' || ({condition})")


def _given(where: str, field: str) -> str:
    return f"(has({where}.{field}) && {where}.{field} != null)"


def _count(value: str) -> str:
    return f"(type({value}) == int && {value} >= 0)"


def _only(value: str, *fields: str) -> str:
    return f"{value}.all(k, k in [{', '.join(repr(field) for field in fields)}])"


_SPREADS = "(has(t.properties.spread) && type(t.properties.spread) == list ? t.properties.spread : [])"
_SECRETS = "(has(c.properties.secrets) && c.properties.secrets != null ? c.properties.secrets : [])"
_POLICIES = "(has(SPEC.policies) && SPEC.policies != null ? SPEC.policies : [])"
_SAME_CALL = (
    f"{_TRAITS}.filter(u, u.type == 'link' && type(u.properties) == map && has(u.properties.namespace) "
    "&& has(u.properties.package) && has(u.properties.interfaces) && type(u.properties.interfaces) == list "
    "&& u.properties.namespace == t.properties.namespace && u.properties.package == t.properties.package "
    "&& (has(u.properties.name) ? u.properties.name : 'default') == "
    "(has(t.properties.name) ? t.properties.name : 'default') && i in u.properties.interfaces).size() <= 1"
)

RULES: Final = (
    Rule(
        "spec.components[].properties: each component needs either image or application, and not both",
        _components(f"{_given('c.properties', 'image')} != {_given('c.properties', 'application')}"),
    ),
    Rule(
        "spec.components[].properties: the fields are image, application, id, config and secrets",
        _components(_only("c.properties", "image", "application", "id", "config", "secrets")),
    ),
    Rule(
        "spec.components[].type: a component is of type component (or actor, its old name) or capability",
        _components("c.type in [dyn('component'), dyn('actor'), dyn('capability'), dyn(0), dyn(1)]"),
    ),
    Rule(
        "spec.components[].properties.id: two components have the same id",
        _components(
            f"!{_given('c.properties', 'id')} || SPEC.components.filter(d, has(d.properties) "
            f"&& {_given('d.properties', 'id')} && d.properties.id == c.properties.id).size() <= 1"
        ),
    ),
    Rule(
        "spec.components[].traits[]: the fields are type and properties",
        _traits(_only("t", "type", "properties")),
    ),
    Rule(
        "spec.components[].traits[].properties of a scaler: the fields are instances (or replicas, its old name) and "
        "spread",
        _scalers(f"{_IS_MAP} && ({_IS_LINK} || {_only('t.properties', 'instances', 'replicas', 'spread')})"),
    ),
    Rule(
        "spec.components[].traits[].properties.instances of a scaler: one whole number, 0 or more, without quotes",
        _scalers(
            f"{_IS_MAP} && ({_IS_LINK} || (has(t.properties.instances) != has(t.properties.replicas) "
            f"&& (has(t.properties.instances) ? {_count('t.properties.instances')} : "
            f"{_count('t.properties.replicas')})))"
        ),
    ),
    Rule(
        "spec.components[].traits[].properties.spread of a scaler: a list of name, requirements (texts by name) and "
        "weight (a whole number, 0 or more)",
        _scalers(
            f"{_IS_MAP} && ({_IS_LINK} || !has(t.properties.spread) || (type(t.properties.spread) == list "
            f"&& {_SPREADS}.all(s, type(s) == map && {_only('s', 'name', 'requirements', 'weight')} "
            "&& has(s.name) && type(s.name) == string "
            f"&& (!has(s.weight) || s.weight == null || {_count('s.weight')}) "
            "&& (!has(s.requirements) || (type(s.requirements) == map "
            "&& s.requirements.all(r, type(s.requirements[r]) == string))))))"
        ),
    ),
    Rule(
        "spec.components[].traits[].properties of a link: it needs namespace, package, interfaces and target",
        _links(_IS_LINK),
    ),
    Rule(
        "spec.components[].traits[].properties of a link: namespace, package and name are texts, "
        "interfaces a list of texts",
        _links(
            f"{_IS_LINK} && type(t.properties.namespace) == string && type(t.properties.package) == string "
            "&& type(t.properties.interfaces) == list && t.properties.interfaces.all(i, type(i) == string) "
            "&& (!has(t.properties.name) || t.properties.name == null || type(t.properties.name) == string)"
        ),
    ),
    Rule(
        "spec.components[].traits[].properties.target of a link: it must be the name of a component of this manifest",
        _links(f"{_IS_LINK} && SPEC.components.exists(d, d.name == {_TARGET})"),
    ),
    Rule(
        "spec.components[].traits[]: two links of a component answer the same call; give one of them another name",
        _links(
            f"!({_IS_LINK}) || type(t.properties.interfaces) != list || t.properties.interfaces.all(i, {_SAME_CALL})"
        ),
    ),
    Rule(
        "spec.components[].properties.secrets[].properties.policy: it must name a policy in spec.policies, of "
        f"type {SECRET_POLICY_TYPE}, with a backend in its properties",
        _components(
            f"{_SECRETS}.all(s, {_POLICIES}.exists(p, p.name == s.properties.policy "
            f"&& p.type == '{SECRET_POLICY_TYPE}' && 'backend' in p.properties))"
        ),
    ),
    Rule(
        "metadata.annotations.version: latest is not allowed: name the version, or leave it out to have one made",
        "!('version' in ANNOTATIONS) || ANNOTATIONS['version'] != 'latest'",
    ),
)


def _of(expression: str, body: str) -> str:
    annotations = f"(has({body}.metadata.annotations) ? {body}.metadata.annotations : {{}})"
    return expression.replace("SPEC", f"{body}.spec").replace("ANNOTATIONS", annotations)


def policy() -> list[Object]:
    """Return the policy and what puts it into force."""
    group, _, version = names.APPLICATIONS.api_version.partition("/")
    return [
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicy",
            "metadata": {"name": NAME},
            "spec": {
                "failurePolicy": "Ignore",
                "matchConstraints": {
                    "resourceRules": [
                        {
                            "apiGroups": [group],
                            "apiVersions": [version],
                            "resources": [names.APPLICATIONS.plural],
                            "operations": ["CREATE", "UPDATE"],
                        }
                    ]
                },
                "matchConditions": [
                    {
                        "name": "the-manifest-changes",
                        "expression": (
                            "oldObject == null || object.spec != oldObject.spec || "
                            "!(has(object.metadata.deletionTimestamp)) && "
                            f"{_of('ANNOTATIONS', 'object')} != {_of('ANNOTATIONS', 'oldObject')}"
                        ),
                    }
                ],
                "validations": [
                    {
                        "expression": (
                            f"({_of(rule.expression, 'object')}) || "
                            f"(oldObject != null && !({_of(rule.expression, 'oldObject')}))"
                        ),
                        "message": rule.message,
                        "reason": "Invalid",
                    }
                    for rule in RULES
                ],
            },
        },
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingAdmissionPolicyBinding",
            "metadata": {"name": NAME},
            "spec": {"policyName": NAME, "validationActions": ["Deny"]},
        },
    ]
