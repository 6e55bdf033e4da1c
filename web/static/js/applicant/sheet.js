import { once, postJson } from "../live/api.js";
import { byId, show, write } from "../live/dom.js";
import { Newest } from "../live/newest.js";
import { Pad, typedPicture } from "../live/signature.js";
import { say } from "../live/texts.js";

/**
 * The sheet that comes up over the picture: amount and account to confirm, then the signature.
 *
 * @typedef {object} Confirmation
 * @property {"none" | "asked" | "confirmed" | "signed" | "objected"} state
 * @property {number} amount_fen
 * @property {string} amount_text
 * @property {string} capital
 * @property {string} payee
 * @property {string} holder_relation  whose account it is, when not the applicant's own
 * @property {string} bank_name
 * @property {string} account_masked
 * @property {string} account_fingerprint
 * @property {string} case_number
 */

const PATH = "/hearing/confirmation";

export class ConfirmationSheet {
  constructor() {
    this.node = byId("sheet", HTMLElement);
    /** @type {Confirmation | null} */
    this.shown = null;
    this.dismissed = "";
    /** @type {Pad | null} */
    this.pad = null;
    this.typing = false;
    /** @type {Newest<Confirmation>} */
    this.newest = new Newest(PATH, (confirmation) => this.take(confirmation), (sentence) => this.complain(sentence));
    // The picture stays visible above the sheet, however tall the sheet is on this screen.
    new ResizeObserver(() => {
      document.body.style.setProperty("--sheet", `${this.node.getBoundingClientRect().height}px`);
    }).observe(this.node);
    this.wire();
  }

  wire() {
    this.act("sheet-confirm", async () => {
      if (!this.shown) return;
      const { amount_fen, account_fingerprint } = this.shown;
      await postJson(`${PATH}/confirm`, { amount_fen, account_fingerprint });
      await this.load();
    });
    this.act("sheet-wrong", () => this.object("wrong_account"));
    this.act("sheet-speak", () => this.object("wants_to_speak"));
    this.act("sign-send", () => this.sign());
    byId("sign-clear", HTMLButtonElement).addEventListener("click", () => {
      this.pad?.clear();
      this.drawSigning();
    });
    byId("sign-other", HTMLButtonElement).addEventListener("click", () => {
      this.typing = !this.typing;
      this.drawSigning();
      (this.typing ? byId("sign-name", HTMLElement) : byId("sign-pad", HTMLElement)).focus();
    });
    byId("sign-name", HTMLInputElement).addEventListener("input", () => this.drawSigning());
    for (const button of this.node.querySelectorAll("[data-dismiss]")) {
      button.addEventListener("click", () => {
        this.dismissed = this.shown?.state ?? "";
        this.draw();
      });
    }
  }

  /**
   * @param {string} id
   * @param {() => Promise<void>} act
   */
  act(id, act) {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener("click", () => {
      this.complain("");
      void once(button, act, (sentence) => {
        this.complain(sentence);
        // What was refused may have been refused because it changed meanwhile: show what holds now.
        void this.load();
      }).then(() => this.drawSigning());
    });
  }

  /** Fetch where the confirmation stands. */
  load() {
    return this.newest.load();
  }

  /** @param {Confirmation} confirmation */
  take(confirmation) {
    if (confirmation.state !== this.shown?.state) this.dismissed = "";
    this.shown = confirmation;
    this.draw();
  }

  draw() {
    const state = this.shown?.state ?? "none";
    const visible = state !== "none" && state !== this.dismissed;
    const was = this.node.dataset["state"];
    show(this.node, visible);
    document.body.classList.toggle("sheet-up", visible);
    this.node.dataset["state"] = visible ? state : "";
    for (const part of this.node.querySelectorAll("[data-sheet]")) {
      show(part, part.getAttribute("data-sheet") === state);
    }
    if (!this.shown || !visible) return;
    const { amount_text, capital, payee, holder_relation, bank_name, account_masked, case_number } = this.shown;
    const who = { name: payee, relation: holder_relation };
    const facts = {
      amount: `¥${amount_text}`,
      capital,
      payee: say(holder_relation ? "payee.other" : "payee.own", who),
      bank: bank_name,
      account: account_masked,
      case: case_number,
    };
    for (const [name, value] of Object.entries(facts)) {
      for (const node of this.node.querySelectorAll(`[data-fact="${name}"]`)) write(node, value);
    }
    if (state === "confirmed") this.drawSigning();
    if (was !== state) {
      const heading = this.node.querySelector(`[data-sheet="${state}"] [data-heading]`);
      if (heading instanceof HTMLElement) heading.focus({ preventScroll: true });
    }
  }

  drawSigning() {
    if (this.shown?.state !== "confirmed") return;
    show(byId("sign-by-hand", HTMLElement), !this.typing);
    show(byId("sign-by-typing", HTMLElement), this.typing);
    show(byId("sign-to-typing", HTMLElement), !this.typing);
    show(byId("sign-to-hand", HTMLElement), this.typing);
    this.pad ??= new Pad(byId("sign-pad", HTMLCanvasElement), () => this.drawSigning());
    this.pad.fit();
    const written = this.pad.strokes().length > 0;
    show(byId("sign-hint", HTMLElement), !written);
    byId("sign-clear", HTMLButtonElement).disabled = !written || this.typing;
    const ready = this.typing ? byId("sign-name", HTMLInputElement).value.trim().length >= 2 : this.pad.isSigned();
    byId("sign-send", HTMLButtonElement).disabled = !ready;
  }

  /** @param {"wrong_account" | "wants_to_speak"} kind */
  async object(kind) {
    await postJson(`${PATH}/object`, { kind, text: "" });
    await this.load();
  }

  async sign() {
    if (!this.pad) return;
    const typed = byId("sign-name", HTMLInputElement).value.trim();
    const body = this.typing
      ? { strokes: [], typed_name: typed, picture: typedPicture(typed) }
      : { strokes: this.pad.strokes(), typed_name: null, picture: this.pad.picture() };
    await postJson(`${PATH}/sign`, body);
    await this.load();
  }

  /** @param {string} sentence */
  complain(sentence) {
    const node = byId("sheet-problem", HTMLElement);
    show(node, sentence !== "");
    write(node, sentence);
  }
}
