"""What axe finds wrong on a page as it is, for people who see, hear or move otherwise."""

from typing import cast

from playwright.sync_api import Page

from tests.browser.server import ROOT

_AXE = (ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text("utf-8")
_FINDINGS = """
async () => {
  const { violations } = await axe.run(document, { resultTypes: ["violations"], preload: false });
  return violations.filter(({ impact }) => ["serious", "critical"].includes(impact))
    .map(({ id, help, nodes }) => `${id} (${help}): ${nodes.slice(0, 3).map((node) => node.html.slice(0, 160))}`);
}
"""


def serious(page: Page) -> list[str]:
    """Return what is serious or critical."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"{_AXE};undefined")
    return cast(list[str], page.evaluate(_FINDINGS))
