"""The house stays readable: rooms of one purpose, nothing left open, nothing from a foreign host."""

import ast
import re

import pytest

from tests.architecture.source import ROOT, modules

FILE_LINES_MAX = 450
FUNCTION_LINES_MAX = 70
LEFT_OPEN = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
FOREIGN = re.compile(r"""(src|href|@import|url\()[^>]{0,12}https?://""")


def test_functions_fit_on_a_page() -> None:
    long = [
        f"{path.name}:{node.lineno} {node.name}"
        for path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES_MAX
    ]
    assert not long


def test_files_are_one_room() -> None:
    long = [path.name for path, _ in modules() if len(path.read_text("utf-8").splitlines()) > FILE_LINES_MAX]
    assert not long


@pytest.mark.parametrize("pattern", ["web/templates/**/*.html", "web/static/js/**/*.js", "web/static/css/*.css"])
def test_pages_ask_nothing_of_a_foreign_host_and_leave_nothing_open(pattern: str) -> None:
    files = list(ROOT.glob(pattern))
    assert files
    for path in files:
        text = path.read_text("utf-8")
        assert not FOREIGN.search(text), path
        assert not LEFT_OPEN.search(text), path
        assert "innerHTML" not in text, path


@pytest.mark.parametrize("pattern", ["web/templates/**/*.html"])
def test_templates_carry_no_inline_script_or_style_and_unescape_nothing(pattern: str) -> None:
    for path in ROOT.glob(pattern):
        text = path.read_text("utf-8")
        assert not re.search(r"<script(?![^>]*(\bsrc=|application/json))", text), path
        assert not re.search(r"\son[a-z]+=|\sstyle=|\|\s*safe\b", text), path
