import { byId, el, show, write } from "../live/dom.js";
import { say } from "../live/texts.js";
import { drawCount } from "../live/watchers.js";

/**
 * Who is outside and who is inside, and the one act for each.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 * @typedef {import("../live/protocol.js").Person} Person
 */
export class WaitingList {
  /**
   * @param {LiveSession} session
   * @param {(message: import("../live/protocol.js").ClientMessage) => boolean} ask  sends, or says that it did not go
   */
  constructor(session, ask) {
    this.session = session;
    this.ask = ask;
    this.drawn = "";
    /** @type {Set<string>} seats that were let in by a click which the room has not yet answered */
    this.asked = new Set();
  }

  /** @returns {Person[]} */
  waiting() {
    return (this.session.room?.people ?? []).filter((person) => person.present && !person.admitted && person.role !== "host");
  }

  /**
   * Let somebody in. A second click before the room has answered is the same click.
   *
   * @param {string} seat
   */
  admit(seat) {
    if (this.asked.has(seat)) return;
    if (this.ask({ type: "admit", seat_id: seat })) this.asked.add(seat);
  }

  forget() {
    this.asked.clear();
    this.drawn = "";
  }

  draw() {
    const room = this.session.room;
    if (!room) return;
    const count = this.waiting().length;
    drawCount(room.people, byId("watching-count", HTMLElement));
    write(byId("waiting-count", HTMLElement), say("top.waiting", { count }));
    const isHost = this.session.me?.role === "host";
    const drawn = JSON.stringify([room.people, room.phase]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    for (const person of room.people) if (person.admitted) this.asked.delete(person.seat_id);
    const others = room.people.filter((person) => person.seat_id !== room.you);
    const watching = others.filter((person) => person.role === "observer");
    const outside = others.filter((person) => !person.admitted && !["host", "observer"].includes(person.role));
    const inside = others.filter((person) => !watching.includes(person) && !outside.includes(person));
    watching.sort((one, other) => Number(other.present) - Number(one.present));
    byId("watching", HTMLElement).replaceChildren(...watching.map((person) => this.row(person, false)));
    show(byId("watching-part", HTMLElement), watching.length > 0);
    byId("outside", HTMLElement).replaceChildren(...outside.map((person) => this.row(person, isHost)));
    byId("inside", HTMLElement).replaceChildren(...inside.map((person) => this.row(person, isHost)));
    show(byId("outside-none", HTMLElement), outside.length === 0);
    show(byId("inside-none", HTMLElement), inside.length === 0);
  }

  /**
   * @param {Person} person
   * @param {boolean} isHost
   */
  row(person, isHost) {
    const row = el(
      "li",
      { class: "guest" },
      el(
        "div",
        { class: "guest__who" },
        el("span", { class: "guest__name" }, person.name),
        el("span", { class: "guest__what" }, `${person.title || say(`role.${person.role}`)} · ${state(person)}`),
      ),
    );
    if (!isHost) return row;
    if (!person.admitted && person.role !== "host") {
      const admit = el("button", { class: "button button--main", type: "button", disabled: !person.present }, say("guest.admit"));
      admit.addEventListener("click", () => {
        this.admit(person.seat_id);
        admit.disabled = this.asked.has(person.seat_id);
      });
      row.append(admit);
    } else if (person.admitted && person.present) {
      row.append(this.act(person.muted ? "guest.unmute" : "guest.mute", () => {
        this.ask({ type: "mute", seat_id: person.seat_id, muted: !person.muted });
      }));
      if (person.role === "applicant") {
        row.append(this.act("guest.send_back", () => this.ask({ type: "send_back", seat_id: person.seat_id })));
      }
    }
    return row;
  }

  /**
   * @param {string} key
   * @param {() => void} act
   */
  act(key, act) {
    const button = el("button", { class: "button", type: "button" }, say(key));
    button.addEventListener("click", act);
    return button;
  }
}

/** @param {Person} person */
function state(person) {
  if (!person.present) return say("guest.absent");
  if (person.role === "observer") return say(person.link === "lost" ? "guest.line_lost" : "guest.watches");
  if (!person.admitted && person.role !== "host") return say("guest.waits");
  if (person.link === "lost") return say("guest.line_lost");
  if (person.muted) return say("guest.muted");
  return say("guest.inside");
}
