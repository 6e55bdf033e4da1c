/**
 * One question a page: of the page's steps one is shown, its heading has the focus, the rest is out of the way.
 *
 * @typedef {"recording" | "personal_data" | "consent_refused" | "unsupported" | "devices" | "waiting" | "room"
 *   | "another_day" | "elsewhere" | "gone"} Step
 */

import { show } from "../live/dom.js";

/** @type {Step | null} */
let current = null;

/** @returns {Step | null} */
export function currentStep() {
  return current;
}

/** @param {Step} step */
export function go(step) {
  if (step === current) return;
  const first = current === null;
  current = step;
  for (const node of document.querySelectorAll("[data-step]")) {
    show(node, node.getAttribute("data-step") === step);
  }
  document.body.classList.toggle("in-call", step === "room");
  window.scrollTo(0, 0);
  const heading = document.querySelector(`[data-step="${step}"] [data-heading]`);
  // The first page keeps the browser's own place; later ones are announced by moving the focus to their question.
  if (heading instanceof HTMLElement && !first) heading.focus({ preventScroll: true });
}
