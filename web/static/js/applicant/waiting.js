import { byId, show, write } from "../live/dom.js";
import { showTrack } from "../live/own_devices.js";
import { LevelMeter } from "../live/sound.js";
import { say } from "../live/texts.js";
import { WordField } from "../live/words.js";
import { drawReady, trouble } from "./ready.js";

/**
 * The waiting room: what happens next, oneself, what has been checked, and words to and fro.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 */
export class WaitingRoom {
  /**
   * @param {LiveSession} session
   * @param {import("../live/own_devices.js").OwnDevices} devices
   * @param {string} startsAt
   */
  constructor(session, devices, startsAt) {
    this.session = session;
    this.devices = devices;
    this.startsAt = Date.parse(startsAt);
    this.meter = new LevelMeter(byId("wait-bars", HTMLElement));
    this.online = true;
    this.word = new WordField(session, byId("word-text", HTMLTextAreaElement));
    this.wordDialog = byId("word-dialog", HTMLDialogElement);
    this.laterDialog = byId("later-dialog", HTMLDialogElement);
    byId("wait-word", HTMLButtonElement).addEventListener("click", () => this.wordDialog.showModal());
    byId("word-form", HTMLFormElement).addEventListener("submit", (event) => this.leaveWord(event));
    byId("wait-later", HTMLButtonElement).addEventListener("click", () => this.laterDialog.showModal());
    devices.onChange(() => this.draw());
    window.setInterval(() => this.draw(), 20_000);
  }

  /** @param {SubmitEvent} event */
  leaveWord(event) {
    if (!(event.submitter instanceof HTMLButtonElement) || event.submitter.value !== "send") return;
    const sent = this.word.send();
    const problem = byId("word-problem", HTMLElement);
    show(problem, !sent);
    if (sent) return;
    event.preventDefault();
    write(problem, say(this.word.text === "" ? "word.empty" : "word.not_sent"));
  }

  /** @param {boolean} online */
  setOnline(online) {
    this.online = online;
    this.draw();
  }

  draw() {
    const host = this.session.room?.people.find((person) => person.role === "host");
    const minutes = Math.ceil((this.startsAt - Date.now()) / 60_000);
    const rests = this.session.room?.recess != null;
    write(byId("wait-heading", HTMLElement), rests ? say("wait.heading_rests") : heading(host?.present === true, minutes));
    const next = rests ? say("wait.rests") : !host ? "" : say(host.present ? "wait.host_here" : "wait.host_not_here", { name: `${host.name} ${host.title}`.trim() });
    write(byId("wait-next", HTMLElement), next);
    showTrack(byId("wait-video", HTMLVideoElement), this.devices.video);
    this.meter.listen(this.devices.audio);
    show(byId("wait-no-picture", HTMLElement), !this.devices.video);
    drawReady("wait-row-devices", ...this.verdict());
  }

  /** @returns {["good" | "careful", string]} */
  verdict() {
    if (!this.online) return ["careful", say("line.lost")];
    if (!this.devices.audio) return ["careful", trouble("microphone", this.devices.audioTrouble)];
    if (!this.devices.video) return ["careful", say("wait.sound_only")];
    return ["good", say("wait.all_good")];
  }
}

/**
 * @param {boolean} hostPresent
 * @param {number} minutes  until the booked time
 */
function heading(hostPresent, minutes) {
  if (minutes > 1) return say(minutes > 90 ? "wait.heading_hours" : "wait.heading_minutes", { minutes, hours: Math.round(minutes / 60) });
  return say(hostPresent ? "wait.heading_soon" : "wait.heading_host_late");
}
