import { byId, el, show, write } from "./dom.js";
import { say } from "./texts.js";

/**
 * Who watches: a number at the edge, and names for whoever asks. They are never among the faces.
 *
 * @typedef {import("./protocol.js").Person} Person
 */

/**
 * @param {Person[]} people
 * @returns {Person[]} who watches now
 */
export function watchersOf(people) {
  return people.filter((person) => person.role === "observer" && person.present);
}

/**
 * @param {Person[]} people
 * @param {HTMLElement} button  says how many; hidden when nobody does
 */
export function drawCount(people, button) {
  const count = watchersOf(people).length;
  show(button, count > 0);
  write(button, say("watching.count", { count }));
}

/**
 * @param {Person[]} people
 * @param {string} id  of the list
 */
export function drawNames(people, id) {
  const names = watchersOf(people).map((person) => `${person.name} ${person.title}`.trim());
  const list = byId(id, HTMLElement);
  if (list.dataset["drawn"] === names.join("\n")) return;
  list.dataset["drawn"] = names.join("\n");
  list.replaceChildren(...names.map((name) => el("li", {}, name)));
}
