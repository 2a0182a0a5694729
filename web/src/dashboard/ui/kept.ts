/** What the browser keeps for this page. Where it may keep nothing, the page works all the same. */

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It lasts as long as the page.
  }
}

export function forget(name: string) {
  try {
    localStorage.removeItem(name);
  } catch {
    // Nothing was kept.
  }
}
