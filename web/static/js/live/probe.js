/**
 * Ask whether the door is shut for good: a socket that is not let in says nothing about why.
 *
 * @param {string} path  what its reader may ask for while they may be here; it may lead on to elsewhere
 * @returns {Promise<string | null>} a reason to stop trying, null to go on
 */
export async function probe(path) {
  const patience = new AbortController();
  const timer = window.setTimeout(() => patience.abort(), 4000);
  try {
    const response = await fetch(path, {
      headers: { Accept: "application/json" },
      credentials: "same-origin",
      cache: "no-store",
      redirect: "manual",
      signal: patience.signal,
    });
    if (response.ok || response.type === "opaqueredirect" || response.status >= 500 || response.status === 429) return null;
    return response.status === 401 ? "signed_out" : "not_admitted";
  } catch {
    // No answer at all: the network, or a server that is starting. Try again.
    return null;
  } finally {
    window.clearTimeout(timer);
  }
}
