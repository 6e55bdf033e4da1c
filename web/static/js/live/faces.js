import { byId, show } from "./dom.js";
import { PersonView } from "./person_view.js";

/**
 * The faces on a screen, one view a seat. Whichever page shows them says in `draw` whose are there and where.
 *
 * @typedef {import("./protocol.js").Person} Person
 */
export class Faces {
  /**
   * @param {import("./own_devices.js").OwnDevices} devices
   * @param {string} unlockId      the button that appears when the browser wants a touch before anybody is heard
   * @param {() => void} onPicked  somebody's small picture was picked to be the large one
   */
  constructor(devices, unlockId, onPicked) {
    this.devices = devices;
    this.node = byId("faces", HTMLElement);
    this.unlock = byId(unlockId, HTMLButtonElement);
    this.onPicked = onPicked;
    /** @type {Map<string, PersonView>} */
    this.views = new Map();
    /** @type {Map<string, MediaStream>} */
    this.streams = new Map();
    /** @type {string | null} */
    this.chosen = null;
    this.unlock.addEventListener("click", () => this.goOn());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.goOn();
    });
  }

  /** Play whoever was stopped by the browser: before the first touch, by a telephone call, by a locked screen. */
  goOn() {
    show(this.unlock, false);
    for (const view of this.views.values()) view.goOn();
  }

  /**
   * @param {string} seat
   * @param {MediaStream | null} stream
   */
  setStream(seat, stream) {
    if (stream) this.streams.set(seat, stream);
    else this.streams.delete(seat);
    this.views.get(seat)?.setStream(stream);
  }

  /**
   * @param {string} seat
   * @param {boolean} own
   * @returns {PersonView}
   */
  viewOf(seat, own) {
    const known = this.views.get(seat);
    if (known) return known;
    const pick = () => {
      this.chosen = seat;
      this.onPicked();
    };
    const view = new PersonView(own, () => show(this.unlock, true), pick);
    this.views.set(seat, view);
    this.node.append(view.node);
    if (!own) view.setStream(this.streams.get(seat) ?? null);
    return view;
  }

  /** @param {PersonView} view  one's own */
  showOwn(view) {
    view.setOwnTrack(this.devices.cameraOn ? this.devices.video : null);
  }

  /** @param {Person[]} people  who is left; everybody else's view goes */
  keepOnly(people) {
    for (const [seat, view] of this.views) {
      if (people.some((person) => person.seat_id === seat)) continue;
      view.node.remove();
      this.views.delete(seat);
    }
  }

  /** @param {Set<string>} seats */
  setSpeaking(seats) {
    for (const [seat, view] of this.views) view.setSpeaking(seats.has(seat));
  }
}
