// A page that shows work in progress asks now and then how far it is, and loads itself again when the work has come to
// its next step. It does not ask while nobody is looking.

const SOON_MS = 1000;
const LATER_MS = 5000;
const PATIENT_AFTER = 60;

/** @param {HTMLElement} element */
function watch(element) {
  const path = element.dataset["progress"] ?? "";
  const known = element.dataset["known"] ?? "";
  let asked = 0;
  const ask = async () => {
    asked += 1;
    if (!document.hidden) {
      const answer = await fetch(path, { headers: { Accept: "application/json" } }).catch(() => null);
      if (answer?.ok) {
        /** @type {{ progress: string, percent: number | null }} */
        const found = await answer.json();
        if (found.progress !== known) {
          location.reload();
          return;
        }
        show(element, found.percent);
      }
    }
    setTimeout(ask, asked > PATIENT_AFTER ? LATER_MS : SOON_MS);
  };
  setTimeout(ask, SOON_MS);
}

/**
 * @param {HTMLElement} element
 * @param {number | null} percent
 */
function show(element, percent) {
  const meter = element.querySelector("progress");
  if (!meter) return;
  meter.hidden = percent === null;
  meter.value = percent ?? 0;
}

for (const element of document.querySelectorAll("[data-progress]")) watch(/** @type {HTMLElement} */ (element));
