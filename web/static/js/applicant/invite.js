/** The invitation's page: tells at once, before anybody types, when this browser cannot show a hearing. */

import { canTakePart, isInsideAnotherApp } from "../live/devices.js";
import { maybe, show, write } from "../live/dom.js";

const warning = maybe("unsupported");
if (warning && !canTakePart()) {
  show(warning, true);
  const insecure = !window.isSecureContext;
  const kind = insecure ? "insecure" : isInsideAnotherApp() ? "app" : "old";
  for (const part of warning.querySelectorAll("[data-kind]")) show(part, part.getAttribute("data-kind") === kind);
}

const copy = maybe("copy-link");
copy?.addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText(location.href);
    write(copy, copy.dataset["done"] ?? "");
  } catch {
    // No clipboard in this browser, or not for this page: the address stands beside the button, to be pressed and held.
    write(copy, copy.dataset["byHand"] ?? "");
  }
});
const address = maybe("own-link");
if (address) write(address, location.href);

const tail = maybe("id-tail");
if (tail instanceof HTMLInputElement) {
  // Full-width digits and a small x come out of Chinese keyboards; both mean the same to the person who typed them.
  tail.addEventListener("change", () => {
    tail.value = tail.value.normalize("NFKC").replace(/\s/g, "").toUpperCase();
  });
}
