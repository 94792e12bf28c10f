"""What a result was made by: its settings, and a hash of each piece of code that it ran through.

From a study's entry points all functions, classes and constants of the course that they name are
followed. A piece's hash is of its syntax tree without comments, docstrings, types, and checks of
arguments: none of these can change a result. Where a piece stands doesn't count either.
"""

import ast
import hashlib
import inspect
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import torch

PACKAGE = "course_lib"
# What can't change a result: checks, files, logs, pictures, and how texts are fetched.
BESIDE = (
    "checks",
    "files",
    "figures",
    "data.archives",
    "training.checkpoints",
    "training.distributed",
    "training.log",
    "training.memory",
    "studies.kit",
)
LONGEST = 200  # characters of a setting that is written out; of a longer one only the hash


@dataclass
class Fingerprint:
    """The settings (name to value) and the code (name to hash) that make a result."""

    settings: dict[str, Any] = field(default_factory=dict)
    code: dict[str, str] = field(default_factory=dict)

    def differences(self, other: "Fingerprint") -> tuple[list[str], list[str]]:
        """Say what changed from this one to another: values of settings, and the rest."""
        changed = [
            f"{name} was {value}, is {other.settings[name]}"
            for name, value in self.settings.items()
            if name in other.settings and other.settings[name] != value
        ]
        rest = []
        for before, after in ((self.settings, other.settings), (self.code, other.code)):
            rest += [f"{name} is new" for name in after if name not in before]
            rest += [f"{name} is gone" for name in before if name not in after]
        codes = self.code.items() & other.code.items()
        both = self.code.keys() & other.code.keys()
        rest += [f"{name} changed" for name in sorted(both - dict(codes).keys())]
        return changed, rest


def fingerprint(*entries: Callable[..., Any]) -> Fingerprint:
    """Return what is reached from functions or classes of the course, themselves included.

    Pieces of one name in several modules share an entry.
    """
    settings: dict[str, list[Any]] = {}
    code: dict[str, list[str]] = {}
    waiting, known = list(entries), set()
    while waiting:
        piece = waiting.pop()
        if piece in known:
            continue
        known.add(piece)
        module = inspect.getmodule(piece)
        if module is None or module.__file__ is None:
            continue
        node = _pieces(module.__file__).get(piece.__qualname__)
        if node is None:
            continue
        code.setdefault(piece.__qualname__, []).append(_hash(_spelled(node)))
        for name, value in _named(node, module):
            # A piece of the course is followed, a plain value is a setting, the rest is torch's.
            if isinstance(piece := inspect.unwrap(value), FunctionType | type):
                if _counts(piece):
                    waiting.append(piece)
            elif (plain := _plain(value)) is not None and plain not in settings.get(name, []):
                settings.setdefault(name, []).append(plain)
    ordered = {name: sorted(values, key=repr) for name, values in sorted(settings.items())}
    return Fingerprint(
        {name: _short(v[0] if len(v) == 1 else v) for name, v in ordered.items()},
        {name: _hash(*sorted(hashes)) for name, hashes in sorted(code.items())},
    )


def file_hash(path: Path) -> str:
    """Return a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def _counts(piece: FunctionType | type) -> bool:
    """Say whether a piece is the course's and could change a result."""
    package, _, module = piece.__module__.partition(".")
    return package == PACKAGE and not any(f"{module}.".startswith(f"{b}.") for b in BESIDE)


@cache
def _pieces(path: str) -> dict[str, ast.stmt]:
    """Return a module's functions and classes by name, bare of what can't change a result."""
    tree = _Bare().visit(ast.parse(Path(path).read_text(encoding="utf-8")))
    kinds = ast.FunctionDef | ast.ClassDef
    return {node.name: node for node in tree.body if isinstance(node, kinds)}


