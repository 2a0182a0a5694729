/** The total of all paystats: what it is when the page opens, and every change of it. */
import type { ApolloClient } from "@apollo/client";
import { graphql } from "../gql";
import type { TotalNowQuery } from "../gql/graphql";

export type Amounts = TotalNowQuery["total"];

const TOTAL_NOW = graphql(`
  query TotalNow {
    total { amount count }
  }
`);

/** Begins with what it is when the subscription starts, and when it starts again after a lost connection, so no change is missed. */
export const WATCH_TOTAL = graphql(`
  subscription WatchTotal {
    totalChanged(now: true) { amount count }
  }
`);

/** A server that cannot tell leaves the page usable. */
export async function readTotal(client: ApolloClient): Promise<Amounts | undefined> {
  try {
    return (await client.query({ query: TOTAL_NOW, fetchPolicy: "network-only" })).data?.total;
  } catch {
    return undefined;
  }
}
