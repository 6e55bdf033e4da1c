import { once, postJson } from "../live/api.js";
import { byId, show, write } from "../live/dom.js";
import { go } from "./steps.js";

/**
 * @typedef {"recording" | "personal_data"} ConsentKind
 */
const ORDER = /** @type {const} */ (["recording", "personal_data"]);

/**
 * Ask for the consents one by one. Refusing is a page with a way on, not a dead end.
 *
 * @param {ConsentKind[]} given
 * @param {() => void} onDone
 */
export function askConsents(given, onDone) {
  const have = new Set(given);
  const next = () => {
    const missing = ORDER.find((kind) => !have.has(kind));
    if (missing) go(missing);
    else onDone();
  };
  for (const kind of ORDER) {
    const problem = byId(`${kind}-problem`, HTMLElement);
    const complain = (/** @type {string} */ sentence) => {
      write(problem, sentence);
      show(problem, true);
    };
    const agree = byId(`${kind}-agree`, HTMLButtonElement);
    agree.addEventListener("click", () => {
      void once(
        agree,
        async () => {
          await postJson("/hearing/consents", { kind });
          show(problem, false);
          have.add(kind);
          next();
        },
        complain,
      );
    });
    byId(`${kind}-refuse`, HTMLButtonElement).addEventListener("click", () => {
      document.querySelectorAll("[data-refused]").forEach((node) => {
        show(node, node.getAttribute("data-refused") === kind);
      });
      go("consent_refused");
    });
  }
  byId("consent-back", HTMLButtonElement).addEventListener("click", next);
  next();
}
