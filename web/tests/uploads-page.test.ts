/** Uploads in Chromium: from any page, through a cut network, paused and given up, and what is said of files that do not get in. */
import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { startBadNetwork } from "./bad-network.js";
import { openPage, type WatchedPage } from "./browser.js";
import { drop, dropOn } from "./drop.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";

const PIECE_BYTES = 8 * 1024 * 1024;

describe("uploads", () => {
  let paystats: Paystats;
  let browser: Browser;
  let folder: string;

  before(async () => {
    paystats = await startPaystats("uploads-page");
    browser = await startChromium();
    folder = await mkdtemp(join(tmpdir(), "paystats-uploads-page-"));
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const open = async (path = "/loads", origin = paystats.origin): Promise<WatchedPage> => {
    // Under the policy that the server sends.
    const opened = await openPage(browser, origin, { locale: "en-US", bypassCSP: false });
    await opened.page.goto(path);
    return opened;
  };
  const fileOnDisk = async (name: string, content: string) => {
    const path = join(folder, name);
    await writeFile(path, content);
    return path;
  };

  test("a file that is dropped on the statistics is uploaded on the page of loads", async () => {
    const { page, assertWellBehaved, close } = await open("/");
    await page.getByRole("heading", { name: "Card payments" }).waitFor();
    await dropOn(page, "dropped-elsewhere.csv", paystatsCsv(1, 18_001), async () => {
      await page.getByText("Drop files to upload them").waitFor();
      await page.screenshot({ path: screenshotPath("statistics-drop") });
    });
    await page.waitForURL("**/loads");
    await page.getByRole("form", { name: "Load dropped-elsewhere.csv" }).waitFor();
    await page.getByRole("heading", { name: "Uploads" }).waitFor();
    assertWellBehaved();
    await close();
  });

  test("of two files the second is in sight on every page until it is loaded, and each end says what comes next", async () => {
    const { page, assertWellBehaved, close } = await open();
    const paths = [
      await fileOnDisk("pair-codes.csv", postalCodesCsv()),
      await fileOnDisk("pair-paystats.csv", paystatsCsv(24, 19_001)),
    ];
    await page.locator("input[type=file]").setInputFiles(paths);
    await page.getByRole("form", { name: "Load pair-paystats.csv" }).waitFor();
    await page.getByRole("form", { name: "Load pair-codes.csv" }).getByRole("button", { name: "Start load" }).click();
    await page.waitForURL(/\/loads\/\d+$/);
    const waits = page.getByRole("link", { name: "pair-paystats.csv waits to be loaded" });
    await waits.waitFor();
    const codesNext = page.getByText("Next: load the paystats of these postal codes.");
    await codesNext.waitFor();
    assert.equal(await codesNext.getByRole("link").getAttribute("href"), "/loads");
    await page.screenshot({ path: screenshotPath("uploads-waiting-on-one"), fullPage: true });
    await assertAccessible(page);

    await page.getByRole("link", { name: "Statistics", exact: true }).click();
    await page.getByRole("heading", { name: "Card payments" }).waitFor();
    await page.screenshot({ path: screenshotPath("uploads-waiting-on-statistics"), fullPage: true });
    await assertAccessible(page);
    await waits.click();
    await page.waitForURL("**/loads");
    assert.deepEqual(await page.locator(".upload-name").allInnerTexts(), ["pair-paystats.csv"]);
    assert.equal(await waits.count(), 0, "the page that shows it needs no line of it");
    await page.getByRole("button", { name: "Load…: pair-paystats.csv" }).click();
    await page
      .getByRole("form", { name: "Load pair-paystats.csv" })
      .getByRole("button", { name: "Start load" })
      .click();
    await page.waitForURL(/\/loads\/\d+$/);
    const toStatistics = page.locator("main").getByRole("link", { name: "Show the statistics" });
    await toStatistics.waitFor();
    assert.equal(await waits.count(), 0);
    await toStatistics.click();
    await page.locator(".totals").getByText("24 paystats").waitFor();
    assert.equal(await page.locator(".uploads-waiting").count(), 0);
    assertWellBehaved();
    await close();
  });

  test("an upload that is on its way is told on every page", async () => {
    const { page, close } = await open();
    await page.route("**/datalake/under-way.csv", (route) =>
      route.request().method() === "PUT" ? new Promise(() => {}) : route.continue(),
    );
    await page.locator("input[type=file]").setInputFiles(await fileOnDisk("under-way.csv", paystatsCsv(1)));
    await page.getByRole("progressbar", { name: "Upload of under-way.csv" }).waitFor();
    await page.getByRole("link", { name: "Statistics", exact: true }).click();
    await page.getByRole("link", { name: "under-way.csv: uploading, 0%" }).click();
    await page.getByRole("button", { name: "Pause: under-way.csv" }).click();
    await page.getByRole("link", { name: "Statistics", exact: true }).click();
    await page.getByRole("link", { name: "under-way.csv: the upload is paused" }).waitFor();
    await close();
  });

  test("what cannot be uploaded is told why, and a name that is taken is asked about", async () => {
    await paystats.putFile("taken.csv", "old\n");
    const { page, assertWellBehaved, close } = await open();
    await drop(page, "table.xlsx", "x");
    await page.getByRole("alert").getByText("the name has to end in .csv, .geojson, or .json").waitFor();
    await page.getByRole("button", { name: "Dismiss: table.xlsx" }).click();
    await drop(page, "taken.csv", paystatsCsv(1));
    await page.getByRole("alert").getByText("has a file taken.csv already").waitFor();
    await page.screenshot({ path: screenshotPath("loads-taken"), fullPage: true });
    await page.getByRole("button", { name: "Keep both: taken.csv" }).click();
    await page.getByRole("form", { name: "Load taken-2.csv" }).waitFor();
    await drop(page, "taken.csv", "new\n");
    await page.getByRole("button", { name: "Replace it: taken.csv" }).click();
    await page.getByRole("form", { name: "Load taken.csv" }).waitFor();
    const { datalake } = await paystats.ask<{ datalake: { path: string; sizeBytes: number }[] }>(
      '{ datalake(prefix: "taken") { path sizeBytes } }',
    );
    assert.deepEqual(datalake, [
      { path: "taken-2.csv", sizeBytes: paystatsCsv(1).length },
      { path: "taken.csv", sizeBytes: 4 },
    ]);
    assertWellBehaved();
    await close();
  });

  test("an upload goes on behind what the server has: through a cut network, and after the page was closed", async (t) => {
    const path = await fileOnDisk("broad.csv", paystatsCsv(450_000, 3_000_001));
    const network = await startBadNetwork(paystats.origin);
    t.after(() => network.stop());
    const { page, close } = await open("/loads", network.origin);
    const starts: number[] = [];
    page.on("request", (request) => {
      const range = request.headers()["content-range"];
      if (request.method() === "PUT" && range) {
        starts.push(Number(range.match(/\d+/)?.[0]));
      }
    });
    // The second piece does not get through.
    const second = (url: URL) => url.pathname === "/datalake/broad.csv";
    await page.route(second, (route) =>
      route.request().headers()["content-range"]?.startsWith(`bytes ${PIECE_BYTES}-`)
        ? route.abort()
        : route.continue(),
    );
    const input = page.locator("input[type=file]");
    await input.setInputFiles(path);
    await page.getByText("The connection is lost. It goes on by itself.").waitFor();
    await page.screenshot({ path: screenshotPath("loads-upload-waits"), fullPage: true });
    assert.deepEqual(starts.slice(0, 2), [0, PIECE_BYTES]);

    await page.reload();
    await page.unroute(second);
    starts.length = 0;
    let isCut = false;
    page.on("request", (request) => {
      if (request.method() === "PUT" && !isCut) {
        isCut = network.cut();
      }
    });
    await input.setInputFiles(path);
    await page.getByRole("form", { name: "Load broad.csv" }).waitFor();
    assert.ok(isCut, "the network was cut in the middle");
    assert.ok(starts.length > 0 && starts.every((start) => start >= PIECE_BYTES), `it goes on at ${starts}`);
    const stored = await paystats.ask<{ datalake: { sizeBytes: number }[] }>(
      '{ datalake(prefix: "broad.csv") { sizeBytes } }',
    );
    assert.equal(stored.datalake[0]?.sizeBytes, (await readFile(path)).length);
    await close();
  });

  test("an upload is paused, goes on, and is given up", async () => {
    const path = await fileOnDisk("slow.csv", paystatsCsv(450_000, 4_000_001));
    const { page, close } = await open();
    let hold = true;
    await page.route(
      (url) => url.pathname === "/datalake/slow.csv",
      async (route) => {
        if (hold && route.request().method() === "PUT") {
          // It is on its way until it is stopped.
          await new Promise(() => {});
        }
        await route.continue();
      },
    );
    const input = page.locator("input[type=file]");
    await input.setInputFiles(path);
    await page.getByRole("button", { name: "Pause: slow.csv" }).click();
    await page.getByText("Paused").waitFor();
    hold = false;
    await page.getByRole("button", { name: "Go on: slow.csv" }).click();
    await page.getByRole("form", { name: "Load slow.csv" }).waitFor();
    hold = true;
    await page.getByRole("button", { name: "Dismiss: slow.csv" }).click();
    await input.setInputFiles(await fileOnDisk("slow.csv", paystatsCsv(450_001, 4_000_001)));
    await page.getByRole("button", { name: "Replace it: slow.csv" }).click();
    await page.getByRole("progressbar", { name: "Upload of slow.csv" }).waitFor();
    await page.getByRole("button", { name: "Cancel: slow.csv" }).click();
    await page.getByRole("heading", { name: "Uploads" }).waitFor({ state: "detached" });
    assert.deepEqual(await page.evaluate(() => Object.keys(localStorage).filter((key) => key.includes("upload"))), []);
    await close();
  });

  test("where uploads are off, the page says how files get there", async () => {
    const { page, assertWellBehaved, close } = await open("/graphiql");
    await page.route("**/dashboard.json", (route) =>
      route.fulfill({ json: { upload: { maxBytes: 0, inPieces: false } } }),
    );
    await page.goto("/loads");
    await page.getByText("the operator has switched uploads off").waitFor();
    assert.equal(await page.getByRole("button", { name: "Upload files…" }).count(), 0);
    await page.route("**/dashboard.json", (route) =>
      route.fulfill({ json: { upload: { maxBytes: 9, inPieces: true } } }),
    );
    await page.reload();
    await page.getByRole("button", { name: "Upload files…" }).waitFor();
    await drop(page, "large.csv", "0123456789");
    await page.getByRole("alert").getByText("This file has 10 bytes; the server takes at most 9 bytes.").waitFor();
    assertWellBehaved();
    await close();
  });
});
