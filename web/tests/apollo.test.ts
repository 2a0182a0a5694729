/**
 * Apollo Client as a front end sets it up: HTTP for questions, graphql-ws for subscriptions, split by operation; or HTTP alone, with
 * multipart subscriptions.
 */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { ApolloClient, ApolloLink, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { CombinedProtocolErrors } from "@apollo/client/errors";
import { RetryLink } from "@apollo/client/link/retry";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import type { Client } from "graphql-ws";
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

describe("Apollo Client", () => {
  let paystats: Paystats;
  let socket: Client;
  let apollo: ApolloClient;

  before(async () => {
    paystats = await startPaystats("apollo");
    socket = webSocketClient(paystats);
    apollo = new ApolloClient({
      cache: new InMemoryCache(),
      link: ApolloLink.split(
        ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
        new GraphQLWsLink(socket),
        new HttpLink({ uri: paystats.graphqlUrl }),
      ),
    });
    await load(paystats, "POSTAL_CODES", "postal_codes.csv", postalCodesCsv());
  });
  after(async () => {
    apollo?.stop();
    await socket?.dispose();
    await paystats?.stop();
  });

  test("pages through a connection by cursor", async () => {
    const query = gql`query PostalCodes($after: String) {
      postalCodes(first: 2, after: $after) {
        totalCount
        nodes { id code }
        edges { cursor node { code } }
        pageInfo { hasNextPage endCursor }
      }
    }`;
    type Page = {
      postalCodes: {
        totalCount: number;
        nodes: { id: number; code: string }[];
        edges: { cursor: string; node: { code: string } }[];
        pageInfo: { hasNextPage: boolean; endCursor: string };
      };
    };
    const first = (await apollo.query<Page>({ query })).data?.postalCodes;
    assert.equal(first?.totalCount, 3);
    assert.equal(first.pageInfo.hasNextPage, true);
    assert.equal(first.edges.at(-1)?.cursor, first.pageInfo.endCursor);
    const second = (await apollo.query<Page>({ query, variables: { after: first.pageInfo.endCursor } })).data
      ?.postalCodes;
    assert.equal(second?.pageInfo.hasNextPage, false);
    const codes = [...first.nodes, ...second.nodes].map(({ code }) => code);
    assert.deepEqual(codes.sort(), ["28001", "28002", "28003"]);
  });

  test("watches a load to its end", async () => {
    await paystats.putFile("paystats.csv", paystatsCsv(5_000));
    const { data } = await apollo.mutate<{ startLoad: { load: StartedLoad } }>({
      mutation: gql(START_LOAD),
      variables: { input: { entity: "PAYSTATS", source: "paystats.csv" } },
    });
    assert.ok(data);
    const { id } = data.startLoad.load;

    const seen = await watch(apollo, id);

    assertSuccessfulLife(seen);
    assert.equal(seen.at(-1)?.rowsInserted, 5_000);
    const { data: after } = await apollo.query<{ total: { amount: string; count: number } }>({
      query: gql`{ total { amount count } }`,
      fetchPolicy: "network-only",
    });
    assert.match(after?.total.amount ?? "", /^52500(\.0+)?$/);
    assert.equal(after?.total.count, 5_000);
  });

  test("watches a load to its end by HTTP alone", async () => {
    const byHttp = new ApolloClient({ cache: new InMemoryCache(), link: new HttpLink({ uri: paystats.graphqlUrl }) });
    await paystats.putFile("more.csv", paystatsCsv(5_000, 5_001));
    const { startLoad } = await paystats.ask<{ startLoad: { load: StartedLoad } }>(START_LOAD, {
      input: { entity: "PAYSTATS", source: "more.csv" },
    });

    const seen = await watch(byHttp, startLoad.load.id);

    assertSuccessfulLife(seen);
    assert.equal(seen.at(-1)?.rowsInserted, 5_000);
    await assert.rejects(watch(byHttp, "7777"), /there is no load with this id/);
    byHttp.stop();
  });

  test("learns that a server stops and subscribes again", async () => {
    const failures: unknown[] = [];
    const attempts = (count: number, _operation: unknown, error: unknown) => {
      failures.push(error);
      return count === 1;
    };
    const http = new HttpLink({
      uri: paystats.graphqlUrl,
      fetch: async (input, init) => {
        const response = await fetch(input, init);
        // The stream is open.
        stopped ??= paystats.stop();
        return response;
      },
    });
    let stopped: Promise<void> | undefined;
    const link = ApolloLink.from([new RetryLink({ attempts, delay: () => 0 }), http]);
    const persistent = new ApolloClient({ cache: new InMemoryCache(), link });
    const last = await new Promise<unknown>((resolve) => {
      persistent.subscribe({ query: gql`subscription { totalChanged { count } }` }).subscribe({
        next: ({ error }) => resolve(error),
        error: resolve,
      });
    });
    await stopped;
    assert.ok(failures[0] instanceof CombinedProtocolErrors, `${failures[0]}`);
    assert.equal(failures[0].errors[0]?.extensions?.code, "UNAVAILABLE");
    assert.ok(failures.length === 2 && last, "it asked a second time, and nobody was there");
    persistent.stop();
  });
});

/** Everything that `loadProgress` says about a load, up to the end of the subscription. */
function watch(apollo: ApolloClient, id: string): Promise<Progress[]> {
  return new Promise((resolve, reject) => {
    const seen: Progress[] = [];
    apollo.subscribe<{ loadProgress: Progress }>({ query: gql(WATCH_LOAD), variables: { id } }).subscribe({
      next: ({ data, error }) => (data ? seen.push(data.loadProgress) : reject(error)),
      error: reject,
      complete: () => resolve(seen),
    });
  });
}
