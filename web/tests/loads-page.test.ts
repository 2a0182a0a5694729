/** The page of loads in Chromium: files get in, loads are started, watched, stopped, repeated and undone. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { after, before, describe, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { startBadNetwork } from "./bad-network.js";
import { openPage, type WatchedPage } from "./browser.js";
import { drop } from "./drop.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { START_LOAD, type StartedLoad } from "./loads.js";

const ENGLISH = { locale: "en-US" };
const PHONE = { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } as const;

describe("the page of loads", () => {
  let paystats: Paystats;
  let browser: Browser;
  let shelf: Awaited<ReturnType<typeof startShelf>>;

  before(async () => {
    shelf = await startShelf(paystatsCsv(3, 90_001));
    paystats = await startPaystats("loads-page", { env: { PAYSTATS_SOURCES: `${shelf.origin}/` } });
    browser = await startChromium();
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
    shelf?.stop();
  });

  const open = async (
    path = "/loads",
    options: Parameters<typeof openPage>[2] = {},
    origin = paystats.origin,
  ): Promise<WatchedPage> => {
    // Under the policy that the server sends.
    const opened = await openPage(browser, origin, { ...ENGLISH, bypassCSP: false, ...options });
    await opened.page.goto(path);
    return opened;
  };
  const start = async (source: string, input: Record<string, unknown> = {}): Promise<StartedLoad> => {
    const variables = { input: { entity: "PAYSTATS", source, ...input } };
    return (await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, variables)).startLoad.load;
  };
  const total = async () =>
    (await paystats.ask<{ total: { amount: string; count: number } }>("{ total { amount count } }")).total;

  test("says how to begin while there is nothing", async () => {
    const { page, assertWellBehaved, close } = await open();
    await page.getByRole("heading", { name: "There is nothing in the data lake yet" }).waitFor();
    await page.getByText("Nothing was loaded yet.").waitFor();
    await page.getByText("No load is on its way.").waitFor();
    await assertAccessible(page);
    await page.screenshot({ path: screenshotPath("loads-empty"), fullPage: true });
    assertWellBehaved();
    await close();
  });

  test("a file that is dropped is uploaded, and loaded with one press", async () => {
    const { page, assertWellBehaved, close } = await open();
    await page.getByRole("heading", { name: "There is nothing in the data lake yet" }).waitFor();
    await drop(page, "places.csv", postalCodesCsv());
    const form = page.getByRole("form", { name: "Load places.csv" });
    await form.waitFor();
    assert.ok(await form.getByRole("radio", { name: /Postal codes/ }).isChecked(), "its header tells what it is");
    await page.screenshot({ path: screenshotPath("loads-dropped"), fullPage: true });
    await assertAccessible(page);
    // The form has the focus, on the button that starts.
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/loads\/\d+$/);
    await isIn(page, "SUCCEEDED");
    assert.deepEqual(await counts(page), { read: "3", inserted: "3", updated: "0", unchanged: "0", rejected: "0" });
    assertWellBehaved();
    await close();
  });

  test("a file that is dropped on the page of a load is loaded from there, and the page of another load does not show it", async () => {
    const { page, assertWellBehaved, close } = await open("/loads/1");
    await isIn(page, "SUCCEEDED");
    await drop(page, "places-again.csv", postalCodesCsv());
    await page.getByRole("form", { name: "Load places-again.csv" }).waitFor();
    await page.getByRole("heading", { name: "Uploads" }).waitFor();
    assert.match(page.url(), /\/loads\/1$/);
    await page.screenshot({ path: screenshotPath("loads-dropped-on-one"), fullPage: true });
    await assertAccessible(page);
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/loads\/[^1]\d*$/);
    await isIn(page, "SUCCEEDED");
    assert.equal(await page.getByRole("heading", { name: "Uploads" }).count(), 0);
    await page.getByRole("link", { name: "All loads" }).click();
    await page.locator(".history-table").getByText("places-again.csv").waitFor();
    assert.equal(await page.getByRole("heading", { name: "Uploads" }).count(), 0, "what was loaded waits no more");
    assertWellBehaved();
    await close();
  });

  test("a file of the data lake is found in its folder and loaded, by keys alone", async () => {
    await paystats.putFile("notes.txt", "not for loading");
    await put(paystats, "2015/q1/paystats.csv", paystatsCsv(1_234));
    const { page, assertWellBehaved, close } = await open();
    await page.getByText("not a kind that can be loaded").waitFor();
    await page.getByRole("button", { name: "2015/" }).press("Enter");
    await page.getByRole("button", { name: "q1/" }).press("Enter");
    assert.match(page.url(), /folder=2015%2Fq1%2F/);
    await page.getByRole("button", { name: "Data lake" }).press("Enter");
    await page.getByRole("searchbox", { name: "Filter by name" }).fill("PAYST");
    await page.getByRole("button", { name: "Load 2015/q1/paystats.csv…" }).press("Enter");
    await page.getByRole("form", { name: "Load 2015/q1/paystats.csv" }).waitFor();
    assert.ok(await page.getByRole("radio", { name: /Paystats/ }).isChecked(), "its name tells what it is");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/loads\/\d+$/);
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).inserted, "1,234");
    assert.match((await page.evaluate(() => document.activeElement?.textContent)) ?? "", /^Load #\d+$/);
    const sum = page.locator(".load-changes tfoot");
    await sum.getByText("+€12,957.00").waitFor();
    await sum.getByText("+1,234", { exact: true }).waitFor();
    await page.screenshot({ path: screenshotPath("loads-succeeded"), fullPage: true });
    await assertAccessible(page);
    await page.goBack();
    await page.locator(".history-table").getByText("2015/q1/paystats.csv").waitFor();
    assertWellBehaved();
    await close();
  });

  test("pressed twice, a form starts one load", async () => {
    await paystats.putFile("twice.csv", paystatsCsv(10, 50_001));
    const { page, close } = await open();
    await page.getByRole("button", { name: "Load twice.csv…" }).click();
    await page.getByRole("radio", { name: /Paystats/ }).check();
    await page.getByRole("button", { name: "Start load" }).dblclick();
    await page.waitForURL(/\/loads\/\d+$/);
    await isIn(page, "SUCCEEDED");
    const filter = { source: "twice.csv" };
    const query = "query ($filter: LoadFilter) { loads(filter: $filter) { totalCount } }";
    const { loads } = await paystats.ask<{ loads: { totalCount: number } }>(query, { filter });
    assert.equal(loads.totalCount, 1);
    await close();
  });

  test("what the server does not accept is said at the form", async () => {
    await paystats.putFile("gone.csv", paystatsCsv(1));
    const { page, close } = await open();
    await page.getByRole("button", { name: "Load gone.csv…" }).click();
    await page.getByRole("radio", { name: /Paystats/ }).check();
    await page.route("**/graphql", (route) =>
      route.request().postData()?.includes("StartLoad")
        ? route.fulfill({ json: { errors: [{ message: "there is no such file" }], data: null } })
        : route.continue(),
    );
    await page.getByRole("button", { name: "Start load" }).click();
    await page.getByRole("form").getByRole("alert").getByText("there is no such file").waitFor();
    await page.unroute("**/graphql");
    await page.getByRole("button", { name: "Start load" }).click();
    await isIn(page, "SUCCEEDED");
    await close();
  });

  test("a file on a web server is loaded by its URL, where the operator allows it", async () => {
    const { page, assertWellBehaved, close } = await open();
    const url = page.getByRole("textbox", { name: "Or from a URL" });
    const load = async (source: string) => {
      await url.fill(source);
      await url.press("Enter");
      await page.getByRole("form", { name: `Load ${source}` }).waitFor();
      await page.keyboard.press("Enter");
    };
    const foreign = "https://data.example.org/paystats.csv";
    await load(foreign);
    const form = page.getByRole("form", { name: `Load ${foreign}` });
    await form.getByRole("alert").getByText("is not among the sources that may be read").waitFor();
    await page.screenshot({ path: screenshotPath("loads-url"), fullPage: true });
    await assertAccessible(page);
    await form.getByRole("button", { name: "Close" }).click();
    await load(`${shelf.origin}/paystats.csv`);
    await page.waitForURL(/\/loads\/\d+$/);
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).inserted, "3");
    assertWellBehaved();
    await close();
  });

  test("refused rows are counted, paged through, downloaded, and loaded again once they are mended", async () => {
    const good = paystatsCsv(200, 10_001);
    const lines = good.trimEnd().split("\n");
    // Every third line has a month that is none, from line 3 on; the header is line 1.
    const bad = lines.map((line, index) =>
      index > 0 && index % 3 === 2 ? line.replace(/2015-\d\d-01/, "tomorrow") : line,
    );
    const refused = bad.filter((line) => line.includes("tomorrow")).length;
    await paystats.putFile("bad.csv", `${bad.join("\n")}\n`);
    const first = await start("bad.csv");
    const { page, assertWellBehaved, close } = await open(`/loads/${first.number}`);
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).rejected, String(refused));
    const reason = page.locator(".reasons tbody tr");
    assert.match(
      (await reason.innerText()).replace(/\s+/g, " "),
      new RegExp(`^Not a valid month A month is written as .*p_month ${refused}$`),
    );
    const badge = page.locator(".load-title .load-state");
    assert.equal(await badge.innerText(), `Succeeded, ${refused} rows rejected`);
    assert.equal(await badge.getAttribute("data-refused"), "some");
    const rows = page.locator("table.rejections tbody tr");
    const firstLine = () => rows.first().locator("th").innerText();
    await page.locator("table.rejections thead").getByText("p_month").waitFor();
    assert.equal(await rows.count(), 25);
    assert.equal(await firstLine(), "3");
    assert.equal(await rows.first().locator("[data-wrong=true]").innerText(), "tomorrow");
    await page.screenshot({ path: screenshotPath("loads-rejections"), fullPage: true });
    await assertAccessible(page);
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText("Lines 78 to 150").waitFor();
    await page.getByRole("button", { name: "Next" }).click();
    await page.getByText(`Lines 153 to ${3 * refused}`).waitFor();
    assert.ok(await page.getByRole("button", { name: "Next" }).isDisabled());
    await page.getByRole("button", { name: "Previous" }).click();
    await page.getByText("Lines 78 to 150").waitFor();
    await page.getByRole("button", { name: "Previous" }).click();
    await page.getByText("Lines 3 to 75").waitFor();
    assert.ok(await page.getByRole("button", { name: "Previous" }).isDisabled());

    const downloading = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download all (CSV)" }).click();
    const file = await readFile(await (await downloading).path(), "utf8");
    assert.equal(file.trimEnd().split("\n").length, refused + 1);

    await paystats.putFile("bad.csv", good);
    await page.getByRole("button", { name: "Load the rejected lines again" }).click();
    await page.waitForURL((url) => url.pathname !== `/loads/${first.number}`);
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).inserted, String(refused));
    await page.getByRole("link", { name: `#${first.number}`, exact: true }).click();
    await page.getByText("Repeated by").waitFor();
    assertWellBehaved();
    await close();
  });

  test("a load of which most was refused is no plain success, and says what to do", async () => {
    const places = postalCodesCsv(["28004"], 4, -3.6);
    // The paystats of 28004 come before it.
    await paystats.putFile("early.csv", paystatsCsv(3, 15_001).replaceAll(/,[23],(?=\d+$)/gm, ",4,"));
    const { number } = await start("early.csv");
    const { page, assertWellBehaved, close } = await open(`/loads/${number}`);
    await isIn(page, "SUCCEEDED");
    const badge = page.locator(".load-title .load-state");
    assert.equal(await badge.innerText(), "Succeeded, 2 rows rejected");
    assert.equal(await badge.getAttribute("data-refused"), "most");
    const notice = page.locator(".rejected-notice");
    await notice.getByText("2 of 3 rows were rejected and were not loaded.").waitFor();
    await notice.getByText("Load the postal codes first. Then press “Load the rejected lines again”.").waitFor();
    await page.screenshot({ path: screenshotPath("loads-mostly-rejected"), fullPage: true });
    await assertAccessible(page);
    await paystats.putFile("places-4.csv", places);
    await start("places-4.csv", { entity: "POSTAL_CODES" });
    await page.getByRole("link", { name: "All loads" }).click();
    const row = (source: string) => page.locator(".history-table tr", { hasText: source });
    await row("places-4.csv").locator("[data-state=SUCCEEDED]").waitFor();
    assert.equal(await row("early.csv").locator(".load-state").innerText(), "Succeeded, 2 rows rejected");
    await page.getByRole("link", { name: `Load #${number}`, exact: true }).click();
    await page.getByRole("button", { name: "Load the rejected lines again" }).click();
    await page.waitForURL((url) => url.pathname !== `/loads/${number}`);
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).inserted, "2");
    assertWellBehaved();
    await close();
  });

  test("a load of which every row was refused is told as one that loaded nothing", async () => {
    const nowhere = paystatsCsv(3, 16_001).replaceAll(/,[123],(?=\d+$)/gm, ",77,");
    await paystats.putFile("nowhere.csv", nowhere.replace(/,77,(?=16001$)/m, ",1,").replace("2015-01-01", "never"));
    const { page, assertWellBehaved, close } = await open();
    await page.getByText("No load is on its way.").waitFor();
    const { number } = await start("nowhere.csv");
    const note = page.locator(".note", { hasText: `Load #${number} of nowhere.csv has loaded no row.` });
    await note.getByText("3 rejected").waitFor();
    assert.equal(await note.getAttribute("data-tone"), "failure");
    await note.getByRole("link", { name: "Show the load" }).click();
    const badge = page.locator(".load-title .load-state");
    await badge.getByText("No row was loaded, 3 rows rejected").waitFor();
    await page.locator(".rejected-notice.failure").getByText("No row was loaded: all 3 were rejected.").waitFor();
    await page.screenshot({ path: screenshotPath("loads-all-rejected"), fullPage: true });
    await assertAccessible(page);
    assertWellBehaved();
    await close();
  });

  test("advice about refused rows names the commonest reason where there is one, and how a file is corrected", async () => {
    const [header, ...lines] = paystatsCsv(5, 17_001).trimEnd().split("\n");
    const spoilt = (...bad: [string, string][]) =>
      `${[header, ...lines.map((line, index) => line.replace(...(bad[index] ?? ["", ""])))].join("\n")}\n`;
    const month: [string, string] = [`2015-01-01`, "never"];
    await paystats.putFile("mixed.csv", spoilt(month, ["10.5", "much"]));
    await paystats.putFile("months.csv", spoilt(month, ["2015-02-01", "never"], ["10.5", "much"]));
    const notice = async (source: string) => {
      const { number } = await start(source);
      const { page, assertWellBehaved, close } = await open(`/loads/${number}`);
      await isIn(page, "SUCCEEDED");
      const text = await page.locator(".rejected-notice p").nth(1).innerText();
      assertWellBehaved();
      await close();
      return text;
    };
    const mended =
      "Correct the file, drop it here again and let it replace the old one. Then press “Load the rejected lines again”.";
    assert.equal(await notice("mixed.csv"), `There are several reasons; what to do about each stands below. ${mended}`);
    assert.equal(
      await notice("months.csv"),
      `Mostly: Not a valid month. A month is written as its first day, such as 2015-01-01, from 1900 to 2199. ${mended}`,
    );
  });

  test("who loads paystats is told beforehand which postal codes there are", async () => {
    const { page, assertWellBehaved, close } = await open();
    await page
      .getByRole("button", { name: "Load 2015/q1/paystats.csv…" })
      .or(page.getByRole("button", { name: "2015/" }))
      .first()
      .waitFor();
    const url = page.getByRole("textbox", { name: "Or from a URL" });
    await url.fill(`${shelf.origin}/paystats.csv`);
    await url.press("Enter");
    await page.getByText("Paystats of other ones are rejected, so load theirs first.").waitFor();
    assertWellBehaved();
    await close();
  });

  test("in Spanish a reason is told in Spanish, and the server's own sentence is marked as English", async () => {
    await paystats.putFile("code-taken.csv", postalCodesCsv(["28001"], 99));
    const { number } = await start("code-taken.csv", { entity: "POSTAL_CODES" });
    const { page, assertWellBehaved, close } = await open(`/loads/${number}`, { locale: "es-ES" });
    await isIn(page, "SUCCEEDED");
    await page.getByRole("heading", { name: "Filas rechazadas" }).waitFor();
    await page.locator(".reasons").getByText("Otro código postal, con otro id, ya tiene este código.").waitFor();
    const reason = page.locator("table.rejections .reason");
    await reason.getByText("Código de otro código postal").waitFor();
    assert.equal(await reason.locator("[lang=en]").innerText(), "code belongs to another postal code");
    assertWellBehaved();
    await close();
  });

  test("a load that fails says why, and can be tried again", async () => {
    await paystats.putFile("broken.csv", "amount,p_month\n1,2015-01-01\n");
    const { number } = await start("broken.csv");
    const { page, assertWellBehaved, close } = await open(`/loads/${number}`);
    await isIn(page, "FAILED");
    const failure = page.locator(".load-head .failure");
    await failure.getByText("It failed:").waitFor();
    assert.match(await failure.innerText(), /column '\w+' is missing from the header\. Paystats: the file needs/);
    await page
      .getByText(
        "Paystats: the file needs the columns amount, p_month, p_age, p_gender, postal_code_id, id, in any order.",
      )
      .waitFor();
    await page.getByText("Correct the file, drop it here again and let it replace the old one. Then press").waitFor();
    assert.equal(await page.getByRole("button", { name: "Load again" }).getAttribute("class"), null);
    await page.getByRole("heading", { name: "About this load" }).waitFor();
    assert.equal(await page.getByText("Rejected rows").count(), 0, "nothing is said of rows of a load that is void");
    await page.screenshot({ path: screenshotPath("loads-failed"), fullPage: true });
    await assertAccessible(page);
    await paystats.putFile("broken.csv", paystatsCsv(2, 20_001));
    await page.getByRole("button", { name: "Load again" }).click();
    await page.waitForURL((url) => url.pathname !== `/loads/${number}`);
    await isIn(page, "SUCCEEDED");
    assertWellBehaved();
    await close();
  });

  test("a file that is no text is told to be none of the kind", async () => {
    await paystats.putFile("picture.csv", Buffer.from([0x89, 0x50, 0x4e, 0x47, 0xff, 0xfe, 0x0a]));
    const { number } = await start("picture.csv");
    const { page, assertWellBehaved, close } = await open(`/loads/${number}`);
    await isIn(page, "FAILED");
    const reason =
      "It failed: line 1 is not UTF-8 text. This is not a CSV or GeoJSON file, or it is not saved as UTF-8.";
    await page
      .getByText(
        `${reason} Save it as one, drop it here again and let it replace the old one. Then press “Load again”.`,
      )
      .waitFor();
    assertWellBehaved();
    await close();
  });

  test("a dry run tells what would happen, and then it is done", async () => {
    const before = await total();
    await paystats.putFile("trial.csv", paystatsCsv(24, 30_001));
    const { page, assertWellBehaved, close } = await open();
    await page.getByRole("button", { name: "Load trial.csv…" }).click();
    await page.getByRole("radio", { name: /Paystats/ }).check();
    await page.getByRole("checkbox", { name: /Dry run/ }).check();
    await page.getByText("Rejected rows", { exact: true }).click();
    await page.getByLabel("Fail beyond so many rejected rows").fill("5");
    await page.getByRole("button", { name: "Start dry run" }).click();
    await isIn(page, "SUCCEEDED");
    await page.getByRole("heading", { name: "How the totals would change" }).waitFor();
    await page.getByText("Would be new").waitFor();
    await page.getByText("fail beyond 5").waitFor();
    assert.deepEqual(await total(), before);
    await page.screenshot({ path: screenshotPath("loads-dry-run"), fullPage: true });
    const dry = page.url();
    await page.getByRole("button", { name: "Load it for real" }).click();
    await page.waitForURL((url) => url.href !== dry);
    await isIn(page, "SUCCEEDED");
    await page.getByText("fail beyond 5").waitFor();
    assert.equal((await total()).count, before.count + 24);
    assertWellBehaved();
    await close();
  });

  test("a load is stopped, repeated, and undone, and each time asks once more what cannot be undone", async () => {
    const before = await total();
    // So many that it is on its way for as long as the page is looked at.
    await paystats.putFile("large.csv", paystatsCsv(1_000_000, 1_000_001));
    const { number } = await start("large.csv");
    const { page, assertWellBehaved, close } = await open();
    const row = page.locator(".running", { hasText: "large.csv" });
    await row.locator("[data-state=LOADING]").waitFor();
    const bar = row.getByRole("progressbar", { name: `Progress of load #${number}` });
    await waitUntil(async () => Number(await bar.getAttribute("aria-valuenow")) > 0);
    await page.screenshot({ path: screenshotPath("loads-running"), fullPage: true });
    await assertAccessible(page);
    await row.getByRole("button", { name: `Cancel load #${number}` }).click();
    await page.keyboard.press("Escape");
    assert.match((await page.evaluate(() => document.activeElement?.textContent)) ?? "", /^Cancel$/);
    await page.keyboard.press("Enter");
    await row.getByRole("button", { name: "Stop it" }).click();
    await page
      .locator(".history-table tr", { hasText: `#${number}` })
      .locator("[data-state=CANCELLED]")
      .waitFor();
    await row.waitFor({ state: "detached" });
    assert.deepEqual(await total(), before);

    const rows = 300_000;
    await paystats.putFile("large.csv", paystatsCsv(rows, 1_000_001));
    await page.getByRole("link", { name: `Load #${number}`, exact: true }).click();
    await page.getByRole("button", { name: "Load again" }).click();
    await page.waitForURL((url) => url.pathname !== `/loads/${number}`);
    await isIn(page, "LOADING");
    await page.screenshot({ path: screenshotPath("loads-loading"), fullPage: true });
    await isIn(page, "SUCCEEDED");
    assert.equal((await counts(page)).inserted, "300,000");
    await waitUntil(async () => (await total()).count === before.count + rows);

    await page.getByRole("button", { name: /^Undo load/ }).click();
    await page.getByText("300,000 rows that it brought go. Rows that were changed since stay.").waitFor();
    await page.getByRole("button", { name: "Undo it" }).click();
    await isIn(page, "UNDONE");
    await page.locator("[data-count=reverted] dd", { hasText: "300,000" }).waitFor();
    await page.locator(".undone").getByText("All that it wrote was undone: 300,000 rows.").waitFor();
    assert.match(await page.locator("[data-count=inserted]").innerText(), /^Had been new/);
    await waitUntil(async () => JSON.stringify(await total()) === JSON.stringify(before));
    assertWellBehaved();
    await close();
  });

  test("a change of many months says how many they are, and scrolls by keys", async () => {
    const [header, ...lines] = paystatsCsv(48, 80_001).trimEnd().split("\n");
    const years = lines.map((line, index) => line.replace("2015", `${2011 + Math.floor(index / 12)}`));
    await paystats.putFile("years.csv", `${[header, ...years].join("\n")}\n`);
    const { number } = await start("years.csv", { dryRun: true });
    const { page, assertWellBehaved, close } = await open(`/loads/${number}`, {
      viewport: { width: 390, height: 844 },
    });
    await isIn(page, "SUCCEEDED");
    const months = page.getByRole("region", { name: "How the totals would change 48 months" });
    await months.focus();
    await page.keyboard.press("End");
    await waitUntil(() => months.evaluate((part) => part.scrollTop > 0));
    assert.ok(await months.evaluate((part) => part.scrollWidth <= part.clientWidth), "it does not scroll sideways");
    await page.screenshot({ path: screenshotPath("loads-months"), fullPage: true });
    await assertAccessible(page);
    assertWellBehaved();
    await close();
  });

  test("rows that stay when a load is undone are told", async () => {
    await paystats.putFile("older.csv", paystatsCsv(5, 40_001));
    const older = await start("older.csv");
    const { page, assertWellBehaved, close } = await open(`/loads/${older.number}`);
    await isIn(page, "SUCCEEDED");
    await paystats.putFile("newer.csv", paystatsCsv(2, 40_001).replaceAll("10.5", "11"));
    const newer = await start("newer.csv");
    await page.getByRole("link", { name: "All loads" }).click();
    await page.locator(".history-table tr", { hasText: "newer.csv" }).locator("[data-state=SUCCEEDED]").waitFor();
    await page.getByRole("link", { name: `Load #${older.number}`, exact: true }).click();
    await page.getByRole("button", { name: /^Undo load/ }).click();
    await page.getByRole("button", { name: "Undo it" }).click();
    await isIn(page, "UNDONE");
    await page.getByText("Rows that were undone: 3. Rows that stayed: 2").waitFor();
    const kept = page.locator(".load-kept li");
    assert.equal(
      await kept.locator("p").first().innerText(),
      `2 were replaced by a newer load: #${newer.number}. Undo that load, and they return to what they were before both.`,
    );
    await kept.getByText("Their ids").click();
    assert.equal(await kept.locator(".kept-ids").innerText(), "40001–40002");
    assertWellBehaved();
    await close();
  });

  test("postal codes with paystats are said to stay before their load is undone, and afterwards what can be done", async () => {
    await paystats.putFile("used.csv", postalCodesCsv(["28201", "28202", "28203", "28204", "28205"], 201, -3.2));
    const codes = await start("used.csv", { entity: "POSTAL_CODES" });
    const { page, assertWellBehaved, close } = await open(`/loads/${codes.number}`);
    await isIn(page, "SUCCEEDED");
    // Of three of the five.
    await paystats.putFile(
      "of-used.csv",
      paystatsCsv(4, 45_001).replaceAll(/,([123])(?=,\d+$)/gm, (_, id) => `,20${id}`),
    );
    const users = await start("of-used.csv");
    await page.getByRole("link", { name: "All loads" }).click();
    await page.locator(".history-table tr", { hasText: "of-used.csv" }).locator("[data-state=SUCCEEDED]").waitFor();
    await page.getByRole("link", { name: `Load #${codes.number}`, exact: true }).click();
    await page.getByRole("button", { name: /^Undo load/ }).click();
    assert.equal(
      await page.locator(".confirm-question").innerText(),
      `Undo load #${codes.number}? Of the 5 postal codes that it brought those without paystats go. Postal codes that have paystats stay, ` +
        "and a load is undone only once: if they are to go too, undo the loads of their paystats first. Rows that were changed since stay.",
    );
    await page.getByRole("button", { name: "Undo it" }).click();
    await isIn(page, "UNDONE");
    await page.getByText("Rows that were undone: 2. Rows that stayed: 3").waitFor();
    const kept = page.locator(".load-kept li");
    const advice =
      "This load cannot be undone again. To remove them, undo the loads of their paystats, then delete them by the API, one by one (deletePostalCode).";
    assert.equal(await kept.locator("p").first().innerText(), `3 are in use by paystats. ${advice}`);
    assert.equal(await kept.count(), 1);
    await kept.getByText("Their ids").click();
    assert.equal(await kept.locator(".kept-ids").innerText(), "201–203");
    await page.screenshot({ path: screenshotPath("loads-kept"), fullPage: true });
    await assertAccessible(page);

    // What is advised is what the server does.
    const undo = (id: string) =>
      paystats.ask<{ undoLoad: { load: { state: string; keptRows: unknown[] } } }>(
        "mutation ($id: ID!) { undoLoad(input: { id: $id }) { load { state keptRows { databaseId } } } }",
        { id },
      );
    await undo(users.id);
    await page.goto(`/loads/${users.number}`);
    await isIn(page, "UNDONE");
    const again = await undo(codes.id);
    assert.deepEqual([again.undoLoad.load.state, again.undoLoad.load.keptRows.length], ["UNDONE", 3]);
    const { postalCodes } = await paystats.ask<{ postalCodes: { nodes: { id: string }[] } }>(
      '{ postalCodes(filter: { codePrefix: "282" }, first: 10) { nodes { id } } }',
    );
    assert.equal(postalCodes.nodes.length, 3);
    for (const { id } of postalCodes.nodes) {
      await paystats.ask("mutation ($id: ID!) { deletePostalCode(input: { id: $id }) { deletedId } }", { id });
    }
    assertWellBehaved();
    await close();
  });

  test("two tabs see the same load, also the one whose network is cut while it runs", async (t) => {
    const network = await startBadNetwork(paystats.origin);
    t.after(() => network.stop());
    await paystats.putFile("watched.csv", paystatsCsv(600_000, 2_000_001));
    const one = await open();
    const other = await open("/loads", {}, network.origin);
    await one.page.getByText("No load is on its way.").waitFor();
    await other.page.getByText("No load is on its way.").waitFor();
    const { number } = await start("watched.csv");
    for (const { page } of [one, other]) {
      await page.locator(".running", { hasText: "watched.csv" }).locator("[data-state=LOADING]").waitFor();
      await page
        .getByRole("link", { name: `#${number}`, exact: true })
        .first()
        .click();
      await isIn(page, "LOADING");
    }
    network.cut();
    await other.page.getByText("The connection to the server is lost.").waitFor();
    await isIn(one.page, "SUCCEEDED");
    await isIn(other.page, "SUCCEEDED");
    assert.equal((await counts(one.page)).inserted, "600,000");
    assert.deepEqual(await counts(other.page), await counts(one.page));
    await other.page.getByText("The connection to the server is lost.").waitFor({ state: "hidden" });
    await other.page.getByText("of work").waitFor();
    one.assertWellBehaved();
    await Promise.all([one.close(), other.close()]);
  });

  test("the history is filtered by the address, and shows more when it is asked", async () => {
    await paystats.putFile("small.csv", paystatsCsv(1, 60_001));
    for (let count = 0; count < 21; count++) {
      await start("small.csv", { dryRun: true });
    }
    const { page, assertWellBehaved, close } = await open();
    await page.getByText("No load is on its way.").waitFor();
    const rows = page.locator(".history-table tbody tr");
    await waitUntil(async () => (await rows.count()) === 20);
    await page.getByRole("button", { name: "Show more" }).click();
    await waitUntil(async () => (await rows.count()) > 30);
    const numbers = (await rows.locator(".load-number").allInnerTexts()).map((text) => Number(text.slice(1)));
    assert.deepEqual(
      numbers,
      [...new Set(numbers)].sort((a, b) => b - a),
      "each once, the newest first",
    );
    await page.getByLabel("State").selectOption("FAILED");
    await waitUntil(async () => (await rows.count()) === 2);
    await page.getByLabel("Rows are").selectOption("POSTAL_CODES");
    await page.getByText("No load fits this filter.").waitFor();
    assert.match(page.url(), /state=FAILED&entity=POSTAL_CODES/);
    await page.reload();
    await page.getByText("No load fits this filter.").waitFor();
    await page.getByRole("button", { name: "Show all loads" }).click();
    await waitUntil(async () => (await rows.count()) === 20);
    assertWellBehaved();
    await close();
  });

  test("notes tell of a load elsewhere than on its own page, and go by themselves unless they are read", async () => {
    const { page, close } = await open("/graphiql");
    await page.clock.install();
    await page.goto("/loads");
    await page.getByText("No load is on its way.").waitFor();
    const lines = paystatsCsv(3, 70_001).replace("2015-03-01", "2015-03-31");
    await paystats.putFile("noted.csv", lines);
    const { number } = await start("noted.csv");
    const note = page.locator(".note", { hasText: "noted.csv" });
    await note.getByText(`Load #${number} of noted.csv has succeeded.`).waitFor();
    assert.deepEqual(await note.locator("li").allInnerTexts(), ["2 new", "1 rejected"]);
    const totals = page.locator(".note", { hasText: "The totals have changed." });
    await totals.getByText("+€21.00").waitFor();
    assert.deepEqual(await totals.locator("li").allInnerTexts(), ["+€21.00", "+2 paystats"]);
    assert.equal(await totals.getByRole("link", { name: "Show the statistics" }).getAttribute("href"), "/");
    await page.screenshot({ path: screenshotPath("loads-notes") });
    await assertAccessible(page);
    await note.hover();
    await page.clock.runFor(11_000);
    await totals.waitFor({ state: "detached" });
    await note.waitFor();
    await page.mouse.move(0, 0);
    await page.clock.runFor(11_000);
    await note.waitFor({ state: "detached" });

    await paystats.putFile("unnoted.csv", "amount\n");
    const failed = await start("unnoted.csv");
    const failure = page.locator(".note", { hasText: "unnoted.csv" });
    await failure.waitFor();
    await page.clock.runFor(11_000);
    await failure.getByRole("link", { name: "Show the load" }).click();
    await page.waitForURL(`/loads/${failed.number}`);
    await isIn(page, "FAILED");
    await failure.waitFor({ state: "detached" });
    await close();
  });

  test("a load that is not there is said to be none", async () => {
    for (const number of ["99999", "abc"]) {
      const { page, assertWellBehaved, close } = await open(`/loads/${number}`);
      await page.getByRole("heading", { name: `There is no load #${number}` }).waitFor();
      await page.getByRole("link", { name: "All loads" }).click();
      await page.getByRole("heading", { name: "Loads", exact: true }).waitFor();
      assertWellBehaved();
      await close();
    }
  });

  test("says so when the server cannot be asked, and recovers", async () => {
    const { page, close } = await open("/graphiql");
    await page.route("**/graphql", (route) =>
      route.fulfill({ status: 503, contentType: "text/plain", body: "no store" }),
    );
    await page.goto("/loads");
    await waitUntil(async () => (await page.getByRole("alert").count()) === 3);
    await page.screenshot({ path: screenshotPath("loads-error"), fullPage: true });
    await page.unroute("**/graphql");
    while ((await page.getByRole("alert").count()) > 0) {
      await page.getByRole("button", { name: "Try again" }).first().click();
      await page.waitForTimeout(100);
    }
    await page.getByText("small.csv").first().waitFor();
    await close();
  });

  for (const [name, options] of [
    ["dark", { colorScheme: "dark" }],
    ["phone", PHONE],
    ["phone-dark", { ...PHONE, colorScheme: "dark" }],
    ["wide", { viewport: { width: 2560, height: 1300 } }],
    ["spanish", { locale: "es-ES" }],
  ] as const) {
    test(`fits: ${name}`, async () => {
      const query = "query ($filter: LoadFilter) { loads(filter: $filter, last: 1) { nodes { number } } }";
      const filter = { source: "bad.csv" };
      const { loads } = await paystats.ask<{ loads: { nodes: { number: number }[] } }>(query, { filter });
      for (const [part, path, shows] of [
        ["overview", "/loads", ".history-table"],
        ["one", `/loads/${loads.nodes[0]?.number}`, "table.rejections"],
      ] as const) {
        const { page, assertWellBehaved, close } = await open(path, options);
        await page.locator(shows).first().waitFor();
        await page.locator(".skeleton").first().waitFor({ state: "detached" });
        await page.screenshot({ path: screenshotPath(`loads-${part}-${name}`), fullPage: true });
        const overflow = await page.evaluate(
          () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
        );
        assert.equal(overflow, 0, "the page scrolls sideways");
        await assertAccessible(page);
        assertWellBehaved();
        await close();
      }
    });
  }
});

