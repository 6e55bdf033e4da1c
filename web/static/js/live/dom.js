/** Small helpers around the document. Text goes in as text nodes only: nothing here ever parses HTML. */

/**
 * Return the element with this id, or throw: a template without it is a mistake of ours, not of the user.
 *
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const node = document.getElementById(id);
  if (!(node instanceof type)) throw new Error(`no ${type.name} #${id}`);
  return node;
}

/**
 * Return the element with this id when the page has one.
 *
 * @param {string} id
 * @returns {HTMLElement | null}
 */
export function maybe(id) {
  return document.getElementById(id);
}

/**
 * Make an element. `class`, `hidden` and other attributes are set as attributes; children are nodes or text.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean>} [attributes]
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

/**
 * @param {Element} node
 * @param {boolean} visible
 */
export function show(node, visible) {
  node.toggleAttribute("hidden", !visible);
}

/**
 * Write text only when it differs, so that a live region is not read out again every second.
 *
 * @param {Element} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * Draw an icon of the sprite.
 *
 * @param {string} name
 * @param {string} [className]
 * @returns {SVGSVGElement}
 */
export function icon(name, className = "icon") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", className);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  svg.append(use);
  point(svg, name);
  return svg;
}

/**
 * Let an icon show another symbol of the sprite.
 *
 * @param {Element} svg
 * @param {string} name
 */
export function point(svg, name) {
  const use = svg.querySelector("use");
  const href = `${sprite()}#${name}`;
  if (use && use.getAttribute("href") !== href) use.setAttribute("href", href);
}

/** @returns {string} */
function sprite() {
  return document.documentElement.dataset["icons"] ?? "/static/img/icons.svg";
}

/**
 * Read a JSON block of the page.
 *
 * @template T
 * @param {string} id
 * @returns {T}
 */
export function pageData(id) {
  return JSON.parse(byId(id, HTMLScriptElement).textContent ?? "null");
}

/**
 * Tell whether the keyboard is busy with writing, so that single keys must not act.
 *
 * @param {EventTarget | null} target
 * @returns {boolean}
 */
export function isWriting(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["button", "checkbox", "radio", "submit"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}
