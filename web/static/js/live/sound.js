/** Sounds made here, without files: the bell, and how loud somebody is. */

/** @type {AudioContext | null} */
let context = null;

/** @returns {AudioContext | null} */
function shared() {
  if (!("AudioContext" in window)) return null;
  context ??= new AudioContext();
  // Also after a telephone call, when iPhones call it interrupted. Refused before the first touch: the next one asks again.
  if (context.state !== "running") context.resume().catch(() => {});
  return context;
}

/** Browsers let a page sound only after a touch or a key: call this from one, so that the bell may ring later. */
export function allowSound() {
  shared();
}

/** Let every touch and key do so. A touch counts when it ends, which is when it clicks. */
export function allowSoundOnTouch() {
  for (const kind of ["click", "keydown"]) document.addEventListener(kind, allowSound, { capture: true });
}

/**
 * Ring: two warm tones. Resolves when it has rung.
 *
 * @param {number} [times]
 * @returns {Promise<void>}
 */
export async function ring(times = 1) {
  const audio = shared();
  if (!audio) return;
  const start = audio.currentTime + 0.02;
  for (let i = 0; i < times; i += 1) {
    tone(audio, 784, start + i * 1.2, 0.5);
    tone(audio, 587, start + i * 1.2 + 0.35, 0.7);
  }
  if ("vibrate" in navigator && navigator.userActivation?.hasBeenActive) navigator.vibrate(Array(times).fill([300, 200]).flat());
  await new Promise((resolve) => window.setTimeout(resolve, times * 1200));
}

/**
 * @param {AudioContext} audio
 * @param {number} hertz
 * @param {number} at
 * @param {number} seconds
 */
function tone(audio, hertz, at, seconds) {
  const oscillator = audio.createOscillator();
  const volume = audio.createGain();
  oscillator.frequency.value = hertz;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(0.25, at + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.001, at + seconds);
  oscillator.connect(volume).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + seconds);
}

/** Measures how loud a microphone is and draws it as bars. */
export class LevelMeter {
  /** @param {HTMLElement} bars  holds one child a step */
  constructor(bars) {
    this.bars = bars;
    /** @type {MediaStreamAudioSourceNode | null} */
    this.source = null;
    /** @type {AnalyserNode | null} */
    this.analyser = null;
    this.heard = false;
    /** @type {MediaStreamTrack | null} */
    this.track = null;
    /** Called once, when something was heard for the first time. */
    this.onHeard = () => {};
    window.setInterval(() => this.draw(), 100);
  }

  /** @param {MediaStreamTrack | null} track */
  listen(track) {
    if (track === this.track) return;
    this.track = track;
    this.source?.disconnect();
    this.source = null;
    this.analyser = null;
    this.heard = false;
    const audio = track ? shared() : null;
    if (!audio || !track) return;
    this.analyser = audio.createAnalyser();
    this.analyser.fftSize = 1024;
    this.source = audio.createMediaStreamSource(new MediaStream([track]));
    this.source.connect(this.analyser);
  }

  draw() {
    if (this.bars.offsetParent === null) return; // nobody sees it
    const steps = this.bars.children;
    const lit = Math.round(this.level() * steps.length);
    for (const [i, bar] of [...steps].entries()) bar.classList.toggle("lit", i < lit);
    if (lit > 0 && !this.heard) {
      this.heard = true;
      this.onHeard();
    }
  }

  /** @returns {number} 0 to 1, on a scale of decibels: speech at arm's length fills about two thirds */
  level() {
    if (!this.analyser) return 0;
    const samples = new Float32Array(this.analyser.fftSize);
    this.analyser.getFloatTimeDomainData(samples);
    let sum = 0;
    for (const sample of samples) sum += sample * sample;
    const decibel = 10 * Math.log10(sum / samples.length + 1e-10);
    return Math.max(0, Math.min(1, (decibel + 55) / 40));
  }
}
