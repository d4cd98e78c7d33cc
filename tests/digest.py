"""A digest of code: whether a published table is as new as what it speaks of."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]


def digest(paths: Iterable[Path]) -> str:
    """Digest of Python files in this order; comments, docstrings and layout do not count."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.relative_to(TOP).as_posix().encode())
        total.update(_meaning(path.read_text("utf-8")).encode())
    return total.hexdigest()[:16]


def _meaning(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [each for each in node.body if not _is_docstring(each)]
    return ast.unparse(tree)


def _is_docstring(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
