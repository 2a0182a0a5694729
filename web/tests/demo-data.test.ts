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
    await page.getByText("34,560 paystats").waitFor();
    const notice = page.getByRole("region", { name: "Demo data" });
    await notice.waitFor();
    await page.locator('.map-canvas[data-drawn="true"]').waitFor();
    await assertAccessible(page);
    await page.screenshot({ path: screenshotPath("demo-data"), fullPage: true });

    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesFile);
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsFile);
    const { loads } = await paystats.ask<Rejected>(REJECTED);
    const unknown = paystatsFile.trimEnd().split("\n").length - 1 - rows.length;
    assert.deepEqual(loads.nodes, [
      { source: "paystats.csv", progress: { rowsRejected: unknown } },
      { source: "postal_codes.csv", progress: { rowsRejected: 0 } },
    ]);
    await page.getByText(`${(34_560 + rows.length).toLocaleString("en-US")} paystats`).waitFor();
    await mapComesToShow(page, ([west, east]) => west < -3.7 && east > -2.9);
    await page.screenshot({ path: screenshotPath("demo-data-and-files"), fullPage: true });

    await notice.getByRole("button", { name: "Remove the demo data" }).click();
    await notice.getByRole("button", { name: "Remove it" }).click();
    await notice.waitFor({ state: "detached" });
    await page.locator("output.amount", { hasText: inEuros(sum(rows)) }).waitFor();
    await mapComesToShow(page, ([west, east]) => west < -3.7 && east < -3.2);
    const { postalCodes } = await paystats.ask<{ postalCodes: { totalCount: number } }>(
      "{ postalCodes(first: 1) { totalCount } }",
    );
    assert.equal(postalCodes.totalCount, codes.size);

    // Who loads it again by hand has it until it is removed again.
    await loadFile(paystats, "POSTAL_CODES", "demo/postal_codes.csv");
    await notice.getByRole("button", { name: "Remove the demo data" }).waitFor();
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
