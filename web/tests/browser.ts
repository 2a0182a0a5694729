/** A page that is watched: whatever it asks for and complains about is kept, for `assertWellBehaved`. */
import assert from "node:assert/strict";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

export interface WatchedPage {
  page: Page;
  /** Everything came from `origin`, nothing failed, and the console shows no error. */
  assertWellBehaved(): void;
  close(): Promise<void>;
}

export async function openPage(
  browser: Browser,
  origin: string,
  options: BrowserContextOptions = {},
): Promise<WatchedPage> {
  const context = await browser.newContext({ baseURL: origin, viewport: { width: 1400, height: 900 }, ...options });
  const urls: string[] = [];
  const complaints: string[] = [];
  const page = await context.newPage();
  context.on("request", (request) => urls.push(request.url()));
  context.on("requestfailed", (request) => {
    // Following a link breaks off what the page was still asking.
    if (request.failure()?.errorText !== "net::ERR_ABORTED") {
      complaints.push(`${request.url()}: ${request.failure()?.errorText}`);
    }
  });
  context.on(
    "response",
    (response) => response.status() >= 400 && complaints.push(`${response.url()}: ${response.status()}`),
  );
  context.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  context.on("weberror", ({ error }) => complaints.push(String(error())));
  page.on("websocket", (socket) => urls.push(socket.url()));
  page.on("worker", (worker) => urls.push(worker.url()));
  page.setDefaultTimeout(30_000);
  return {
    page,
    assertWellBehaved() {
      const { host } = new URL(origin);
      assert.ok(urls.length > 0, "no request was seen");
      const foreign = urls
        .map((url) => new URL(url))
        .filter((url) => url.host !== host && !["data:", "blob:"].includes(url.protocol));
      assert.deepEqual(foreign.map(String), [], "a request left the origin");
      assert.deepEqual(complaints, [], "the page complained");
    },
    close: () => context.close(),
  };
}

/** Serves a page as if the server sent this content security policy with it; what the policy forbids shows in the console. */
export async function underPolicy(page: Page, path: string, policy: string[]): Promise<void> {
  await page.route(path, async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers(), "content-security-policy": policy.join("; ") };
    await route.fulfill({ response, headers });
  });
}
