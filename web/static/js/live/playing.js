/**
 * Start a video that carries sound. Browsers may want a touch first; then `onNeedsTouch` is told, once.
 *
 * @param {HTMLVideoElement} video
 * @param {MediaStream | null} stream
 * @param {() => void} onNeedsTouch
 */
export function play(video, stream, onNeedsTouch) {
  if (video.srcObject === stream) return;
  video.srcObject = stream;
  if (!stream) return;
  video.play().catch((error) => {
    // AbortError: the next stream came before this one played. It has its own promise.
    if (error instanceof DOMException && error.name === "NotAllowedError") onNeedsTouch();
  });
}
