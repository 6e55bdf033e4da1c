import { openCamera, openDevices, openMicrophone, rememberChoice, rememberedChoice } from "./devices.js";

/**
 * This page's own microphone and camera: which track is live, whether it is switched on, and what is wrong with it.
 *
 * They are opened one after the other, however quickly people click: a track that nobody holds would keep the camera's
 * light burning.
 *
 * @typedef {import("./protocol.js").DeviceState} DeviceState
 * @typedef {import("./devices.js").DeviceTrouble} DeviceTrouble
 */
export class OwnDevices {
  constructor() {
    /** @type {MediaStreamTrack | null} */
    this.audio = null;
    /** @type {MediaStreamTrack | null} */
    this.video = null;
    /** @type {DeviceTrouble | null} */
    this.audioTrouble = null;
    /** @type {DeviceTrouble | null} */
    this.videoTrouble = null;
    this.microphoneOn = true;
    this.cameraOn = true;
    /** In a recess nobody has to take our word for it that the microphone is silent, whatever it was switched to. */
    this.hushed = false;
    this.choice = rememberedChoice();
    /** @type {Set<() => void>} */
    this.listeners = new Set();
    this.wanted = false;
    /** @type {Promise<void>} what is being opened */
    this.opening = Promise.resolve();
    // Plugged in again, or given back by a telephone call while the phone lay in another app.
    navigator.mediaDevices?.addEventListener?.("devicechange", () => void this.revive());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") void this.revive();
    });
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /** Open both, as they were chosen. */
  open() {
    this.wanted = true;
    return this.next(async () => {
      this.stop();
      if (!this.cameraOn) return this.openAudio();
      const opened = await openDevices(this.choice);
      this.adoptAudio(opened.audio, opened.audioTrouble);
      this.adoptVideo(opened.video, opened.videoTrouble);
    });
  }

  /** Let both go, light out, until they are opened again. */
  letGo() {
    this.wanted = false;
    return this.next(async () => this.stop());
  }

  /** Open again what went away by itself; whoever refused it is not asked again. */
  async revive() {
    await this.opening;
    if (!this.microphoneGone && !this.cameraGone) return;
    await this.next(async () => {
      if (this.microphoneGone) await this.openAudio();
      if (this.cameraGone) await this.openVideo();
    });
  }

  get microphoneGone() {
    return this.wanted && this.microphoneOn && wentAway(this.audio, this.audioTrouble);
  }

  get cameraGone() {
    return this.wanted && this.cameraOn && wentAway(this.video, this.videoTrouble);
  }

  /**
   * Use another device of a kind from now on, and next time too.
   *
   * @param {import("./devices.js").Choice} choice
   */
  choose(choice) {
    this.choice = { ...this.choice, ...choice };
    rememberChoice(this.choice);
    return this.next(async () => {
      if (choice.microphone !== undefined) await this.openAudio();
      if (choice.camera !== undefined && this.cameraOn) await this.openVideo();
    });
  }

  /** @param {boolean} on */
  switchMicrophone(on) {
    this.microphoneOn = on;
    if (this.audio) this.audio.enabled = on && !this.hushed;
    this.changed();
    return this.next(async () => {
      if (this.microphoneOn && !this.audio) await this.openAudio();
    });
  }

  /** @param {boolean} hushed */
  hush(hushed) {
    this.hushed = hushed;
    if (this.audio) this.audio.enabled = this.microphoneOn && !hushed;
  }

  /**
   * Switched off, the camera is let go, so that its light goes out and nobody has to take our word for it.
   *
   * @param {boolean} on
   */
  switchCamera(on) {
    this.cameraOn = on;
    if (!on) this.stopVideo();
    this.changed();
    return this.next(async () => {
      if (!this.cameraOn) this.stopVideo();
      else if (!this.video) await this.openVideo();
    });
  }

  async openAudio() {
    this.audio?.stop();
    const { track, trouble } = await openMicrophone(this.choice);
    this.adoptAudio(track, trouble);
  }

  async openVideo() {
    this.video?.stop();
    const { track, trouble } = await openCamera(this.choice);
    this.adoptVideo(track, trouble);
  }

  stop() {
    this.audio?.stop();
    this.audio = null;
    this.stopVideo();
  }

  stopVideo() {
    this.video?.stop();
    this.video = null;
    this.videoTrouble = null;
  }

  /**
   * Do something to the devices once what is under way is done, and tell.
   *
   * @param {() => Promise<void>} act
   */
  next(act) {
    const done = this.opening.then(act).then(() => this.changed());
    this.opening = done.catch(() => {}); // whoever asked hears of it; the next one has its turn all the same
    return done;
  }

  /** @returns {{microphone: DeviceState, camera: DeviceState}} what the room is told */
  states() {
    return {
      microphone: this.audioTrouble || !this.audio ? "missing" : this.microphoneOn ? "on" : "off",
      camera: !this.cameraOn ? "off" : this.video ? "on" : "missing",
    };
  }

  /**
   * @param {MediaStreamTrack | null} track
   * @param {DeviceTrouble | null} trouble
   */
  adoptAudio(track, trouble) {
    this.audio = track;
    this.audioTrouble = trouble;
    if (!track) return;
    track.enabled = this.microphoneOn && !this.hushed;
    // Pulled out, or taken away by a telephone call: the room is told, and the page says what to do.
    track.addEventListener("ended", () => {
      if (this.audio !== track) return;
      this.adoptAudio(null, "missing");
      this.changed();
    });
  }

  /**
   * @param {MediaStreamTrack | null} track
   * @param {DeviceTrouble | null} trouble
   */
  adoptVideo(track, trouble) {
    this.video = this.cameraOn ? track : null;
    this.videoTrouble = trouble;
    if (!this.cameraOn) track?.stop(); // switched off while it was opened
    track?.addEventListener("ended", () => {
      if (this.video !== track) return;
      this.adoptVideo(null, "missing");
      this.changed();
    });
  }

  changed() {
    for (const listener of this.listeners) listener();
  }
}

/**
 * Whether a device is not there that may be there again: pulled out, or taken by another program. After a telephone call
 * iPhones leave a track that is muted for good.
 *
 * @param {MediaStreamTrack | null} track
 * @param {DeviceTrouble | null} trouble
 */
function wentAway(track, trouble) {
  return track ? track.readyState === "ended" || track.muted : trouble === "missing" || trouble === "busy";
}

/**
 * Show one's own camera in a video element, mirrored by the style sheet as a mirror would.
 *
 * @param {HTMLVideoElement} video
 * @param {MediaStreamTrack | null} track
 */
export function showTrack(video, track) {
  const shown = video.srcObject instanceof MediaStream ? video.srcObject.getVideoTracks()[0] : undefined;
  if (shown === (track ?? undefined)) return;
  video.srcObject = track ? new MediaStream([track]) : null;
}
