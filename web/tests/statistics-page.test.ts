/** The statistics page in Chromium, on the real files: what it shows is what they say. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import type { Browser, Download, Locator, Page } from "playwright-core";
import { assertAccessible } from "./accessibility.js";
import { openPage, type WatchedPage } from "./browser.js";
import { postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";
import {
  codes,
  inEuros,
  type Paystat,
  paystatsFile,
  postalCodesFile,
  paystats as rows,
  sum,
  sumsBy,
  units,
} from "./real-data.js";

const AGES = [">=65", "55-64", "45-54", "35-44", "25-34", "<=24"];
const PHONE = { viewport: { width: 375, height: 812 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true } as const;
const WALL = { viewport: { width: 2560, height: 1440 } } as const;
const ENGLISH = { locale: "en-US" };

describe("the statistics page", () => {
  let paystats: Paystats;
  let browser: Browser;

  before(async () => {
    paystats = await startPaystats("statistics-page");
    browser = await startChromium();
  });
  after(async () => {
    await browser?.close();
    await paystats?.stop();
  });

  const open = async (path = "/", options: Parameters<typeof openPage>[2] = {}): Promise<WatchedPage> => {
    const opened = await openPage(browser, paystats.origin, { ...ENGLISH, ...options });
    await opened.page.goto(path);
    return opened;
  };

  test("says what to do while nothing is loaded", async () => {
    const { page, assertWellBehaved, close } = await open();
    await page.getByRole("heading", { name: "Nothing is loaded yet" }).waitFor();
    await assertAccessible(page);
    await page.screenshot({ path: screenshotPath("statistics-empty"), fullPage: true });
    await page.getByRole("link", { name: "Load files" }).click();
    await page.waitForURL("**/loads");
    assertWellBehaved();
    await close();
  });

  test("shows what the files say", async () => {
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesFile);
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsFile);
    const { page, assertWellBehaved, close } = await open();
    await total(page, rows);
    await page.getByText(`${rows.length.toLocaleString("en-US")} paystats`).waitFor();
    await drawn(page);
    assert.deepEqual(await ranking(page), expectedRanking(rows));
    const byMonth = sumsBy(rows, ({ month }) => month).map(([month]) => month);
    assert.deepEqual(
      await table(card(page, "By month and gender")),
      byMonth
        .sort()
        .map((month) => [shortMonth(month), ...totalFirst(byGender(rows.filter((row) => row.month === month)))]),
    );
    const pyramid = await table(card(page, "By age and gender"));
    assert.deepEqual(
      pyramid.map(([, ...amounts]) => amounts),
      AGES.map((age) => totalFirst(byGender(rows.filter((row) => row.age === age)))),
    );
    await page.getByText("To see your own data, drop files anywhere on this page.").waitFor();
    assert.equal(await page.getByRole("link", { name: "Load files" }).getAttribute("href"), "/loads");
    await card(page, "By age and gender").locator(".chart").hover();
    const values = card(page, "By age and gender").locator(".values");
    await values.waitFor();
    assert.deepEqual(await values.locator("dt").allInnerTexts(), ["Women", "Men", "Total"]);
    const told = await values.locator("dd").allInnerTexts();
    assert.ok(AGES.some((age) => String(byGender(rows.filter((row) => row.age === age))) === String(told)));
    assertWellBehaved();
    await close();
  });

  test("is narrowed by months, ages and genders, in the URL too, and compares with the months before", async () => {
    const { page, assertWellBehaved, close } = await open();
    await total(page, rows);
    await page.getByRole("combobox", { name: "From" }).selectOption("2015-04");
    await page.getByRole("combobox", { name: "to", exact: true }).selectOption("2015-06");
    await page.getByRole("button", { name: "25–34" }).click();
    await page.getByRole("button", { name: "35–44" }).click();
    await page.getByRole("button", { name: "Women" }).click();
    const people = rows.filter(({ age, gender }) => ["25-34", "35-44"].includes(age) && gender === "F");
    const chosen = people.filter(({ month }) => month >= "2015-04" && month <= "2015-06");
    const earlier = people.filter(({ month }) => month <= "2015-03");
    await total(page, chosen);
    const difference = sum(chosen) - sum(earlier);
    await page.getByText(inEuros(difference, "+")).waitFor();
    await page.getByText("against Jan 2015 – Mar 2015").waitFor();
    assert.deepEqual(await ranking(page), expectedRanking(chosen));

    const { searchParams } = new URL(page.url());
    assert.deepEqual([...searchParams].sort(), [
      ["ages", "FROM_25_TO_34,FROM_35_TO_44"],
      ["from", "2015-04"],
      ["genders", "F"],
      ["to", "2015-06"],
    ]);
    const shared = await open(page.url());
    await total(shared.page, chosen);
    shared.assertWellBehaved();
    await shared.close();

    await page.goBack();
    await total(
      page,
      rows.filter(({ month, age }) => ["25-34", "35-44"].includes(age) && month >= "2015-04" && month <= "2015-06"),
    );
    await page.getByRole("button", { name: "Remove all filters" }).click();
    await total(page, rows);
    assertWellBehaved();
    await close();
  });

  test("is narrowed by the strip below the months, with the pointer and with keys", async () => {
    const { page, assertWellBehaved, close } = await open();
    await total(page, rows);
    const box = await page.getByRole("slider", { name: "First month" }).boundingBox();
    const strip = await page.locator(".strip-track").boundingBox();
    assert.ok(box && strip);
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    await page.mouse.down();
    await page.mouse.move(strip.x + strip.width / 2, box.y + box.height / 2, { steps: 8 });
    await page.mouse.up();
    await page.waitForURL(/from=2015-0[678]/);
    const from = new URL(page.url()).searchParams.get("from") as string;
    await total(
      page,
      rows.filter(({ month }) => month >= from),
    );
    await page.getByRole("slider", { name: "First month" }).focus();
    await page.keyboard.press("ArrowRight");
    await page.waitForURL((url) => url.searchParams.get("from") !== from);
    const next = new URL(page.url()).searchParams.get("from") as string;
    assert.ok(next > from);
    await total(
      page,
      rows.filter(({ month }) => month >= next),
    );
    assertWellBehaved();
    await close();
  });

  test("shows a month alone after a click on its point, or by keys in the table, and all after one more", async () => {
    const { page, assertWellBehaved, close } = await open();
    await total(page, rows);
    const months = [...new Set(rows.map(({ month }) => month))].sort();
    const [third, fourth] = months.slice(2) as [string, string];
    const series = card(page, "By month and gender");
    const clickOn = async (dot: Locator) => {
      // Off the chart, whose marks for the pointer would cover the dot. The trial comes to its end also where the chart makes its dots anew,
      // which it does when its size changes by a pixel.
      await page.mouse.move(0, 0);
      await dot.hover({ trial: true });
      const { x, y } = await middleOf(dot);
      await page.mouse.move(x + 1, y);
      await page.mouse.move(x, y);
      await series.locator(".point").first().waitFor();
      await page.mouse.click(x, y);
    };
    const dots = series.locator(".recharts-line-dot");
    await clickOn(dots.nth(2));
    await page.waitForURL(`**/?from=${third}&to=${third}`);
    await total(
      page,
      rows.filter(({ month }) => month === third),
    );
    await clickOn(dots.first());
    await page.waitForURL((url) => url.search === "");
    await total(page, rows);

    await series.getByRole("button", { name: "Table", exact: true }).click();
    const button = (month: string) => series.getByRole("button", { name: shortMonth(month) });
    await button(fourth).press("Enter");
    await page.waitForURL(`**/?from=${fourth}&to=${fourth}`);
    await total(
      page,
      rows.filter(({ month }) => month === fourth),
    );
    assert.equal(await button(fourth).getAttribute("aria-pressed"), "true");
    await assertAccessible(page);
    await button(fourth).press("Enter");
    await total(page, rows);
    assertWellBehaved();
    await close();
  });

  test("names everything that the keyboard stops at, and tells of the people who were chosen alone", async () => {
    const { page, assertWellBehaved, close } = await open("/?from=2015-04&to=2015-09&genders=F");
    await total(
      page,
      rows.filter(({ month, gender }) => month >= "2015-04" && month <= "2015-09" && gender === "F"),
    );
    await drawn(page);
    const slider = (name: string) => page.getByRole("slider", { name, exact: true }).getAttribute("aria-valuetext");
    assert.equal(await slider("First month"), "April 2015");
    assert.equal(await slider("Last month"), "September 2015");
    const pyramid = card(page, "By age and gender");
    assert.deepEqual(await pyramid.locator(".keys li").allInnerTexts(), ["Women"]);
    const stops = await page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement | SVGElement>("main *")]
        .filter((element) => element.tabIndex >= 0 && element.closest(".chart, .strip"))
        .map((element) => element.getAttribute("aria-label")),
    );
    assert.deepEqual(stops, ["First month", "Last month"]);
    assertWellBehaved();
    await close();
  });

  test("tells of a postal code under the pointer, and shows it alone after a click", async () => {
    const { page, assertWellBehaved, close } = await open();
    await drawn(page);
    const middle = await middleOf(page.locator(".map-canvas"));
    await page.mouse.move(middle.x - 1, middle.y);
    await page.mouse.move(middle.x, middle.y);
    const hovered = page.locator(".hovered");
    await hovered.waitFor();
    const code = (await hovered.locator("strong").innerText()).trim();
    const alone = rows.filter((row) => row.code === code);
    assert.equal(await hovered.locator("dd").first().innerText(), inEuros(sum(alone)));
    await page.screenshot({ path: screenshotPath("statistics-hovered") });
    await page.mouse.click(middle.x, middle.y);
    await page.waitForURL(`**/?codes=${code}*`);
    await page.getByRole("heading", { name: `Postal code ${code}` }).waitFor();
    await total(page, alone);
    const places = sumsBy(rows, (row) => row.code).map(([code]) => code);
    if (places.includes(code)) {
      await page.getByText(`Rank ${places.indexOf(code) + 1} of ${places.length}`).waitFor();
    }
    await page.screenshot({ path: screenshotPath("statistics-one-postal-code"), fullPage: true });

    // Another one is added by holding Ctrl down, in the ranking as on the map.
    const other = places.find((place) => place !== code) as string;
    await page.getByRole("button", { name: new RegExp(other) }).click({ modifiers: ["Control"] });
    await total(
      page,
      rows.filter((row) => [code, other].includes(row.code)),
    );
    await page.getByRole("button", { name: `Remove ${code}` }).click();
    await total(
      page,
      rows.filter((row) => row.code === other),
    );
    await page.getByRole("button", { name: "Back to all postal codes" }).click();
    await total(page, rows);
    assertWellBehaved();
    await close();
  });

  test("takes a postal code that is typed, and says so when there is none", async () => {
    const { page, assertWellBehaved, close } = await open();
    await total(page, rows);
    const [[code]] = sumsBy(rows, (row) => row.code) as [[string, bigint]];
    const field = page.getByRole("combobox", { name: "Postal code" });
    await field.fill("99999");
    await field.press("Enter");
    await page.getByText("There is no postal code 99999.").waitFor();
    await field.fill(code);
    await field.press("Enter");
    await total(
      page,
      rows.filter((row) => row.code === code),
    );
    assertWellBehaved();
    await close();
  });

  test("is narrowed by an area drawn on the map, and by what the map shows", async () => {
    const { page, assertWellBehaved, close } = await open();
    await drawn(page);
    await page.getByRole("button", { name: "Draw an area" }).click();
    const { x, y } = await middleOf(page.locator(".map-canvas"));
    const drawAround = async (turns: number, corners: number) => {
      await page.mouse.move(x, y - 60);
      await page.mouse.down();
      for (let corner = 1; corner < corners; corner++) {
        const angle = (corner / corners) * turns * 2 * Math.PI;
        await page.mouse.move(x + 60 * Math.sin(angle), y - 60 * Math.cos(angle), { steps: 3 });
      }
      await page.mouse.up();
    };
    // A star of five corners.
    await drawAround(2, 5);
    await page.getByText("The line crosses itself.").waitFor();
    await page.screenshot({ path: screenshotPath("statistics-area-crosses") });
    await drawAround(1, 60);
    await page.waitForURL(/within=/);
    assert.ok(new URL(page.url()).search.length < 300, `a short link: ${page.url()}`);
    const ring = (new URL(page.url()).searchParams.get("within") as string).split("_").map(Number);
    const positions = ring.flatMap((longitude, index) => (index % 2 === 0 ? [[longitude, ring[index + 1]]] : []));
    const within = { type: "Polygon", coordinates: [[...positions, positions[0]]] };
    const inside = await ask(paystats, { within });
    await page.locator("output.amount", { hasText: inEuros(inside) }).waitFor();
    assert.ok(inside < sum(rows), "less than everything");

    // The map marks what counts, and gives away that alone.
    await drawn(page);
    await page.getByRole("list", { name: "Legend" }).getByText("not counted").waitFor();
    const counted = (await placesOf(paystats, { within })).sort();
    assert.ok(counted.length > 0 && counted.length < codes.size, "some postal codes count");
    const sums = new Map(sumsBy(rows, (row) => row.code));
    const csv = await save(page, "Total by postal code", "CSV");
    assert.equal(csv.suggestedFilename(), "paystats-map-area.csv");
    const [, ...lines] = (await readFile(await csv.path(), "utf8")).trimEnd().split("\r\n");
    assert.deepEqual(
      lines
        .map((line) => line.split(","))
        .map(([code, amount]) => [code, units(amount as string)])
        .sort(),
      counted.map((code) => [code, sums.get(code) ?? 0n]),
    );
    const saved = await save(page, "Total by postal code", "GeoJSON");
    assert.equal(saved.suggestedFilename(), "paystats-map-area.geojson");
    const { features, filter } = JSON.parse(await readFile(await saved.path(), "utf8"));
    assert.deepEqual(
      features.map(({ properties }: { properties: { code: string } }) => properties.code).sort(),
      counted,
    );
    assert.deepEqual(filter, { within });
    const picture = await save(page, "Total by postal code", "PNG");
    assert.equal(picture.suggestedFilename(), "paystats-map-area.png");
    await picture.saveAs(screenshotPath("statistics-area-export"));
    await page.screenshot({ path: screenshotPath("statistics-area"), fullPage: true });
    await page.getByRole("button", { name: "Remove Drawn area" }).click();
    await total(page, rows);

    for (let steps = 0; steps < 2; steps++) {
      const before = page.url();
      await page.getByRole("button", { name: "Zoom in" }).click();
      await page.waitForURL((url) => String(url) !== before);
    }
    await page.getByRole("button", { name: "Only places in view" }).click();
    await page.waitForURL(/bbox=/);
    const [west, south, east, north] = (new URL(page.url()).searchParams.get("bbox") as string).split("_").map(Number);
    const seen = await ask(paystats, { bbox: { west, south, east, north } });
    await page.locator("output.amount", { hasText: inEuros(seen) }).waitFor();
    assert.ok(seen < sum(rows), "less than everything");
    assertWellBehaved();
    await close();
  });

  test("a wheel that comes over the map goes on scrolling the page, and zooms with Ctrl", async () => {
    const { page, assertWellBehaved, close } = await open("/", { viewport: { width: 1400, height: 600 } });
    await drawn(page);
    const map = page.locator(".map-canvas");
    const middle = await middleOf(map);
    await page.mouse.move(middle.x, Math.min(middle.y, 550));
    const before = page.url();
    await page.mouse.wheel(0, 200);
    await page.waitForFunction(() => scrollY >= 150);
    await page.getByText("Hold Ctrl down and scroll to zoom the map").waitFor();
    assert.equal(page.url(), before);
    await page.getByLabel("Language").selectOption("es");
    await drawn(page);
    await page.getByText("Mantén pulsada la tecla Ctrl").waitFor({ state: "attached" });
    await map.scrollIntoViewIfNeeded();
    const now = await middleOf(map);
    await page.mouse.move(now.x, now.y);
    await page.keyboard.down("Control");
    // A wheel is known by several of its steps.
    for (let step = 0; step < 3; step++) {
      await page.mouse.wheel(0, -200);
    }
    await page.keyboard.up("Control");
    await page.waitForURL(/map=/);
    assertWellBehaved();
    await close();
  });

  test("is taken away as CSV, GeoJSON and PNG", async () => {
    const { page, assertWellBehaved, close } = await open();
    await drawn(page);
    const csv = async (title: string) => {
      const text = await readFile(await (await save(page, title, "CSV")).path(), "utf8");
      return text
        .trimEnd()
        .split("\r\n")
        .map((line) => line.split(","));
    };
    const [header, ...months] = await csv("By month and gender");
    assert.deepEqual(header, ["month", "gender", "amount", "count"]);
    for (const [month, gender, amount, count] of months) {
      const of = rows.filter((row) => row.month === month && row.gender === gender);
      assert.deepEqual([units(amount as string), Number(count)], [sum(of), of.length]);
    }
    const [, ...ages] = await csv("By age and gender");
    assert.equal(
      ages.reduce((all, [, , amount]) => all + units(amount as string), 0n),
      sum(rows),
    );
    const [, ...ranked] = await csv("Postal codes by total");
    assert.deepEqual(
      ranked.map(([code, amount]) => [code, units(amount as string)]),
      sumsBy(rows, (row) => row.code),
    );
    const [, ...mapped] = await csv("Total by postal code");
    assert.deepEqual(mapped.map(([code]) => code).sort(), [...codes.values()].sort());
    const geojson = JSON.parse(
      await readFile(await (await save(page, "Total by postal code", "GeoJSON")).path(), "utf8"),
    );
    assert.equal(geojson.type, "FeatureCollection");
    assert.equal(geojson.features.length, codes.size);
    for (const title of ["Total by postal code", "By month and gender", "By age and gender"]) {
      const download = await save(page, title, "PNG");
      const bytes = await readFile(await download.path());
      assert.equal(bytes.subarray(1, 4).toString(), "PNG");
      assert.ok(bytes.readUInt32BE(16) > 600, "as wide as it is shown, twice as sharp");
      await download.saveAs(screenshotPath(`statistics-export-${download.suggestedFilename().replace(".png", "")}`));
    }
    assertWellBehaved();
    await close();
  });

  for (const [name, options] of [
    ["light", {}],
    ["dark", { colorScheme: "dark" }],
    ["phone", PHONE],
    ["phone-dark", { ...PHONE, colorScheme: "dark" }],
    ["wall", WALL],
  ] as const) {
    test(`fits and can be used by everyone: ${name}`, async () => {
      const { page, assertWellBehaved, close } = await open("/?from=2015-04&to=2015-09", options);
      await drawn(page);
      await total(
        page,
        rows.filter(({ month }) => month >= "2015-04" && month <= "2015-09"),
      );
      const overflow = await page.evaluate(
        () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
      );
      assert.equal(overflow, 0, "the page scrolls sideways");
      await assertAccessible(page);
      await page.screenshot({ path: screenshotPath(`statistics-${name}`), fullPage: true });
      assertWellBehaved();
      await close();
    });
  }

  test("a phone shows the total on its first screen, the filters as a summary, and no keys that it has not", async () => {
    const { page, assertWellBehaved, close } = await open("/?from=2015-04&to=2015-09&genders=F", {
      ...PHONE,
      viewport: { width: 390, height: 844 },
    });
    const women = rows.filter(({ month, gender }) => month >= "2015-04" && month <= "2015-09" && gender === "F");
    await total(page, women);
    await drawn(page);
    const box = await page.locator("output.amount").boundingBox();
    assert.ok(box && box.y + box.height < 844, `the total is at ${JSON.stringify(box)}`);
    const bar = await page.locator("header.bar").boundingBox();
    assert.ok(bar && bar.height < 60, `the header is one line: ${bar?.height}`);
    await page.screenshot({ path: screenshotPath("statistics-phone-first-screen") });
    assert.equal(await page.getByText("Ctrl").filter({ visible: true }).count(), 0);
    await page.getByText("Tap a postal code").waitFor();

    const age = page.getByRole("button", { name: "25–34" });
    assert.equal(await age.isVisible(), false);
    await page.getByRole("button", { name: "Apr 2015 – Sep 2015 · Women" }).tap();
    await age.tap();
    await total(
      page,
      women.filter((row) => row.age === "25-34"),
    );
    await assertAccessible(page);
    await page.screenshot({ path: screenshotPath("statistics-phone-filters") });
    assertWellBehaved();
    await close();
  });

  test("speaks Spanish, and writes numbers and months as Spain does", async () => {
    const { page, assertWellBehaved, close } = await open("/", { locale: "es-ES" });
    const english = inEuros(sum(rows)).replace("€", "");
    const spanish = `${english.replace(/[.,]/g, (sign) => (sign === "." ? "," : "."))}\u00a0€`;
    await page.locator("output.amount", { hasText: spanish }).waitFor();
    await page.getByRole("heading", { name: "Pagos con tarjeta" }).waitFor();
    await page.getByRole("option", { name: "Inicio (ene 2015)" }).waitFor({ state: "attached" });
    assert.equal(await page.locator("html").getAttribute("lang"), "es");
    await page.screenshot({ path: screenshotPath("statistics-spanish"), fullPage: true });
    await page.getByLabel("Idioma").selectOption("en");
    await page.getByRole("heading", { name: "Card payments" }).waitFor();
    assertWellBehaved();
    await close();
  });

  test("takes a theme that is chosen, and keeps it", async () => {
    const { page, assertWellBehaved, close } = await open();
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await background();
    await page.getByLabel("Colours").selectOption("dark");
    const dark = await background();
    assert.notEqual(dark, light);
    await page.reload();
    await total(page, rows);
    assert.equal(await background(), dark);
    assertWellBehaved();
    await close();
  });

  test("says so when the server cannot be asked, and recovers", async () => {
    const { page, close } = await openPage(browser, paystats.origin, ENGLISH);
    await page.route("**/graphql", (route) =>
      route.fulfill({ status: 503, contentType: "text/plain", body: "no store" }),
    );
    await page.goto("/");
    await page.getByRole("alert").getByText("This could not be read.").waitFor();
    await page.screenshot({ path: screenshotPath("statistics-error"), fullPage: true });
    await page.unroute("**/graphql");
    await page.getByRole("button", { name: "Try again" }).click();
    await total(page, rows);
    await page.getByRole("alert").waitFor({ state: "hidden" });

    await page.route("**/graphql", (route) =>
      route.fulfill({ status: 503, contentType: "text/plain", body: "no store" }),
    );
    await page.getByRole("button", { name: "Postal codes by total: save as CSV" }).click();
    await card(page, "Postal codes by total").getByRole("alert").waitFor();
    await page.unroute("**/graphql");
    await save(page, "Postal codes by total", "CSV");
    await page.getByRole("alert").waitFor({ state: "hidden" });
    await close();
  });

  test("loads at most 300 KiB of compressed JavaScript before the map", async () => {
    const { page, assertWellBehaved, close } = await openPage(browser, paystats.origin, ENGLISH);
    const sizes: Promise<[string, number]>[] = [];
    page.on("requestfinished", (request) => {
      if (request.resourceType() === "script") {
        sizes.push(request.sizes().then(({ responseBodySize }) => [request.url(), responseBodySize]));
      }
    });
    await page.goto("/");
    await drawn(page);
    const scripts = (await Promise.all(sizes)).filter(([url]) => !/PostalCodeMap|maplibre/.test(url));
    const bytes = scripts.reduce((all, [, size]) => all + size, 0);
    assert.ok(scripts.length > 0 && bytes > 50_000, "scripts were seen");
    assert.ok(bytes <= 300 * 1024, `${bytes} bytes of JavaScript: ${JSON.stringify(scripts)}`);
    assertWellBehaved();
    await close();
  });

  test("shows that the connection is lost, and comes back by itself", async () => {
    const { page, close } = await openPage(browser, paystats.origin, ENGLISH);
    let isAway = false;
    const sockets: { close(): Promise<void> }[] = [];
    await page.routeWebSocket("**/graphql", async (socket) => {
      if (isAway) {
        await socket.close({ code: 1013 });
        return;
      }
      socket.connectToServer();
      sockets.push(socket);
    });
    await page.goto("/");
    await total(page, rows);
    isAway = true;
    for (const socket of sockets) {
      await socket.close();
    }
    await page.getByText("The connection to the server is lost.").waitFor();
    await page.screenshot({ path: screenshotPath("statistics-connection-lost") });
    isAway = false;
    await page.getByText("The connection to the server is lost.").waitFor({ state: "hidden" });
    await close();
  });

  test("changes by itself when a load succeeds, and says what has changed", async () => {
    const { page, assertWellBehaved, close } = await open();
    await drawn(page);
    await total(page, rows);
    const [id, code] = [...codes][0] as [string, string];
    const more: Paystat = { amount: units("1000000000.25"), month: "2015-03", age: "25-34", gender: "F", code };
    const csv = `amount,p_month,p_age,p_gender,postal_code_id,id\n1000000000.25,2015-03-01,25-34,F,${id},9000001\n`;
    const { number } = await load(paystats, "PAYSTATS", "more.csv", csv);
    await total(page, [...rows, more]);
    const note = (text: string) => page.locator(".note", { hasText: text });
    await note("The totals have changed.").getByText("+€1,000,000,000.25").waitFor();
    await note(`Load #${number} of more.csv has succeeded.`).getByText("1 new").waitFor();
    // The map has the new class breaks, and the ranking the new order.
    await page.getByRole("list", { name: "Legend" }).getByText("€1").first().waitFor();
    await page.waitForFunction(
      (code) => document.querySelector(".ranking li .code")?.textContent === code,
      sumsBy([...rows, more], (row) => row.code)[0]?.[0],
    );
    await page.screenshot({ path: screenshotPath("statistics-live"), fullPage: true });

    // Postal codes that widen the map to another scale, and paystats there: the map is drawn anew, and then it rests.
    await load(paystats, "POSTAL_CODES", "far.csv", postalCodesCsv(["99001"], 9_000_001, 12));
    const farther = "amount,p_month,p_age,p_gender,postal_code_id,id\n5,2015-03-01,25-34,F,9000001,9000002\n";
    const newest = await load(paystats, "PAYSTATS", "farther.csv", farther);
    await total(page, [...rows, more, { ...more, amount: units("5") }]);
    const showLoad = note(`Load #${newest.number} `).getByRole("link", { name: "Show the load" });
    // A note that has the focus stays.
    await showLoad.focus();
    await drawn(page);
    let asked = 0;
    page.on("request", () => {
      asked += 1;
    });
    // That nothing happens can only be seen by waiting.
    await delay(1_500);
    assert.ok(asked <= 2, `${asked} requests by a page at rest`);

    await showLoad.click();
    await page.waitForURL(`**/loads/${newest.number}`);
    assertWellBehaved();
    await close();
  });

  test("compares with the same months a year before, in the URL too", async () => {
    const [id, code] = [...codes][0] as [string, string];
    const later: Paystat = { amount: units("123456.5"), month: "2016-03", age: "25-34", gender: "M", code };
    const csv = `amount,p_month,p_age,p_gender,postal_code_id,id\n123456.5,2016-03-01,25-34,M,${id},9000003\n`;
    await load(paystats, "PAYSTATS", "later.csv", csv);
    const { page, assertWellBehaved, close } = await open("/?from=2016-03&to=2016-03&genders=M");
    await total(page, [later]);
    await page.getByText("against February 2016").waitFor();
    await page.getByRole("combobox", { name: "Compared with" }).selectOption("the same months a year before");
    const earlier = rows.filter(({ month, gender }) => month === "2015-03" && gender === "M");
    const difference = inEuros(later.amount - sum(earlier), "+");
    await page.getByText(difference).waitFor();
    await page.getByText("against March 2015").waitFor();
    assert.equal(new URL(page.url()).searchParams.get("compare"), "year");
    await page.screenshot({ path: screenshotPath("statistics-year-before") });
    await page.reload();
    await page.getByText(difference).waitFor();
    await page.getByRole("combobox", { name: "From" }).selectOption("2015-03");
    await page.getByText("There are no data for the same months a year before.").waitFor();
    await assertAccessible(page);
    assertWellBehaved();
    await close();
  });
});

