import { byId, show } from "../live/dom.js";

/**
 * Read the page out, with a voice of this machine's own: nothing that is on the page may travel to a voice service.
 */
export function offerReadingAloud() {
  if (!("speechSynthesis" in window)) return;
  const button = byId("read-aloud", HTMLButtonElement);
  const voice = () =>
    speechSynthesis.getVoices().find((candidate) => candidate.localService && candidate.lang.startsWith("zh"));
  const offer = () => show(button, voice() !== undefined);
  speechSynthesis.onvoiceschanged = offer; // not addEventListener, which iOS 15 does not have here
  offer();
  button.addEventListener("click", () => {
    if (speechSynthesis.speaking) {
      speechSynthesis.cancel();
      return;
    }
    const page = document.querySelector("[data-step]:not([hidden])");
    const chosen = voice();
    if (!(page instanceof HTMLElement) || !chosen) return;
    const speech = new SpeechSynthesisUtterance(page.innerText);
    speech.voice = chosen;
    speech.lang = chosen.lang;
    speech.rate = 0.9;
    speechSynthesis.speak(speech);
  });
}

/** Fall silent, e.g. because somebody else begins to speak. */
export function stopReading() {
  if ("speechSynthesis" in window) speechSynthesis.cancel();
}
