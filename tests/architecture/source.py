"""Reads the project's own source, so that tables can be held equal to the code they speak of."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("aid", "records", "sessions", "signaling", "web")


@functools.cache
def modules() -> tuple[tuple[Path, ast.Module], ...]:
    """Return every module of the house, parsed."""
    paths = (
        path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) if "versions" not in path.parts
    )
    return tuple((path, ast.parse(path.read_text("utf-8"))) for path in paths)


def calls_of(*names: str) -> Iterator[ast.Call]:
    """Yield every call of a function or method with one of these names."""
    for _, tree in modules():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and _called(node) in names:
                yield node


def _called(node: ast.Call) -> str:
    match node.func:
        case ast.Name(name):
            return name
        case ast.Attribute(_, name):
            return name
        case _:
            return ""


def texts_in(node: ast.expr) -> Iterator[str]:
    """Yield the texts an expression can be: a literal, either arm of a condition, or a pattern for an f-string."""
    match node:
        case ast.Constant(str(text)):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from texts_in(body)
            yield from texts_in(orelse)
        case ast.JoinedStr(parts):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "*" for part in parts)


def texts_of_code(*, except_in: str) -> set[str]:
    """Return every literal text of the house's modules, leaving out the file of that name."""
    return {
        node.value
        for path, tree in modules()
        if path.name != except_in
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
