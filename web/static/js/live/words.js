import { getJson } from "./api.js";
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

/**
 * Show again what was written before this page came (back). Words that arrive meanwhile stay, at the end.
 *
 * @param {string} path
 * @param {...HTMLElement} lists
 * @returns {Promise<number>} how many were written; 0 also where the server cannot be asked, and the page stays as it is
 */
export async function recallWords(path, ...lists) {
  const shown = lists.map((list) => [...list.children]);
  /** @type {(import("./protocol.js").WordMessage & {mine: boolean})[]} */
  let words = [];
  try {
    words = (await getJson(path)).words;
  } catch {
    // The line broke again: the next time it is back asks once more.
    return 0;
  }
  lists.forEach((list, i) => {
    const came = [...list.children].filter((child) => !shown[i]?.includes(child));
    list.replaceChildren();
    for (const word of words) appendWord(word, word.mine, list);
    list.append(...came);
  });
  return words.length;
}
