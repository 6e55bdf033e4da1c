import { once, postJson } from "../live/api.js";
import { byId, el, icon, show, write } from "../live/dom.js";
import { Newest } from "../live/newest.js";
import { clockText, say } from "../live/texts.js";

/**
 * The check of who somebody is: beside the picture the next step, the sentence to say, what to look for, two buttons.
 *
 * @typedef {object} Check
 * @property {string} key
 * @property {string} title
 * @property {string} say
 * @property {string} look_for
 * @property {string | null} still       which still this step needs
 * @property {boolean} mandatory
 * @property {"open" | "passed" | "failed"} outcome
 * @property {string | null} at          time of day in words
 * @property {string} note
 *
 * @typedef {object} StillShown
 * @property {string} kind
 * @property {string} title
 * @property {string | null} url
 * @property {number | null} elapsed_ms
 *
 * @typedef {object} Verification
 * @property {"open" | "verified" | "not_verified"} state
 * @property {Check[]} checks
 * @property {StillShown[]} stills
 * @property {string[]} hindrances       why it cannot be concluded as verified yet, in sentences
 * @property {string} reason             of a conclusion
 */
export class Identity {
  /**
   * @param {string} base  /sessions/{id}
   * @param {boolean} mayAct
   * @param {(text: string) => void} prompt  puts a line on the applicant's screen
   * @param {() => boolean} promptsEveryStep  whether each step's sentence goes there by itself
   * @param {(sentence: string) => void} complain
   */
  constructor(base, mayAct, prompt, promptsEveryStep, complain) {
    this.base = base;
    this.mayAct = mayAct;
    this.prompt = prompt;
    this.promptsEveryStep = promptsEveryStep;
    /** What of ours stands on the applicant's screen. */
    this.prompted = "";
    this.complain = complain;
    /** @type {Verification | null} */
    this.shown = null;
    /** @type {string | null} */
    this.chosen = null;
    /** @type {Newest<Verification>} */
    this.newest = new Newest(`${base}/verification`, (shown) => this.take(shown), complain);
    this.drawnStills = "";
    this.wire();
  }

  wire() {
    this.act("check-pass", () => this.settle(true));
    this.act("check-fail", () => this.settle(false));
    this.act("still-take", () => this.takeStill());
    this.act("identity-verify", async () => {
      await postJson(`${this.base}/identity`, { verified: true, reason: "" });
      await this.load();
    });
    byId("check-show", HTMLButtonElement).addEventListener("click", () => {
      const check = this.current();
      if (check) this.showPrompt(check.say);
    });
    const dialog = byId("refuse-dialog", HTMLDialogElement);
    byId("identity-refuse", HTMLButtonElement).addEventListener("click", () => dialog.showModal());
    byId("refuse-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
    byId("refuse-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const button = byId("refuse-send", HTMLButtonElement);
      const problem = byId("refuse-problem", HTMLElement);
      void once(
        button,
        async () => {
          const reason = byId("refuse-reason", HTMLTextAreaElement).value.trim();
          await postJson(`${this.base}/identity`, { verified: false, reason });
          dialog.close();
          await this.load();
        },
        (sentence) => {
          write(problem, sentence);
          show(problem, true);
        },
      );
    });
  }

  /**
   * @param {string} id
   * @param {() => Promise<void>} act
   */
  act(id, act) {
    const button = byId(id, HTMLButtonElement);
    button.addEventListener("click", () => void once(button, act, this.complain).then(() => this.draw()));
  }

  load() {
    return this.newest.load();
  }

  /** @param {Verification} shown */
  take(shown) {
    this.shown = shown;
    this.draw();
  }

  /** @returns {Check | null} the step at hand: the one picked, else the first not yet passed */
  current() {
    const checks = this.shown?.checks ?? [];
    return checks.find((check) => check.key === this.chosen) ?? checks.find((check) => check.outcome === "open") ?? null;
  }

  /** @param {boolean} passed */
  async settle(passed) {
    const check = this.current();
    if (!check) return;
    await postJson(`${this.base}/checks`, { item: check.key, passed, note: "" });
    if (passed) this.chosen = null;
    await this.load();
  }

  /** @param {string} text */
  showPrompt(text) {
    if (text === this.prompted) return;
    this.prompted = text;
    this.prompt(text);
  }

