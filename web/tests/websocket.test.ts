/** The reference client of graphql-transport-ws against `/graphql`. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { Client, ExecutionResult } from "graphql-ws";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startPaystats } from "./harness.js";
import { assertSuccessfulLife, load, START_LOAD, type StartedLoad, watch, webSocketClient } from "./loads.js";

describe("graphql-ws", () => {
  let paystats: Paystats;
  let client: Client;

  before(async () => {
    paystats = await startPaystats("websocket");
    client = webSocketClient(paystats);
  });
  after(async () => {
    await client?.dispose();
    await paystats?.stop();
  });

  async function only<Data>(query: string, variables?: Record<string, unknown>): Promise<ExecutionResult<Data>> {
    const results: ExecutionResult<Data>[] = [];
    for await (const result of client.iterate<Data>({ query, variables })) {
      results.push(result as ExecutionResult<Data>);
    }
    assert.equal(results.length, 1, "a query or mutation has one answer");
    return results[0] as ExecutionResult<Data>;
  }

  test("a query is answered over the WebSocket", async () => {
    const { data, errors } = await only<{ total: { amount: string; count: number } }>("{ total { amount count } }");
    assert.equal(errors, undefined);
    assert.ok(data);
    assert.equal(typeof data.total.amount, "string", "money is an exact decimal, so it is text");
    assert.equal(Number(data.total.amount), 0);
    assert.equal(data.total.count, 0);
  });

  test("a load that is started over the WebSocket is watched on the same socket to its end", async () => {
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
    await paystats.putFile("paystats.csv", paystatsCsv(100_000));
    const started = await only<{ startLoad: { load: StartedLoad } }>(START_LOAD, {
      input: { entity: "PAYSTATS", source: "paystats.csv" },
    });
    assert.equal(started.errors, undefined);
    assert.ok(started.data);

    const seen = await watch(client, started.data.startLoad.load.id);

    assertSuccessfulLife(seen);
    assert.ok(seen.length > 1, "the load was seen while it ran");
    assert.equal(seen.at(-1)?.rowsInserted, 100_000);
    assert.equal(seen.at(-1)?.rowsRejected, 0);
    const { total } = await paystats.ask<{ total: { amount: string; count: number } }>("{ total { amount count } }");
    assert.match(total.amount, /^1050000(\.0+)?$/);
    assert.equal(total.count, 100_000);
  });

  test("a load that has ended tells its last state and completes", async () => {
    const { loads } = await paystats.ask<{ loads: { nodes: { id: string }[] } }>(
      "{ loads(first: 1) { nodes { id } } }",
    );
    const seen = await watch(client, loads.nodes[0]?.id ?? "");
    assertSuccessfulLife(seen);
  });

  test("two subscriptions share one socket", async () => {
    await paystats.putFile("more.csv", paystatsCsv(1_000, 200_001));
    const { startLoad } = await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, {
      input: { entity: "PAYSTATS", source: "more.csv" },
    });
    const [one, other] = await Promise.all([watch(client, startLoad.load.id), watch(client, startLoad.load.id)]);
    assertSuccessfulLife(one);
    assertSuccessfulLife(other);
    assert.deepEqual(one.at(-1), other.at(-1));
  });

  test("an operation that does not validate is refused and the socket lives on", async () => {
    await assert.rejects(only("{ noSuchField }"), (errors: { message: string }[]) => {
      assert.ok(Array.isArray(errors), `expected GraphQL errors, got ${errors}`);
      assert.match(errors[0]?.message ?? "", /noSuchField/);
      return true;
    });
    const { data } = await only<{ __typename: string }>("{ __typename }");
    assert.equal(data?.__typename, "Query");
  });
});
