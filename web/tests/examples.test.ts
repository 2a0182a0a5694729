/** The examples that the start page and GraphiQL show: a real server answers every one of them without an error. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { examples, postalCodes, startLoad, timeSeries, totals, watchLoad } from "../src/examples.js";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, type Progress, type StartedLoad, webSocketClient } from "./loads.js";

describe("the examples", () => {
  let paystats: Paystats;

  before(async () => {
    paystats = await startPaystats("examples");
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await load(paystats, "PAYSTATS", "paystats.csv", paystatsCsv(120));
  });
  after(() => paystats?.stop());

  test("all have a name, since GraphiQL calls its tabs by it", () => {
    for (const { query } of examples) {
      assert.match(query, /^(query|mutation|subscription) [A-Z]\w+/m);
    }
  });

  for (const { title, query, variables } of [totals, timeSeries, postalCodes]) {
    test(`"${title}" is answered`, async () => {
      const data = await paystats.ask<Record<string, unknown>>(query, variables);
      assert.ok(Object.values(data).every((value) => value !== null));
    });
  }

  test("a load is started and watched", async () => {
    const started = await paystats.ask<{ startLoad: { load: StartedLoad } }>(startLoad.query, startLoad.variables);
    const client = webSocketClient(paystats);
    const seen: Progress[] = [];
    const variables = { ...watchLoad.variables, id: started.startLoad.load.id };
    for await (const { data } of client.iterate<{ loadProgress: Progress }>({ query: watchLoad.query, variables })) {
      assert.ok(data);
      seen.push(data.loadProgress);
    }
    await client.dispose();
    assertSuccessfulLife(seen);
  });
});
