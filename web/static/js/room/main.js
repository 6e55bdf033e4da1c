/** The room of the host and of the far end. What one may do is asked of the server every time; this only shows it. */

import { once, postJson } from "../live/api.js";
import { stayAwake } from "../live/devices.js";
import { byId, maybe, pageData, show, write } from "../live/dom.js";
import { sayNews } from "../live/news.js";
import { OwnDevices } from "../live/own_devices.js";
import { probe } from "../live/probe.js";
import { gettingOf } from "../live/quality.js";
import { RecessCard } from "../live/recess.js";
import { LiveSession } from "../live/session.js";
import { allowSoundOnTouch, ring } from "../live/sound.js";
import { clockText, knows, say, timeOfDay } from "../live/texts.js";
import { WordField, appendWord } from "../live/words.js";
import { RecordingAlarm } from "./alarm.js";
import { Controls } from "./controls.js";
import { DeviceDialog } from "./device_dialog.js";
import { Identity } from "./identity.js";
import { ReadingPanel } from "./reading.js";
import { Stage } from "./stage.js";
import { tabs } from "./tabs.js";
import { WaitingList } from "./waiting_list.js";

/**
 * @typedef {object} Page
 * @property {string} session_id
 * @property {boolean} is_host
 * @property {boolean} works         checks who the applicant is, and sees what is paid to whom
 * @property {boolean} watches       sees and hears, and sends nothing
 * @property {boolean} may_verify
 * @property {boolean} prompts_every_step  the sentence of each check goes to the applicant's screen by itself
 * @property {string} after          where to go when the hearing is over
 * @property {RTCConfiguration} ice
 */

/** Devices that take longer wait for an answer in the browser's own dialogue. */
const ASKS_MS = 2000;

const page = /** @type {Page} */ (pageData("page"));
const base = `/sessions/${page.session_id}`;
const devices = new OwnDevices();
let lineSentence = "";
let leaving = false;
let mediaBroken = false;
/** @type {import("../live/quality.js").Getting} */
let getting = "all";
/** @type {number | undefined} */
let lineTimer = undefined;
/** @type {number | undefined} */
let tellTimer = undefined;

/** @type {import("../live/session.js").View} */
const view = {
  onRoom(room, before) {
    if (room.phase === "ended") return goToFile();
    const waited = before?.people.filter((person) => person.present && !person.admitted).length ?? 0;
    if (waiting.waiting().length > waited && page.is_host) void ring();
    waiting.draw();
    stage.draw();
    controls.draw();
    if (recess.draw(room.recess)) {
      void ring();
      tell(say("recess.over"), "good");
    }
    if (before && (before.recess === null) !== (room.recess === null)) loadWork();
    alarm.draw();
    sayNews(room, before);
    drawLine();
    drawTop();
    if (before?.phase !== room.phase && room.phase === "in_session") {
      loadWork();
      openTab("identity");
    }
  },
  onStream: (seat, stream) => stage.setStream(seat, stream),
  onStats(people) {
    stage.setStats(people);
    const before = getting;
    getting = gettingOf(people[session.room?.you ?? ""]);
    if (getting === "fewer" && before !== "fewer") sayLine(say("line.fewer"), 8000);
    else drawLine();
  },
  onWord(word, isNews) {
    const mine = word.from === session.room?.you;
    appendWord(word, mine, byId("words-list", HTMLElement));
    show(byId("words-none", HTMLElement), false);
    if (mine) written?.cameBack(word.text);
    if (isNews && !mine && byId("tab-words", HTMLElement).getAttribute("aria-selected") !== "true") {
      byId("tab-words", HTMLElement).classList.add("tab--news");
      tell(say("word.came", { name: word.name, text: word.text.slice(0, 40) }), "good");
    }
  },
  onNotice(topic) {
    if (topic === "confirmation") void reading?.load();
    else if (topic === "verification" || topic === "still") void identity?.load().then(() => reading?.load());
  },
  onRefused(code, params) {
    waiting.forget();
    waiting.draw();
    written?.release();
    if (code === "recording_still_down") return alarm.stillDown();
    if (code === "recording_unavailable" && alarm.lasts) return alarm.stillDown();
    const key = knows(`refused.${code}`) ? `refused.${code}` : "refused.other";
    tell(say(key, /** @type {Record<string, string | number>} */ (params)), "careful");
  },
  onLost() {
    written?.release();
    sayLine(say("line.lost_staff"));
  },
  onBack(gapMs) {
    waiting.forget();
    const seconds = Math.round(gapMs / 1000);
    if (gapMs >= 1500) sayLine(say("line.back_staff", { seconds }), 8000);
    else sayLine("");
    loadWork();
  },
  onClosed(reason) {
    if (reason === "ended" || reason === "host_absent") return goToFile();
    const known = knows(`closed.${reason}`) ? reason : "other";
    write(byId("closed-heading", HTMLElement), say(`closed.${known}`));
    const here = byId("closed-here", HTMLButtonElement);
    write(here, say(reason === "left" ? "closed.come_back" : "closed.here"));
    show(here, reason !== "signed_out" && reason !== "not_admitted");
    byId("closed-dialog", HTMLDialogElement).showModal();
    void devices.letGo();
  },
  onLink(state) {
    mediaBroken = state !== "connected";
    drawLine();
  },
};

