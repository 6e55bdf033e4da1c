import { drawControl } from "../live/control.js";
import { byId, point, show, write } from "../live/dom.js";
import { Faces } from "../live/faces.js";
import { BARS, SteadyQuality, gettingOf } from "../live/quality.js";
import { Speakers } from "../live/speakers.js";
import { clockText, say, timeOfDay } from "../live/texts.js";
import { drawCount, drawNames } from "../live/watchers.js";
import { WordField } from "../live/words.js";

/** More faces than this are a strip below the large one rather than corners of it. */
const FEW = 4;

/**
 * The hearing on the applicant's screen: the prosecutor's face as large as it gets, oneself in the corner.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 * @typedef {import("../live/protocol.js").Person} Person
 */
export class Call {
  /**
   * @param {LiveSession} session
   * @param {import("../live/own_devices.js").OwnDevices} devices
   */
  constructor(session, devices) {
    this.session = session;
    this.devices = devices;
    this.faces = new Faces(devices, "call-unlock", () => this.draw());
    this.quality = new SteadyQuality();
    /** @type {import("../live/quality.js").Getting} */
    this.getting = "all";
    this.speakers = new Speakers();
    this.lineSentence = "";
    this.mediaBroken = false;
    this.word = new WordField(session, byId("words-text", HTMLInputElement));
    /** @type {number | undefined} */
    this.lineTimer = undefined;
    this.wire();
    devices.onChange(() => this.draw());
    window.setInterval(() => this.drawClock(), 250);
  }

