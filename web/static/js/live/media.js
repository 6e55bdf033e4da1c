import { hold } from "./budget.js";
import { encodesOnlyH264Well, h264First, identityOf } from "./offers.js";

/**
 * Sound and picture of this page. The server makes every offer; we answer. One RTCPeerConnection lives as long as the
 * server's ICE and DTLS identity: an offer with another one (after the line broke) gets a new connection.
 *
 * @typedef {import("./protocol.js").OfferMessage} OfferMessage
 *
 * @typedef {object} MediaListener
 * @property {(seatId: string, stream: MediaStream | null) => void} onStream
 * @property {(offerId: number, sdp: string) => void} onAnswer
 * @property {(state: "connecting" | "connected" | "broken") => void} onLink
 * @property {() => void} onMoved   sound and picture take another way now, e.g. mobile data after Wi-Fi
 */

/** How long a line may be interrupted before it is made anew; browsers recover by themselves from less. */
const PATIENCE_MS = 5000;

export class MediaLink {
  /**
   * @param {MediaListener} listener
   * @param {RTCConfiguration} ice  relay servers with this page's credentials, and whether to use nothing else
   */
  constructor(listener, ice) {
    this.listener = listener;
    this.ice = ice;
    /** @type {RTCPeerConnection | null} */
    this.connection = null;
    this.identity = "";
    /** @type {MediaStreamTrack | null} */
    this.audio = null;
    /** @type {MediaStreamTrack | null} */
    this.video = null;
    this.sendsVideo = false;
    /** @type {import("./budget.js").Budget} */
    this.budget = { maxBitrate: null, scale: 1, layered: false };
    this.you = "";
    /** @type {Record<string, string>} */
    this.seatOfMid = {};
    /** @type {Map<string, MediaStream>} */
    this.streams = new Map();
    /** @type {OfferMessage[]} */
    this.offers = [];
    this.answering = false;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {Promise<void>} what is being attached: a sender takes one change at a time */
    this.attaching = Promise.resolve();
  }

  /**
   * Send these tracks from now on. Nothing is renegotiated.
   *
   * @param {MediaStreamTrack | null} audio
   * @param {MediaStreamTrack | null} video
   */
  use(audio, video) {
    this.audio = audio;
    this.video = video;
    return this.attach();
  }

  /**
   * Whoever waits alone sends no picture: nobody looks, and the estimate of what the line bears would start low.
   *
   * @param {boolean} wanted
   */
  async sendVideo(wanted) {
    if (this.sendsVideo === wanted) return;
    this.sendsVideo = wanted;
    await this.attach();
  }

  /**
   * Send no larger a picture than this from now on.
   *
   * @param {import("./budget.js").Budget} budget
   */
  holdTo(budget) {
    this.budget = budget;
    return this.attach();
  }

  /** @returns {Promise<RTCStatsReport | null>} what the browser has counted */
  async stats() {
    return (await this.connection?.getStats()) ?? null;
  }

  /**
   * Answer an offer. Offers are answered one after the other; of several that wait only the newest counts.
   *
   * @param {OfferMessage} offer
   * @param {string} you  our own seat
   */
  async take(offer, you) {
    this.you = you;
    this.offers = [offer];
    if (this.answering) return;
    this.answering = true;
    try {
      for (let next = this.offers.shift(); next; next = this.offers.shift()) await this.tryToAnswer(next);
    } finally {
      this.answering = false;
    }
  }

  /**
   * An offer that the browser does not take is given up with its connection; after a while there is a fresh one.
   *
   * @param {OfferMessage} offer
   */
  async tryToAnswer(offer) {
    try {
      await this.answer(offer);
    } catch (error) {
      if (this.identity !== identityOf(offer.sdp)) return; // closed meanwhile
      console.warn("an offer could not be answered", error);
      this.connection?.close();
      this.connection = null;
      this.identity = "";
      this.listener.onLink("connecting");
      window.clearTimeout(this.timer);
      this.timer = window.setTimeout(() => this.listener.onLink("broken"), PATIENCE_MS);
    }
  }

  /** Let go of the line, e.g. because the connection to the room broke: the next offer makes it anew. */
  close() {
    window.clearTimeout(this.timer);
    this.connection?.close();
    this.connection = null;
    this.identity = "";
    this.seatOfMid = {};
    for (const seat of [...this.streams.keys()]) this.listener.onStream(seat, null);
    this.streams.clear();
  }

