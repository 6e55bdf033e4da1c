import { openCamera, openDevices, openMicrophone, rememberChoice, rememberedChoice } from "./devices.js";

/**
 * This page's own microphone and camera: which track is live, whether it is switched on, and what is wrong with it.
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
  }

  /** @param {() => void} listener */
  onChange(listener) {
    this.listeners.add(listener);
  }

  /** Open both, as they were chosen. */
  async open() {
    const opened = await openDevices(this.choice);
    this.adoptAudio(opened.audio, opened.audioTrouble);
    this.adoptVideo(opened.video, opened.videoTrouble);
    this.changed();
  }

  /**
   * Use another device of a kind from now on, and next time too.
   *
   * @param {import("./devices.js").Choice} choice
   */
  async choose(choice) {
    this.choice = { ...this.choice, ...choice };
    rememberChoice(this.choice);
    if (choice.microphone !== undefined) {
      this.audio?.stop();
      const { track, trouble } = await openMicrophone(this.choice);
      this.adoptAudio(track, trouble);
    }
    if (choice.camera !== undefined) {
      this.video?.stop();
      const { track, trouble } = await openCamera(this.choice);
      this.adoptVideo(track, trouble);
    }
    this.changed();
  }

  /** @param {boolean} on */
  async switchMicrophone(on) {
    this.microphoneOn = on;
    if (on && !this.audio) {
      const { track, trouble } = await openMicrophone(this.choice);
      this.adoptAudio(track, trouble);
    }
    if (this.audio) this.audio.enabled = on && !this.hushed;
    this.changed();
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
  async switchCamera(on) {
    this.cameraOn = on;
    if (on) {
      const { track, trouble } = await openCamera(this.choice);
      this.adoptVideo(track, trouble);
    } else {
      this.video?.stop();
      this.video = null;
      this.videoTrouble = null;
    }
    this.changed();
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
    this.video = track;
    this.videoTrouble = trouble;
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
