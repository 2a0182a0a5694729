/**
 * The API key or token that the caller has given, where the server asks who calls. This tab keeps it, and nothing else does. Whoever signs in or
 * out begins anew, at the same address: nothing that one caller was told is left for the next.
 */
import { readSettings } from "../settings";

const NAME = "paystats.key";
/** Why the form is there again. */
const WAS_VOID = "paystats.key-was-void";

export const hasKey = () => stored(NAME) !== null;

export function signIn(key: string) {
  sessionStorage.setItem(NAME, key);
  location.reload();
}

export function signOut() {
  sessionStorage.removeItem(NAME);
  location.reload();
}

/**
 * The server has accepted the key no longer, or has begun to ask for one: the form comes in place of the page. Whether it does is what is
 * returned, so that nobody complains meanwhile; a proxy that refuses by itself is none of our business.
 */
export async function keyIsVoid(): Promise<boolean> {
  if (hasKey()) {
    sessionStorage.setItem(WAS_VOID, "true");
    signOut();
    return true;
  }
  const { asksWho } = await readSettings();
  if (asksWho) {
    location.reload();
  }
  return asksWho;
}

/** Whether a key was void a moment ago; said once. */
export function wasVoid(): boolean {
  const was = stored(WAS_VOID) !== null;
  if (was) {
    sessionStorage.removeItem(WAS_VOID);
  }
  return was;
}

/** What every request shows. */
export function authorization(key = stored(NAME)): Record<string, string> {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/** Where the browser may keep nothing, there is no key. */
function stored(name: string): string | null {
  try {
    return sessionStorage.getItem(name);
  } catch {
    return null;
  }
}
