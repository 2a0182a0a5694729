/** A base map that the operator has set: the page asks its server, which its policy allows, and no other. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, screenshotPath, startChromium, startPaystats } from "./harness.js";
import { load } from "./loads.js";

/** A tile of one pixel. */
const PIXEL = Buffer.from(
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGPoWNUBAAN4Abu5UjRhAAAAAElFTkSuQmCC",
  "base64",
);

let tiles: Server;
let paystats: Paystats;
let browser: Browser;

before(async () => {
  tiles = createServer((_, response) => {
    response.writeHead(200, { "content-type": "image/png", "access-control-allow-origin": "*" }).end(PIXEL);
  }).listen(0, "127.0.0.1");
  await once(tiles, "listening");
  const { port } = tiles.address() as AddressInfo;
  paystats = await startPaystats("base-map", {
    env: {
      PAYSTATS_BASE_MAP: `http://127.0.0.1:${port}/{z}/{x}/{y}.png`,
      PAYSTATS_BASE_MAP_ATTRIBUTION: "Tiles of a test",
    },
  });
  browser = await startChromium();
});
after(async () => {
  await browser?.close();
  await paystats?.stop();
  tiles?.closeAllConnections();
  tiles?.close();
});

test("tiles of the base map are below the postal codes, with who made them", async () => {
  await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
  await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(100));
  const page = await browser.newPage({ locale: "en-US" });
  const complaints: string[] = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  const tile = page.waitForResponse((response) => /\/\d+\/\d+\/\d+\.png$/.test(response.url()));
  await page.goto(`${paystats.origin}/`);
  await page.locator('.map-canvas[data-drawn="true"]').waitFor();
  assert.equal((await tile).status(), 200);
  await page.getByText("Tiles of a test").waitFor();
  assert.deepEqual(complaints, []);
  await page.screenshot({ path: screenshotPath("statistics-base-map") });
  await page.close();
});
