import { el } from "./dom.js";
import { say } from "./texts.js";

/**
 * Offer the devices of a kind in a list, with the one in use chosen.
 *
 * @param {HTMLSelectElement} select
 * @param {MediaDeviceInfo[]} found
 * @param {MediaStreamTrack | null} used
 * @param {string} numbered  the key of a name for a device whose own name the browser keeps to itself
 */
export function offerDevices(select, found, used, numbered) {
  const chosen = used?.getSettings().deviceId ?? "";
  select.replaceChildren(
    ...found.map((device, i) =>
      el(
        "option",
        { value: device.deviceId, selected: device.deviceId === chosen },
        device.label || say(numbered, { number: i + 1 }),
      ),
    ),
  );
}
