import { listDevices } from "../live/devices.js";
import { offerDevices } from "../live/device_choice.js";
import { byId, el, show, write } from "../live/dom.js";
import { LevelMeter } from "../live/sound.js";
import { say } from "../live/texts.js";

const KEYS_OFF = "jiefang.keys_off";

/**
 * Which camera and microphone are used, whether they work, and whether single keys act.
 */
export class DeviceDialog {
  /** @param {import("../live/own_devices.js").OwnDevices} devices */
  constructor(devices) {
    this.devices = devices;
    this.dialog = byId("devices-dialog", HTMLDialogElement);
    this.meter = new LevelMeter(byId("devices-bars", HTMLElement));
    this.keysOn = readKeysOn();
    const keys = byId("devices-keys", HTMLInputElement);
    keys.checked = this.keysOn;
    keys.addEventListener("change", () => this.setKeys(keys.checked));
    for (const kind of /** @type {const} */ (["camera", "microphone"])) {
      const select = byId(`devices-${kind}`, HTMLSelectElement);
      select.addEventListener("change", () => void devices.choose({ [kind]: select.value }));
    }
    byId("devices-again", HTMLButtonElement).addEventListener("click", () => void devices.open());
    byId("devices-close", HTMLButtonElement).addEventListener("click", () => this.dialog.close());
    byId("device-trouble-open", HTMLButtonElement).addEventListener("click", () => this.open());
    devices.onChange(() => void this.draw());
  }

  open() {
    this.dialog.showModal();
    void this.draw();
  }

  /** @param {boolean} on */
  setKeys(on) {
    this.keysOn = on;
    try {
      localStorage.setItem(KEYS_OFF, on ? "" : "1");
    } catch {
      // A private window without storage asks again next time; nothing is lost.
    }
  }

  async draw() {
    const { audio, video, audioTrouble, videoTrouble, cameraOn } = this.devices;
    this.meter.listen(audio);
    const sentences = [];
    if (!audio) sentences.push(say(`trouble.microphone_${audioTrouble ?? "missing"}`));
    if (!video && cameraOn) sentences.push(say(`trouble.camera_${videoTrouble ?? "missing"}`));
    const opened = audioTrouble !== null || videoTrouble !== null || audio !== null || video !== null;
    show(byId("device-trouble", HTMLElement), opened && sentences.length > 0);
    write(byId("device-trouble-words", HTMLElement), sentences[0] ?? "");
    const problem = byId("devices-problem", HTMLElement);
    show(problem, sentences.length > 0);
    write(problem, sentences.join(" "));
    if (!this.dialog.open) return;
    const { cameras, microphones } = await listDevices();
    offer("devices-camera", cameras, video, "check.camera_number");
    offer("devices-microphone", microphones, audio, "check.microphone_number");
  }
}

/** @returns {boolean} */
function readKeysOn() {
  try {
    return localStorage.getItem(KEYS_OFF) !== "1";
  } catch {
    return true;
  }
}

/**
 * @param {string} id
 * @param {MediaDeviceInfo[]} found
 * @param {MediaStreamTrack | null} used
 * @param {string} numbered
 */
function offer(id, found, used, numbered) {
  const select = byId(id, HTMLSelectElement);
  offerDevices(select, found, used, numbered);
  select.disabled = found.length === 0;
  if (select.disabled) select.append(el("option", { value: "" }, say("devices.none")));
}
