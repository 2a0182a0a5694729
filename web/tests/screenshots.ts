/** `npm run screenshots`: the README's pictures, of a demo data set. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { openPage } from "./browser.js";
import { startChromium, startPaystats } from "./harness.js";

const folder = resolve(import.meta.dirname, "../../../docs");
const paystats = await startPaystats("screenshots", { demo: true });
const browser = await startChromium();
try {
  await mkdir(folder, { recursive: true });
  const { page } = await openPage(browser, paystats.origin, {
    viewport: { width: 1720, height: 1040 },
    locale: "en-US",
  });
  await page.goto("/loads");
  await page.getByText("Load #2 of demo/paystats.csv has succeeded").waitFor();
  await page.getByText("demo/paystats.csv").first().waitFor();
  await page.screenshot({ path: join(folder, "loads.png") });
  await page.goto("/?from=2016-01&to=2016-06");
  await page.locator('.map-canvas[data-drawn="true"]').waitFor();
  await page.locator("output.amount", { hasText: "€" }).waitFor();
  await page.screenshot({ path: join(folder, "statistics.png") });
} finally {
  await browser.close();
  await paystats.stop();
}
