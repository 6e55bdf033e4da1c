import { isInsideAnotherApp, listDevices } from "../live/devices.js";
import { offerDevices } from "../live/device_choice.js";
import { byId, show, write } from "../live/dom.js";
import { showTrack } from "../live/own_devices.js";
import { allowSound, LevelMeter, ring } from "../live/sound.js";
import { say } from "../live/texts.js";
import { drawReady, trouble } from "./ready.js";

/**
 * The page on which camera and microphone are tried out before anybody waits.
 */
export class DeviceCheck {
  /**
   * @param {import("../live/own_devices.js").OwnDevices} devices
   * @param {() => void} onDone
   */
  constructor(devices, onDone) {
    this.devices = devices;
    this.meter = new LevelMeter(byId("check-bars", HTMLElement));
    this.meter.onHeard = () => this.draw();
    this.asked = false;
    /** @type {number | undefined} */
    this.patience = undefined;
    this.quietTooLong = false;
    for (const id of ["check-start", "check-again"]) {
      const button = byId(id, HTMLButtonElement);
      button.addEventListener("click", () => {
        allowSound();
        button.disabled = true;
        void this.ask().finally(() => (button.disabled = false));
      });
    }
    byId("check-done", HTMLButtonElement).addEventListener("click", () => {
      allowSound();
      onDone();
    });
    const speaker = byId("check-speaker", HTMLButtonElement);
    speaker.addEventListener("click", () => {
      speaker.disabled = true;
      void this.playSample().finally(() => (speaker.disabled = false));
    });
    for (const kind of /** @type {const} */ (["camera", "microphone"])) {
      const select = byId(`check-${kind}`, HTMLSelectElement);
      select.addEventListener("change", () => void devices.choose({ [kind]: select.value }));
    }
    devices.onChange(() => void this.refresh());
  }

  /** Ask the browser for the devices; the user sees the browser's own question. */
  async ask() {
    this.asked = true;
    await this.devices.open();
  }

  async playSample() {
    const sample = byId("check-sample", HTMLAudioElement);
    try {
      sample.currentTime = 0;
      await sample.play();
      // Also broken off: by the network, or by a telephone call.
      await new Promise((resolve) => ["ended", "error", "pause"].forEach((end) => sample.addEventListener(end, resolve, { once: true })));
    } catch {
      // A browser without Opus in WebM: the bell says as much about a loudspeaker as a voice does.
      await ring();
    }
    show(byId("check-heard", HTMLElement), true);
  }

  async refresh() {
    if (!this.asked) return;
    showTrack(byId("check-video", HTMLVideoElement), this.devices.video);
    this.meter.listen(this.devices.audio);
    window.clearTimeout(this.patience);
    this.quietTooLong = false;
    if (this.devices.audio) {
      this.patience = window.setTimeout(() => {
        this.quietTooLong = !this.meter.heard;
        this.draw();
      }, 7000);
    }
    this.draw();
    const { cameras, microphones } = await listDevices();
    offer("camera", cameras, this.devices.video);
    offer("microphone", microphones, this.devices.audio);
  }

  draw() {
    const { audio, video, audioTrouble, videoTrouble } = this.devices;
    show(byId("check-before", HTMLElement), !this.asked);
    show(byId("check-after", HTMLElement), this.asked);
    show(byId("check-no-picture", HTMLElement), !video);
    drawReady("check-row-camera", video ? "good" : "careful", video ? say("check.camera_good") : trouble("camera", videoTrouble));
    if (!audio) drawReady("check-row-microphone", "careful", trouble("microphone", audioTrouble));
    else if (this.meter.heard) drawReady("check-row-microphone", "good", say("check.microphone_good"));
    else if (this.quietTooLong) drawReady("check-row-microphone", "careful", say("check.microphone_silent"));
    else drawReady("check-row-microphone", "info", say("check.microphone_speak"));
    const refused = audioTrouble === "refused" || videoTrouble === "refused";
    show(byId("check-how", HTMLElement), refused);
    show(byId("check-how-app", HTMLElement), isInsideAnotherApp());
    show(byId("check-again", HTMLElement), !audio || !video);
    const done = byId("check-done", HTMLButtonElement);
    write(done, !audio ? say("check.go_without_sound") : !video ? say("check.go_without_picture") : say("check.go"));
  }
}

/**
 * @param {"camera" | "microphone"} kind
 * @param {MediaDeviceInfo[]} found
 * @param {MediaStreamTrack | null} used
 */
function offer(kind, found, used) {
  show(byId(`check-${kind}-field`, HTMLElement), used !== null && found.length > 1);
  offerDevices(byId(`check-${kind}`, HTMLSelectElement), found, used, `check.${kind}_number`);
}
