"""Careless changes, made one at a time: a comparison flipped, a minimum made a maximum.

The comparisons are found in the syntax tree, so a rewritten module has its mutants too. A mutant is
put in place by exchanging the code of one function, and taken back in the same way.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streams import engine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import CodeType, FunctionType

FRAMES_ALONE = {"columns", "rules", "flood"}
"""What compares nothing, and the bound on dead letters, which has tests of its own."""
MODULES = (
    *(
        f"streams.engine.{found.name}"
        for found in pkgutil.iter_modules(engine.__path__)
        if found.name not in FRAMES_ALONE
    ),
    "streams.events.record_rules",
)
COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
}
"""A comparison -> the same with its boundary moved, and its opposite."""
CALLED = {"min": "max", "max": "min", "first": "last", "last": "first"}
CALLED |= {"min_horizontal": "max_horizontal", "max_horizontal": "min_horizontal"}
CALLED |= {"is_null": "is_not_null", "is_not_null": "is_null"}
SAID = {
    "keep": {"first": "last", "last": "first"},
    "how": {"anti": "semi", "semi": "anti", "left": "inner", "inner": "left"},
    "descending": {True: False, False: True},
    "nulls_last": {True: False, False: True},
}
"""Keyword -> its value -> another one."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change in one function."""

    module: str
    function: str
    line: int
    change: str
    code: CodeType

    @property
    def name(self) -> str:
        """Where and what, for a table."""
        return f"{self.module.removeprefix('streams.')}.{self.function}: {self.change}"

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """While this lasts, the function is the mutant."""
        function = _function(self.module, self.function)
        before = function.__code__
        function.__code__ = self.code
        _forget(self.module)
        try:
            yield
        finally:
            function.__code__ = before
            _forget(self.module)


def mutants() -> Iterator[Mutant]:
    """All mutants of all modules, in the order of their lines."""
    for module in MODULES:
        source = inspect.getsource(importlib.import_module(module))
        for function in ast.parse(source).body:
            if isinstance(function, ast.FunctionDef):
                yield from _of_function(module, function)


def _of_function(module: str, function: ast.FunctionDef) -> Iterator[Mutant]:
    nodes = list(ast.walk(function))
    for at, node in enumerate(nodes):
        for n in range(_changes_n(node)):
            changed = copy.deepcopy(function)
            said = _change(list(ast.walk(changed))[at], n)
            if isinstance(node, ast.UnaryOp):
                changed = _Plus(node.lineno, node.col_offset).visit(changed)
            yield Mutant(module, function.name, node.lineno, said, _compiled(changed))


def _changes_n(node: ast.AST) -> int:
    """In how many ways a node can be changed."""
    match node:
        case ast.Compare(ops=[operator]):
            return len(COMPARED.get(type(operator), ()))
        case ast.keyword(arg=str(name), value=ast.Constant(value=value)):
            return int(value in SAID.get(name, {}))
        case ast.Attribute(attr=name):
            return int(name in CALLED or name == "neg")
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return int(not isinstance(operand, ast.Constant))
        case _:
            return int(isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub))


def _change(node: ast.AST, n: int) -> str:
    """Change the node in place; says what."""
    before = ast.unparse(node)
    match node:
        case ast.Compare(ops=[operator]):
            node.ops = [COMPARED[type(operator)][n]()]
        case ast.Attribute(attr="neg"):
            node.attr = "abs"
        case ast.Attribute(attr=name):
            node.attr = CALLED[name]
            return f"`.{name}` -> `.{CALLED[name]}` in line {node.lineno}"
        case ast.keyword(arg=str(name), value=ast.Constant(value=value) as constant):
            constant.value = SAID[name][value]
        case ast.BinOp():
            node.op = ast.Add()
        case _:
            return f"`{_short(before)}` -> without its sign"
    return f"`{_short(before)}` -> `{_short(ast.unparse(node))}`"


def _short(text: str) -> str:
    text = " ".join(text.split()).replace("|", "or")
    return text if len(text) <= 60 else f"...{text[-57:]}"


class _Plus(ast.NodeTransformer):
    """Takes the minus away at one place."""

    def __init__(self, line: int, column: int) -> None:
        self._place = (line, column)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        return node.operand if (node.lineno, node.col_offset) == self._place else node


def _compiled(function: ast.FunctionDef) -> CodeType:
    """The code of a changed function, without its decorators."""
    function.decorator_list = []
    tree = ast.fix_missing_locations(ast.Module([function], []))
    namespace: dict[str, Any] = {}
    body = compile(tree, f"<mutant of {function.name}>", "exec", flags=_ANNOTATIONS)
    exec(body, namespace)
    return namespace[function.name].__code__  # type: ignore[no-any-return]


_ANNOTATIONS = importlib.import_module("__future__").annotations.compiler_flag


def _function(module: str, name: str) -> FunctionType:
    return inspect.unwrap(getattr(importlib.import_module(module), name))  # type: ignore[no-any-return]


def _forget(module: str) -> None:
    """What the module's functions keep ready is made anew."""
    for found in vars(importlib.import_module(module)).values():
        if hasattr(found, "cache_clear"):
            found.cache_clear()
