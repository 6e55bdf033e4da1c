/**
 * The connection to the room. Comes back by itself for as long as the page is open; the seat is kept on the server.
 *
 * @typedef {import("./protocol.js").ServerMessage} ServerMessage
 * @typedef {import("./protocol.js").ClientMessage} ClientMessage
 *
 * @typedef {Exclude<ServerMessage, import("./protocol.js").ClosingMessage>} Heard  the rest is dealt with here
 *
 * @typedef {object} Listener
 * @property {(message: Heard) => void} onMessage
 * @property {() => void} onLost                    the line broke; it is being mended
 * @property {(gapMs: number) => void} onBack       the line is mended; gapMs since it broke, 0 the first time
 * @property {(reason: string) => void} onClosed    closed for good, with the reason of signaling/closing.py
 */

const DELAYS_MS = [0, 500, 1000, 1500, 2000];
/** The server speaks every second in session, and every five seconds at least; this many seconds of silence, counted by
 * a timer that stands still whenever a phone freezes the page, mean that the line is dead. */
const SILENT_TICKS = 8;
const SUSPECT_TICKS = 2;
const PROBE_AFTER = 2;
/** A door that does not open for so long is knocked at again. */
const KNOCK_TICKS = 10;
/** A phone that slept for so long may have missed that the server gave its line up: listen for a moment only. */
const ASLEEP_MS = 15_000;
const LISTEN_TICKS = 6;

export class RoomConnection {
  /**
   * @param {string} path       where the room listens, with a query
   * @param {Listener} listener
   * @param {() => Promise<string | null>} probe  asks the server, when the door stays shut, whether it is shut for good
   */
  constructor(path, listener, probe) {
    this.path = path;
    this.listener = listener;
    this.probe = probe;
    /** @type {WebSocket | null} */
    this.socket = null;
    this.tries = 0;
    this.takeover = false;
    /** The number of the last written word that came: the server sends those after it to whoever comes back. */
    this.lastWord = 0;
    /** @type {number | null} */
    this.lostAt = null;
    this.everOpen = false;
    this.over = false;
    this.leaving = false;
    this.silentTicks = 0;
    this.tickedAt = Date.now();
    /** @type {number | undefined} */
    this.timer = undefined;
    this.speaksEverySecond = false;
    window.addEventListener("online", () => this.hurry());
    window.addEventListener("offline", () => this.drop());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState !== "visible") return;
      this.watch();
      this.hurry();
    });
    window.setInterval(() => this.watch(), 1000);
  }

  /** @param {boolean} [takeover] take the seat over from another device or tab */
  open(takeover = false) {
    this.over = false;
    this.takeover = takeover;
    this.connect();
  }

  /** @param {ClientMessage} message */
  send(message) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Leave for good, also when nobody can be told: the seat is kept, and whoever left is not brought back. */
  leave() {
    this.leaving = true;
    if (!this.send({ type: "leave" })) this.finish("left");
  }

  /** The media changed networks, so a socket that is silent already is the old network's: do not wait for it. */
  suspect() {
    if (this.socket && this.speaksEverySecond && this.silentTicks >= SUSPECT_TICKS) this.drop();
  }

  /** Give the line up and make a new one: how a dead media link gets a fresh offer. */
  restart() {
    if (this.over) return;
    this.drop();
  }

  connect() {
    window.clearTimeout(this.timer);
    const scheme = location.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(`${scheme}//${location.host}${this.path}&takeover=${this.takeover ? 1 : 0}&words_after=${this.lastWord}`);
    this.socket = socket;
    this.silentTicks = 0;
    /** @type {import("./protocol.js").ClosingMessage | null} */
    let closing = null;
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket || typeof event.data !== "string") return;
      this.silentTicks = 0;
      const message = /** @type {ServerMessage} */ (JSON.parse(event.data));
      if (message.type === "closing") closing = message;
      else this.hear(message);
    });
    socket.addEventListener("close", () => {
      if (socket !== this.socket) return;
      if (closing && !closing.retry) this.finish(closing.reason);
      else this.lose();
    });
  }

  /** @param {Heard} message */
  hear(message) {
    if (message.type === "room") {
      this.speaksEverySecond = message.phase === "in_session";
      if (!this.everOpen || this.lostAt !== null) {
        const gap = this.lostAt === null ? 0 : Date.now() - this.lostAt;
        this.everOpen = true;
        this.lostAt = null;
        this.tries = 0;
        // A seat once taken is ours: coming back, the server may still hold the dead line open.
        this.takeover = true;
        this.listener.onBack(gap);
      }
    }
    if (message.type === "word") this.lastWord = message.number;
    if (message.type === "words") this.lastWord = message.said.at(-1)?.number ?? this.lastWord;
    this.listener.onMessage(message);
  }

  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close();
    if (!this.over) this.lose();
  }

  lose() {
    this.socket = null;
    if (this.leaving) return this.finish("left");
    if (this.lostAt === null) {
      this.lostAt = Date.now();
      this.listener.onLost();
    }
    const delay = DELAYS_MS[Math.min(this.tries, DELAYS_MS.length - 1)] ?? 2000;
    this.tries += 1;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.again(), delay);
  }

  async again() {
    if (this.over) return;
    if (this.tries > PROBE_AFTER) {
      const reason = await this.probe();
      if (this.over) return;
      if (reason !== null) return this.finish(reason);
    }
    this.connect();
  }

  hurry() {
    if (this.over || this.socket || this.lostAt === null) return;
    this.connect();
  }

  watch() {
    const slept = Date.now() - this.tickedAt > ASLEEP_MS && document.visibilityState === "visible";
    this.tickedAt = Date.now();
    if (!this.socket) return;
    this.silentTicks += 1;
    if (this.socket.readyState === WebSocket.CONNECTING) {
      if (this.silentTicks > KNOCK_TICKS) this.drop();
    } else {
      if (slept) this.silentTicks = SILENT_TICKS - (this.speaksEverySecond ? SUSPECT_TICKS : LISTEN_TICKS);
      if (this.silentTicks > SILENT_TICKS) this.drop();
    }
  }

  /** @param {string} reason */
  finish(reason) {
    this.over = true;
    this.leaving = false;
    this.socket = null;
    this.lostAt = null;
    this.everOpen = false;
    window.clearTimeout(this.timer);
    this.listener.onClosed(reason);
  }
}
