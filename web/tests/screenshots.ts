/** `npm run screenshots`: the README's pictures, of a demo data set. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openPage } from "./browser.js";
import { paystatsCsv } from "./files.js";
import { startChromium, startPaystats } from "./harness.js";
import { START_LOAD } from "./loads.js";

const folder = resolve(import.meta.dirname, "../../../docs");
const paystats = await startPaystats("screenshots", { demo: true });
const browser = await startChromium();
try {
  await mkdir(folder, { recursive: true });
  const { page } = await openPage(browser, paystats.origin, {
    viewport: { width: 1720, height: 900 },
    locale: "en-US",
  });
  await page.goto("/loads");
  await page.getByRole("row", { name: /#2 Succeeded/ }).waitFor();

  await page.goto("/?from=2016-01&to=2016-06");
  await page.locator('.map-canvas[data-drawn="true"]').waitFor();
  await page.locator("output.amount", { hasText: "€" }).waitFor();
  await page.screenshot({ path: join(folder, "statistics.png"), fullPage: true });

  // One that has refused rows, one that is tried, and one on its way.
  await page.goto("/loads");
  const rows = (count: number, firstId: number) =>
    paystatsCsv(count, firstId).replaceAll(/,[123],(?=\d+$)/gm, ",2000000001,");
  await paystats.putFile("2016-q3.csv", rows(3_000, 1_000_000).replaceAll("2015-03-01", "2015-03-31"));
  await paystats.putFile("2016-q4.csv", rows(400_000, 2_000_000));
  const start = (source: string, dryRun = false) =>
    paystats.ask(START_LOAD, { input: { entity: "PAYSTATS", source, dryRun } });
  await start("2016-q3.csv", true);
  await page.getByRole("row", { name: /#3 Succeeded/ }).waitFor();
  await start("2016-q3.csv");
  await page.getByRole("row", { name: /#4 Succeeded/ }).waitFor();
  // Without the notes of these.
  await page.reload();
  await page.getByRole("row", { name: /#4 Succeeded/ }).waitFor();
  await start("2016-q4.csv");
  await page.getByText("rows/s").waitFor();
  await page.screenshot({ path: join(folder, "loads.png") });
} finally {
  await browser.close();
  await paystats.stop();
}
