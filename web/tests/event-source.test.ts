/** An `EventSource` in Chromium: what a page has to do to watch a load through a network that breaks, which is nothing. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Browser } from "playwright-core";
import { type BadNetwork, startBadNetwork } from "./bad-network.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startChromium, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, type Progress, START_LOAD, type StartedLoad } from "./loads.js";

/** So many that the page comes before the end; when it comes back, the load may be over. */
const ROWS = 200_000;
const CUTS = 3;
const AN_EVENT = /\nid: \d+\ndata: .*\n\n/;

describe("an EventSource", () => {
  let paystats: Paystats;
  let network: BadNetwork;
  let browser: Browser;

  before(async () => {
    paystats = await startPaystats("event-source");
    network = await startBadNetwork(paystats.origin);
    browser = await startChromium();
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await paystats.putFile("rows.csv", paystatsCsv(ROWS));
  });
  after(async () => {
    await browser?.close();
    await network?.stop();
    await paystats?.stop();
  });

  test("goes on by itself where its connection was cut, again and again, and misses neither order nor end", async () => {
    const page = await browser.newPage();
    await page.goto(`${network.origin}/healthz`);
    const seen: Progress[] = [];
    await page.exposeFunction("told", (lastEventId: string, progress: Progress) => {
      assert.equal(lastEventId, String(progress.seq));
      seen.push(progress);
      // Not before the page has it: a browser may lose what comes right before a cut.
      if (seen.length <= CUTS) {
        assert.ok(network.cut());
      }
    });
    // So that the end is not on its way where the load is over already.
    network.holdBehind(AN_EVENT, CUTS);

    const input = { entity: "PAYSTATS", source: "rows.csv" };
    const { startLoad } = await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, { input });
    const query = `subscription { loadProgress(id: "${startLoad.load.id}") { seq state rowsRead fraction } }`;
    const readyState = await page.evaluate(`new Promise((complete, fail) => {
      const events = new EventSource("/graphql?query=" + encodeURIComponent(${JSON.stringify(query)}));
      const all = [];
      events.addEventListener("next", ({ data, lastEventId }) =>
        all.push(told(lastEventId, JSON.parse(data).data.loadProgress)));
      events.addEventListener("complete", () => {
        events.close();
        Promise.all(all).then(() => complete(events.readyState), fail);
      });
    })`);

    assert.equal(readyState, 2, "it is closed");
    assertSuccessfulLife(seen);
    const asked = network.requests.filter((head) => head.startsWith("GET /graphql?"));
    const [first, ...resumed] = asked.map((head) => head.match(/^last-event-id: *(\d+)\r?$/im)?.[1]);
    assert.equal(first, undefined);
    // Each cut was followed by one request, which named what the page had seen by then: one event more.
    const seqs = seen.slice(0, CUTS).map(({ seq }) => String(seq));
    assert.deepEqual(resumed, seqs);
    await page.close();
  });
});
