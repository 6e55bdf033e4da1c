import { byId, point, write } from "./dom.js";

/**
 * Draw one of the round buttons below the picture as what it does now.
 *
 * @param {string} id
 * @param {string} symbol
 * @param {string} words
 * @param {boolean} pressed
 */
export function drawControl(id, symbol, words, pressed) {
  const button = byId(id, HTMLButtonElement);
  const picture = button.querySelector("svg");
  if (picture) point(picture, symbol);
  const label = button.querySelector("[data-words]");
  if (label) write(label, words);
  button.classList.toggle("control--pressed", pressed);
}
