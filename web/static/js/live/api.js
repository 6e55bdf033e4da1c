import { say } from "./texts.js";

/** A request that the server refused, or that did not reach it. `message` is a sentence for the user. */
export class RequestRefused extends Error {
  /**
   * @param {string} code
   * @param {string} sentence
   * @param {number} status
   */
  constructor(code, sentence, status) {
    super(sentence);
    this.code = code;
    this.status = status;
  }
}

const PATIENCE_MS = 20_000;

/**
 * @param {string} path
 * @param {RequestInit} init
 * @returns {Promise<any>}
 */
async function request(path, init) {
  /** @type {Response} */
  let response;
  /** @type {any} */
  let body = null;
  // Not AbortSignal.timeout: phones of five years ago do not have it.
  const patience = new AbortController();
  const timer = window.setTimeout(() => patience.abort(), PATIENCE_MS);
  try {
    response = await fetch(path, {
      ...init,
      credentials: "same-origin",
      redirect: "error",
      signal: patience.signal,
    });
    // An answer that breaks off half-way is no answer either.
    if ((response.headers.get("content-type") ?? "").includes("json")) body = await response.json();
  } catch {
    throw new RequestRefused("offline", say("api.offline"), 0);
  } finally {
    window.clearTimeout(timer);
  }
  if (response.ok && body) return body;
  throw new RequestRefused(body?.refused ?? "unreadable", body?.text ?? say("api.unreadable"), response.status);
}

/**
 * @param {string} path
 * @returns {Promise<any>}
 */
export function getJson(path) {
  return request(path, { headers: { Accept: "application/json" }, cache: "no-store" });
}

/**
 * @param {string} path
 * @param {Record<string, unknown>} body
 * @returns {Promise<any>}
 */
export function postJson(path, body = {}) {
  const token = document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
  return request(path, {
    method: "POST",
    headers: { Accept: "application/json", "Content-Type": "application/json", "X-CSRF-Token": token },
    body: JSON.stringify(body),
  });
}

/**
 * Run an act of a button once at a time: the button is busy meanwhile, so that a double click does nothing twice. Whoever
 * pressed it by keyboard stands on it again afterwards.
 *
 * @param {HTMLButtonElement} button
 * @param {() => Promise<void>} act
 * @param {(sentence: string) => void} complain
 */
export async function once(button, act, complain) {
  if (button.getAttribute("aria-busy") === "true") return;
  const stoodOn = document.activeElement === button;
  button.setAttribute("aria-busy", "true");
  button.disabled = true;
  try {
    await act();
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error;
    complain(error.message);
  } finally {
    button.removeAttribute("aria-busy");
    button.disabled = false;
    if (stoodOn && document.activeElement === document.body) button.focus({ preventScroll: true });
  }
}
