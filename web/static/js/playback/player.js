// Plays everybody's file on one clock. Each file's timeline begins where the recording begins, so that one position
// serves all of them; the longest file leads and the others are held to it.

const DRIFT_S = 0.06; // beyond this, picture and voice of two people are heard to part
const JUMP_S = 0.5; // beyond this, catching up by speed would take too long
const STEP_S = 5;

/** @param {HTMLElement} root */
function startPlayer(root) {
  const videos = [...root.querySelectorAll("video")];
  const button = /** @type {HTMLButtonElement} */ (root.querySelector("[data-act=play]"));
  const slider = /** @type {HTMLInputElement} */ (root.querySelector("[data-act=seek]"));
  const speed = /** @type {HTMLSelectElement} */ (root.querySelector("[data-act=speed]"));
  const clock = /** @type {HTMLElement} */ (root.querySelector("[data-show=clock]"));
  const words = { play: button.dataset.play ?? "", pause: button.dataset.pause ?? "" };
  const wholeS = Number(root.dataset.durationMs) / 1000;
  let playing = false;

  /** @returns {HTMLVideoElement | undefined} */
  const leader = () => videos.reduce(
    (longest, video) => (!longest || (video.duration || 0) > (longest.duration || 0) ? video : longest),
    /** @type {HTMLVideoElement | undefined} */ (undefined),
  );

  const position = () => leader()?.currentTime ?? 0;

  /** @param {number} seconds */
  const show = (seconds) => {
    clock.textContent = `${asClock(seconds)} / ${asClock(wholeS)}`;
    slider.value = String(Math.round(seconds * 1000));
    slider.setAttribute("aria-valuetext", asClock(seconds));
  };

  /** @param {number} seconds */
  const seek = (seconds) => {
    const to = Math.min(Math.max(seconds, 0), wholeS);
    for (const video of videos) video.currentTime = Math.min(to, video.duration || to);
    show(to);
  };

  /** @param {boolean} wanted */
  const setPlaying = async (wanted) => {
    playing = wanted;
    button.textContent = wanted ? words.pause : words.play;
    button.setAttribute("aria-pressed", String(wanted));
    if (!wanted) for (const video of videos) video.pause();
    else await Promise.allSettled(videos.filter((video) => !video.ended).map((video) => video.play()));
  };

  const holdTogether = () => {
    const first = leader();
    if (first) {
      const rate = Number(speed.value);
      for (const video of videos) {
        if (video === first || video.ended) continue;
        const behind = first.currentTime - video.currentTime;
        if (Math.abs(behind) > JUMP_S) video.currentTime = Math.min(first.currentTime, video.duration || first.currentTime);
        else video.playbackRate = Math.abs(behind) > DRIFT_S ? rate * (behind > 0 ? 1.1 : 0.9) : rate;
      }
      if (playing) {
        show(first.currentTime);
        if (first.ended) void setPlaying(false);
      }
    }
    requestAnimationFrame(holdTogether);
  };

  button.addEventListener("click", () => void setPlaying(!playing));
  slider.addEventListener("input", () => seek(Number(slider.value) / 1000));
  speed.addEventListener("change", () => {
    for (const video of videos) video.playbackRate = Number(speed.value);
  });
  root.addEventListener("keydown", (event) => {
    if (event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement) return;
    if (event.key === "ArrowLeft") seek(position() - STEP_S);
    else if (event.key === "ArrowRight") seek(position() + STEP_S);
    else if (event.key === " " && event.target !== button) void setPlaying(!playing);
    else return;
    event.preventDefault();
  });
  for (const mark of document.querySelectorAll("[data-at-ms]")) {
    if (!(mark instanceof HTMLElement)) continue;
    mark.addEventListener("click", (event) => {
      event.preventDefault();
      seek(Number(mark.dataset.atMs) / 1000);
      root.scrollIntoView({ block: "nearest" });
      root.focus({ preventScroll: true });
      void setPlaying(true);
    });
  }

  const wanted = Number(new URLSearchParams(location.search).get("at_ms"));
  Promise.all(videos.map(haveLength)).then(() => {
    seek(wanted > 0 ? wanted / 1000 : 0);
    button.disabled = false;
    holdTogether();
  });
}

/** @param {HTMLVideoElement} video */
function haveLength(video) {
  if (video.readyState >= HTMLMediaElement.HAVE_METADATA) return Promise.resolve();
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
