import { ApolloClient, ApolloLink, gql, InMemoryCache } from "@apollo/client";
import type { ExecutionResult } from "graphql";
import type { Client, Sink, SubscribePayload } from "graphql-ws";
import { afterEach, expect, test, vi } from "vitest";
import { ResumingLink } from "./resuming-link";

/** A socket that keeps what it was given to send, and hands results on by hand. */
function watch(query: string, variables?: Record<string, unknown>) {
  let sent: SubscribePayload | undefined;
  let sink: Sink | undefined;
  let times = 0;
  const socket = {
    subscribe(payload: SubscribePayload, given: Sink) {
      [sent, sink] = [payload, given];
      times += 1;
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
    next: (result: ExecutionResult) => sink?.next(result),
    fail: (error: unknown) => sink?.error(error),
    complete: () => sink?.complete(),
    times: () => times,
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

test.each(["while it starts", "later"])("what a server ends because an engine is away is sent again: %s", (when) => {
  vi.useFakeTimers();
  const loads = watch("subscription ($afterSeq: Int) { loads(afterSeq: $afterSeq) { seq } }");
  loads.tell(7);
  const errors = [{ message: "the database is away", extensions: { code: "UNAVAILABLE" } }] as never;
  if (when === "later") {
    loads.next({ data: null, errors });
    loads.complete();
  } else {
    loads.fail(errors);
  }
  expect(loads.times()).toBe(1);
  vi.runOnlyPendingTimers();
  expect(loads.times()).toBe(2);
  expect(loads.variables()).toEqual({ afterSeq: 7 });
  loads.tell(8);
  expect(loads.told).toHaveLength(2);
  expect(loads.errors).toEqual([]);
});

afterEach(() => {
  vi.useRealTimers();
});
