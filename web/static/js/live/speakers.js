/**
 * Who is speaking, by how loud everybody was in the last second.
 *
 * @typedef {import("./protocol.js").Measured} Measured
 */

/** Louder than a quiet room, 0 to 100. */
const LOUD = 12;
/** Whoever is the loudest for so many seconds is who speaks: a cough does not change the picture. */
const STEADY_S = 2;

export class Speakers {
  constructor() {
    /** @type {Set<string>} */
    this.loud = new Set();
    /** @type {string | null} the seat of whoever spoke last, for some seconds */
    this.steady = null;
    /** @type {string | null} */
    this.loudest = null;
    this.seconds = 0;
  }

  /** @param {Record<string, Measured>} people */
  take(people) {
    const loud = Object.entries(people).filter(([, measured]) => measured.level > LOUD);
    this.loud = new Set(loud.map(([seat]) => seat));
    const loudest = loud.sort(([, one], [, other]) => other.level - one.level)[0]?.[0] ?? null;
    this.seconds = loudest === this.loudest ? this.seconds + 1 : 1;
    this.loudest = loudest;
    if (loudest !== null && this.seconds >= STEADY_S) this.steady = loudest;
  }
}
