import { byId, write } from "./dom.js";
import { say } from "./texts.js";

/**
 * Say what changed among the people, for whoever cannot see it.
 *
 * @typedef {import("./protocol.js").Person} Person
 * @typedef {import("./protocol.js").RoomMessage} RoomMessage
 *
 * @param {RoomMessage} room
 * @param {RoomMessage | null} before
 */
export function sayNews(room, before) {
  if (before === null) return;
  const news = room.people.map((person) => newsOf(person, before.people.find((one) => one.seat_id === person.seat_id), room.you));
  if ((room.recess !== null) !== (before.recess !== null)) news.push(room.recess ? "news.recess" : "news.resumed");
  const sentences = news.map((key, i) => key && say(key, { name: room.people[i]?.name ?? "" })).filter(Boolean);
  if (sentences.length > 0) write(byId("news", HTMLElement), sentences.join(" "));
}

/**
 * @param {Person} now
 * @param {Person | undefined} before
 * @param {string} you
 * @returns {string | null} the key of a sentence
 */
function newsOf(now, before, you) {
  if (now.role === "observer") return null;
  if (now.seat_id === you) return before && now.muted !== before.muted ? (now.muted ? "news.you_muted" : "news.you_unmuted") : null;
  if (now.present !== (before?.present ?? false)) return now.present ? (now.admitted ? "news.came" : "news.waits") : "news.gone";
  if (!before || !now.present) return null;
  if (now.admitted !== before.admitted) return now.admitted ? "news.let_in" : "news.sent_back";
  if ((now.link === "lost") !== (before.link === "lost")) return now.link === "lost" ? "news.line_lost" : "news.line_back";
  if (now.muted !== before.muted) return now.muted ? "news.muted" : "news.unmuted";
  if (now.hand && !before.hand) return "news.hand";
  return null;
}
