/** The demo data set in Chromium: it stands beside one's own files, says what it is, and goes when it is told to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { openPage } from "./browser.js";
import { screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load, loadFile } from "./loads.js";
import { codes, inEuros, paystatsFile, postalCodesFile, paystats as rows, sum } from "./real-data.js";

const REJECTED = "{ loads(first: 2) { nodes { source progress { rowsRejected } } } }";

interface Rejected {
  loads: { nodes: { source: string; progress: { rowsRejected: number } }[] };
}

test("demo data stand beside the real files, and leave them alone when they are removed", async () => {
  const paystats = await startPaystats("demo-data", { demo: true });
  const browser = await startChromium();
  try {
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin, { locale: "en-US" });
    await page.goto("/");
    // Not what a note says: that there are so many more.
    await page.locator(".totals").getByText("34,560 paystats").waitFor();
    const notice = page.getByRole("region", { name: "Demo data" });
    await notice.waitFor();
    await notice.getByText("All of what you see is made up:").waitFor();
    await page.locator('.map-canvas[data-drawn="true"]').waitFor();
    await assertAccessible(page);
    const loads = await openPage(browser, paystats.origin, { locale: "en-US" });
    await loads.page.goto("/loads");
    await loads.page.locator(".history-table").getByText("demo/paystats.csv").waitFor();
    const noticeOfLoads = loads.page.getByRole("region", { name: "Demo data" });
    assert.equal(await noticeOfLoads.count(), 0);
    await page.screenshot({ path: screenshotPath("demo-data"), fullPage: true });

    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesFile);
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsFile);
    await noticeOfLoads.getByText("The totals include made-up data:").waitFor();
    await assertAccessible(loads.page);
    await loads.page.screenshot({ path: screenshotPath("demo-data-loads"), fullPage: true });
    const { loads: newest } = await paystats.ask<Rejected>(REJECTED);
    const unknown = paystatsFile.trimEnd().split("\n").length - 1 - rows.length;
    assert.deepEqual(newest.nodes, [
      { source: "paystats.csv", progress: { rowsRejected: unknown } },
      { source: "postal_codes.csv", progress: { rowsRejected: 0 } },
    ]);
    await page
      .locator(".totals")
      .getByText(`${(34_560 + rows.length).toLocaleString("en-US")} paystats`)
      .waitFor();
    await mapComesToShow(page, ([west, east]) => west < -3.7 && east > -2.9);
    await page.screenshot({ path: screenshotPath("demo-data-and-files"), fullPage: true });

    await notice.getByText("The totals include made-up data:").waitFor();
    await notice.getByRole("button", { name: "Remove the demo data" }).click();
    await notice.getByRole("button", { name: "Remove it" }).click();
    await notice.waitFor({ state: "detached" });
    await noticeOfLoads.waitFor({ state: "detached" });
    await page.locator("output.amount", { hasText: inEuros(sum(rows)) }).waitFor();
    await mapComesToShow(page, ([west, east]) => west < -3.7 && east < -3.2);
    const { postalCodes } = await paystats.ask<{ postalCodes: { totalCount: number } }>(
      "{ postalCodes(first: 1) { totalCount } }",
    );
    assert.equal(postalCodes.totalCount, codes.size);

    // Who loads it again by hand has it until it is removed again.
    await loadFile(paystats, "POSTAL_CODES", "demo/postal_codes.csv");
    await notice.getByRole("button", { name: "Remove the demo data" }).waitFor();
    await noticeOfLoads.getByRole("button", { name: "Remove the demo data" }).click();
    await noticeOfLoads.getByRole("button", { name: "Remove it" }).click();
    await noticeOfLoads.waitFor({ state: "detached" });
    await notice.waitFor({ state: "detached" });
    loads.assertWellBehaved();
    await loads.close();
    assertWellBehaved();
    await close();
  } finally {
    await browser.close();
    await paystats.stop();
  }
});

/** Waits until what the map shows, from west to east in degrees, is as wanted: until nobody has moved it, it shows all places. */
async function mapComesToShow(page: Page, isWanted: (ends: [number, number]) => boolean): Promise<void> {
  const button = page.getByRole("button", { name: "Only places in view" });
  for (const until = Date.now() + 30_000; ; ) {
    await page.locator('.map-canvas[data-drawn="true"]').waitFor();
    await button.click();
    await page.waitForURL(/bbox=/);
    const [west, , east] = (new URL(page.url()).searchParams.get("bbox") ?? "").split("_").map(Number);
    await button.click();
    await page.waitForURL((url) => !url.search.includes("bbox"));
    if (isWanted([west as number, east as number])) {
      return;
    }
    assert.ok(Date.now() < until, `the map shows ${west} to ${east}`);
  }
}
