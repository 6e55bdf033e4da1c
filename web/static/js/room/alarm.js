import { byId, maybe, show, write } from "../live/dom.js";
import { ring } from "../live/sound.js";
import { clockText, knows, say, timeOfDay } from "../live/texts.js";

/** After what was lost is shown in the alarm's place, a click that was meant for it still comes: let it pass. */
const SETTLE_MS = 800;

/**
 * Says that the recording does not reach the disk: what, since when, what is at risk, what to do. It stays until the
 * recording goes on, and when something was lost, until the host has seen what.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 * @typedef {import("../live/protocol.js").Trouble} Trouble
 */
export class RecordingAlarm {
  /**
   * @param {LiveSession} session
   * @param {boolean} isHost
   * @param {(sentence: string, kind: "good" | "careful") => void} tell
   */
  constructor(session, isHost, tell) {
    this.session = session;
    this.isHost = isHost;
    this.tell = tell;
    this.title = document.title;
    /** @type {Trouble | null} */
    this.trouble = null;
    this.changedAt = 0;
    maybe("alarm-act")?.addEventListener("click", () => this.act());
  }

  /** Whether something is wrong now. */
  get lasts() {
    return this.trouble !== null && this.trouble.mended_at === null;
  }

  draw() {
    const before = this.trouble;
    const trouble = this.session.room?.trouble ?? null;
    this.trouble = trouble;
    const kind = trouble === null ? "none" : trouble.mended_at === null ? trouble.error : "mended";
    const was = before === null ? "none" : before.mended_at === null ? before.error : "mended";
    if (kind !== was) {
      this.changedAt = performance.now();
      this.sayTried("");
      if (this.lasts) show(byId("told", HTMLElement), false); // it may still say that all is well
      if (this.lasts && was === "none") void ring(2);
      if (was !== "none" && kind === "none") this.tell(say(was === "mended" ? "alarm.seen" : "alarm.whole"), "good");
    }
    show(byId("alarm", HTMLElement), trouble !== null);
    document.title = this.lasts ? `${say("alarm.title")} · ${this.title}` : this.title;
    if (trouble === null) return;
    byId("alarm", HTMLElement).dataset["kind"] = trouble.mended_at === null ? "lasts" : "mended";
    if (trouble.mended_at === null) this.drawLasting(trouble);
    else this.drawMended(trouble);
  }

  /** Stay in sight above a dialogue that covers the room; it is answered first, and then the alarm can be reached. */
  raise() {
    const node = byId("alarm", HTMLElement);
    if (!("showPopover" in node)) return;  // an older browser: the alarm is seen through the dialogue's veil
    const above = this.trouble !== null && document.querySelector("dialog:modal") !== null;
    if (above === node.hasAttribute("popover")) return;
    if (above) {
      node.popover = "manual";
      node.showPopover();
    } else {
      node.removeAttribute("popover");
    }
  }

  /** @param {Trouble} trouble */
  drawLasting(trouble) {
    const known = knows(`alarm.what_${trouble.error}`) ? trouble.error : "disk_failed";
    write(byId("alarm-what", HTMLElement), say(`alarm.what_${known}`));
    const since = trouble.since === null ? "" : say(trouble.error === "not_recording" ? "alarm.since_stopped" : "alarm.since", { at: timeOfDay(trouble.since, true) });
    const safe = trouble.saved_ms === null ? "" : say("alarm.safe", { at: clockText(trouble.saved_ms, true) });
    write(byId("alarm-since", HTMLElement), since + safe);
    write(byId("alarm-risk", HTMLElement), this.risk(trouble));
    write(byId("alarm-do", HTMLElement), say(this.isHost ? `alarm.do_${known}` : "alarm.do_others"));
    this.drawButton(known === "disk_gone" ? "alarm.act_gone" : known === "disk_slow" ? "alarm.act_slow" : "alarm.act");
  }

  /**
   * @param {Trouble} trouble
   * @returns {string} what is at risk
   */
  risk(trouble) {
    if (trouble.error === "not_recording") return say("alarm.risk_not_recording");
    if (trouble.losing) return say("alarm.risk_losing");
    if (trouble.room_s === null) return say("alarm.risk_memory");
    return say("alarm.risk_memory_for", { span: span(Math.max(10, trouble.room_s) * 1000) });
  }

  /** @param {Trouble} trouble */
  drawMended(trouble) {
    const [from, to] = trouble.lost_ms ?? [0, 0];
    write(byId("alarm-what", HTMLElement), say("alarm.what_mended", { span: span(to - from) }));
    const begins = trouble.since === null ? Number.NaN : Date.parse(trouble.since) - (trouble.saved_ms ?? from);
    const at = (/** @type {number} */ ms) =>
      Number.isNaN(begins) ? clockText(ms, true) : timeOfDay(new Date(begins + ms).toISOString(), true);
    write(byId("alarm-since", HTMLElement), say("alarm.lost", { from: at(from), to: at(to), mark: clockText(trouble.saved_ms ?? from, true) }));
    write(byId("alarm-risk", HTMLElement), "");
    write(byId("alarm-do", HTMLElement), say(this.isHost ? "alarm.do_mended" : "alarm.do_others_mended"));
    this.drawButton("alarm.act_mended");
  }

  /** @param {string} key */
  drawButton(key) {
    const words = maybe("alarm-act-words");
    if (words) write(words, say(key));
  }

  /** Try again; or, when all is well, take the alarm away. */
  act() {
    if (!this.lasts && performance.now() - this.changedAt < SETTLE_MS) return;
    if (!this.session.send({ type: "record_again" })) this.tell(say("line.not_sent"), "careful");
    else if (this.lasts) this.sayTried(say("alarm.trying"));
  }

  /** The server tried, and the disk still takes nothing. */
  stillDown() {
    if (this.lasts) this.sayTried(say("alarm.tried", { at: timeOfDay(new Date().toISOString(), true) }));
  }

  /** @param {string} sentence */
  sayTried(sentence) {
    const node = maybe("alarm-tried");
    if (node) write(node, sentence);
  }
}

/**
 * @param {number} ms
 * @returns {string} a length of time in words
 */
function span(ms) {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 60) return say("span.seconds", { seconds });
  return say("span.minutes", { minutes: Math.floor(seconds / 60), seconds: seconds % 60 });
}
