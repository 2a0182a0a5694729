/** GraphiQL as a person uses it: in Chromium, by mouse and keyboard, against the server that served it. */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";
import type { Browser, Page, WebSocket } from "playwright-core";
import { openPage, underPolicy, type WatchedPage } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, type Progress, WATCH_LOAD } from "./loads.js";

/** Monaco and Radix write styles into the page; all else is files of the origin. */
const STRICT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "worker-src 'self'",
  "connect-src 'self'",
  "font-src 'self'",
  "img-src 'self' data:",
  "style-src 'self' 'unsafe-inline'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
];

describe("GraphiQL", () => {
  let paystats: Paystats;
  let browser: Browser;
  let watched: WatchedPage;

  before(async () => {
    paystats = await startPaystats("graphiql");
    browser = await startChromium();
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(12));
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  // What a test leaves open has failed: show where it stood.
  afterEach(async () => {
    if (watched && !watched.page.isClosed()) {
      await watched.page.screenshot({ path: screenshotPath("graphiql-failed") });
      await watched.close();
    }
  });

  async function openGraphiQL(path = "/graphiql", options = {}): Promise<Page> {
    watched = await openPage(browser, paystats.origin, options);
    await watched.page.goto(path);
    await watched.page.locator(".graphiql-query-editor .view-lines").waitFor();
    return watched.page;
  }

  async function finish(page: Page, screenshot: string): Promise<void> {
    await page.screenshot({ path: screenshotPath(screenshot) });
    watched.assertWellBehaved();
    await watched.close();
  }

  test("opens with examples, from this origin alone, without a console error", async () => {
    const page = await openGraphiQL();
    assert.equal(await page.title(), "paystats · GraphiQL");
    for (const name of ["Totals", "MonthByMonth", "PostalCodes", "StartLoad", "WatchLoad"]) {
      await tab(page, name).waitFor();
    }
    await run(page);
    await answerMatches(page, /"amount": "126(\.0+)?"/);
    await finish(page, "graphiql-examples");
  });

  test("shows the descriptions of the schema in the documentation explorer", async () => {
    const { __type } = await paystats.ask<{ __type: { fields: { name: string; description: string }[] } }>(
      `{ __type(name: "Query") { fields { name description } } }`,
    );
    const page = await openGraphiQL();
    await page.getByRole("button", { name: "Show Documentation Explorer" }).click();
    const docs = page.locator(".graphiql-doc-explorer");
    await docs.getByRole("link", { name: "Query", exact: true }).click();
    for (const { name, description } of __type.fields) {
      assert.ok(description, `Query.${name} has no description`);
      await docs.getByRole("link", { name, exact: true }).first().waitFor();
    }
    const description = __type.fields.find(({ name }) => name === "total")?.description ?? "";
    await docs.getByText(plainStart(description)).first().waitFor();
    await finish(page, "graphiql-docs");
  });

  test("runs a query that is typed in", async () => {
    const page = await openGraphiQL();
    await write(page, "query { postalCodes(first: 2) { totalCount nodes { code } } }");
    await run(page);
    await answerMatches(page, /"totalCount": 3/);
    await answerMatches(page, /"nodes": \[\s*\{\s*"code": "2800\d"/);
    await finish(page, "graphiql-query");
  });

  test("opens the operation of a link", async () => {
    const query = "query Linked($first: Int) { postalCodes(first: $first) { nodes { code } } }";
    const link = new URLSearchParams({ query, variables: `{ "first": 1 }` });
    const page = await openGraphiQL(`/graphiql?${link}`);
    await run(page);
    await answerMatches(page, /"nodes": \[\s*\{\s*"code": "2800\d"\s*\}\s*\]/);
    await finish(page, "graphiql-link");
  });

  test("shows the errors of a query that fails", async () => {
    const page = await openGraphiQL();
    await write(page, "query { noSuchField }");
    await run(page);
    await answerMatches(page, /"errors": \[/);
    await answerMatches(page, /noSuchField/);
    await page.screenshot({ path: screenshotPath("graphiql-error") });
    await watched.close();
  });

  test("starts a load by mutation and watches it live by subscription to its end", async () => {
    await paystats.putFile("live.csv", paystatsCsv(200_000, 1_000));
    const page = await openGraphiQL();
    const seen = progressSeenBy(page);
    await write(
      page,
      `mutation { startLoad(input: {entity: PAYSTATS, source: "live.csv"}) { load { id number state } } }`,
    );
    await run(page);
    const [, id] = await answerMatches(page, /"id": "([^"]+)"/);

    await write(page, WATCH_LOAD.replace("WatchLoad($id: ID!)", "WatchLive").replace("$id", `"${id}"`));
    await run(page);
    await answerMatches(page, /"state": "SUCCEEDED"/);
    // The button offers to run again only when the subscription has ended.
    await page.getByRole("button", { name: /^Execute query/ }).waitFor();

    assertSuccessfulLife(await seen.untilComplete());
    await finish(page, "graphiql-subscription");
  });

  test("works under a strict content security policy", async () => {
    watched = await openPage(browser, paystats.origin);
    const { page } = watched;
    await underPolicy(page, "**/graphiql", STRICT_POLICY);
    await page.goto("/graphiql");
    await write(page, "query { total { count } }");
    await run(page);
    await answerMatches(page, /"count": \d+/);
    assert.ok(page.workers().length >= 2, "the editor's workers run");
    await finish(page, "graphiql-csp");
  });

  test("follows the system's dark theme", async () => {
    const page = await openGraphiQL("/graphiql", { colorScheme: "dark" });
    await run(page);
    await answerMatches(page, /"everything"/);
    await finish(page, "graphiql-dark");
  });
});

/** Replaces what the editor holds. */
async function write(page: Page, query: string): Promise<void> {
  await page.locator(".graphiql-query-editor .view-lines").click();
  await page.keyboard.press("ControlOrMeta+A");
  // On one line and not beginning with a bracket, for the editor indents lines and closes brackets by itself.
  await page.keyboard.insertText(query.replaceAll(/\s+/g, " "));
}

const tab = (page: Page, operationName: string) => page.locator(`.graphiql-tab button[title="${operationName}"]`);

async function run(page: Page): Promise<void> {
  // Before its editors are there GraphiQL ignores the button.
  await page.locator(".graphiql-response .view-lines").waitFor();
  await page.getByRole("button", { name: /^Execute query/ }).click();
}

/** Waits until the answer pane shows text that matches. */
async function answerMatches(page: Page, pattern: RegExp): Promise<RegExpMatchArray> {
  const lines = page.locator(".graphiql-response .view-line");
  const shown = await page.waitForFunction(
    ({ selector, source }) => {
      // Monaco places lines by their offset, in any order of elements.
      const lines = [...document.querySelectorAll<HTMLElement>(selector)]
        .map((line) => ({ top: Number.parseFloat(line.style.top), text: line.textContent ?? "" }))
        .sort((one, other) => one.top - other.top);
      const text = lines.map(({ text }) => text.replaceAll("\u00a0", " ")).join("\n");
      return new RegExp(source).test(text) && text;
    },
    { selector: ".graphiql-response .view-line", source: pattern.source },
  );
  await lines.first().waitFor();
  return (await shown.jsonValue()).toString().match(pattern) as RegExpMatchArray;
}

/** The progress that comes in over the page's WebSocket. */
function progressSeenBy(page: Page) {
  const progress: Progress[] = [];
  const complete = new Promise<Progress[]>((resolve) => {
    page.on("websocket", (socket: WebSocket) =>
      socket.on("framereceived", ({ payload }) => {
        const message = JSON.parse(String(payload));
        if (message.type === "next") {
          progress.push(message.payload.data.loadProgress);
        } else if (message.type === "complete") {
          resolve(progress);
        }
      }),
    );
  });
  return { untilComplete: () => complete };
}

/** The first words of a description, up to any markup that the explorer renders. */
const plainStart = (markdown: string) => markdown.split(/[`*_[\n]/)[0]?.trim() ?? "";
