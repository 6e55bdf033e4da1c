// A part of a page that changes by itself asks for its newest form while it is busy, and is replaced by it; the rest of
// the page, a recording that plays, stays as it is. It does not ask while nobody is looking.

const EVERY_MS = 1000;

/** @param {HTMLElement} element */
function keepFresh(element) {
  const path = element.dataset["fragment"] ?? "";
  const ask = async () => {
    if (!element.querySelector("[data-busy]")) return;
    if (!document.hidden) {
      const answer = await fetch(path).catch(() => null);
      // Sent elsewhere, e.g. to sign in again: that page is not a part of this one.
      if (answer?.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        element.replaceChildren(...fresh.body.childNodes);
      }
    }
    setTimeout(ask, EVERY_MS);
  };
  setTimeout(ask, EVERY_MS);
}

for (const element of document.querySelectorAll("[data-fragment]")) keepFresh(/** @type {HTMLElement} */ (element));
