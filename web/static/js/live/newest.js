import { getJson, RequestRefused } from "./api.js";

/** A broken line is tried again after so long each time; the next notice asks anyway. */
const RETRIES_MS = [500, 1500, 4000];

/**
 * Asks the server for something that changes, whenever it may have changed. Of several questions under way only the
 * answer to the last one counts.
 *
 * @template T
 */
export class Newest {
  /**
   * @param {string} path
   * @param {(answer: T) => void} take
   * @param {(sentence: string) => void} complain  the server refuses, or cannot be reached
   */
  constructor(path, take, complain) {
    this.path = path;
    this.take = take;
    this.complain = complain;
    this.asked = 0;
  }

  /** @returns {Promise<void>} when there is an answer, or none to be had */
  async load() {
    this.asked += 1;
    const turn = this.asked;
    for (const wait of [...RETRIES_MS, null]) {
      try {
        const answer = /** @type {T} */ (await getJson(this.path));
        if (turn === this.asked) this.take(answer);
        return;
      } catch (error) {
        if (!(error instanceof RequestRefused)) throw error;
        if (turn !== this.asked) return;
        if (wait === null || error.status !== 0) return this.complain(error.message);
        await new Promise((resolve) => window.setTimeout(resolve, wait));
      }
    }
  }
}
