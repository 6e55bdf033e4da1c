import { el } from "./dom.js";
import { say, timeOfDay } from "./texts.js";

/** How many words stay on the page; the rest is on record. */
const KEPT = 100;

/**
 * Append a written word to each of the lists and keep its end in view.
 *
 * @param {import("./protocol.js").WordMessage} word
 * @param {boolean} mine
 * @param {...HTMLElement} lists
 */
export function appendWord(word, mine, ...lists) {
  for (const list of lists) {
    list.append(
      el(
        "li",
        { class: mine ? "saying saying--mine" : "saying" },
        el("p", { class: "saying__who" }, `${mine ? say("word.you") : word.name} ${timeOfDay(word.at)}`),
        el("p", { class: "saying__what" }, word.text),
      ),
    );
    while (list.children.length > KEPT) list.firstElementChild?.remove();
    list.lastElementChild?.scrollIntoView({ block: "nearest" });
  }
}