def _named(
    node: ast.AST, module: ModuleType, local: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Any]]:
    """Yield what code names that its module knows, such as ``AdamW`` or ``optim.SGD``."""
    if isinstance(node, ast.FunctionDef | ast.Lambda):
        inside = list(ast.walk(node))
        stored = {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
        local = local | stored | {n.arg for n in inside if isinstance(n, ast.arg)}
    if isinstance(node, ast.Name) and node.id in vars(module) and node.id not in local:
        yield node.id, vars(module)[node.id]
    elif isinstance(node, ast.Attribute):
        owner = _module_of(node.value, module)
        if owner is not None and node.attr in vars(owner):
            yield node.attr, vars(owner)[node.attr]
    for part in ast.iter_child_nodes(node):
        yield from _named(part, module, local)


def _module_of(node: ast.expr, module: ModuleType) -> ModuleType | None:
    """Return the course's module that an expression such as ``training.optim`` means, if one."""
    if isinstance(node, ast.Attribute):
        owner = _module_of(node.value, module)
        found = vars(owner).get(node.attr) if owner else None
    else:
        found = vars(module).get(node.id) if isinstance(node, ast.Name) else None
    return found if isinstance(found, ModuleType) and found.__name__.startswith(PACKAGE) else None


def _plain(value: Any) -> Any:
    """Return a setting as JSON can hold it; None if it is no setting."""
    # What JSON has, and what can be written as a text.
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, re.Pattern):
        return value.pattern
    if isinstance(value, torch.dtype):
        return str(value)
    # Of a collection its plain parts; one that has others only is no setting.
    if isinstance(value, dict):
        parts = {str(key): _plain(part) for key, part in value.items()}
        empty = all(part is None for part in parts.values())
        return None if parts and empty else parts
    if isinstance(value, tuple | list | set | frozenset):
        listed = [_plain(part) for part in value]
        if isinstance(value, set | frozenset):
            listed.sort(key=repr)
        return None if listed and all(part is None for part in listed) else listed
    return None


def _short(value: Any) -> Any:
    text = json.dumps(value, ensure_ascii=False)
    return value if len(text) <= LONGEST else f"(hash) {_hash(text)}"


def _spelled(node: Any) -> str:
    """Write a syntax tree out in one way for all versions of Python."""
    if isinstance(node, ast.AST):
        skipped = {"ctx", "kind", "type_comment", "type_params"}
        fields = [
            f"{name}={_spelled(value)}"
            for name, value in ast.iter_fields(node)
            if name not in skipped and value is not None and value != []
        ]
        return f"{type(node).__name__}({', '.join(fields)})"
    if isinstance(node, list):
        return f"[{', '.join(map(_spelled, node))}]"
    return repr(node)


class _Bare(ast.NodeTransformer):
    """Takes docstrings, types, assertions, and checks of arguments out of code."""

    def visit(self, node: ast.AST) -> Any:
        """Go through a node's parts; a body of which nothing is left says ``pass``."""
        node = super().visit(node)
        if isinstance(node, ast.stmt) and getattr(node, "body", None) == []:
            node.body = [ast.Pass()]  # type: ignore[attr-defined]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        """Drop what a function returns."""
        node.returns = None
        return self.generic_visit(node)

    def visit_arg(self, node: ast.arg) -> ast.AST:
        """Drop an argument's type."""
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST | None:
        """Keep the name and the value; in a class they make a field."""
        node.annotation = ast.Constant(None)
        return self.generic_visit(node)

    def visit_Assert(self, node: ast.Assert) -> None:
        """Drop it."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST | None:
        """Drop a docstring, or a call of a check."""
        value = node.value
        called = value.func if isinstance(value, ast.Call) else None
        check = isinstance(called, ast.Name) and re.match(r"(_?check_|expect$)", called.id)
        return None if check or isinstance(value, ast.Constant) else self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        """Of ``cast(type, value)`` keep the value."""
        self.generic_visit(node)
        cast = isinstance(node.func, ast.Name) and node.func.id == "cast"
        return node.args[1] if cast else node
