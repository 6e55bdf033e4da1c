/**
 * The recording's clock. The server says where the recording stands; in between this page counts on.
 */
export class RecordingClock {
  constructor() {
    /** @type {number | null} */
    this.elapsedMs = null;
    this.savedMs = 0;
    this.heardAt = 0;
  }

  /**
   * @param {number | null} elapsedMs
   * @param {number | null} savedMs
   */
  set(elapsedMs, savedMs) {
    this.elapsedMs = elapsedMs;
    this.savedMs = savedMs ?? 0;
    this.heardAt = performance.now();
  }

  /** Stand still: the line is broken, and what is recorded meanwhile is not known here. */
  stop() {
    if (this.elapsedMs !== null) this.elapsedMs = this.now();
    this.heardAt = Number.NaN;
  }

  /** @returns {number | null} milliseconds since the recording began, null when nothing is being recorded */
  now() {
    if (this.elapsedMs === null) return null;
    if (Number.isNaN(this.heardAt)) return this.elapsedMs;
    // Without news for 3 s the clock stops rather than claim a recording nobody has confirmed.
    return this.elapsedMs + Math.min(3000, performance.now() - this.heardAt);
  }

  /** @returns {boolean} whether everything but the last two seconds is on disk */
  isSaved() {
    const now = this.now();
    return now !== null && now - this.savedMs < 3000;
  }
}
