import { budgetFor } from "./budget.js";
import { FreezeCounter } from "./freezes.js";
import { MediaLink } from "./media.js";
import { RecordingClock } from "./recording_clock.js";
import { RoomConnection } from "./socket.js";

const FREEZES_EVERY_MS = 5000;
/** After a recess the browser counts it as one long freeze, as soon as pictures come again: leave that out. */
const AFTER_RECESS_MS = 5000;

/**
 * One person's part in a live hearing: the connection, the media and the room as last heard. Both rooms, the
 * applicant's and the staff's, are views of this.
 *
 * @typedef {import("./protocol.js").RoomMessage} RoomMessage
 * @typedef {import("./protocol.js").Person} Person
 *
 * @typedef {object} View
 * @property {(room: RoomMessage, before: RoomMessage | null) => void} onRoom
 * @property {(seatId: string, stream: MediaStream | null) => void} onStream
 * @property {(people: Record<string, import("./protocol.js").Measured>) => void} onStats
 * @property {(word: import("./protocol.js").WordMessage, isNews: boolean) => void} onWord  no news: a page begun anew
 * @property {(topic: string, data: Record<string, unknown>) => void} onNotice
 * @property {(code: string, params: Record<string, unknown>) => void} onRefused
 * @property {() => void} onLost
 * @property {(gapMs: number) => void} onBack
 * @property {(reason: string) => void} onClosed
 * @property {(state: "connecting" | "connected" | "broken") => void} onLink
 */
export class LiveSession {
  /**
   * @param {string} path
   * @param {import("./own_devices.js").OwnDevices} devices
   * @param {View} view
   * @param {() => Promise<string | null>} probe
   * @param {RTCConfiguration} ice
   * @param {boolean} [watches]  this page sees and hears, and sends nothing
   */
  constructor(path, devices, view, probe, ice, watches = false) {
    this.devices = devices;
    this.view = view;
    this.watches = watches;
    this.freezes = new FreezeCounter();
    this.clock = new RecordingClock();
    /** @type {RoomMessage | null} */
    this.room = null;
    this.freezesCountFrom = 0;
    this.cameBack = false;
    this.media = new MediaLink({
      onStream: view.onStream,
      onAnswer: (offerId, sdp) => void this.connection.send({ type: "answer", offer_id: offerId, sdp }),
      onLink: (state) => {
        view.onLink(state);
        if (state === "broken") this.connection.restart();
      },
      onMoved: () => this.connection.suspect(),
    }, ice);
    this.connection = new RoomConnection(
      path,
      {
        onMessage: (message) => this.hear(message),
        onLost: () => {
          this.clock.stop();
          view.onLost();
        },
        onBack: (gap) => {
          this.cameBack = gap > 0;
          this.tellDevices();
          view.onBack(gap);
        },
        onClosed: (reason) => {
          this.media.close();
          view.onClosed(reason);
        },
      },
      probe,
    );
    devices.onChange(() => this.useDevices());
    window.setInterval(() => void this.tellFreezes(), FREEZES_EVERY_MS);
    // A page that the browser had put aside and brings back has lost its line and its devices, and perhaps the hearing.
    window.addEventListener("pageshow", (event) => {
      if (event.persisted) location.reload();
    });
  }

  /** @param {boolean} [takeover] */
  open(takeover = false) {
    this.useDevices();
    this.connection.open(takeover);
  }

  /** @param {import("./protocol.js").ClientMessage} message */
  send(message) {
    return this.connection.send(message);
  }

  /** Leave; the seat is kept. */
  leave() {
    this.connection.leave();
  }

  /** @returns {Person | null} */
  get me() {
    return this.room?.people.find((person) => person.seat_id === this.room?.you) ?? null;
  }

  /** Whether what is said now is recorded, or will be: not when the disk takes nothing and memory holds no more, nor in
   * a recess. */
  get records() {
    const trouble = this.room?.trouble ?? null;
    return !this.room?.recess && this.clock.now() !== null && (trouble === null || trouble.mended_at !== null || !trouble.losing);
  }

  /** @param {import("./socket.js").Heard} message */
  hear(message) {
    switch (message.type) {
      case "room": {
        const before = this.room;
        this.room = message;
        this.clock.set(message.elapsed_ms, message.saved_ms);
        this.devices.hush(message.recess !== null);
        if (message.recess || before?.recess) this.freezesCountFrom = performance.now() + AFTER_RECESS_MS;
        void this.media.sendVideo(message.phase === "in_session" && this.me?.admitted === true && !message.recess);
        if (this.me) void this.media.holdTo(budgetFor(this.me.role, ...countedIn(message)));
        this.view.onRoom(message, before);
        return;
      }
      case "offer":
        if (this.room) void this.media.take(message, this.room.you);
        return;
      case "saved":
        this.clock.set(message.elapsed_ms, message.saved_ms);
        return;
      case "stats":
        this.view.onStats(message.people);
        return;
      case "word":
        this.view.onWord(message, true);
        return;
      case "words":
        for (const word of message.said) this.view.onWord(word, this.cameBack);
        return;
      case "notice":
        this.view.onNotice(message.topic, message.data);
        return;
      case "refused":
        this.view.onRefused(message.code, message.params);
        return;
    }
  }

  /** Say when the others' pictures stood still here: only this page knows. */
  async tellFreezes() {
    const report = await this.media.stats();
    if (!report) return;
    const { freezes, frozenMs } = this.freezes.take(report);
    if (this.room?.recess || performance.now() < this.freezesCountFrom) return;
    if (freezes > 0 || frozenMs > 0) this.send({ type: "quality", freezes, frozen_ms: frozenMs });
  }

  useDevices() {
    if (this.watches) return;
    void this.media.use(this.devices.audio, this.devices.cameraOn ? this.devices.video : null);
    this.tellDevices();
  }

  tellDevices() {
    if (this.watches) return;
    this.connection.send({ type: "devices", ...this.devices.states() });
  }
}

/**
 * @param {RoomMessage} room
 * @returns {[number, number]} how many are seen and heard now, and how many more watch
 */
function countedIn(room) {
  const here = room.people.filter((person) => person.present && person.admitted);
  const seen = here.filter((person) => person.role !== "observer").length;
  return [seen, here.length - seen];
}