/** A web server that has one file under every name. */
async function startShelf(content: string) {
  const body = Buffer.from(content);
  const server = createServer(({ method, headers }, response) => {
    const [, from, to] = headers.range?.match(/^bytes=(\d+)-(\d*)$/) ?? [];
    const start = Number(from ?? 0);
    const end = Math.min(body.length, to ? Number(to) + 1 : body.length);
    response.writeHead(from === undefined ? 200 : 206, {
      etag: '"1"',
      "last-modified": "Thu, 01 Jan 2015 00:00:00 GMT",
      "accept-ranges": "bytes",
      "content-length": end - start,
      ...(from !== undefined && { "content-range": `bytes ${start}-${end - 1}/${body.length}` }),
    });
    response.end(method === "HEAD" ? undefined : body.subarray(start, end));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");
  return { origin: `http://127.0.0.1:${address.port}`, stop: () => server.close() };
}

/** Waits until the page of a load says that it is in this state. */
async function isIn(page: Page, state: string) {
  await page.locator(`.load-title [data-state=${state}]`).waitFor({ timeout: 120_000 });
}

/** The counts on the page of a load, by what they count. */
async function counts(page: Page): Promise<Record<string, string>> {
  const names = ["read", "inserted", "updated", "unchanged", "rejected"];
  const told = names.map(async (name) => [name, await page.locator(`.tiles [data-count=${name}] dd`).innerText()]);
  return Object.fromEntries(await Promise.all(told));
}

/** Puts a file into a folder of the data lake. */
async function put({ origin }: Paystats, path: string, body: string) {
  const response = await fetch(`${origin}/datalake/${path}`, { method: "PUT", body });
  assert.equal(response.status, 201);
}

async function waitUntil(isTrue: () => Promise<boolean>) {
  const deadline = Date.now() + 60_000;
  while (!(await isTrue())) {
    assert.ok(Date.now() < deadline, `not within a minute: ${isTrue}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
