import SignaturePad from "../../vendor/signature_pad/signature_pad.js";

/**
 * A pad for a finger, a pen or a mouse. Points are kept in CSS pixels of the pad with milliseconds since its first
 * touch; the picture is drawn in black on white whatever the screen's colours are.
 *
 * @typedef {{x: number, y: number, t_ms: number, pressure: number}} StrokePoint
 */
export class Pad {
  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange
   */
  constructor(canvas, onChange) {
    this.canvas = canvas;
    this.pad = new SignaturePad(canvas, { minWidth: 1.2, maxWidth: 3.6, penColor: "#111820", minDistance: 2 });
    this.pad.addEventListener("endStroke", onChange);
    // Turning the phone changes the pad's size: what was written is drawn again, smaller if need be, not lost.
    new ResizeObserver(() => this.fit()).observe(canvas);
    this.fit();
  }

  fit() {
    const { width, height } = this.canvas.getBoundingClientRect();
    if (width === 0 || height === 0) return;
    const ratio = Math.max(1, window.devicePixelRatio || 1);
    const wanted = [Math.round(width * ratio), Math.round(height * ratio)];
    if (this.canvas.width === wanted[0] && this.canvas.height === wanted[1]) return;
    const written = this.pad.toData();
    this.canvas.width = wanted[0] ?? 0;
    this.canvas.height = wanted[1] ?? 0;
    this.canvas.getContext("2d")?.scale(ratio, ratio);
    this.pad.clear();
    if (written.length > 0) this.pad.fromData(within(written, width, height));
  }

  clear() {
    this.pad.clear();
  }

  /** @returns {boolean} whether this is more than an accidental touch */
  isSigned() {
    return this.strokes().flat().length >= 6;
  }

  /** @returns {StrokePoint[][]} */
  strokes() {
    const groups = this.pad.toData();
    const first = groups[0]?.points[0]?.time ?? 0;
    return groups.map((group) =>
      group.points.map((point) => ({
        x: round(point.x),
        y: round(point.y),
        t_ms: Math.max(0, Math.round(point.time - first)),
        pressure: round(point.pressure),
      })),
    );
  }

  /** @returns {string} PNG as base64, without the data: head */
  picture() {
    return flatten(this.canvas);
  }
}

/**
 * Make strokes as much smaller as it takes to be seen whole.
 *
 * @template {{points: {x: number, y: number}[]}} Group
 * @param {Group[]} groups
 * @param {number} width
 * @param {number} height
 * @returns {Group[]}
 */
function within(groups, width, height) {
  const points = groups.flatMap((group) => group.points);
  const scale = Math.min(1, ...points.map(({ x, y }) => Math.min(width / Math.max(x, 1), height / Math.max(y, 1))));
  if (scale === 1) return groups;
  const smaller = (/** @type {{x: number, y: number}} */ point) => ({ ...point, x: point.x * scale, y: point.y * scale });
  return groups.map((group) => ({ ...group, points: group.points.map(smaller) }));
}

/**
 * A name set in type, for whoever cannot draw: the same picture file, plainly typed.
 *
 * @param {string} name
 * @returns {string} PNG as base64
 */
export function typedPicture(name) {
  const canvas = document.createElement("canvas");
  canvas.width = 700;
  canvas.height = 260;
  const pen = canvas.getContext("2d");
  if (!pen) return "";
  pen.fillStyle = "#111820";
  pen.font = `600 96px "Noto Sans SC", "Noto Sans CJK SC", "PingFang SC", sans-serif`;
  pen.textAlign = "center";
  pen.textBaseline = "middle";
  pen.fillText(name, 350, 130, 640);
  return flatten(canvas);
}

/** @param {HTMLCanvasElement} canvas */
function flatten(canvas) {
  const paper = document.createElement("canvas");
  const scale = Math.min(1, 900 / canvas.width);
  paper.width = Math.round(canvas.width * scale);
  paper.height = Math.round(canvas.height * scale);
  const pen = paper.getContext("2d");
  if (!pen) return "";
  pen.fillStyle = "#ffffff";
  pen.fillRect(0, 0, paper.width, paper.height);
  pen.drawImage(canvas, 0, 0, paper.width, paper.height);
  return paper.toDataURL("image/png").split(",")[1] ?? "";
}

/** @param {number} value */
function round(value) {
  return Math.round(value * 100) / 100;
}
