// A page that shows work in progress asks now and then how far it is, and loads itself again when that changed. It does
// not ask while nobody is looking.

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
      if (answer?.ok && (await answer.json()).progress !== known) {
        location.reload();
        return;
      }
    }
    setTimeout(ask, asked > PATIENT_AFTER ? LATER_MS : SOON_MS);
  };
  setTimeout(ask, SOON_MS);
}

for (const element of document.querySelectorAll("[data-progress]")) watch(/** @type {HTMLElement} */ (element));
