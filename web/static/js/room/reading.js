import { once, postJson } from "../live/api.js";
import { byId, show, write } from "../live/dom.js";
import { Newest } from "../live/newest.js";
import { clockText, say } from "../live/texts.js";

/**
 * Reading the decision out, asking for the confirmation, and watching it arrive.
 *
 * @typedef {object} Reading
 * @property {"none" | "asked" | "confirmed" | "signed" | "objected"} state
 * @property {string} text            what to read out
 * @property {string} amount_text
 * @property {string} capital
 * @property {string} payee
 * @property {string} bank_name
 * @property {string} account_masked
 * @property {string} case_number
 * @property {{asked: number | null, confirmed: number | null, signed: number | null}} elapsed_ms
 * @property {string} objection
 * @property {string | null} signature_url
 * @property {string | null} hindrance   why it cannot be asked yet
 */
export class ReadingPanel {
  /**
   * @param {string} base
   * @param {boolean} mayAct
   * @param {(sentence: string) => void} complain
   */
  constructor(base, mayAct, complain) {
    this.mayAct = mayAct;
    this.complain = complain;
    /** @type {Reading | null} */
    this.shown = null;
    /** @type {Newest<Reading>} */
    this.newest = new Newest(`${base}/reading`, (shown) => this.take(shown), complain);
    const ask = byId("reading-ask", HTMLButtonElement);
    ask.addEventListener("click", () => {
      const act = async () => {
        await postJson(`${base}/reading`, {});
        await this.load();
      };
      void once(ask, act, complain).then(() => this.draw());
    });
  }

  load() {
    return this.newest.load();
  }

  /** @param {Reading} shown */
  take(shown) {
    this.shown = shown;
    this.draw();
  }

  draw() {
    const shown = this.shown;
    if (!shown) return;
    write(byId("reading-text", HTMLElement), shown.text);
    write(byId("reading-amount", HTMLElement), `¥${shown.amount_text}`);
    write(byId("reading-capital", HTMLElement), shown.capital);
    write(byId("reading-payee", HTMLElement), shown.payee);
    write(byId("reading-bank", HTMLElement), shown.bank_name);
    write(byId("reading-account", HTMLElement), shown.account_masked);
    const ask = byId("reading-ask", HTMLButtonElement);
    const again = shown.state === "objected";
    show(ask, this.mayAct && (shown.state === "none" || again));
    ask.disabled = shown.hindrance !== null;
    write(ask, say(again ? "reading.ask_again" : "reading.ask"));
    write(byId("reading-hindrance", HTMLElement), shown.state === "none" || again ? (shown.hindrance ?? "") : "");
    this.drawSteps(shown);
    const objection = byId("reading-objection", HTMLElement);
    show(objection, again);
    write(byId("reading-objection-words", HTMLElement), say("reading.objection", { words: shown.objection }));
    const picture = byId("reading-signature", HTMLImageElement);
    show(byId("reading-signature-box", HTMLElement), shown.signature_url !== null);
    if (shown.signature_url && picture.getAttribute("src") !== shown.signature_url) picture.src = shown.signature_url;
  }

  /** @param {Reading} shown */
  drawSteps(shown) {
    const rank = { none: 0, objected: 1, asked: 1, confirmed: 2, signed: 3 }[shown.state];
    const waits = shown.state === "asked" || shown.state === "confirmed";
    const steps = /** @type {const} */ (["asked", "confirmed", "signed"]);
    for (const [i, step] of steps.entries()) {
      const node = byId(`step-${step}`, HTMLElement);
      const kind = rank > i ? "done" : waits && rank === i ? "now" : "later";
      node.dataset["kind"] = kind;
      const at = shown.elapsed_ms[step];
      write(byId(`step-${step}-at`, HTMLElement), at === null ? "" : clockText(at));
      write(byId(`step-${step}-words`, HTMLElement), say(`reading.${step}_${kind}`));
    }
  }
}