const total = (page: Page, of: Paystat[]) => page.locator("output.amount", { hasText: inEuros(sum(of)) }).waitFor();

const drawn = (page: Page) => page.locator('.map-canvas[data-drawn="true"]').waitFor();

const card = (page: Page, title: string) => page.getByRole("region", { name: title });

/** What a card's table says, row by row; the card then shows its picture again. */
async function table(card: Locator): Promise<string[][]> {
  await card.getByRole("button", { name: "Table", exact: true }).click();
  const lines = await card.locator("tbody tr").all();
  const cells = await Promise.all(lines.map((line) => line.locator("th, td").allInnerTexts()));
  await card.getByRole("button", { name: "Table", exact: true }).click();
  return cells;
}

async function ranking(page: Page): Promise<string[][]> {
  const lines = await page.locator(".ranking li").all();
  return Promise.all(
    lines.map(async (line) => [await line.locator(".code").innerText(), await line.locator(".value").innerText()]),
  );
}

const expectedRanking = (of: Paystat[]) =>
  sumsBy(of, ({ code }) => code)
    .slice(0, 10)
    .map(([code, amount]) => [code, inEuros(amount)]);

const shortMonth = (month: string) =>
  new Date(`${month}-01`).toLocaleDateString("en-US", { month: "short", year: "numeric", timeZone: "UTC" });