  wire() {
    const { session, devices } = this;
    byId("call-mute", HTMLButtonElement).addEventListener("click", () => void devices.switchMicrophone(!devices.microphoneOn));
    byId("call-camera", HTMLButtonElement).addEventListener("click", () => void devices.switchCamera(!devices.cameraOn));
    byId("call-hand", HTMLButtonElement).addEventListener("click", () => {
      session.send({ type: "hand", raised: session.me?.hand !== true });
    });
    const words = byId("words-dialog", HTMLDialogElement);
    byId("call-words", HTMLButtonElement).addEventListener("click", () => {
      byId("call-words", HTMLButtonElement).classList.remove("control--news");
      words.showModal();
    });
    byId("words-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const sent = this.word.send();
      const problem = byId("words-problem", HTMLElement);
      show(problem, !sent);
      if (!sent) write(problem, say(this.word.text === "" ? "word.empty" : "word.not_sent"));
    });
    byId("words-close", HTMLButtonElement).addEventListener("click", () => words.close());
    const watching = byId("watching-dialog", HTMLDialogElement);
    byId("watching-count", HTMLButtonElement).addEventListener("click", () => watching.showModal());
    const leave = byId("leave-dialog", HTMLDialogElement);
    byId("call-leave", HTMLButtonElement).addEventListener("click", () => leave.showModal());
    leave.addEventListener("close", () => {
      if (leave.returnValue === "leave") session.leave();
      leave.returnValue = "";
    });
  }

  /**
   * @param {string} seat
   * @param {MediaStream | null} stream
   */
  setStream(seat, stream) {
    this.faces.setStream(seat, stream);
  }

  /** @param {boolean} mine */
  wordCame(mine) {
    if (!mine && !byId("words-dialog", HTMLDialogElement).open) {
      byId("call-words", HTMLButtonElement).classList.add("control--news");
    }
  }

  draw() {
    const room = this.session.room;
    if (!room) return;
    const people = room.people.filter((person) => person.role === "host" || (person.admitted && person.role !== "observer" && (person.present || person.seat_id === room.you)));
    const stage = this.onStage(people, room.you);
    let corner = 1;
    for (const person of people) {
      const own = person.seat_id === room.you;
      const view = this.faces.viewOf(person.seat_id, own);
      if (own) this.faces.showOwn(view);
      const onStage = person.seat_id === stage?.seat_id;
      const name = own ? say("person.you") : person.name;
      view.draw(own ? { ...person, ...this.devices.states() } : person, name, own ? "" : person.title, !onStage && !own, room);
      view.node.classList.toggle("person--stage", onStage);
      view.node.classList.toggle("person--corner", !onStage);
      view.node.style.setProperty("--place", onStage ? "0" : own ? "0" : String(corner));
      if (!onStage && !own) corner += 1;
    }
    this.faces.keepOnly(people);
    byId("call", HTMLElement).classList.toggle("call--many", people.length > FEW);
    drawCount(room.people, byId("watching-count", HTMLElement));
    drawNames(room.people, "watching-names");
    this.drawControls();
    this.drawPrompt(room.prompt);
    this.drawAlarm(room.trouble !== null && room.trouble.mended_at === null ? room.trouble : null);
    this.drawLine();
  }

  /**
   * @param {Person[]} people
   * @param {string} you
   */
  onStage(people, you) {
    const others = people.filter((person) => person.seat_id !== you);
    return (
      others.find((person) => person.seat_id === this.faces.chosen) ??
      others.find((person) => person.role === "host") ??
      others[0]
    );
  }

  drawControls() {
    const { microphoneOn, cameraOn } = this.devices;
    drawControl("call-mute", microphoneOn ? "mic" : "mic-off", say(microphoneOn ? "call.mute" : "call.unmute"), !microphoneOn);
    drawControl("call-camera", cameraOn ? "camera" : "camera-off", say(cameraOn ? "call.camera_off" : "call.camera_on"), !cameraOn);
    const raised = this.session.me?.hand === true;
    drawControl("call-hand", "hand", say(raised ? "call.lower_hand" : "call.raise_hand"), raised);
  }

  /** @param {string} prompt */
  drawPrompt(prompt) {
    const text = prompt.trim();
    show(byId("prompt", HTMLElement), text !== "");
    const cut = text.includes("\n") ? text.indexOf("\n") : text.indexOf("。") + 1;
    const first = cut > 0 ? text.slice(0, cut) : text;
    write(byId("prompt-first", HTMLElement), first.replace(/。$/, "").trim());
    write(byId("prompt-rest", HTMLElement), cut > 0 ? text.slice(cut).trim() : "");
  }

  /** @param {import("../live/protocol.js").Trouble | null} trouble  the recording does not reach the disk */
  drawAlarm(trouble) {
    const node = byId("alarm", HTMLElement);
    const wasThere = !node.hidden;
    show(node, trouble !== null);
    if (trouble !== null) write(byId("alarm-words", HTMLElement), say(trouble.error === "not_recording" ? "alarm.stopped" : "alarm.lasts"));
    if (trouble === null && wasThere) this.sayLine(say("alarm.over"), 8000);
    if (trouble !== null && this.lineSentence === say("alarm.over")) this.sayLine("");
  }

  drawClock() {
    const now = this.session.clock.now();
    show(byId("rec", HTMLElement), this.session.records);
    if (now !== null) write(byId("rec-time", HTMLElement), clockText(now));
  }

  /** @param {Record<string, import("../live/protocol.js").Measured>} people */
  drawStats(people) {
    const you = this.session.room?.you ?? "";
    this.speakers.take(people);
    this.faces.setSpeaking(this.speakers.loud);
    this.getting = gettingOf(people[you]);
    this.drawQuality(this.quality.take(people[you]));
    this.drawLine();
  }

  /** @param {import("../live/quality.js").Quality} quality */
  drawQuality(quality) {
    const node = byId("net", HTMLElement);
    const shown = this.getting !== "all" && quality === "good" ? "weak" : quality;
    node.dataset["quality"] = shown;
    write(byId("net-word", HTMLElement), say(this.getting === "all" ? `net.${quality}` : `net.gets_${this.getting}`));
    point(byId("net-bars", SVGSVGElement), BARS[shown]);
  }

  /**
   * Say something about the line; it goes away by itself after `ms`, or stays when `ms` is 0.
   *
   * @param {string} sentence
   * @param {number} [ms]
   */
  sayLine(sentence, ms = 0) {
    window.clearTimeout(this.lineTimer);
    this.lineSentence = sentence;
    if (ms > 0) this.lineTimer = window.setTimeout(() => this.sayLine(""), ms);
    this.drawLine();
  }

  /** @param {boolean} broken  picture and sound do not flow, although the line to the room may stand */
  setMediaBroken(broken) {
    this.mediaBroken = broken;
    this.drawLine();
  }

  /** What the banner says: a broken line first, then what is wrong with one's own sound. */
  drawLine() {
    const me = this.session.me;
    let sentence = this.lineSentence;
    const awaited = this.session.room?.recess ? null : this.session.room?.host_awaited;
    if (sentence === "" && awaited) sentence = say("line.host_awaited", { at: timeOfDay(awaited.ends_at) });
    if (sentence === "" && this.mediaBroken) sentence = say("line.media_lost");
    if (sentence === "" && me?.muted) sentence = say("call.muted_by_host");
    if (sentence === "" && !this.devices.audio && this.devices.microphoneOn) sentence = say("call.no_microphone");
    if (sentence === "" && this.getting === "sound") sentence = say("line.sound_alone");
    const node = byId("line", HTMLElement);
    show(node, sentence !== "");
    write(byId("line-words", HTMLElement), sentence);
  }
}
