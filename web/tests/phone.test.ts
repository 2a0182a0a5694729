/** The pages on a narrow phone, of 390 pixels, with long codes and large amounts: nothing is cut off, and no word is broken. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Locator } from "playwright-core";
import { openPage, type WatchedPage } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";

const CODES = ["DEMO-001", "DEMO-002", "DEMO-003"];
const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } as const;

describe("on a phone", () => {
  let paystats: Paystats;
  let browser: Browser;
  let number: number;

  before(async () => {
    paystats = await startPaystats("phone");
    browser = await startChromium();
    await load(paystats, "POSTAL_CODES", "places.csv", postalCodesCsv(CODES));
    const [header, ...lines] = paystatsCsv(288).trimEnd().split("\n");
    const years = lines.map((line, index) => line.replace("2015", index < 144 ? "2015" : "2016"));
    const csv = `${[header, ...years].join("\n")}\n`.replaceAll(/^10\.5/gm, "1234567.89");
    ({ number } = await load(paystats, "PAYSTATS", "payments.csv", csv));
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  const open = async (path: string, locale = "en-US"): Promise<WatchedPage> => {
    const opened = await openPage(browser, paystats.origin, { ...PHONE, locale });
    await opened.page.goto(path);
    return opened;
  };

  test("the top of the statistics says of which months they are", async () => {
    const { page, assertWellBehaved, close } = await open("/");
    const summary = page.locator(".fold strong");
    await summary.getByText("Jan 2015 – Dec 2016", { exact: true }).waitFor();
    await page.goto("/?from=2015-03&genders=F");
    await summary.getByText("Mar 2015 – Dec 2016 · Women", { exact: true }).waitFor();
    await page.goto("/?from=2016-03&to=2016-03");
    await summary.getByText("Mar 2016", { exact: true }).waitFor();
    assertWellBehaved();
    await close();
  });

  for (const locale of ["en-US", "es-ES"]) {
    test(`codes and months stand on one line: ${locale}`, async () => {
      const { page, assertWellBehaved, close } = await open("/", locale);
      await page.locator(".ranking li").first().waitFor();
      await assertUnbroken(page.locator(".ranking .code"), CODES.length);
      await page.locator(".series .card-head button").first().click();
      await assertUnbroken(page.locator(".series tbody th"), 24);
      await page.screenshot({ path: screenshotPath(`phone-statistics-${locale}`), fullPage: true });
      assert.equal(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth), 0);
      assertWellBehaved();
      await close();
    });

    test(`the change of the totals has room: ${locale}`, async () => {
      const { page, assertWellBehaved, close } = await open(`/loads/${number}`, locale);
      const changes = page.locator(".load-changes");
      await assertUnbroken(changes.locator("tbody th"), 24);
      await page.screenshot({ path: screenshotPath(`phone-changes-${locale}`), fullPage: true });
      const table = changes.locator(".scroller");
      assert.equal(await table.evaluate((part) => part.scrollWidth - part.clientWidth), 0, "it is cut off");
      assertWellBehaved();
      await close();
    });
  }
});

/** Each of so many stands on one line. */
async function assertUnbroken(parts: Locator, count: number) {
  await parts.first().waitFor();
  const lines = await parts.evaluateAll((elements) =>
    elements.map((element) => {
      const tops = new Set<number>();
      const texts = document.createTreeWalker(element, NodeFilter.SHOW_TEXT);
      while (texts.nextNode()) {
        const range = document.createRange();
        range.selectNode(texts.currentNode);
        for (const { top } of range.getClientRects()) {
          tops.add(Math.round(top));
        }
      }
      return tops.size;
    }),
  );
  assert.deepEqual(lines, Array(count).fill(1));
}
