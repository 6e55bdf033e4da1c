import { el, icon, point, show, write } from "./dom.js";
import { keepPlaying, play } from "./playing.js";
import { showTrack } from "./own_devices.js";
import { BARS } from "./quality.js";
import { say } from "./texts.js";

/**
 * One person on the screen. The element is made once and never moved: moving a playing video makes browsers stop it,
 * so a view's place is a class, and the style sheet does the rest.
 *
 * @typedef {import("./protocol.js").Person} Person
 */
export class PersonView {
  /**
   * @param {boolean} isSelf
   * @param {() => void} onNeedsTouch  the browser wants a touch before it lets this person be heard
   * @param {() => void} onPick        this small picture is to be the large one
   */
  constructor(isSelf, onNeedsTouch, onPick) {
    this.isSelf = isSelf;
    this.onNeedsTouch = onNeedsTouch;
    this.video = el("video", { playsinline: true, autoplay: true, tabindex: "-1" });
    this.video.muted = isSelf;
    this.video.disablePictureInPicture = true;
    this.video.addEventListener("pause", () => document.visibilityState === "visible" && this.goOn());
    this.name = el("span", { class: "person__name" });
    this.title = el("span", { class: "person__title" });
    this.silent = icon("mic-off", "icon person__silent");
    this.speaking = icon("speaker", "icon person__speaking");
    this.speaking.toggleAttribute("hidden", true);
    this.line = icon(BARS.weak, "icon person__line");
    this.line.toggleAttribute("hidden", true);
    this.hand = el("span", { class: "person__hand" }, icon("hand"), say("person.hand"));
    this.empty = el("p", { class: "person__empty" });
    this.pick = el("button", { class: "person__pick", type: "button", hidden: true });
    this.pick.addEventListener("click", onPick);
    this.label = el("figcaption", { class: "person__label" }, this.line, this.speaking, this.silent, this.name, this.title);
    this.gets = el("span", { class: "person__gets", hidden: true });
    const parts = [this.video, this.empty, this.label, this.hand, this.gets, this.pick];
    this.node = el("figure", { class: isSelf ? "person person--self" : "person" }, ...parts);
  }

  /** @param {MediaStream | null} stream */
  setStream(stream) {
    play(this.video, stream, this.onNeedsTouch);
  }

  /** Play on, if the browser stopped it. */
  goOn() {
    keepPlaying(this.video, this.onNeedsTouch);
  }

  /** @param {import("./quality.js").Quality} quality  of this person's line */
  setLine(quality) {
    this.line.toggleAttribute("hidden", quality === "good");
    this.line.dataset["quality"] = quality;
    point(this.line, BARS[quality]);
  }

  /** @param {import("./quality.js").Getting} getting  how much of the others this person gets */
  setGetting(getting) {
    show(this.gets, getting !== "all");
    write(this.gets, getting === "all" ? "" : say(`person.gets_${getting}`));
  }

  /** @param {boolean} speaks */
  setSpeaking(speaks) {
    this.node.classList.toggle("person--speaking", speaks);
    this.speaking.toggleAttribute("hidden", !speaks);
  }

  /** @param {MediaStreamTrack | null} track */
  setOwnTrack(track) {
    showTrack(this.video, track);
  }

  /**
   * @param {Person} person
   * @param {string} name      what to write on it
   * @param {string} title     what else, where there is room
   * @param {boolean} mayPick  whether a touch makes it the large one
   * @param {import("./protocol.js").RoomMessage} room
   */
  draw(person, name, title, mayPick, room) {
    write(this.name, name);
    write(this.title, title);
    const whole = `${name} ${title}`.trim();
    show(this.pick, mayPick);
    this.pick.setAttribute("aria-label", say("person.pick", { name: whole }));
    const quiet = person.present && (person.muted || person.microphone !== "on");
    this.silent.toggleAttribute("hidden", !quiet);
    show(this.hand, person.hand);
    const missing = this.isSelf ? ownPictureMissing(person, room) : pictureMissing(person, room);
    show(this.empty, missing !== null);
    show(this.video, missing === null);
    const instead = missing === null ? "" : say(missing, { name });
    if (missing !== null) write(this.empty, instead);
    const weak = this.line.hasAttribute("hidden") ? "" : say("person.line_weak");
    const gets = this.gets.textContent ?? "";
    const described = [whole, weak, gets, quiet ? say("person.silent") : "", instead];
    this.node.setAttribute("aria-label", described.filter(Boolean).join("，"));
  }
}

/**
 * @param {Person} person
 * @param {import("./protocol.js").RoomMessage} room
 */
function ownPictureMissing(person, room) {
  if (room.recess) return "person.recess";
  if (person.camera === "off") return "person.own_camera_off";
  if (person.camera === "missing") return "person.camera_missing";
  const others = room.people.filter(
    (other) => other.seat_id !== room.you && other.present && other.role !== "observer" && other.link === "connected",
  );
  if (others.length > 0 && others.every((other) => person.unseen_by.includes(other.seat_id))) return "person.own_unseen";
  return null;
}

/**
 * @param {Person} person
 * @param {import("./protocol.js").RoomMessage} room
 * @returns {string | null} the key of what to say instead of a picture
 */
function pictureMissing(person, room) {
  if (!person.present) return "person.absent";
  if (person.link === "lost") return "person.line_lost";
  if (room.recess) return "person.recess";
  if (person.camera === "off") return person.microphone === "on" ? "person.camera_off" : "person.all_off";
  if (person.camera === "missing") return "person.camera_missing";
  if (person.unseen_by.includes(room.you)) return "person.unseen";
  if (person.link !== "connected") return "person.connecting";
  return null;
}
