/**
 * How large a picture is worth sending. Everybody's picture goes to everybody as it is sent, so that with many people
 * whoever is small on most screens had better send a small one.
 *
 * @typedef {object} Budget
 * @property {number} maxBitrate  bits per second
 * @property {number} scale       by how much the picture is made smaller
 */

/** Up to so many, every picture is large on somebody's screen. */
const FEW = 4;

/**
 * @param {import("./protocol.js").SeatRole} role
 * @param {number} seen  how many are seen now
 * @returns {Budget | null} null where the browser may send what it likes
 */
export function budgetFor(role, seen) {
  if (seen <= FEW) return null;
  // The hearing is about one of them and led by the other; everybody looks at these two, and so will the recording.
  return role === "applicant" || role === "host" ? { maxBitrate: 1_000_000, scale: 1 } : { maxBitrate: 250_000, scale: 2 };
}

/**
 * Hold a sender to a budget.
 *
 * @param {RTCRtpSender} sender
 * @param {Budget | null} budget
 */
export async function hold(sender, budget) {
  const parameters = sender.getParameters();
  const encoding = parameters.encodings[0];
  if (!encoding) return;
  const scale = budget?.scale ?? 1;
  if (encoding.maxBitrate === budget?.maxBitrate && (encoding.scaleResolutionDownBy ?? 1) === scale) return;
  if (budget) encoding.maxBitrate = budget.maxBitrate;
  else delete encoding.maxBitrate;
  encoding.scaleResolutionDownBy = scale;
  await sender.setParameters(parameters);
}