  /** @param {OfferMessage} offer */
  async answer(offer) {
    const identity = identityOf(offer.sdp);
    if (!this.connection || identity !== this.identity) {
      // The old picture stays on the screen until the new one arrives: a frozen face is kinder than a black one.
      this.connection?.close();
      this.connection = this.make();
      this.identity = identity;
    }
    const connection = this.connection;
    this.seatOfMid = offer.streams;
    const sdp = (await encodesOnlyH264Well()) ? h264First(offer.sdp) : offer.sdp;
    await connection.setRemoteDescription({ type: "offer", sdp });
    await this.attach();
    await connection.setLocalDescription();
    // Now it is known which codec we send, on which some of the budget depends.
    await this.attach();
    const ice = connection.getTransceivers()[0]?.sender.transport?.iceTransport;
    // Assigned, not added: an offer on the same connection would add it again.
    if (ice) ice.onselectedcandidatepairchange = () => connection === this.connection && this.listener.onMoved();
    if (connection !== this.connection) return;
    this.gather();
    this.listener.onAnswer(offer.offer_id, connection.localDescription?.sdp ?? "");
  }

  /** @returns {RTCPeerConnection} */
  make() {
    const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle", ...this.ice });
    connection.addEventListener("connectionstatechange", () => {
      if (connection === this.connection) this.watch(connection.connectionState);
    });
    return connection;
  }

  /** @param {RTCPeerConnectionState} state */
  watch(state) {
    window.clearTimeout(this.timer);
    if (state === "connected") this.listener.onLink("connected");
    else if (state === "failed") this.listener.onLink("broken");
    else if (state === "disconnected") {
      this.listener.onLink("connecting");
      this.timer = window.setTimeout(() => this.listener.onLink("broken"), PATIENCE_MS);
    }
  }

  /** Put our tracks on the lines that the server gave us. */
  attach() {
    const done = this.attaching.then(() => this.attachNow());
    this.attaching = done.catch(() => {}); // whoever asked hears of it; the next one has its turn all the same
    return done;
  }

  async attachNow() {
    const { connection } = this;
    if (!connection) return;
    try {
      await this.attachTo(connection);
    } catch (error) {
      // A connection that was closed meanwhile takes nothing any more.
      if (connection.signalingState !== "closed") throw error;
    }
  }

  /** @param {RTCPeerConnection} connection */
  async attachTo(connection) {
    for (const transceiver of connection.getTransceivers()) {
      if (transceiver.mid === null || transceiver.direction === "stopped") continue;
      if (this.seatOfMid[transceiver.mid] !== this.you) continue;
      const kind = transceiver.receiver.track.kind;
      const track = kind === "audio" ? this.audio : this.sendsVideo ? this.video : null;
      if (transceiver.direction !== "sendonly") transceiver.direction = "sendonly";
      if (transceiver.sender.track !== track) await transceiver.sender.replaceTrack(track);
      if (kind === "video") await hold(transceiver.sender, this.budget);
    }
  }

  /** Sort what arrives by whose it is. */
  gather() {
    if (!this.connection) return;
    /** @type {Map<string, MediaStreamTrack[]>} */
    const tracks = new Map();
    for (const transceiver of this.connection.getTransceivers()) {
      if (transceiver.mid === null || isDead(transceiver)) continue;
      const seat = this.seatOfMid[transceiver.mid];
      if (seat === undefined || seat === this.you) continue;
      tracks.set(seat, [...(tracks.get(seat) ?? []), transceiver.receiver.track]);
    }
    for (const [seat, theirs] of tracks) {
      const known = this.streams.get(seat);
      if (known && same(known.getTracks(), theirs)) continue;
      const stream = new MediaStream(theirs);
      this.streams.set(seat, stream);
      this.listener.onStream(seat, stream);
    }
    for (const seat of [...this.streams.keys()]) {
      if (tracks.has(seat)) continue;
      this.streams.delete(seat);
      this.listener.onStream(seat, null);
    }
  }
}

/** @param {RTCRtpTransceiver} transceiver */
function isDead(transceiver) {
  return transceiver.currentDirection === "inactive" || transceiver.currentDirection === "stopped";
}

/**
 * @param {MediaStreamTrack[]} some
 * @param {MediaStreamTrack[]} others
 */
function same(some, others) {
  return some.length === others.length && some.every((track) => others.includes(track));
}
