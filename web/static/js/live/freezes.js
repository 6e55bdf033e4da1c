/** Tells how long the others' pictures stood still, out of what the browser counts by itself. */
export class FreezeCounter {
  constructor() {
    /** @type {Map<string, {freezes: number, frozenMs: number}>} what each stream had counted the last time */
    this.before = new Map();
  }

  /**
   * @param {RTCStatsReport} report
   * @returns {{freezes: number, frozenMs: number}} of the picture that stood still longest since the last call
   */
  take(report) {
    /** @type {Map<string, {freezes: number, frozenMs: number}>} */
    const now = new Map();
    let worst = { freezes: 0, frozenMs: 0 };
    report.forEach((stats) => {
      if (stats.type !== "inbound-rtp" || stats.kind !== "video") return;
      const counted = { freezes: stats.freezeCount ?? 0, frozenMs: 1000 * (stats.totalFreezesDuration ?? 0) };
      const before = this.before.get(stats.id) ?? { freezes: 0, frozenMs: 0 };
      now.set(stats.id, counted);
      const frozenMs = Math.max(0, counted.frozenMs - before.frozenMs);
      if (frozenMs > worst.frozenMs) worst = { freezes: Math.max(0, counted.freezes - before.freezes), frozenMs };
    });
    this.before = now;
    return { freezes: Math.min(1000, worst.freezes), frozenMs: Math.min(600_000, Math.round(worst.frozenMs)) };
  }
}
