/** GraphQL over Server-Sent Events as clients use it: graphql-sse, urql, and whoever can read a response line by line. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type Client, createClient, type ExecutionResult, NetworkError, type RequestParams } from "graphql-sse";
import type { Client as WebSocketClient } from "graphql-ws";
import { cacheExchange, fetchExchange, subscriptionExchange, Client as Urql } from "urql";
import { paystatsCsv, postalCodesCsv } from "./files.js";
import { type Paystats, startPaystats } from "./harness.js";
import {
  assertSuccessfulLife,
  load,
  type Progress,
  START_LOAD,
  type StartedLoad,
  WATCH_LOAD,
  webSocketClient,
} from "./loads.js";

type Watched = { loadProgress: Progress };

type SubscriptionForwarder = Parameters<typeof subscriptionExchange>[0]["forwardSubscription"];

describe("GraphQL over SSE", () => {
  let paystats: Paystats;
  let client: Client;
  let socket: WebSocketClient;
  let firstId = 1;

  before(async () => {
    paystats = await startPaystats("sse");
    client = createClient({ url: paystats.graphqlUrl, retryAttempts: 0 });
    socket = webSocketClient(paystats);
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
  });
  after(async () => {
    client?.dispose();
    await socket?.dispose();
    await paystats?.stop();
  });

  /** Everything that an operation tells, up to its end. */
  async function results<Data>(request: RequestParams): Promise<ExecutionResult<Data>[]> {
    const results: ExecutionResult<Data>[] = [];
    for await (const result of client.iterate<Data>(request)) {
      results.push(result as ExecutionResult<Data>);
    }
    return results;
  }

  /** Starts a load of rows that no other load has. */
  async function startLoad(rows: number): Promise<StartedLoad> {
    const source = `from-${firstId}.csv`;
    await paystats.putFile(source, paystatsCsv(rows, firstId));
    firstId += rows;
    const input = { entity: "PAYSTATS", source };
    return (await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, { input })).startLoad.load;
  }

  test("graphql-sse: a query and a mutation have one result", async () => {
    assert.deepEqual(await results({ query: "{ __typename }" }), [{ data: { __typename: "Query" } }]);
    await paystats.putFile("one.csv", paystatsCsv(1, 1_000_000));
    const variables = { input: { entity: "PAYSTATS", source: "one.csv" } };
    const [started, ...more] = await results<{ startLoad: { load: StartedLoad } }>({ query: START_LOAD, variables });
    assert.deepEqual(more, []);
    assert.equal(started?.errors, undefined);
    assert.equal(typeof started?.data?.startLoad.load.number, "number");
  });

  test("graphql-sse: a load is watched to its end", async () => {
    const { id } = await startLoad(50_000);
    const seen = await results<Watched>({ query: WATCH_LOAD, variables: { id } });
    const progress = seen.map(({ data }) => data?.loadProgress as Progress);
    assertSuccessfulLife(progress);
    assert.equal(progress.at(-1)?.rowsInserted, 50_000);
  });

  test("graphql-sse: what is wrong with an operation is its result, not a broken connection", async () => {
    for (const [query, code] of [
      ["subscription {", "GRAPHQL_PARSE_FAILED"],
      ["subscription { noSuchField }", "GRAPHQL_VALIDATION_FAILED"],
      ['subscription { loadProgress(id: "7777") { seq } }', "NOT_FOUND"],
    ] as const) {
      const [result, ...more] = await results({ query });
      assert.equal(result?.errors?.[0]?.extensions?.code, code);
      assert.deepEqual(more, []);
    }
  });

  test("graphql-sse: single connection mode is refused by name", async () => {
    const single = createClient({ url: paystats.graphqlUrl, singleConnection: true, retryAttempts: 0 });
    await assert.rejects(
      single.iterate({ query: "{ __typename }" }).next(),
      (error: NetworkError<Response>) => error instanceof NetworkError && error.response?.status === 405,
    );
    single.dispose();
    const refused = await fetch(paystats.graphqlUrl, { method: "PUT" });
    assert.match(await refused.text(), /single connection mode/);
  });

  const through = (forwardSubscription: SubscriptionForwarder) =>
    new Urql({
      url: paystats.graphqlUrl,
      exchanges: [cacheExchange, fetchExchange, subscriptionExchange({ forwardSubscription })],
    });
  const urqls: [string, () => Urql][] = [
    [
      "urql over graphql-sse",
      () =>
        through(({ query = "", variables }) => ({
          subscribe: (sink) => ({ unsubscribe: client.subscribe({ query, variables }, sink) }),
        })),
    ],
    [
      "urql over graphql-ws",
      () =>
        through(({ query = "", variables }) => ({
          subscribe: (sink) => ({ unsubscribe: socket.subscribe({ query, variables }, sink) }),
        })),
    ],
    [
      "urql by itself",
      () =>
        new Urql({
          url: paystats.graphqlUrl,
          fetchSubscriptions: true,
          exchanges: [cacheExchange, fetchExchange],
        }),
    ],
  ];
  for (const [name, create] of urqls) {
    test(`${name}: questions are asked and a load is watched to its end`, async () => {
      const urql = create();
      const { data } = await urql.query<{ postalCodes: { totalCount: number } }>("{ postalCodes { totalCount } }", {});
      assert.equal(data?.postalCodes.totalCount, 3);
      const { id } = await startLoad(5_000);
      const seen: Progress[] = [];
      await new Promise<void>((resolve, reject) => {
        urql.subscription<Watched>(WATCH_LOAD, { id }).subscribe(({ data, error }) => {
          if (error || !data) {
            return reject(error);
          }
          // A result may be told again when its subscription ends.
          if (data.loadProgress.seq !== seen.at(-1)?.seq) {
            seen.push(data.loadProgress);
          }
          if (data.loadProgress.state === "SUCCEEDED") {
            resolve();
          }
        });
      });
      assertSuccessfulLife(seen);
    });
  }

  test("a plain GET reads events line by line, and goes on after the last one that was seen", async () => {
    const { id } = await startLoad(5_000);
    const beginning = { retry: "1000" };
    const complete = { event: "complete", data: "" };
    const all = await events(id);
    assert.deepEqual([all.at(0), all.at(-1)], [beginning, complete]);
    const told = all.slice(1, -1).map(({ event, id, data }) => {
      const progress = (JSON.parse(data ?? "") as { data: Watched }).data.loadProgress;
      assert.deepEqual([event, id], ["next", String(progress.seq)]);
      return progress;
    });
    assertSuccessfulLife(told);
    assert.deepEqual(await events(id, String(told.at(-1)?.seq)), [beginning, complete]);
  });

  /** All events of a load as fields by their names. */
  async function events(id: string, lastEventId?: string): Promise<Record<string, string>[]> {
    const variables = JSON.stringify({ id });
    const response = await fetch(`${paystats.graphqlUrl}?${new URLSearchParams({ query: WATCH_LOAD, variables })}`, {
      headers: { accept: "text/event-stream", ...(lastEventId && { "last-event-id": lastEventId }) },
    });
    assert.equal(response.headers.get("content-type"), "text/event-stream");
    const blocks = (await response.text()).split("\n\n").map((block) => block.split("\n"));
    const fields = blocks.map((lines) => lines.map((line) => line.split(/: ?(.*)/s, 2)).filter(([name]) => name));
    return fields.filter(({ length }) => length > 0).map((entries) => Object.fromEntries(entries));
  }

  test("a server that stops breaks the stream off, after which graphql-sse connects again", async () => {
    const connecting: boolean[] = [];
    const patient = createClient({
      url: paystats.graphqlUrl,
      retryAttempts: 1,
      retry: async () => {},
      on: { connecting: (again) => connecting.push(again) },
    });
    const ended = new Promise((resolve, reject) => {
      const sink = { next: () => {}, error: reject, complete: () => resolve("completed") };
      patient.subscribe({ query: "subscription { totalChanged { count } }" }, sink, {
        connected: (again) => again || paystats.stop().catch(reject),
      });
    });
    await assert.rejects(ended, NetworkError);
    assert.deepEqual(connecting, [false, true]);
    patient.dispose();
  });
});
