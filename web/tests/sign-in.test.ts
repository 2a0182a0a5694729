/** A server that asks who calls, in Chromium: pages ask for a key, show it with every request, and offer what it may do. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Browser, Page, Request } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { openPage } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { keyFile, newKey } from "./keys.js";
import { START_LOAD, type StartedLoad } from "./loads.js";

const PHONE = { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } as const;
const FIELD = "API key or token";

describe("a page of a server that asks who calls", () => {
  const [reader, loader, other] = [newKey("reader", "reader"), newKey("loader", "loader"), newKey("other", "reader")];
  let paystats: Paystats;
  let browser: Browser;
  let keys: Awaited<ReturnType<typeof keyFile>>;

  before(async () => {
    keys = await keyFile();
    await keys.holds(reader, loader);
    paystats = await startPaystats("sign-in", { key: loader.key, env: { PAYSTATS_API_KEYS: keys.path } });
    browser = await startChromium();
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
    await keys?.remove();
  });

  /** A page, and whether everything that it asked for had a key, and nothing broke the policy. */
  const open = async (path: string, options = {}) => {
    const { page, close } = await openPage(browser, paystats.origin, { locale: "en-US", ...options });
    const complaints: string[] = [];
    page.on("console", (message) => /Content Security Policy/.test(message.text()) && complaints.push(message.text()));
    const looks: Promise<void>[] = [];
    const look = async (request: Request) => {
      const { authorization } = await request.allHeaders();
      if (!authorization?.startsWith("Bearer ")) {
        complaints.push(`no key: ${request.method()} ${request.url()}`);
      }
    };
    page.on("request", (request) => {
      if (/^\/(graphql$|datalake\/|loads\/.*\.csv$)/.test(new URL(request.url()).pathname)) {
        const looking = look(request);
        // What is asked for while the page closes cannot be looked at.
        looking.catch(() => {});
        looks.push(looking);
      }
    });
    await page.goto(path);
    return {
      page,
      close: async () => {
        await Promise.all(looks);
        await close();
        assert.deepEqual(complaints, []);
      },
    };
  };
  const start = async (source: string, entity = "PAYSTATS"): Promise<StartedLoad> =>
    (await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, { input: { entity, source } })).startLoad
      .load;

  test("takes a key that is right, keeps it in the tab, and forgets it on demand", async () => {
    const { page, close } = await open("/loads?state=FAILED");
    const field = page.getByLabel(FIELD);
    await field.waitFor();
    assert.equal(await page.getByRole("alert").innerText(), "", "nobody complains before one has tried");
    assert.equal(await field.getAttribute("type"), "password");
    assert.ok(await field.evaluate((input) => input === document.activeElement));
    await signIn(page, "paystats_wrong");
    await page.getByRole("alert").getByText("This key is not accepted").waitFor();
    await page.screenshot({ path: screenshotPath("sign-in-wrong") });
    await signIn(page, "ключ");
    await page.getByRole("alert").getByText("This key is not accepted").waitFor();
    await signIn(page, loader.key);
    await page.getByText("No load fits this filter.").waitFor();
    assert.match(page.url(), /\/loads\?state=FAILED$/);
    assert.deepEqual(await page.evaluate(() => Object.keys(sessionStorage)), ["paystats.key"]);
    assert.ok(!(await page.evaluate(() => JSON.stringify(localStorage) + document.cookie)).includes(loader.key));
    await page.reload();
    await page.getByText("No load fits this filter.").waitFor();

    const another = await page.context().newPage();
    await another.goto("/");
    await another.getByLabel(FIELD).waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await field.waitFor();
    await page.reload();
    await field.waitFor();
    await close();
  });

  for (const [name, options] of [
    ["light", {}],
    ["dark", { colorScheme: "dark" }],
    ["phone", PHONE],
    ["spanish", { locale: "es-ES" }],
    ["phone-spanish", { ...PHONE, viewport: { width: 360, height: 740 }, locale: "es-ES" }],
  ] as const) {
    test(`can be signed in to by everyone: ${name}`, async () => {
      const { page, close } = await open("/", options);
      await page.locator("input[type=password]").waitFor();
      await assertFits(page);
      await page.screenshot({ path: screenshotPath(`sign-in-${name}`) });
      await page.locator("input[type=password]").fill(loader.key);
      await page.keyboard.press("Enter");
      await page.getByRole("button", { name: /^(Sign out|Salir)$/ }).waitFor();
      await page.locator(".card").first().waitFor();
      await assertFits(page);
      await page.screenshot({ path: screenshotPath(`signed-in-${name}`) });
      await close();
    });
  }

  test("lets a loader upload, load, and download what was refused", async () => {
    const { page, close } = await open("/loads");
    await signIn(page, loader.key);
    await choose(page, "places.csv", postalCodesCsv());
    await page.getByRole("button", { name: "Start load" }).click();
    await isIn(page, "SUCCEEDED");
    await page.getByRole("link", { name: "All loads" }).click();
    await choose(page, "rows.csv", paystatsCsv(12).replace("2015-03-01", "never"));
    await page.getByRole("button", { name: "Start load" }).click();
    await isIn(page, "SUCCEEDED");
    await page.locator("table.rejections thead").getByText("p_month").waitFor();
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download all (CSV)" }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), "load-2-rejections.csv");
    assert.match(await readFile(await download.path(), "utf8"), /^line,column,code,value,reason[^\n]*\n4,p_month/);

    await page.route("**/rejections.csv", (route) => route.fulfill({ status: 503, body: "" }));
    await page.getByRole("button", { name: "Download all (CSV)" }).click();
    await page.getByRole("alert").getByText("503").waitFor();
    await close();
  });

  test("lets a reader see the statistics and the loads, and offers nothing else", async () => {
    const { page, close } = await open("/");
    await signIn(page, reader.key);
    await page.locator("output.amount", { hasText: "€115.50" }).waitFor();
    await page.getByRole("link", { name: "Loads" }).click();
    await page.getByText("Your key may look at loads.").waitFor();
    await page.locator(".history-table").getByText("rows.csv").waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
    assert.equal(await page.getByRole("button", { name: "Upload files…" }).count(), 0);
    await page.evaluate(() => {
      const dataTransfer = new DataTransfer();
      dataTransfer.items.add(new File(["x"], "x.csv"));
      document.body.dispatchEvent(new DragEvent("dragenter", { dataTransfer, bubbles: true, cancelable: true }));
    });
    assert.equal(await page.locator(".drop-here").count(), 0);
    await assertFits(page);
    await page.screenshot({ path: screenshotPath("reader-loads"), fullPage: true });
    await page.getByRole("link", { name: "Load #2", exact: true }).click();
    await isIn(page, "SUCCEEDED");
    assert.equal(await page.getByRole("button", { name: /Undo|again/ }).count(), 0);
    const downloading = page.waitForEvent("download");
    await page.getByRole("button", { name: "Download all (CSV)" }).click();
    await (await downloading).path();
    await page.screenshot({ path: screenshotPath("reader-load"), fullPage: true });
    await close();
  });

  test("says which role it takes where a key may do less than it could", async () => {
    const { page, close } = await open("/loads");
    await signIn(page, loader.key);
    await page.getByRole("button", { name: "Load rows.csv…" }).click();
    await page.getByRole("radio", { name: /Paystats/ }).check();
    const less = { ...loader, line: loader.line.replace("loader loader", "loader reader") };
    await keys.holds(reader, less);
    // Until the server has read the file again, the key is what it was.
    await waitUntil(async () => (await asks(paystats, loader.key, "{ datalake { path } }")).includes("FORBIDDEN"));
    await page.getByRole("button", { name: "Start load" }).click();
    await page.getByRole("alert").getByText("Your key may not do this: that takes the role loader.").waitFor();
    await page.screenshot({ path: screenshotPath("forbidden"), fullPage: true });
    await choose(page, "late.csv", paystatsCsv(1));
    await page.locator(".upload").getByText("Your key may not do this: that takes the role loader.").waitFor();
    await page.goto("/loads/2");
    await keys.holds(reader, loader);
    await waitUntil(async () => !(await asks(paystats, loader.key, "{ datalake { path } }")).includes("FORBIDDEN"));
    await close();
  });

  test("asks again where the key is taken back while one looks, and loses nothing of the address", async () => {
    await keys.holds(reader, loader, other);
    await waitUntil(async () => (await asks(paystats, other.key, "{ __typename }")).includes("Query"));
    const { page, close } = await open("/?from=2015-02&to=2015-05&genders=F");
    await signIn(page, other.key);
    await page.locator("output.amount", { hasText: "€" }).waitFor();
    const address = page.url();
    await keys.holds(reader, loader);
    await page.getByRole("alert").getByText("Your key is not accepted any more.").waitFor();
    assert.equal(page.url(), address);
    await page.screenshot({ path: screenshotPath("sign-in-again") });
    await signIn(page, reader.key);
    await page.locator("output.amount", { hasText: "€" }).waitFor();
    assert.equal(page.url(), address);
    await close();
  });

  test("waits as it is told where it asks too often, once, and then says so", async () => {
    const { page, close } = await open("/");
    await signIn(page, reader.key);
    await page.locator("output.amount", { hasText: "€" }).waitFor();
    let refusals = 1;
    const body = JSON.stringify({ errors: [{ message: "too many", extensions: { code: "RATE_LIMITED" } }] });
    await page.route("**/graphql", (route) => {
      if (route.request().postData()?.includes("WholeRanking") && refusals > 0) {
        refusals -= 1;
        const headers = { "retry-after": "1" };
        return route.fulfill({ status: 429, headers, contentType: "application/json", body });
      }
      return route.continue();
    });
    const save = page.getByRole("button", { name: "Postal codes by total: save as CSV" });
    const downloading = page.waitForEvent("download");
    await save.click();
    await downloading;
    assert.equal(await page.getByRole("alert").count(), 0);
    refusals = 2;
    await save.click();
    await page.getByRole("alert").getByText("Your key has asked too often.").waitFor();
    assert.equal(refusals, 0);
    await close();
  });

  test("signs in to GraphiQL, which asks and watches with the key, or with another one in its headers", async () => {
    const { page, close } = await open("/graphiql");
    await page.getByLabel(FIELD).waitFor();
    await assertFits(page);
    await page.screenshot({ path: screenshotPath("graphiql-sign-in") });
    await signIn(page, loader.key);
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    await page.locator(".graphiql-doc-explorer").getByRole("link", { name: "Query", exact: true }).waitFor();
    const answer = page.locator(".graphiql-response .result-window");
    const run = async (query: string) => {
      await page.goto(`/graphiql?${new URLSearchParams({ query })}`);
      await page.locator(".graphiql-query-editor .view-lines").waitFor();
      await page.getByRole("button", { name: /Execute query/ }).click();
    };
    await run("{ datalake { path } }");
    await answer.getByText("places.csv").waitFor();
    await run("subscription { totalChanged(now: true) { count } }");
    await answer.getByText("11").first().waitFor();
    await page.screenshot({ path: screenshotPath("graphiql-with-key") });

    await page.goto(`/graphiql?${new URLSearchParams({ query: "query Lake { datalake { path } }" })}`);
    await page.getByRole("button", { name: "Headers" }).click();
    await page.locator(".graphiql-editor-tool .graphiql-editor:visible").click();
    await page.keyboard.insertText(`{"authorization": "Bearer ${reader.key}"}`);
    await page.getByRole("button", { name: /Execute query/ }).click();
    await answer.getByText("FORBIDDEN").waitFor();
    await page.getByRole("link", { name: "paystats" }).click();
    await page.getByText("Sign out").waitFor();
    await page.goBack();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByLabel(FIELD).waitFor();
    await close();
  });

  test("has no link to a GraphiQL that is off", async () => {
    const { page, close } = await open("/");
    await page.route("**/dashboard.json", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, json: { ...(await response.json()), graphiql: false } });
    });
    await signIn(page, reader.key);
    await page.getByRole("link", { name: "Loads" }).waitFor();
    assert.equal(await page.getByRole("link", { name: "GraphiQL" }).count(), 0);
    await close();
  });

  test("stops a load and takes it back with a key", async () => {
    const { page, close } = await open("/loads");
    await signIn(page, loader.key);
    await page.locator(".history-table").waitFor();
    const { number } = await start("rows.csv");
    await page.getByRole("link", { name: `Load #${number}`, exact: true }).click();
    await isIn(page, "SUCCEEDED");
    await page.getByRole("button", { name: `Undo load #${number}` }).click();
    await page.getByRole("button", { name: "Undo it" }).click();
    await isIn(page, "UNDONE");
    await close();
  });
});

async function signIn(page: Page, key: string) {
  await page.getByLabel(FIELD).fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
}

async function choose(page: Page, name: string, content: string) {
  const file = { name, mimeType: "text/csv", buffer: Buffer.from(content) };
  await page.locator("input[type=file]").first().setInputFiles(file);
}

const isIn = (page: Page, state: string) => page.locator(`.load-title [data-state=${state}]`).waitFor();

async function assertFits(page: Page) {
  const overflow = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.equal(overflow, 0, "the page scrolls sideways");
  await assertAccessible(page);
}

async function asks({ graphqlUrl }: Paystats, key: string, query: string): Promise<string> {
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  return (await fetch(graphqlUrl, { method: "POST", headers, body: JSON.stringify({ query }) })).text();
}

async function waitUntil(isTrue: () => Promise<boolean>) {
  const deadline = Date.now() + 60_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, `not within a minute: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
