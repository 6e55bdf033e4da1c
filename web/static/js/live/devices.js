/**
 * Camera, microphone and loudspeaker of this machine, and what to say when one of them does not work.
 *
 * @typedef {"refused" | "missing" | "busy" | "insecure" | "failed"} DeviceTrouble
 *
 * @typedef {object} Choice
 * @property {string} [camera]      device id
 * @property {string} [microphone]  device id
 *
 * @typedef {object} Opened
 * @property {MediaStreamTrack | null} audio
 * @property {MediaStreamTrack | null} video
 * @property {DeviceTrouble | null} audioTrouble
 * @property {DeviceTrouble | null} videoTrouble
 */

/** @returns {boolean} whether this browser can take part at all; in-app browsers often cannot */
export function canTakePart() {
  const knows = "RTCPeerConnection" in window && "WebSocket" in window && "HTMLDialogElement" in window;
  return knows && navigator.mediaDevices?.getUserMedia !== undefined;
}

/** @returns {boolean} whether a chat program's own browser shows this page */
export function isInsideAnotherApp() {
  return /MicroMessenger|QQ\/|AlipayClient|DingTalk|Weibo|aweme|NewsArticle/i.test(navigator.userAgent);
}

/**
 * Open microphone and camera, both with one question to the user; if that fails, each by itself, so that one missing
 * device does not cost the other.
 *
 * @param {Choice} choice
 * @returns {Promise<Opened>}
 */
export async function openDevices(choice = {}) {
  if (!navigator.mediaDevices?.getUserMedia) {
    const trouble = window.isSecureContext ? "missing" : "insecure";
    return { audio: null, video: null, audioTrouble: trouble, videoTrouble: trouble };
  }
  try {
    const both = await navigator.mediaDevices.getUserMedia({ audio: sound(choice), video: picture(choice) });
    return {
      audio: both.getAudioTracks()[0] ?? null,
      video: both.getVideoTracks()[0] ?? null,
      audioTrouble: null,
      videoTrouble: null,
    };
  } catch {
    const audio = await openMicrophone(choice);
    const video = await openCamera(choice);
    return { audio: audio.track, video: video.track, audioTrouble: audio.trouble, videoTrouble: video.trouble };
  }
}

/**
 * @param {Choice} choice
 * @returns {Promise<{track: MediaStreamTrack | null, trouble: DeviceTrouble | null}>}
 */
export function openCamera(choice = {}) {
  return openOne({ video: picture(choice) });
}

/**
 * @param {Choice} choice
 * @returns {Promise<{track: MediaStreamTrack | null, trouble: DeviceTrouble | null}>}
 */
export function openMicrophone(choice = {}) {
  return openOne({ audio: sound(choice) });
}

/** @param {MediaStreamConstraints} constraints */
async function openOne(constraints) {
  if (!navigator.mediaDevices?.getUserMedia) {
    return { track: null, trouble: /** @type {DeviceTrouble} */ (window.isSecureContext ? "missing" : "insecure") };
  }
  try {
    const stream = await navigator.mediaDevices.getUserMedia(constraints);
    return { track: stream.getTracks()[0] ?? null, trouble: null };
  } catch (error) {
    return { track: null, trouble: troubleOf(error) };
  }
}

/**
 * @param {unknown} error
 * @returns {DeviceTrouble}
 */
export function troubleOf(error) {
  const name = error instanceof DOMException ? error.name : "";
  if (name === "NotAllowedError" || name === "SecurityError") return "refused";
  if (name === "NotFoundError" || name === "OverconstrainedError") return "missing";
  if (name === "NotReadableError" || name === "AbortError") return "busy";
  return "failed";
}

/** @param {Choice} choice */
function sound(choice) {
  return {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    ...(choice.microphone ? { deviceId: { ideal: choice.microphone } } : {}),
  };
}

/** @param {Choice} choice */
function picture(choice) {
  return {
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
    ...(choice.camera ? { deviceId: { ideal: choice.camera } } : { facingMode: "user" }),
  };
}

/**
 * The devices to choose from, by kind. Names are known only after the user has allowed one.
 *
 * @returns {Promise<{cameras: MediaDeviceInfo[], microphones: MediaDeviceInfo[]}>}
 */
export async function listDevices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const real = all.filter((device) => device.deviceId !== "" && device.deviceId !== "default");
  return {
    cameras: real.filter((device) => device.kind === "videoinput"),
    microphones: real.filter((device) => device.kind === "audioinput" && device.deviceId !== "communications"),
  };
}

const REMEMBERED = "jiefang.devices";

/** @returns {Choice} what was chosen last time on this machine */
export function rememberedChoice() {
  try {
    const stored = JSON.parse(localStorage.getItem(REMEMBERED) ?? "{}");
    /** @type {Choice} */
    const choice = {};
    if (typeof stored.camera === "string") choice.camera = stored.camera;
    if (typeof stored.microphone === "string") choice.microphone = stored.microphone;
    return choice;
  } catch {
    // Storage is closed in some private windows, and what is in it may be anything: then nothing was chosen.
    return {};
  }
}

/** @param {Choice} choice */
export function rememberChoice(choice) {
  try {
    localStorage.setItem(REMEMBERED, JSON.stringify(choice));
  } catch {
    // A private window without storage asks again next time; nothing is lost.
  }
}

/**
 * Keep the screen awake: a locked phone neither rings nor hears.
 *
 * @returns {Promise<void>}
 */
export async function stayAwake() {
  if (!("wakeLock" in navigator)) return;
  const ask = async () => {
    if (document.visibilityState !== "visible") return;
    try {
      await navigator.wakeLock.request("screen");
    } catch {
      // Refused when the battery is low: the page says anyway that the phone should not be locked.
    }
  };
  document.addEventListener("visibilitychange", () => void ask());
  await ask();
}