const session = new LiveSession(`/ws/hearings/${page.session_id}?as=staff`, devices, view, () => probe(`${base}/room`), page.ice, page.watches);
const wordField = maybe("words-text");
const written = wordField instanceof HTMLInputElement ? new WordField(session, wordField) : null;
const stage = new Stage(session, devices);
const recess = new RecessCard(() => void controls.ask({ type: "resume" }));
const waiting = new WaitingList(session, (message) => controls.ask(message));
const deviceDialog = page.watches ? null : new DeviceDialog(devices);
const controls = new Controls(session, devices, deviceDialog, base, tell);
const alarm = new RecordingAlarm(session, page.is_host, tell);
const identity = page.works
  ? new Identity(
      base,
      page.may_verify,
      (text) => controls.showPrompt(text),
      () => page.prompts_every_step && session.room?.phase === "in_session",
      (sentence) => tell(sentence, "careful"),
    )
  : null;
const reading = page.works ? new ReadingPanel(base, page.is_host, (sentence) => tell(sentence, "careful")) : null;
const openTab = tabs(byId("tabs", HTMLElement), () => {});

/** Ask again for what is worked on beside the picture. */
function loadWork() {
  void identity?.load();
  void reading?.load();
}

/** The hearing is over: on to its page, once. */
function goToFile() {
  if (leaving) return;
  leaving = true;
  location.assign(page.after);
}

/**
 * Say something about the line, over the picture.
 *
 * @param {string} sentence
 * @param {number} [ms]
 */
function sayLine(sentence, ms = 0) {
  window.clearTimeout(lineTimer);
  lineSentence = sentence;
  if (ms > 0) lineTimer = window.setTimeout(() => sayLine(""), ms);
  drawLine();
}

function drawLine() {
  const awaited = session.room?.recess ? null : session.room?.host_awaited;
  const without = awaited ? say("line.host_awaited", { at: timeOfDay(awaited.ends_at) }) : "";
  const sentence = lineSentence || without || (mediaBroken ? say("line.media_lost") : session.me?.muted ? say("call.muted_by_host") : getting === "sound" ? say("line.sound_alone") : "");
  show(byId("line", HTMLElement), sentence !== "");
  write(byId("line-words", HTMLElement), sentence);
}

/**
 * Say what was done, or why not; it stays long enough to be read.
 *
 * @param {string} sentence
 * @param {"good" | "careful"} kind
 */
function tell(sentence, kind) {
  window.clearTimeout(tellTimer);
  const node = byId("told", HTMLElement);
  node.dataset["kind"] = kind;
  write(byId("told-words", HTMLElement), sentence);
  show(node, true);
  tellTimer = window.setTimeout(() => show(node, false), kind === "good" ? 5000 : 10_000);
}

function drawTop() {
  alarm.raise();
  const now = session.clock.now();
  show(byId("rec", HTMLElement), session.records);
  show(byId("rec-none", HTMLElement), !session.records);
  write(byId("rec-none", HTMLElement), say(recess.rests ? "top.rests" : now === null ? "top.not_begun" : "top.not_recorded"));
  const saved = byId("saved", HTMLElement);
  show(saved, now !== null);
  if (now === null) return;
  write(byId("rec-time", HTMLElement), clockText(now, true));
  const safe = session.clock.isSaved() && !alarm.lasts;
  saved.dataset["kind"] = safe ? "good" : "careful";
  write(saved, safe ? say("top.saved") : say("top.saved_until", { at: clockText(session.clock.savedMs, true) }));
}

/** @param {boolean} takeover */
function comeIn(takeover) {
  if (page.watches) return session.open(takeover);
  const asks = window.setTimeout(() => write(byId("stage-note-words", HTMLElement), say("devices.asks")), ASKS_MS);
  void devices.open().then(() => {
    window.clearTimeout(asks);
    session.open(takeover);
  });
}

function wire() {
  window.setInterval(drawTop, 250);
  allowSoundOnTouch();
  controls.keys.set("R", () => alarm.trouble && alarm.act());
  if (identity) controls.keys.set("Space", () => identity.pressStill());
  byId("watching-count", HTMLButtonElement).addEventListener("click", () => openTab("waiting"));
  byId("waiting-count", HTMLButtonElement).addEventListener("click", () => openTab("waiting"));
  byId("stage-admit", HTMLButtonElement).addEventListener("click", (event) => {
    const seat = /** @type {HTMLElement} */ (event.currentTarget).dataset["seat"];
    if (seat) waiting.admit(seat);
  });
  maybe("words-form")?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (written && !written.send() && written.text !== "") tell(say("line.not_sent"), "careful");
  });
  byId("closed-here", HTMLButtonElement).addEventListener("click", () => {
    byId("closed-dialog", HTMLDialogElement).close();
    comeIn(true);
  });
  byId("closed-dialog", HTMLDialogElement).addEventListener("cancel", (event) => event.preventDefault());
  for (const button of document.querySelectorAll("[data-simulate]")) {
    if (!(button instanceof HTMLButtonElement)) continue;
    const act = async () => {
      await postJson(`${base}/simulated-applicant`, {});
      tell(say("simulated.called"), "good");
    };
    button.addEventListener("click", () => void once(button, act, (sentence) => tell(sentence, "careful")));
  }
}

wire();
void stayAwake();
loadWork();
comeIn(false);
