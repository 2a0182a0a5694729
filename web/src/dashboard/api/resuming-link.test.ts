import { ApolloClient, ApolloLink, gql, InMemoryCache } from "@apollo/client";
import type { Client, Sink, SubscribePayload } from "graphql-ws";
import { expect, test } from "vitest";
import { ResumingLink } from "./resuming-link";

/** A socket that keeps what it was given to send, and hands results on by hand. */
function watch(query: string, variables?: Record<string, unknown>) {
  let sent: SubscribePayload | undefined;
  let sink: Sink | undefined;
  const socket = {
    subscribe(payload: SubscribePayload, given: Sink) {
      [sent, sink] = [payload, given];
      return () => {};
    },
  } as unknown as Client;
  const client = new ApolloClient({ cache: new InMemoryCache(), link: ApolloLink.from([new ResumingLink(socket)]) });
  const told: unknown[] = [];
  const errors: Error[] = [];
  client.subscribe({ query: gql(query), variables }).subscribe({
    next: ({ data, error }) => (error ? errors.push(error) : told.push(data)),
    error: (error) => errors.push(error),
  });
  return {
    told,
    errors,
    tell: (seq: number) => sink?.next({ data: { loads: { __typename: "LoadProgress", seq } } }),
    fail: (error: unknown) => sink?.error(error),
    variables: () => sent?.variables,
  };
}

test("what is sent again after a lost connection goes on behind the newest event", () => {
  const loads = watch("subscription ($afterSeq: Int) { loads(afterSeq: $afterSeq) { seq } }");
  expect(loads.variables()).toEqual({});
  for (const [seq, after] of [
    [7, 7],
    [12, 12],
    // Another load's newest state may have an older number.
    [9, 12],
  ] as const) {
    loads.tell(seq);
    expect(loads.variables()).toEqual({ afterSeq: after });
  }
  expect(loads.told).toHaveLength(3);
});

test("a subscription without afterSeq is sent again as it was", () => {
  const loads = watch("subscription ($filter: LoadFilter) { loads(filter: $filter) { seq } }", { filter: null });
  loads.tell(7);
  expect(loads.variables()).toEqual({ filter: null });
});

test("errors of the server come in its words", () => {
  const loads = watch("subscription { loads { seq } }");
  loads.fail([{ message: "no such load" }]);
  expect(loads.errors.map(({ message }) => message)).toEqual(["no such load"]);
});
