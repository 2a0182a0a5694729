/** The start page in Chromium: empty, filled, failing; light, dark and on a phone. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { openPage, underPolicy } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, START_LOAD, type StartedLoad, watch, webSocketClient } from "./loads.js";

interface Started {
  startLoad: { load: StartedLoad };
}

describe("the start page", () => {
  let paystats: Paystats;
  let browser: Browser;

  before(async () => {
    paystats = await startPaystats("start-page");
    browser = await startChromium();
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  test("says that nothing is loaded yet", async () => {
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin);
    await page.goto("/");
    await page.getByText("Nothing is loaded yet.").waitFor();
    await page.getByText("No load has been started yet.").waitFor();
    await page.getByRole("link", { name: "Ready" }).waitFor();
    await page.screenshot({ path: screenshotPath("start-page-empty"), fullPage: true });
    assertWellBehaved();
    await close();
  });

  test("shows what is in the store, and how the loads went", async () => {
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(1_234));
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin);
    await page.goto("/");
    await page.locator("#amount", { hasText: "12,957.00" }).waitFor();
    await page.locator("#count", { hasText: "1,234" }).waitFor();
    await page.locator("#postal-codes", { hasText: "3" }).waitFor();
    const rows = await page.locator("#loads tr").allInnerTexts();
    assert.equal(rows.length, 2);
    assert.match(rows[0] ?? "", /#\d+\s+paystats\.csv\s+paystats\s+succeeded\s+1,234\s+0/);
    assert.match(rows[1] ?? "", /#\d+\s+postal_codes\.csv\s+postal codes\s+succeeded\s+3\s+0/);
    await page.screenshot({ path: screenshotPath("start-page-light"), fullPage: true });
    assertWellBehaved();
    await close();
  });

  test("runs an example where it stands and takes it to GraphiQL", async () => {
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin);
    await page.goto("/");
    const example = page.getByRole("article").first();
    await example.getByRole("button", { name: "Run" }).click();
    await example.getByText('"amount": "12957').waitFor();
    await example.getByRole("link", { name: "Open in GraphiQL" }).click();
    await page.locator('.graphiql-tab-active button[title="Totals"]').waitFor();
    assertWellBehaved();
    await close();
  });

  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, isMobile: true }],
    ["phone-dark", { viewport: { width: 375, height: 812 }, colorScheme: "dark", isMobile: true }],
  ] as const) {
    test(`fits: ${name}`, async () => {
      const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin, options);
      await page.goto("/");
      await page.locator("#amount", { hasText: "12,957.00" }).waitFor();
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, "the page scrolls sideways");
      await page.screenshot({ path: screenshotPath(`start-page-${name}`), fullPage: true });
      assertWellBehaved();
      await close();
    });
  }

  test("works under a strict content security policy", async () => {
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin);
    await underPolicy(page, `${paystats.origin}/`, [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "img-src 'self'",
      "connect-src 'self'",
    ]);
    await page.goto("/");
    await page.locator("#amount", { hasText: "12,957.00" }).waitFor();
    assertWellBehaved();
    await close();
  });

  test("says so when the server cannot be asked, and recovers", async () => {
    const { page, close } = await openPage(browser, paystats.origin);
    await page.route("**/graphql", (route) =>
      route.fulfill({ status: 503, contentType: "text/plain", body: "no store" }),
    );
    await page.goto("/");
    await page.getByRole("alert").getByText("The server answered with status 503.").waitFor();
    await page.getByText("Not known.").waitFor();
    await page.screenshot({ path: screenshotPath("start-page-error"), fullPage: true });
    await page.unroute("**/graphql");
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator("#amount", { hasText: "12,957.00" }).waitFor();
    await page.getByRole("alert").waitFor({ state: "hidden" });
    await close();
  });

  test("tells dry runs and loads that were taken back from those that stand", async () => {
    const bad = paystatsCsv(2, 5_001).replace("2015-02-01", "tomorrow");
    await paystats.putFile("bad.csv", bad);
    const input = { entity: "PAYSTATS", source: "bad.csv" };
    const dryRun = await paystats.ask<Started>(START_LOAD, { input: { ...input, dryRun: true } });
    const undone = await paystats.ask<Started>(START_LOAD, { input });
    const client = webSocketClient(paystats);
    assertSuccessfulLife(await watch(client, dryRun.startLoad.load.id));
    assertSuccessfulLife(await watch(client, undone.startLoad.load.id));
    await paystats.ask("mutation ($input: UndoLoadInput!) { undoLoad(input: $input) { load { state } } }", {
      input: { id: undone.startLoad.load.id },
    });
    assert.equal((await watch(client, undone.startLoad.load.id)).at(-1)?.state, "UNDONE");
    await client.dispose();

    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin);
    await page.goto("/");
    await page.locator("#amount", { hasText: "12,957.00" }).waitFor();
    const rows = await page.locator("#loads tr").allInnerTexts();
    assert.match(rows[0] ?? "", /#\d+\s+bad\.csv\s+paystats\s+undone\s+2\s+1/);
    assert.match(rows[1] ?? "", /#\d+\s+bad\.csv\s+paystats, dry run\s+succeeded\s+2\s+1/);
    const downloading = page.waitForEvent("download");
    await page.locator("#loads tr").first().getByRole("link", { name: "1" }).click();
    const download = await downloading;
    assert.equal(download.suggestedFilename(), `load-${undone.startLoad.load.number}-rejections.csv`);
    const [header, row] = (await readFile(await download.path(), "utf8")).split("\n");
    assert.match(header ?? "", /^line,column,code,value,reason,amount,p_month,/);
    assert.match(row ?? "", /^3,p_month,INVALID_MONTH,tomorrow,.*,10\.5,tomorrow,/);
    await page.screenshot({ path: screenshotPath("start-page-undone"), fullPage: true });
    assertWellBehaved();
    await close();
  });
});
