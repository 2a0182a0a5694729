/** GraphQL over HTTP as the specification has it: the audits of graphql-http, one test each, and what they leave out. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { serverAudits } from "graphql-http";
import { type Paystats, startPaystats } from "./harness.js";

/** Audits that we do not pass on purpose: id and reason. */
const EXCEPTIONS = new Map<string, string>([]);

describe("GraphQL over HTTP", () => {
  let paystats: Paystats;
  const audits = serverAudits({ url: () => paystats.graphqlUrl, fetchFn: fetch });

  before(async () => {
    paystats = await startPaystats("http");
  });
  after(() => paystats?.stop());

  // The specification's section 7.2.2; the audits do not look at it.
  test("answers fields in the order in which they were asked for", async () => {
    const query = "{ total { count amount } postalCodes(first: 1) { totalCount nodes { id code } } a: __typename }";
    const data = await paystats.ask<{ postalCodes: object }>(query);
    assert.deepEqual(Object.keys(data), ["total", "postalCodes", "a"]);
    assert.deepEqual(Object.keys(data.postalCodes), ["totalCount", "nodes"]);
  });

  for (const { id, name, fn } of audits) {
    test(`${id}: ${name}`, { skip: EXCEPTIONS.get(id) }, async () => {
      const result = await fn();
      const reason = "reason" in result ? result.reason : "";
      assert.equal(result.status, "ok", reason);
    });
  }
});
