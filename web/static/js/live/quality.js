/**
 * How good a line is, in words. One table for both sides, so that the applicant and the host are told the same.
 *
 * @typedef {import("./protocol.js").Measured} Measured
 * @typedef {"good" | "weak" | "bad" | "lost"} Quality
 */

/**
 * @param {Measured | undefined} measured
 * @returns {Quality}
 */
export function qualityOf(measured) {
  if (!measured) return "good";
  const delay = measured.rtt_ms ?? 0;
  if (measured.loss_pct >= 12 || delay >= 800) return "bad";
  if (measured.loss_pct >= 3 || delay >= 300) return "weak";
  return "good";
}

/**
 * How much of the others' pictures a person gets: what the line does not carry is held back by the server, for some
 * seconds at least.
 *
 * @typedef {"all" | "fewer" | "sound"} Getting
 *
 * @param {Measured | undefined} measured
 * @returns {Getting}
 */
export function gettingOf(measured) {
  if (measured?.sound_alone) return "sound";
  return measured?.fewer_pictures ? "fewer" : "all";
}

/** Symbols of the sprite; the word stands beside them always. */
export const BARS = { good: "signal-4", weak: "signal-2", bad: "signal-1", lost: "signal-0" };

/** Keeps a verdict for a few seconds, so that words on the screen do not flicker between two measurements. */
export class SteadyQuality {
  constructor() {
    /** @type {Quality} */
    this.quality = "good";
    this.agreed = 0;
  }

  /**
   * @param {Measured | undefined} measured
   * @returns {Quality}
   */
  take(measured) {
    const now = qualityOf(measured);
    if (now === this.quality) this.agreed = 0;
    else {
      this.agreed += 1;
      const patience = rank(now) > rank(this.quality) ? 2 : 4;
      if (this.agreed >= patience) {
        this.quality = now;
        this.agreed = 0;
      }
    }
    return this.quality;
  }
}

/** @param {Quality} quality */
function rank(quality) {
  return ["good", "weak", "bad", "lost"].indexOf(quality);
}
