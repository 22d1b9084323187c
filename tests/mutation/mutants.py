"""Mutants: one small change to one place of the program, as careless people make them.

Left alone are type annotations, docstrings, ``__repr__`` and ``__str__``, and the texts of logs and metrics.
"""

from __future__ import annotations

import ast
import copy
import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

SOURCE = Path(__file__).parents[2] / "src"
JUDGED = ("wadm/engine", "wadm/server")

COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.BitXor: ast.BitAnd,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
LOGS = ("log", "_log", "_limited", "bound")
NO_TEXTS = ("wadm/server/metrics.py", "wadm/server/logging.py", "wadm/server/tracing.py")
NOT_JUDGED = ("__repr__", "__str__")


class Mutant(NamedTuple):
    """A change. ``id`` stays the same as long as the function it is in does."""

    id: str
    path: str
    """Of the module, below ``src``."""
    line: int
    function: str
    """The function it is in, with the classes around it; ``""`` for what is done when the module is imported."""
    operator: str
    before: str
    after: str

    @property
    def module(self) -> str:
        """The name by which the module is imported."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")

    def __str__(self) -> str:
        where = f"{self.path}:{self.line} {self.function}".rstrip()
        return f"{self.id}  {where}  [{self.operator}]\n    - {self.before}\n    + {self.after}"


def judged_modules(under: tuple[str, ...] = JUDGED) -> list[str]:
    """Return the paths of the modules of which mutants are made."""
    return sorted(str(path.relative_to(SOURCE)) for folder in under for path in (SOURCE / folder).glob("**/*.py"))


def mutants_of(path: str) -> list[Mutant]:
    """Return all mutants of a module."""
    return [mutant for mutant, _ in _Maker(path).all()]


def draw(seed: int, count: int, paths: list[str]) -> list[Mutant]:
    """Return mutants drawn by a seed: first a line, then one of its mutants; no line counts more than another."""
    by_line: dict[tuple[str, int], list[Mutant]] = {}
    for path in paths:
        for mutant in mutants_of(path):
            by_line.setdefault((path, mutant.line), []).append(mutant)
    rng = random.Random(seed)
    lines = rng.sample(sorted(by_line), min(count, len(by_line)))
    return [rng.choice(by_line[line]) for line in lines]


def mutated(mutant: Mutant) -> Any:
    """Return the code of the module with the mutant in it."""
    for one, tree in _Maker(mutant.path).all(mutant.id):
        if one.id == mutant.id:
            return compile(ast.fix_missing_locations(tree()), str(SOURCE / mutant.path), "exec", dont_inherit=True)
    raise LookupError(f"{mutant.path} has changed: there is no mutant {mutant.id} any more")


Change = tuple[str, ast.AST, Callable[[], ast.AST | None]]
"""The operator, the node that is changed, and what makes the node that takes its place (``None``: nothing)."""


class _Maker:
    def __init__(self, path: str) -> None:
        self.path = path
        self.tree = ast.parse((SOURCE / path).read_text())
        self._parents: dict[ast.AST, tuple[ast.AST, str, int | None]] = {}
        for node in ast.walk(self.tree):
            for field, value in ast.iter_fields(node):
                for at, child in enumerate(value) if isinstance(value, list) else ((None, value),):
                    if isinstance(child, ast.AST):
                        self._parents[child] = (node, field, at)

    def all(self, only: str = "") -> Iterator[tuple[Mutant, Callable[[], ast.Module]]]:
        """Yield each mutant, with what makes the tree that holds it."""
        seen: dict[tuple[str, ...], int] = {}
        for node, function in self._nodes(self.tree, ()):
            for operator, changed, make in _changes(node, self.path):
                new = make()
                if new is not None:
                    ast.fix_missing_locations(ast.copy_location(new, changed))
                before = _shown(changed)
                after = "(left out)" if new is None else _shown(new)
                if before == after:
                    continue
                name = ".".join(function)
                what = (self.path, name, operator, before, after)
                seen[what] = seen.get(what, 0) + 1
                digest = hashlib.sha256("\0".join((*what, str(seen[what]))).encode()).hexdigest()[:10]
                line = getattr(changed, "lineno", getattr(node, "lineno", 0))
                mutant = Mutant(digest, self.path, line, name, operator, before, after)
                if not only or only == digest:
                    yield mutant, lambda changed=changed, new=new: self._put(changed, new)

    def _put(self, old: ast.AST, new: ast.AST | None) -> ast.Module:
        parent, field, at = self._parents[old]
        if new is None:
            new = ast.Pass()
        ast.copy_location(new, old)
        if at is None:
            setattr(parent, field, new)
        else:
            getattr(parent, field)[at] = new
        return self.tree

    def _nodes(self, node: ast.AST, function: tuple[str, ...]) -> Iterator[tuple[ast.AST, tuple[str, ...]]]:
        """Yield what may be changed, with the function that it is in."""
        for field, child in _children(node):
            if field in ("annotation", "returns", "type_params", "decorator_list") or _is_docstring(node, child):
                continue
            if isinstance(child, ast.Import | ast.ImportFrom) or _is_log(child) or _is_type_alias(child):
                continue
            inside = function
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                if child.name in NOT_JUDGED or _is_protocol(child):
                    continue
                inside = (*function, child.name)
            else:
                yield child, function
            yield from self._nodes(child, inside)


def _children(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    for field, value in ast.iter_fields(node):
        for child in value if isinstance(value, list) else (value,):
            if isinstance(child, ast.AST):
                yield field, child


def _shown(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())[:200]


# -- what is left alone -----------------------------------------------------------------------


def _is_docstring(parent: ast.AST, child: ast.AST) -> bool:
    """Whether it is a docstring of a module, class, function or attribute, or a body that is nothing else."""
    return isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant) and "body" in parent._fields


def _is_log(node: ast.AST) -> bool:
    call = node.value if isinstance(node, ast.Expr) else node
    call = call.value if isinstance(call, ast.Await) else call
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)):
        return False
    on = call.func.value
    name = on.attr if isinstance(on, ast.Attribute) else on.id if isinstance(on, ast.Name) else ""
    return name in LOGS


def _is_type_alias(node: ast.AST) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.annotation, ast.Name) and node.annotation.id == "TypeAlias"
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    if not isinstance(node, ast.Assign):
        return False
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name) and target.id in ("__all__", "__slots__"):
        return True
    # At module level: ``Handler = Callable[[Message], None]``, ``T = TypeVar("T")``.
    types = ("Callable", "Literal", "dict", "tuple", "list", "TypeVar")
    if isinstance(value, ast.Subscript) and isinstance(value.value, ast.Name):
        return value.value.id in types
    return isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in types[-1:]


def _is_protocol(node: ast.AST) -> bool:
    return isinstance(node, ast.ClassDef) and any(isinstance(b, ast.Name) and b.id == "Protocol" for b in node.bases)


# -- what is changed --------------------------------------------------------------------------


def _changes(node: ast.AST, path: str) -> Iterator[Change]:
    if isinstance(node, ast.Compare):
        for at, op in enumerate(node.ops):
            for other in COMPARISONS[type(op)]:
                yield "compare", node, lambda at=at, other=other: _compare(node, at, other())
    elif isinstance(node, ast.BoolOp):
        other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "and/or", node, lambda: ast.BoolOp(other_op, node.values)
        for at in range(len(node.values)):
            rest = [one for n, one in enumerate(node.values) if n != at]
            yield "part left out", node, lambda rest=rest: rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
    elif isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield "not", node, lambda: node.operand
        elif isinstance(node.op, ast.USub):
            yield "sign", node, lambda: node.operand
    elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC and not _is_text(node):
        yield "arithmetic", node, lambda: ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    elif isinstance(node, ast.Constant):
        yield from _constants(node, path)
    elif isinstance(node, ast.IfExp):
        yield "condition", node, lambda: ast.IfExp(_not(node.test), node.body, node.orelse)
    elif isinstance(node, ast.If | ast.While):
        yield "condition", node.test, lambda: _not(node.test)
    elif isinstance(node, ast.comprehension):
        for test in node.ifs:
            yield "filter left out", test, lambda: ast.Constant(True)
    elif isinstance(node, ast.Call):
        for keyword in node.keywords:
            if keyword.arg is not None:
                rest_of = [one for one in node.keywords if one is not keyword]
                yield "argument left out", node, lambda rest_of=rest_of: ast.Call(node.func, node.args, rest_of)
    elif isinstance(node, ast.stmt):
        yield from _statements(node)


def _statements(node: ast.stmt) -> Iterator[Change]:
    if isinstance(node, ast.Return):
        if node.value is not None and not (isinstance(node.value, ast.Constant) and node.value.value is None):
            yield "return", node, lambda: ast.Return(ast.Constant(None))
    elif isinstance(node, ast.AugAssign):
        yield "statement left out", node, lambda: None
        yield "assign", node, lambda: ast.Assign([node.target], node.value)
    elif isinstance(node, ast.Expr | ast.Raise | ast.Delete):
        if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Yield | ast.YieldFrom | ast.Constant)):
            yield "statement left out", node, lambda: None
    elif isinstance(node, ast.Assign):
        if isinstance(node.targets[0], ast.Attribute | ast.Subscript):
            yield "statement left out", node, lambda: None
    elif isinstance(node, ast.Break):
        yield "break/continue", node, ast.Continue
    elif isinstance(node, ast.Continue):
        yield "break/continue", node, ast.Break
    elif isinstance(node, ast.For | ast.AsyncFor):
        nothing = type(node)(node.target, ast.Tuple([], ast.Load()), node.body, node.orelse)
        if isinstance(node, ast.For):
            yield "loop left out", node.iter, lambda: nothing.iter


def _constants(node: ast.Constant, path: str) -> Iterator[Change]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", node, lambda: ast.Constant(not value)
    elif isinstance(value, int | float):
        yield "constant", node, lambda: ast.Constant(value + 1)
        if value > 1:
            yield "constant", node, lambda: ast.Constant(type(value)(0))
    elif isinstance(value, str) and path not in NO_TEXTS:
        yield "text", node, lambda: ast.Constant(f"{value}x" if value else "x")


def _compare(node: ast.Compare, at: int, op: ast.cmpop) -> ast.Compare:
    ops = list(node.ops)
    ops[at] = op
    return ast.Compare(node.left, ops, node.comparators)


def _not(test: ast.expr) -> ast.expr:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return test.operand
    return ast.UnaryOp(ast.Not(), copy.copy(test))


def _is_text(node: ast.BinOp) -> bool:
    sides = (node.left, node.right)
    return any(
        isinstance(s, ast.JoinedStr) or (isinstance(s, ast.Constant) and isinstance(s.value, str)) for s in sides
    )
