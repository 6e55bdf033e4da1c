/** The applicant's page: consents, devices, waiting room, hearing. One document, so that a step never loses the line. */

import { canTakePart, isInsideAnotherApp, stayAwake } from "../live/devices.js";
import { byId, pageData, show, write } from "../live/dom.js";
import { sayNews } from "../live/news.js";
import { OwnDevices } from "../live/own_devices.js";
import { probe } from "../live/probe.js";
import { RecessCard } from "../live/recess.js";
import { LiveSession } from "../live/session.js";
import { allowSoundOnTouch, ring } from "../live/sound.js";
import { knows, say } from "../live/texts.js";
import { appendWord } from "../live/words.js";
import { Call } from "./call.js";
import { askConsents } from "./consents.js";
import { DeviceCheck } from "./device_check.js";
import { offerReadingAloud, stopReading } from "./read_aloud.js";
import { ConfirmationSheet } from "./sheet.js";
import { currentStep, go } from "./steps.js";
import { WaitingRoom } from "./waiting.js";

/**
 * @typedef {object} Page
 * @property {string} session_id
 * @property {string} starts_at
 * @property {import("./consents.js").ConsentKind[]} consents
 * @property {boolean} takeover       the seat was just moved here from another device
 * @property {string} after
 * @property {RTCConfiguration} ice
 */

const CHECKED = "jiefang.checked";
/** Shorter gaps than this are not worth a word. */
const WORTH_SAYING_MS = 1500;

const page = /** @type {Page} */ (pageData("page"));
const devices = new OwnDevices();

/** @type {import("../live/session.js").View} */
const view = {
  onRoom(room, before) {
    if (room.phase === "ended") return leaveFor(page.after);
    if (currentStep() === "another_day") return; // on the way out
    const inCall = room.phase === "in_session" && session.me?.admitted === true;
    if (inCall && currentStep() !== "room") {
      const called = currentStep() === "waiting" && waitedSince !== null && Date.now() - waitedSince > 1500;
      enterCall(called);
    }
    if (!inCall && currentStep() !== "waiting") wait();
    waiting.draw();
    call.draw();
    sayNews(room, before);
    if (recess.draw(inCall ? room.recess : null) && inCall) {
      void ring();
      call.sayLine(say("recess.over"), 8000);
    }
  },
  onStream: (seat, stream) => call.setStream(seat, stream),
  onStats: (people) => call.drawStats(people),
  onWord(word, isNews) {
    const mine = word.from === session.room?.you;
    appendWord(word, mine, byId("wait-words", HTMLElement), byId("words-list", HTMLElement));
    if (mine) for (const field of [waiting.word, call.word]) field.cameBack(word.text);
    if (mine && asksForAnotherDay && word.text === say("later.word")) {
      // The server has it, so that it is true that the prosecutor is told.
      asksForAnotherDay = false;
      go("another_day");
      session.leave();
    }
    if (isNews) call.wordCame(mine);
  },
  onNotice(topic) {
    if (topic === "confirmation") void sheet.load();
  },
  onRefused(code, params) {
    askAgainForAnotherDay();
    for (const field of [waiting.word, call.word]) field.release();
    const key = knows(`refused.${code}`) ? `refused.${code}` : "refused.other";
    call.sayLine(say(key, /** @type {Record<string, string | number>} */ (params)), 8000);
  },
  onLost() {
    askAgainForAnotherDay();
    for (const field of [waiting.word, call.word]) field.release();
    waiting.setOnline(false);
    call.drawQuality("lost");
    call.sayLine(say("line.lost"));
  },
  onBack(gapMs) {
    waiting.setOnline(true);
    call.drawQuality("good");
    const seconds = Math.round(gapMs / 1000);
    if (gapMs >= WORTH_SAYING_MS) call.sayLine(say("line.back", { seconds }), 8000);
    else call.sayLine("");
    void sheet.load();
  },
  onClosed(reason) {
    if (reason === "ended" || reason === "host_absent") return leaveFor(page.after);
    void devices.letGo();
    if (reason === "moved" || reason === "seat_taken") return go("elsewhere");
    if (currentStep() === "another_day") return;
    const key = knows(`closed.${reason}`) ? `closed.${reason}` : "closed.other";
    write(byId("gone-heading", HTMLElement), say(key));
    write(byId("gone-more", HTMLElement), say(reason === "left" ? "closed.left_more" : "closed.more"));
    go("gone");
  },
  onLink(state) {
    call.setMediaBroken(state !== "connected");
  },
};

