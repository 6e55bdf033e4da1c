import { byId, maybe, show, write } from "./dom.js";
import { say, timeOfDay } from "./texts.js";

/**
 * The card that stands in the place of all pictures while the hearing rests.
 *
 * @typedef {import("./protocol.js").Recess} Recess
 */
export class RecessCard {
  /** @param {() => void} [onResume]  whoever may end the recess has a button for it */
  constructor(onResume) {
    this.rests = false;
    if (onResume) maybe("recess-resume")?.addEventListener("click", onResume);
  }

  /**
   * @param {Recess | null} recess
   * @returns {boolean} whether a recess has just ended
   */
  draw(recess) {
    const rested = this.rests;
    this.rests = recess !== null;
    show(byId("recess", HTMLElement), this.rests);
    document.body.classList.toggle("in-recess", this.rests);
    if (recess) {
      const at = timeOfDay(recess.since);
      write(byId("recess-since", HTMLElement), say(recess.by ? "recess.since" : "recess.since_then", { at, name: recess.by }));
      write(byId("recess-reason", HTMLElement), recess.reason ? say("recess.reason", { reason: recess.reason }) : "");
      return false;
    }
    return rested;
  }
}
