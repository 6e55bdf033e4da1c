import { byId, write } from "../live/dom.js";
import { say } from "../live/texts.js";

/**
 * A line of the list of what is checked: a sentence, and whether it is good.
 *
 * @param {string} id
 * @param {"good" | "careful" | "info"} kind
 * @param {string} sentence
 */
export function drawReady(id, kind, sentence) {
  const node = byId(id, HTMLElement);
  node.dataset["kind"] = kind;
  const words = node.querySelector("[data-words]");
  if (words) write(words, sentence);
}

/**
 * @param {"camera" | "microphone"} device
 * @param {import("../live/devices.js").DeviceTrouble | null} what
 * @returns {string} what is wrong with it, in words
 */
export function trouble(device, what) {
  return say(`trouble.${device}_${what ?? "missing"}`);
}
