/** From page to page in Chromium: a page looks as if one had come to it directly, wherever one was before. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { openPage } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";

const SCREENS = {
  desk: { viewport: { width: 1280, height: 900 } },
  phone: { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
} as const;

describe("between pages", () => {
  let paystats: Paystats;
  let browser: Browser;

  before(async () => {
    paystats = await startPaystats("between-pages");
    browser = await startChromium();
    await load(paystats, "POSTAL_CODES", "places.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "payments.csv", paystatsCsv(144));
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  for (const [screen, options] of Object.entries(SCREENS)) {
    test(`the statistics look the same after a visit to the loads: ${screen}`, async () => {
      const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin, {
        ...options,
        locale: "en-US",
      });
      await page.goto("/");
      const direct = await statistics(page);
      await follow(page, "Loads");
      await page.locator(".history-table").waitFor();
      await follow(page, "Statistics");
      assert.deepEqual(await statistics(page), direct);
      assertWellBehaved();
      await close();
    });

    test(`the loads look the same after a visit to the statistics: ${screen}`, async () => {
      const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin, {
        ...options,
        locale: "en-US",
      });
      await page.goto("/loads");
      const direct = await loads(page);
      await follow(page, "Statistics");
      await statistics(page);
      await follow(page, "Loads");
      assert.deepEqual(await loads(page), direct);
      assertWellBehaved();
      await close();
    });
  }
});

const follow = (page: Page, name: string) =>
  page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name }).click();

/** Where everything of the filters and around the pictures stands. */
async function statistics(page: Page) {
  await page.locator(".ranking li").first().waitFor();
  await page.locator(".series .recharts-line").first().waitFor();
  const fold = page.locator(".fold[aria-expanded=false]");
  if (await fold.isVisible()) {
    await fold.click();
  }
  await page.locator("body").click({ position: { x: 1, y: 1 } });
  return boxes(page, "main, .title *, .filters, .filters *, .totals *, .card, .card-head *, .strip, .ranking *");
}

/** Where everything stands, with a form that is open. */
async function loads(page: Page) {
  await page.locator(".history-table tbody tr").first().waitFor();
  await page.getByRole("button", { name: "Load payments.csv…" }).click();
  await page.getByText("Postal codes that are loaded:").waitFor();
  await page.getByText("Rejected rows", { exact: true }).click();
  await page.locator(".skeleton").first().waitFor({ state: "detached" });
  await page.locator("body").click({ position: { x: 1, y: 1 } });
  return boxes(page, "main, main *");
}

/** Elements with their letters and their places from the top of the page, in pixels. */
function boxes(page: Page, selector: string): Promise<string[]> {
  return page.evaluate(
    (selector) =>
      [...document.querySelectorAll(selector)].map((element) => {
        const { x, y, width, height } = element.getBoundingClientRect();
        const { fontSize, color } = getComputedStyle(element);
        const name = [element.tagName.toLowerCase(), ...element.classList].join(".");
        return `${name} ${[x + scrollX, y + scrollY, width, height].map(Math.round).join(" ")} ${fontSize} ${color}`;
      }),
    selector,
  );
}
