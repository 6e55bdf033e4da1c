import { byId, show, write } from "../live/dom.js";
import { Faces } from "../live/faces.js";
import { SteadyQuality, gettingOf } from "../live/quality.js";
import { Speakers } from "../live/speakers.js";
import { say } from "../live/texts.js";

/** More faces than this do not fit beside each other in the usual size. */
const FEW = 5;

/**
 * The faces: one large, the others in a strip below. Large is whoever is picked; else the applicant, for those who work
 * with her, and whoever speaks for those who only take part or watch.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 * @typedef {import("../live/protocol.js").Person} Person
 */
export class Stage {
  /**
   * @param {LiveSession} session
   * @param {import("../live/own_devices.js").OwnDevices} devices
   */
  constructor(session, devices) {
    this.session = session;
    this.devices = devices;
    this.faces = new Faces(devices, "unlock", () => this.draw());
    /** @type {Map<string, SteadyQuality>} */
    this.qualities = new Map();
    /** @type {Record<string, import("../live/protocol.js").Measured>} */
    this.stats = {};
    this.speakers = new Speakers();
    devices.onChange(() => this.draw());
  }

  /**
   * @param {string} seat
   * @param {MediaStream | null} stream
   */
  setStream(seat, stream) {
    this.faces.setStream(seat, stream);
  }

  /** @returns {Person | null} whose face is large */
  get large() {
    const room = this.session.room;
    if (!room) return null;
    const seen = this.seen();
    const follows = ["joint", "helper", "observer"].includes(this.session.me?.role ?? "");
    const speaker = follows ? seen.find((person) => person.seat_id === this.speakers.steady) : undefined;
    return (
      seen.find((person) => person.seat_id === this.faces.chosen) ??
      (speaker?.present && speaker.seat_id !== room.you ? speaker : null) ??
      seen.find((person) => person.role === "applicant") ??
      seen.find((person) => person.seat_id !== room.you) ??
      seen[0] ??
      null
    );
  }

  /**
   * @returns {Person[]} who is shown: everybody let in; whoever is awaited has an empty place, unless many are
   */
  seen() {
    const room = this.session.room;
    if (!room) return [];
    const expected = room.people.filter((person) => person.role !== "observer");
    const roomy = expected.length <= FEW;
    return expected.filter((person) => {
      if (person.role === "applicant") return person.admitted;
      return person.present || person.role === "host" || roomy;
    });
  }

  draw() {
    const room = this.session.room;
    if (!room) return;
    const seen = this.seen();
    const large = this.large;
    for (const person of seen) {
      const own = person.seat_id === room.you;
      const view = this.faces.viewOf(person.seat_id, own);
      if (own) this.faces.showOwn(view);
      const name = own ? say("person.you_as", { role: say(`role.${person.role}`) }) : person.name;
      const small = person.seat_id !== large?.seat_id;
      view.draw(own ? { ...person, ...this.devices.states() } : person, name, own ? "" : person.title, small, room);
      view.node.classList.toggle("person--stage", person.seat_id === large?.seat_id);
      view.node.classList.toggle("person--tile", person.seat_id !== large?.seat_id);
    }
    this.faces.keepOnly(seen);
    this.faces.node.classList.toggle("faces--many", seen.length > FEW);
    this.drawWaiting(seen);
    this.drawQuality();
  }

  /**
   * Before the applicant is in, the stage says what to do rather than show the host a mirror.
   *
   * @param {Person[]} seen
   */
  drawWaiting(seen) {
    const room = this.session.room;
    const applicant = room?.people.find((person) => person.role === "applicant");
    const empty = !seen.some((person) => person.role === "applicant");
    show(byId("stage-note", HTMLElement), empty);
    this.faces.node.classList.toggle("faces--waiting", empty);
    if (!empty || !room) return;
    for (const view of this.faces.views.values()) {
      view.node.classList.remove("person--stage");
      view.node.classList.add("person--tile");
    }
    const mayAdmit = this.session.me?.role === "host";
    const key = applicant?.present ? (mayAdmit ? "stage.waits" : "stage.waits_for_host") : "stage.not_here";
    write(byId("stage-note-words", HTMLElement), say(key));
    write(byId("stage-note-more", HTMLElement), applicant?.present && mayAdmit ? say("stage.admit_starts") : say("stage.comes_by_itself"));
    const admit = byId("stage-admit", HTMLButtonElement);
    show(admit, applicant?.present === true && mayAdmit);
    if (applicant) admit.dataset["seat"] = applicant.seat_id;
    const simulate = document.getElementById("stage-simulate");
    if (simulate) show(simulate, applicant?.present !== true);
  }

  /** @param {Record<string, import("../live/protocol.js").Measured>} people */
  setStats(people) {
    this.stats = people;
    const before = this.large?.seat_id;
    this.speakers.take(people);
    this.faces.setSpeaking(this.speakers.loud);
    if (this.large?.seat_id !== before) this.draw();
    for (const [seat, measured] of Object.entries(people)) {
      const quality = this.qualities.get(seat) ?? new SteadyQuality();
      this.qualities.set(seat, quality);
      const view = this.faces.views.get(seat);
      view?.setLine(quality.take(measured));
      view?.setGetting(gettingOf(measured));
    }
    this.drawQuality();
  }

  drawQuality() {
    const large = this.large;
    const measured = large ? this.stats[large.seat_id] : undefined;
    const quality = large ? (this.qualities.get(large.seat_id)?.quality ?? "good") : "good";
    const getting = gettingOf(measured);
    const node = byId("stage-net", HTMLElement);
    show(node, measured !== undefined && (quality !== "good" || getting !== "all") && large?.present === true);
    if (!measured) return;
    node.dataset["quality"] = quality;
    if (getting !== "all") {
      write(node, say(`stage.gets_${getting}`));
      return;
    }
    const numbers = { loss: Math.round(measured.loss_pct), rtt: Math.round(measured.rtt_ms ?? 0) };
    write(node, say(quality === "bad" ? "stage.net_bad" : "stage.net_weak", numbers));
  }
}
