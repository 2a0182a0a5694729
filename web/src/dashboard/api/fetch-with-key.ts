/** As `fetch`, with the key; waits once as long as a server that is asked too often says, and leaves the page where the key is void. */
import { authorization, keyIsVoid } from "./key";
import { secondsToWait } from "./seconds-to-wait";

export async function fetchWithKey(url: RequestInfo | URL, options: RequestInit = {}): Promise<Response> {
  const headers = new Headers(options.headers);
  for (const [name, value] of Object.entries(authorization())) {
    headers.set(name, value);
  }
  const send = () => fetch(url, { ...options, headers });
  let response = await send();
  const seconds = secondsToWait(response.status, response.headers.get("Retry-After"));
  if (seconds !== undefined) {
    await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
    options.signal?.throwIfAborted();
    response = await send();
  }
  // Who asked is not told: the form comes in place of the page.
  return response.status === 401 && (await keyIsVoid()) ? new Promise(() => {}) : response;
}
