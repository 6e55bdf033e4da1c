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
 * Where a word is written. It stays there until the server has given it back: what went into a dead line is not lost,
 * and only sent again when it is not among what comes with the next line.
 */
export class WordField {
  /**
   * @param {import("./session.js").LiveSession} session
   * @param {HTMLInputElement | HTMLTextAreaElement} field
   */
  constructor(session, field) {
    this.session = session;
    this.field = field;
    /** @type {string | null} */
    this.underWay = null;
  }

  get text() {
    return this.field.value.trim();
  }

  /** @returns {boolean} whether what is written is on its way; nothing is sent twice at once */
  send() {
    if (this.text === "") return false;
    if (this.text === this.underWay) return true;
    if (!this.session.send({ type: "word", text: this.text })) return false;
    this.underWay = this.text;
    return true;
  }

  /** @param {string} text  one's own word came back from the server */
  cameBack(text) {
    if (this.text !== text.trim()) return;
    this.field.value = "";
    this.underWay = null;
  }

  /** It was refused, or the line is another one: whoever wrote it may send it again. */
  release() {
    this.underWay = null;
  }
}
