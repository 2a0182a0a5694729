/** The strip that chooses months, in Chromium: its ends stand where the chosen months are, whoever chose them. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { openPage } from "./browser.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";

const YEAR = Array.from({ length: 12 }, (_, index) => `2015-${String(index + 1).padStart(2, "0")}`);
const TWO_YEARS = [...YEAR, ...YEAR.map((month) => month.replace("2015", "2016"))];
/** Of the strip's width: a place is that of its month if it is not nearer to another. */
const NEAR = { 12: 0.5 / 11, 24: 0.5 / 23 };

describe("the strip of months", () => {
  let paystats: Paystats;
  let browser: Browser;

  before(async () => {
    paystats = await startPaystats("month-strip");
    browser = await startChromium();
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(1_440));
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  const open = async (path = "/", options = {}) => {
    const opened = await openPage(browser, paystats.origin, { locale: "en-US", ...options });
    await opened.page.goto(path);
    await opened.page.getByRole("slider", { name: "Last month" }).waitFor();
    return opened;
  };

  for (const months of [YEAR, TWO_YEARS]) {
    const last = months.at(-1) as string;
    const stand = (page: Page, from: string, to: string) => endsStandAt(page, months, from, to);

    test(`of ${months.length} months stands where it was dragged to, during the drag and after it, twice`, async () => {
      if (last === "2016-12") {
        const later = paystatsCsv(1_440, 10_001).replaceAll("2015-", "2016-");
        await load(paystats, "PAYSTATS", "later.csv", later);
      }
      const { page, assertWellBehaved, close } = await open();
      await stand(page, "2015-01", last);
      const drop = await drag(page, months, "Last month", "2015-05");
      await stand(page, "2015-01", "2015-05");
      await drop();
      await isAsked(page, undefined, "2015-05");
      await stand(page, "2015-01", "2015-05");
      await (await drag(page, months, "First month", "2015-03"))();
      await isAsked(page, "2015-03", "2015-05");
      await stand(page, "2015-03", "2015-05");
      await page.screenshot({ path: screenshotPath(`month-strip-${months.length}`), fullPage: true });
      await assertAccessible(page);
      await page.goBack();
      await stand(page, "2015-01", "2015-05");
      await page.goBack();
      await stand(page, "2015-01", last);
      assertWellBehaved();
      await close();
    });

    test(`of ${months.length} months follows the lists, keys and a reload`, async () => {
      const { page, assertWellBehaved, close } = await open();
      await page.getByRole("combobox", { name: "From" }).selectOption("2015-04");
      await stand(page, "2015-04", last);
      await page.getByRole("combobox", { name: "to", exact: true }).selectOption("2015-09");
      await stand(page, "2015-04", "2015-09");
      await page.getByRole("slider", { name: "Last month" }).focus();
      await page.keyboard.press("ArrowLeft");
      await stand(page, "2015-04", "2015-08");
      await isAsked(page, "2015-04", "2015-08");
      await stand(page, "2015-04", "2015-08");
      await page.goBack();
      await stand(page, "2015-04", "2015-09");
      await page.reload();
      await stand(page, "2015-04", "2015-09");
      assertWellBehaved();
      await close();
    });
  }
});

/** Both ends stand on these months, to the eye and by name. */
async function endsStandAt(page: Page, months: string[], from: string, to: string) {
  for (const [name, month] of [
    ["First month", from],
    ["Last month", to],
  ] as const) {
    const said = new Date(month).toLocaleDateString("en-US", { month: "long", year: "numeric", timeZone: "UTC" });
    await page.locator(`[role=slider][aria-label="${name}"][aria-valuetext="${said}"]`).waitFor();
    const { left, width } = await strip(page);
    const place = ((await edge(page, name)) - left) / width;
    const wanted = months.indexOf(month) / (months.length - 1);
    assert.ok(
      Math.abs(place - wanted) < NEAR[months.length as 12],
      `${name} is at ${place}, not at ${wanted} (${month})`,
    );
  }
}

/** Takes an end to a month with the mouse; what is returned lets it go. */
async function drag(page: Page, months: string[], name: string, month: string) {
  const slider = page.getByRole("slider", { name, exact: true });
  await slider.scrollIntoViewIfNeeded();
  const box = await slider.boundingBox();
  assert.ok(box);
  const { left, width } = await strip(page);
  const y = box.y + box.height / 2;
  await page.mouse.move(box.x + box.width / 2, y);
  await page.mouse.down();
  const target = left + (months.indexOf(month) / (months.length - 1)) * width;
  const grip = box.x + box.width / 2 - (await edge(page, name));
  await page.mouse.move(target + grip, y, { steps: 8 });
  return () => page.mouse.up();
}

async function strip(page: Page) {
  const box = await page.locator(".strip-track").boundingBox();
  assert.ok(box);
  return { left: box.x, width: box.width };
}

/** Where the end points to: it stands outside of what it bounds. */
async function edge(page: Page, name: string): Promise<number> {
  const box = await page.getByRole("slider", { name, exact: true }).boundingBox();
  assert.ok(box);
  return name === "First month" ? box.x + box.width : box.x;
}

/** The URL says these months, and what was asked for is shown. */
async function isAsked(page: Page, from: string | undefined, to: string) {
  await page.waitForURL(
    ({ searchParams }) => searchParams.get("from") === (from ?? null) && searchParams.get("to") === to,
  );
  await page.locator('.series[aria-busy="false"]').waitFor();
}
