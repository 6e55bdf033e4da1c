/** What a server's offer says, and what of it suits this machine. */

/**
 * What makes a server's link the same one: its ICE user name and its DTLS fingerprint.
 *
 * @param {string} sdp
 * @returns {string}
 */
export function identityOf(sdp) {
  const ufrag = /^a=ice-ufrag:(\S+)/m.exec(sdp)?.[1] ?? "";
  const fingerprint = /^a=fingerprint:(\S+ \S+)/m.exec(sdp)?.[1] ?? "";
  return `${ufrag} ${fingerprint}`;
}

/**
 * Read an offer as asking for H.264 first, in our own picture, which is the first: browsers send what the offer names
 * first, and our answer says so. The server withdraws H.264 from its next offer when somebody cannot show it.
 *
 * @param {string} sdp
 * @returns {string}
 */
export function h264First(sdp) {
  const type = /^a=rtpmap:(\d+) H264\//m.exec(sdp)?.[1];
  return sdp.replace(/^(m=video \S+ \S+) (.+)$/m, (line, head, formats) => {
    const others = formats.trim().split(" ").filter((/** @type {string} */ one) => one !== type);
    return type !== undefined && formats.includes(type) ? `${head} ${[type, ...others].join(" ")}` : line;
  });
}

/** @type {Promise<boolean> | undefined} */
let onlyH264;

/**
 * Whether this machine encodes H.264 in hardware and VP8 not: then VP8 would heat an old phone and empty its battery.
 *
 * @returns {Promise<boolean>}
 */
export function encodesOnlyH264Well() {
  onlyH264 ??= Promise.all([
    encodesWell("video/H264;level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"),
    encodesWell("video/VP8"),
  ]).then(([h264, vp8]) => h264 && !vp8);
  return onlyH264;
}

/**
 * @param {string} contentType
 * @returns {Promise<boolean>}
 */
async function encodesWell(contentType) {
  const video = { contentType, width: 1280, height: 720, bitrate: 1_500_000, framerate: 30 };
  try {
    const info = await navigator.mediaCapabilities.encodingInfo({ type: "webrtc", video });
    return info.supported && info.powerEfficient;
  } catch {
    return false; // a browser that cannot say
  }
}
