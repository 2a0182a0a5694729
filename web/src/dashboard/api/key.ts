/** The API key or token that the caller has given, where the server asks who calls. This tab keeps it, and nothing else does. */
const NAME = "paystats.key";

export const hasKey = () => sessionStorage.getItem(NAME) !== null;

export function signIn(key: string) {
  sessionStorage.setItem(NAME, key);
  location.reload();
}

/** Also where the server accepts the key no longer: the page begins anew with its form, at the same address. */
export function signOut() {
  sessionStorage.removeItem(NAME);
  location.reload();
}

/** What every request shows. */
export function authorization(key = sessionStorage.getItem(NAME)): Record<string, string> {
  return key === null ? {} : { Authorization: `Bearer ${key}` };
}

/** As `fetch`, with the key. */
export async function fetchWithKey(url: RequestInfo | URL, options: RequestInit = {}): Promise<Response> {
  const response = await fetch(url, { ...options, headers: { ...options.headers, ...authorization() } });
  if (response.status === 401 && hasKey()) {
    signOut();
  }
  return response;
}
