/** The demo data set in Chromium: it stands beside one's own files, says what it is, and goes when it is told to. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertAccessible } from "./accessibility.js";
import { openPage } from "./browser.js";
import { screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";
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
    await page.screenshot({ path: screenshotPath("demo-data-and-files"), fullPage: true });

    await notice.getByRole("button", { name: "Remove the demo data" }).click();
    await notice.getByRole("button", { name: "Remove it" }).click();
    await notice.waitFor({ state: "detached" });
    await page.locator("output.amount", { hasText: inEuros(sum(rows)) }).waitFor();
    const { postalCodes } = await paystats.ask<{ postalCodes: { totalCount: number } }>(
      "{ postalCodes(first: 1) { totalCount } }",
    );
    assert.equal(postalCodes.totalCount, codes.size);
    assertWellBehaved();
    await close();
  } finally {
    await browser.close();
    await paystats.stop();
  }
});
