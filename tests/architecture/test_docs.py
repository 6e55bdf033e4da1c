"""What the documents say is what the code does."""

import re

from tests.architecture.source import ROOT
from tools.settings_table import table
from web.__main__ import main


def test_the_table_of_settings_is_the_settings() -> None:
    assert table() in (ROOT / "docs" / "operations.md").read_text("utf-8")


def test_every_link_in_the_readme_leads_somewhere() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", readme):
        assert (ROOT / target).exists(), target


def test_every_make_target_the_documents_name_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"`make ([a-z-]+)", path.read_text("utf-8")):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), (path.name, target)


def test_every_command_the_documents_name_exists() -> None:
    for path in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for command in re.findall(r"`jiefang ([a-z-]+)", path.read_text("utf-8")):
            assert command in main.commands, (path.name, command)