/** As tables have them, whose last columns may not be seen. */
const totalFirst = <T>([women, men, all]: T[]) => [all, women, men];

/** Women, men, and both together. */
const byGender = (of: Paystat[]) => [
  ...(["F", "M"] as const).map((gender) => inEuros(sum(of.filter((row) => row.gender === gender)))),
  inEuros(sum(of)),
];

async function middleOf(element: Locator): Promise<{ x: number; y: number }> {
  const box = await element.boundingBox();
  assert.ok(box);
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
}

async function save(page: Page, title: string, format: string): Promise<Download> {
  const downloading = page.waitForEvent("download");
  await page.getByRole("button", { name: `${title}: save as ${format}` }).click();
  return downloading;
}

/** The codes of the postal codes in an area. */
async function placesOf(paystats: Paystats, filter: unknown): Promise<string[]> {
  const { postalCodes } = await paystats.ask<{ postalCodes: { nodes: { code: string }[] } }>(
    "query ($filter: PostalCodeFilter) { postalCodes(filter: $filter, first: 1000) { nodes { code } } }",
    { filter },
  );
  return postalCodes.nodes.map(({ code }) => code);
}

async function ask(paystats: Paystats, filter: unknown): Promise<bigint> {
  const { total } = await paystats.ask<{ total: { amount: string } }>(
    "query ($filter: StatsFilter) { total(filter: $filter) { amount } }",
    { filter },
  );
  return units(total.amount);
}
