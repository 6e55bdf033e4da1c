/**
 * How a picture is worth sending. Everybody's picture goes to everybody as it is sent, so that with many people whoever
 * is small on most screens had better send a small one; and one that several get is sent in layers, so that the server
 * can give fewer pictures a second to somebody whose line is thin, and nobody else has to wait for that line.
 *
 * @typedef {object} Budget
 * @property {number | null} maxBitrate  bits per second; null where the browser may send what it likes
 * @property {number} scale              by how much the picture is made smaller
 * @property {boolean} layered
 *
 * @typedef {RTCRtpEncodingParameters & { scalabilityMode?: string | undefined }} Encoding
 */

/** Up to so many, every picture is large on somebody's screen. */
const FEW = 4;

/** Three layers in time (W3C WebRTC-SVC): the lowest has a quarter of the pictures and 40 % of the bits. */
const LAYERS = "L1T3";

/**
 * Senders whose browser knows no layers, or not for this codec: they are not asked again.
 *
 * @type {WeakSet<RTCRtpSender>}
 */
const unable = new WeakSet();

/**
 * @param {import("./protocol.js").SeatRole} role
 * @param {number} seen   how many are seen now
 * @param {number} watching  how many more watch
 * @returns {Budget}
 */
export function budgetFor(role, seen, watching) {
  const layered = seen + watching > 2;
  if (seen <= FEW) return { maxBitrate: null, scale: 1, layered };
  // The hearing is about one of them and led by the other; everybody looks at these two, and so will the recording.
  const large = role === "applicant" || role === "host";
  return { maxBitrate: large ? 1_000_000 : 250_000, scale: large ? 1 : 2, layered };
}

/**
 * Hold a sender to a budget.
 *
 * @param {RTCRtpSender} sender
 * @param {Budget} budget
 */
export async function hold(sender, budget) {
  const parameters = sender.getParameters();
  const encoding = /** @type {Encoding | undefined} */ (parameters.encodings[0]);
  if (!encoding) return;
  const maxBitrate = budget.maxBitrate ?? undefined;
  const layers = budget.layered && sendsVp8(parameters) && !unable.has(sender) ? LAYERS : undefined;
  const same = encoding.maxBitrate === maxBitrate && (encoding.scaleResolutionDownBy ?? 1) === budget.scale;
  if (same && encoding.scalabilityMode === layers) return;
  if (maxBitrate === undefined) delete encoding.maxBitrate;
  else encoding.maxBitrate = maxBitrate;
  encoding.scaleResolutionDownBy = budget.scale;
  if (layers === undefined) delete encoding.scalabilityMode;
  else encoding.scalabilityMode = layers;
  try {
    await sender.setParameters(parameters);
  } catch (error) {
    if (layers === undefined || !(error instanceof DOMException) || error.name === "InvalidStateError") throw error;
    unable.add(sender);
    await hold(sender, budget);
    return;
  }
  const held = /** @type {Encoding | undefined} */ (sender.getParameters().encodings[0]);
  // Firefox passes over what it does not know.
  if (layers !== undefined && held?.scalabilityMode !== layers) unable.add(sender);
}

/**
 * Of H.264 no packet says which layer it is of.
 *
 * @param {RTCRtpSendParameters} parameters
 */
function sendsVp8(parameters) {
  return parameters.codecs[0]?.mimeType === "video/VP8";
}
