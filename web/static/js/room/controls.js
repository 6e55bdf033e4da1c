import { once, postJson } from "../live/api.js";
import { drawControl } from "../live/control.js";
import { byId, isWriting, show, write } from "../live/dom.js";
import { say } from "../live/texts.js";

/**
 * The row of controls, and the key of each.
 *
 * @typedef {import("../live/session.js").LiveSession} LiveSession
 */
export class Controls {
  /**
   * @param {LiveSession} session
   * @param {import("../live/own_devices.js").OwnDevices} devices
   * @param {import("./device_dialog.js").DeviceDialog | null} deviceDialog  null for whoever sends nothing
   * @param {string} base
   * @param {(sentence: string, kind: "good" | "careful") => void} tell
   */
  constructor(session, devices, deviceDialog, base, tell) {
    this.session = session;
    this.devices = devices;
    this.deviceDialog = deviceDialog;
    this.base = base;
    this.tell = tell;
    /** @type {Map<string, () => void>} */
    this.keys = new Map();
    this.wire();
    devices.onChange(() => this.draw());
    this.movesByKeyboard = false;
    document.addEventListener("pointerdown", () => (this.movesByKeyboard = false), { capture: true });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Tab" || event.key.startsWith("Arrow")) this.movesByKeyboard = true;
      this.press(event);
    });
  }

  wire() {
    const { session, devices } = this;
    this.control("control-mute", () => void devices.switchMicrophone(!devices.microphoneOn));
    this.control("control-camera", () => void devices.switchCamera(!devices.cameraOn));
    this.control("control-hand", () => this.ask({ type: "hand", raised: session.me?.hand !== true }));
    this.control("control-prompt", () => this.openPrompt());
    this.control("control-mark", () => this.openMark());
    this.control("control-devices", () => this.deviceDialog?.open());
    this.confirm("control-leave", "leave-dialog", "leave", () => session.leave());
    this.confirm("control-end", "end-dialog", "end", () => this.ask({ type: "end" }));
    this.wirePrompt();
    this.wireMark();
    this.wireRecess();
  }

  /** One key both ways; only the way into the recess asks first, and why. */
  wireRecess() {
    const dialog = document.getElementById("recess-dialog");
    if (!(dialog instanceof HTMLDialogElement)) return;
    this.control("control-recess", () => {
      if (this.session.room?.recess) this.ask({ type: "resume" });
      else dialog.showModal();
    });
    byId("recess-stay", HTMLButtonElement).addEventListener("click", () => dialog.close());
    const field = byId("recess-why", HTMLInputElement);
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === "pause") this.ask({ type: "pause", reason: field.value.trim() });
      dialog.returnValue = "";
      field.value = "";
    });
  }

  /**
   * @param {import("../live/protocol.js").ClientMessage} message
   * @returns {boolean} whether it went; if not, it is said
   */
  ask(message) {
    const sent = this.session.send(message);
    if (!sent) this.tell(say("line.not_sent"), "careful");
    return sent;
  }

  /**
   * @param {string} id
   * @param {() => void} act
   */
  control(id, act) {
    const button = document.getElementById(id);
    if (!(button instanceof HTMLButtonElement)) return;
    button.addEventListener("click", act);
    const key = button.dataset["key"];
    if (key) this.keys.set(key, () => button.click());
  }

  /**
   * @param {string} id
   * @param {string} dialogId
   * @param {string} value
   * @param {() => void} act
   */
  confirm(id, dialogId, value, act) {
    const dialog = document.getElementById(dialogId);
    if (!(dialog instanceof HTMLDialogElement)) return;
    this.control(id, () => dialog.showModal());
    dialog.addEventListener("close", () => {
      if (dialog.returnValue === value) act();
      dialog.returnValue = "";
    });
  }

  wirePrompt() {
    const dialog = document.getElementById("prompt-dialog");
    if (!(dialog instanceof HTMLDialogElement)) return;
    const field = byId("prompt-text", HTMLTextAreaElement);
    for (const button of dialog.querySelectorAll("[data-preset]")) {
      button.addEventListener("click", () => (field.value = button.textContent?.trim() ?? ""));
    }
    byId("prompt-form", HTMLFormElement).addEventListener("submit", (event) => {
      const by = event.submitter;
      if (!(by instanceof HTMLButtonElement) || by.value === "cancel") return;
      this.showPrompt(by.value === "clear" ? "" : field.value.trim());
      field.value = "";
    });
    byId("prompt-shown-clear", HTMLButtonElement).addEventListener("click", () => this.showPrompt(""));
  }

  wireMark() {
    const dialog = document.getElementById("mark-dialog");
    if (!(dialog instanceof HTMLDialogElement)) return;
    byId("mark-cancel", HTMLButtonElement).addEventListener("click", () => dialog.close());
    byId("mark-form", HTMLFormElement).addEventListener("submit", (event) => {
      event.preventDefault();
      const field = byId("mark-title", HTMLInputElement);
      const act = async () => {
        await postJson(`${this.base}/marks`, { title: field.value.trim() });
        dialog.close();
        field.value = "";
        this.tell(say("mark.kept"), "good");
      };
      const problem = byId("mark-problem", HTMLElement);
      void once(byId("mark-send", HTMLButtonElement), act, (sentence) => {
        write(problem, sentence);
        show(problem, true);
      });
    });
  }

  openPrompt() {
    byId("prompt-dialog", HTMLDialogElement).showModal();
  }

  openMark() {
    show(byId("mark-problem", HTMLElement), false);
    byId("mark-dialog", HTMLDialogElement).showModal();
  }

  /** @param {string} text */
  showPrompt(text) {
    this.ask({ type: "prompt", text: text.slice(0, 200) });
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    if (!this.deviceDialog?.keysOn || event.ctrlKey || event.altKey || event.metaKey || event.repeat) return;
    if (isWriting(event.target) || document.querySelector("dialog[open]")) return;
    const act = this.keys.get(event.key === " " ? "Space" : event.key.toUpperCase());
    if (!act) return;
    const focused = document.activeElement;
    if (event.key === " " && focused instanceof HTMLElement && focused !== document.body) {
      // Whoever moves by keyboard presses the button they stand on; after a mouse click Space means the still again.
      // (:focus-visible cannot tell: any key makes it true.)
      if (this.movesByKeyboard) return;
      focused.blur();
    }
    event.preventDefault();
    act();
  }

  draw() {
    const { microphoneOn, cameraOn } = this.devices;
    if (!this.deviceDialog) return;
    drawControl("control-mute", microphoneOn ? "mic" : "mic-off", say(microphoneOn ? "call.mute" : "call.unmute"), !microphoneOn);
    drawControl("control-camera", cameraOn ? "camera" : "camera-off", say(cameraOn ? "call.camera_off" : "call.camera_on"), !cameraOn);
    const raised = this.session.me?.hand === true;
    if (document.getElementById("control-hand")) {
      drawControl("control-hand", "hand", say(raised ? "call.lower_hand" : "call.raise_hand"), raised);
    }
    if (document.getElementById("control-recess")) {
      const rests = this.session.room?.recess != null;
      drawControl("control-recess", rests ? "play" : "pause", say(rests ? "call.resume" : "call.pause"), rests);
      byId("control-recess", HTMLButtonElement).disabled = this.session.room?.phase !== "in_session";
    }
    const prompt = this.session.room?.prompt ?? "";
    const shown = document.getElementById("prompt-shown");
    if (!shown) return;
    show(shown, prompt !== "");
    write(byId("prompt-shown-words", HTMLElement), prompt);
  }
}
