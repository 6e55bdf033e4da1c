import { show } from "../live/dom.js";

/**
 * Tabs after the ARIA pattern: arrows move, the chosen one is the only one in the tab order.
 *
 * @param {HTMLElement} list
 * @param {(name: string) => void} onOpen
 * @returns {(name: string) => void} opens a tab from elsewhere
 */
export function tabs(list, onOpen) {
  const buttons = /** @type {HTMLElement[]} */ ([...list.querySelectorAll('[role="tab"]')]);
  /** @param {HTMLElement} chosen */
  const open = (chosen) => {
    for (const button of buttons) {
      const is = button === chosen;
      button.setAttribute("aria-selected", String(is));
      button.tabIndex = is ? 0 : -1;
      const panel = document.getElementById(button.getAttribute("aria-controls") ?? "");
      if (panel) show(panel, is);
    }
    chosen.classList.remove("tab--news");
    onOpen(chosen.dataset["tab"] ?? "");
  };
  for (const button of buttons) button.addEventListener("click", () => open(button));
  list.addEventListener("keydown", (event) => {
    const at = buttons.findIndex((button) => button === document.activeElement);
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    const next = at < 0 || step === 0 ? undefined : buttons[(at + step + buttons.length) % buttons.length];
    if (!next) return;
    event.preventDefault();
    open(next);
    next.focus();
  });
  return (name) => {
    const button = buttons.find((candidate) => candidate.dataset["tab"] === name);
    if (button) open(button);
  };
}
