"""Tests can be collected in any checkout, also in one without the folder `shared` beside it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.processes import REPOSITORY

MODULES = sorted((REPOSITORY / "tests").rglob("*.py"))


def while_imported(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is executed when a module is imported: all but the bodies of functions, whose decorators are."""
    yield node
    function = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda))
    for name, value in ast.iter_fields(node):
        if function and name == "body":
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from while_imported(child)


def test_files_that_may_be_absent_are_read_by_tests_not_by_modules() -> None:
    # Skipping while a module is imported ends the whole collection.
    called = [
        f"{module.relative_to(REPOSITORY)}:{node.lineno}"
        for module in MODULES
        for node in while_imported(ast.parse(module.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "shared_file"
    ]
    assert called == []
