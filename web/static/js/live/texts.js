import { pageData } from "./dom.js";

/** @type {Record<string, string> | null} */
let sentences = null;

/**
 * Say a sentence of the page's text block, which the server has put through its catalogue. `{name}` is filled in.
 *
 * @param {string} key
 * @param {Record<string, string | number>} [params]
 * @returns {string}
 */
export function say(key, params = {}) {
  sentences ??= /** @type {Record<string, string>} */ (pageData("texts"));
  const sentence = sentences[key];
  if (sentence === undefined) throw new Error(`no text ${key}`);
  return sentence.replace(/\{(\w+)\}/g, (whole, name) => String(params[name] ?? whole));
}

/**
 * Whether the page has a sentence for this key: codes that come from the server may be newer than the page.
 *
 * @param {string} key
 * @returns {boolean}
 */
export function knows(key) {
  sentences ??= /** @type {Record<string, string>} */ (pageData("texts"));
  return key in sentences;
}

/**
 * A length of time as a recording clock shows it: 08:15, and 1:02:07 from the first hour on.
 *
 * @param {number} ms
 * @param {boolean} [hours] always show hours, as the host's clock does: 00:08:15
 * @returns {string}
 */
export function clockText(ms, hours = false) {
  const whole = Math.max(0, Math.floor(ms / 1000));
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const h = Math.floor(whole / 3600);
  const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
  if (hours) return `${two(h)}:${rest}`;
  return h > 0 ? `${h}:${rest}` : rest;
}

/**
 * The time of day in Beijing, 14:02, of an instant: hearings are kept by the office's clock, wherever the phone is.
 *
 * @param {string} iso
 * @param {boolean} [seconds]
 * @returns {string}
 */
export function timeOfDay(iso, seconds = false) {
  const format = new Intl.DateTimeFormat("zh-CN", {
    hour: "2-digit",
    minute: "2-digit",
    hour12: false,
    timeZone: "Asia/Shanghai",
    ...(seconds ? { second: "2-digit" } : {}),
  });
  return format.format(new Date(iso));
}