  /**
   * A step's sentence leaves the applicant's screen with the step.
   *
   * @param {Check | null} current
   */
  followPrompt(current) {
    if (current && this.promptsEveryStep()) this.showPrompt(current.say);
    else if (this.prompted !== "" && this.prompted !== current?.say) this.showPrompt("");
  }

  /** What Space does: a still of what the step at hand wants, taken by the server out of the live picture. */
  pressStill() {
    const button = byId("still-take", HTMLButtonElement);
    if (!button.disabled && !button.hidden) button.click();
  }

  async takeStill() {
    const kind = this.current()?.still ?? this.shown?.stills.find((still) => still.url === null)?.kind ?? "face";
    await postJson(`${this.base}/stills`, { kind });
    await this.load();
  }

  draw() {
    const shown = this.shown;
    if (!shown) return;
    const open = shown.state === "open";
    const current = open ? this.current() : null;
    this.drawChecks(shown.checks, current);
    this.followPrompt(current);
    const card = byId("check-card", HTMLElement);
    show(card, current !== null);
    if (current) {
      write(byId("check-say", HTMLElement), `“${current.say}”`);
      write(byId("check-look", HTMLElement), current.look_for);
      byId("check-pass", HTMLButtonElement).disabled = !this.mayAct;
      byId("check-fail", HTMLButtonElement).disabled = !this.mayAct;
    }
    this.drawStills(shown.stills);
    show(byId("still-take", HTMLElement), open && this.mayAct);
    this.drawEnd(shown, open);
  }

  /**
   * @param {Check[]} checks
   * @param {Check | null} current
   */
  drawChecks(checks, current) {
    byId("checks", HTMLElement).replaceChildren(
      ...checks.map((check, i) => {
        const passed = check.outcome === "passed";
        const failed = check.outcome === "failed";
        const badge = passed
          ? icon("check", "icon check__done")
          : failed
            ? icon("cross", "icon check__failed")
            : el("span", { class: "check__number", "aria-hidden": "true" }, String(i + 1));
        const button = el(
          "button",
          { class: "check", type: "button", ...(check === current ? { "aria-current": "step" } : {}) },
          badge,
          el("span", { class: "check__title" }, check.title, ...(check.mandatory ? [] : [el("span", { class: "check__optional" }, say("check.optional"))])),
          el("span", { class: "check__at" }, check.at ?? "", el("span", { class: "for-readers" }, say(`check.${check.outcome}`))),
        );
        button.addEventListener("click", () => {
          this.chosen = check.key;
          this.draw();
        });
        return el("li", {}, button);
      }),
    );
  }

  /** @param {StillShown[]} stills */
  drawStills(stills) {
    // Drawn anew only when something changed, so that the pictures are not fetched again every time.
    const drawn = JSON.stringify(stills);
    if (drawn === this.drawnStills) return;
    this.drawnStills = drawn;
    byId("stills", HTMLElement).replaceChildren(
      ...stills.map((still) => {
        if (!still.url) return el("li", { class: "still still--empty" }, still.title);
        const at = still.elapsed_ms === null ? "" : clockText(still.elapsed_ms);
        const name = `${still.title} ${at}`.trim();
        return el(
          "li",
          { class: "still" },
          el("a", { href: still.url, target: "_blank", rel: "noopener" }, el("img", { src: still.url, alt: say("still.of", { name }) })),
          el("span", { class: "still__at" }, name),
        );
      }),
    );
  }

  /**
   * @param {Verification} shown
   * @param {boolean} open
   */
  drawEnd(shown, open) {
    const passed = shown.checks.filter((check) => check.outcome === "passed").length;
    const ready = shown.hindrances.length === 0;
    write(byId("identity-count", HTMLElement), say("identity.count", { passed, all: shown.checks.length }));
    write(byId("identity-why", HTMLElement), ready || !open ? "" : (shown.hindrances[0] ?? ""));
    show(byId("identity-open", HTMLElement), open);
    const verify = byId("identity-verify", HTMLButtonElement);
    show(verify, this.mayAct && ready);
    show(byId("identity-refuse", HTMLElement), this.mayAct);
    const verdict = byId("identity-verdict", HTMLElement);
    show(verdict, !open);
    verdict.dataset["state"] = shown.state;
    if (open) return;
    write(byId("identity-verdict-words", HTMLElement), say(`identity.${shown.state}`));
    write(byId("identity-verdict-more", HTMLElement), shown.state === "verified" ? say("identity.verified_next") : shown.reason);
  }
}
