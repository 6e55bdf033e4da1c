/**
 * Let a video that carries sound show this stream, and go on with it. Browsers may want a touch first; then
 * `onNeedsTouch` is told.
 *
 * @param {HTMLVideoElement} video
 * @param {MediaStream | null} stream
 * @param {() => void} onNeedsTouch
 */
export function play(video, stream, onNeedsTouch) {
  if (video.srcObject === stream) return;
  video.srcObject = stream;
  keepPlaying(video, onNeedsTouch);
}

/**
 * Play what is paused: nobody here pauses a face, but a telephone call or a locked screen does.
 *
 * @param {HTMLVideoElement} video
 * @param {() => void} onNeedsTouch
 */
export function keepPlaying(video, onNeedsTouch) {
  if (!video.srcObject || !video.isConnected || !video.paused) return;
  video.play().catch((error) => {
    // AbortError: the next stream came before this one played. It has its own promise.
    if (error instanceof DOMException && error.name === "NotAllowedError") onNeedsTouch();
  });
}
