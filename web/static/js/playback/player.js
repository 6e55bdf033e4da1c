// Plays everybody's file on one clock. Each file's timeline begins where the recording begins, so that one position
// serves all of them; the longest file leads and the others are held to it.

const DRIFT_S = 0.06; // beyond this, picture and voice of two people are heard to part
const JUMP_S = 0.5; // beyond this, catching up by speed would take too long
const STEP_S = 5;
const MARK_BACK_MS = 1500;
const MARK_EARLY_MS = 50; // a seek may land a little before the moment it was asked for

/** @param {HTMLElement} root */
function startPlayer(root) {
  const videos = [...root.querySelectorAll("video")];
  const button = /** @type {HTMLButtonElement} */ (root.querySelector("[data-act=play]"));
  const slider = /** @type {HTMLInputElement} */ (root.querySelector("[data-act=seek]"));
  const speed = /** @type {HTMLSelectElement} */ (root.querySelector("[data-act=speed]"));
  const clock = /** @type {HTMLElement} */ (root.querySelector("[data-show=clock]"));
  const words = { play: button.dataset.play ?? "", pause: button.dataset.pause ?? "" };
  const wholeS = Number(root.dataset.durationMs) / 1000;
  const marks = [...document.querySelectorAll("[data-at-ms]")].filter((mark) => mark instanceof HTMLElement);
  const recesses = [...root.querySelectorAll("[data-recess]")].filter((card) => card instanceof HTMLElement);
  let playing = false;

  const whole = () => videos.filter((video) => !video.error);

  /** @returns {HTMLVideoElement | undefined} */
  const leader = () => whole().reduce(
    (longest, video) => (!longest || (video.duration || 0) > (longest.duration || 0) ? video : longest),
    /** @type {HTMLVideoElement | undefined} */ (undefined),
  );

  const position = () => leader()?.currentTime ?? 0;

  /** @param {number} seconds */
  const show = (seconds) => {
    clock.textContent = `${asClock(seconds)} / ${asClock(wholeS)}`;
    slider.value = String(Math.round(seconds * 1000));
    slider.setAttribute("aria-valuetext", asClock(seconds));
    const passed = marks.filter((mark) => Number(mark.dataset.atMs) <= seconds * 1000 + MARK_EARLY_MS).at(-1);
    for (const mark of marks) mark.toggleAttribute("data-now", mark === passed);
    for (const card of recesses) card.hidden = !holds(card, seconds);
  };

  /** Go past the recess that is shown, if there is anything after it. */
  const skip = () => {
    const card = recesses.find((one) => !one.hidden && one.querySelector("[data-act=skip]"));
    if (card) seek(Number(card.dataset.toMs) / 1000);
    return card !== undefined;
  };

  /** @param {1 | -1} direction */
  const seekMark = (direction) => {
    const now = position() * 1000;
    const times = marks.map((mark) => Number(mark.dataset.atMs)).sort((one, other) => one - other);
    // Back goes to the mark before, also while the one just reached has begun to play.
    const to = direction > 0 ? times.find((at) => at > now + MARK_EARLY_MS) : times.filter((at) => at < now - MARK_BACK_MS).at(-1);
    if (to !== undefined) seek(to / 1000);
  };

  /** @param {number} seconds */
  const seek = (seconds) => {
    const to = Math.min(Math.max(seconds, 0), wholeS);
    for (const video of videos) video.currentTime = Math.min(to, video.duration || to);
    show(to);
  };

  /** @param {boolean} wanted */
  const setPlaying = (wanted) => {
    if (wanted && leader()?.ended) seek(0);
    playing = wanted;
    button.textContent = wanted ? words.pause : words.play;
    button.setAttribute("aria-pressed", String(wanted));
    keepRunning();
  };

  // While one person's file is not there yet, everybody waits: nobody's answer comes before its question.
  const keepRunning = () => {
    const waits = playing && whole().some((video) => !video.ended && video.readyState < video.HAVE_FUTURE_DATA);
    root.setAttribute("aria-busy", String(waits));
    for (const video of whole()) {
      if (!playing || waits) video.pause();
      else if (video.paused && !video.ended) video.play().catch(refused);
    }
  };

  /** One person's file breaks off: that is said in its place, and the others play on. */
  const sayBroken = () => {
    for (const video of videos) {
      const words = video.parentElement?.querySelector("[data-broken]");
      if (words instanceof HTMLElement) words.hidden = !video.error;
    }
    if (whole().length > 0) return;
    setPlaying(false);
    button.disabled = true;
  };

  /** @param {DOMException} why */
  const refused = (why) => {
    if (why.name === "NotAllowedError") setPlaying(false); // the browser wants a click first
  };

  const holdTogether = () => {
    const first = leader();
    if (first) {
      keepRunning();
      const rate = Number(speed.value);
      for (const video of whole()) {
        const behind = first.currentTime - video.currentTime;
        if (video === first || video.ended || video.seeking) video.playbackRate = rate;
        else if (Math.abs(behind) > JUMP_S) video.currentTime = Math.min(first.currentTime, video.duration || Infinity);
        else video.playbackRate = Math.abs(behind) > DRIFT_S ? rate * (behind > 0 ? 1.1 : 0.9) : rate;
      }
      if (playing) {
        show(first.currentTime);
        if (first.ended) setPlaying(false);
      }
    }
    requestAnimationFrame(holdTogether);
  };

  button.addEventListener("click", () => setPlaying(!playing));
  slider.addEventListener("input", () => seek(Number(slider.value) / 1000));
  document.addEventListener("keydown", (event) => {
    const at = event.target;
    /** @param {string} kinds */
    const on = (kinds) => at instanceof HTMLElement && at !== slider && at.closest(kinds) !== null;
    const meant = !(event.ctrlKey || event.altKey || event.metaKey || event.shiftKey);
    if (button.disabled || !meant || on("input, textarea, select, dialog")) return;
    const letter = event.key.toUpperCase();
    if (letter === "P") seekMark(-1);
    else if (letter === "N") seekMark(1);
    else if (letter === "J") {
      if (!skip()) return;
    } else if (event.key === "ArrowLeft") seek(position() - STEP_S);
    else if (event.key === "ArrowRight") seek(position() + STEP_S);
    else if (event.key === " " && !on("button, a, summary")) setPlaying(!playing);
    else return;
    event.preventDefault();
  });
  for (const card of recesses) {
    card.querySelector("[data-act=skip]")?.addEventListener("click", () => {
      skip();
      root.focus({ preventScroll: true }); // the button is gone with its card
    });
  }
  for (const mark of marks) {
    mark.addEventListener("click", (event) => {
      event.preventDefault();
      seek(Number(mark.dataset.atMs) / 1000);
      root.scrollIntoView({ block: "nearest" });
      root.focus({ preventScroll: true });
      setPlaying(true);
    });
  }

  for (const video of videos) video.addEventListener("error", sayBroken);
  const wanted = Number(new URLSearchParams(location.search).get("at_ms"));
  Promise.all(videos.map(haveLength)).then(() => {
    seek(wanted > 0 ? wanted / 1000 : 0);
    button.disabled = false;
    sayBroken();
    holdTogether();
  });
}

/**
 * Whether a moment lies in a recess. A seek may land a little before the moment it was asked for.
 *
 * @param {HTMLElement} card
 * @param {number} seconds
 */
function holds(card, seconds) {
  const at = seconds * 1000 + MARK_EARLY_MS;
  return Number(card.dataset.fromMs) <= at && at < Number(card.dataset.toMs);
}

/** @param {HTMLVideoElement} video */
function haveLength(video) {
  if (video.error || video.readyState >= HTMLMediaElement.HAVE_METADATA) return Promise.resolve();
  return new Promise((resolve) => {
    video.addEventListener("loadedmetadata", () => resolve(undefined), { once: true });
    video.addEventListener("error", () => resolve(undefined), { once: true });
  });
}

/** @param {number} seconds */
function asClock(seconds) {
  const whole = Math.floor(seconds);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  return `${hours ? `${hours}:` : ""}${two(Math.floor((whole % 3600) / 60))}:${two(whole % 60)}`;
}

for (const root of document.querySelectorAll("[data-player]")) startPlayer(/** @type {HTMLElement} */ (root));