const session = new LiveSession(`/ws/hearings/${page.session_id}?as=applicant`, devices, view, () => probe("/hearing/confirmation"), page.ice);
const waiting = new WaitingRoom(session, devices, page.starts_at);
const call = new Call(session, devices);
const recess = new RecessCard();
const sheet = new ConfirmationSheet();
/** @type {number | null} */
let waitedSince = null;
let leaving = false;
let asksForAnotherDay = false;

function wait() {
  waitedSince = Date.now();
  go("waiting");
  waiting.draw();
}

/** @param {boolean} called  out of the waiting room, so that the bell rings; not when a page comes back */
function enterCall(called) {
  stopReading();
  for (const id of ["word-dialog", "later-dialog"]) byId(id, HTMLDialogElement).close();
  go("room");
  void sheet.load();
  if (called) {
    void ring();
    byId("your-turn", HTMLAudioElement).play().catch(() => ring(2));
  }
}

function begin() {
  remember();
  void stayAwake();
  wait();
  session.open(page.takeover);
}

function remember() {
  try {
    sessionStorage.setItem(CHECKED, page.session_id);
  } catch {
    // A private window without storage asks about the devices again after a reload; nothing is lost.
  }
}

/** @returns {boolean} whether this tab was past the device page before it was reloaded */
function wasChecked() {
  try {
    return sessionStorage.getItem(CHECKED) === page.session_id;
  } catch {
    return false;
  }
}

/** The wish did not get through, as far as is known here. */
function askAgainForAnotherDay() {
  if (!asksForAnotherDay) return;
  asksForAnotherDay = false;
  sayLaterProblem(say("word.not_sent"));
  byId("later-dialog", HTMLDialogElement).showModal();
}

/** @param {string} sentence */
function sayLaterProblem(sentence) {
  const problem = byId("later-problem", HTMLElement);
  show(problem, sentence !== "");
  write(problem, sentence);
}

/** @param {string} path */
function leaveFor(path) {
  if (leaving) return;
  leaving = true;
  void devices.letGo();
  location.assign(path);
}

function start() {
  show(byId("starting", HTMLElement), false);
  offerReadingAloud();
  allowSoundOnTouch();
  for (const button of document.querySelectorAll("[data-reload]")) {
    button.addEventListener("click", () => location.reload());
  }
  byId("elsewhere-here", HTMLButtonElement).addEventListener("click", () => {
    wait();
    void devices.open().then(() => session.open(true));
  });
  byId("later-form", HTMLFormElement).addEventListener("submit", (event) => {
    if (!(event.submitter instanceof HTMLButtonElement) || event.submitter.value !== "later") return;
    asksForAnotherDay = session.send({ type: "word", text: say("later.word") });
    sayLaterProblem(asksForAnotherDay ? "" : say("word.not_sent"));
    if (!asksForAnotherDay) event.preventDefault();
  });
  if (!canTakePart()) {
    const why = !window.isSecureContext ? "insecure" : isInsideAnotherApp() ? "app" : "old";
    show(byId(`unsupported-${why}`, HTMLElement), true);
    go("unsupported");
    return;
  }
  const check = new DeviceCheck(devices, begin);
  askConsents(page.consents, () => {
    go("devices"); // after a reload, too: some browsers ask again, and this is where it is said what to answer
    if (wasChecked()) void check.ask().then(begin);
  });
}

start();
