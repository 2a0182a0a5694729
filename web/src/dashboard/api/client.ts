/** How the page talks to the server: queries and mutations by HTTP, subscriptions by WebSocket. */
import {
  ApolloClient,
  ApolloLink,
  type FieldFunctionOptions,
  HttpLink,
  InMemoryCache,
  type StoreObject,
} from "@apollo/client";
import { OperationTypeNode } from "graphql";
import { createSocket } from "./connection";
import { fetchWithKey } from "./fetch-with-key";
import { ResumingLink } from "./resuming-link";

const origin = location.origin;

export const socket = createSocket(`${origin.replace(/^http/, "ws")}/graphql`);

/**
 * The progress of a load has no id beside it, and is told by answers and by the subscription. An answer that was overtaken by what was told
 * meanwhile changes nothing: `seq` grows with every change.
 */
function newestProgress(
  known: StoreObject | undefined,
  told: StoreObject,
  { mergeObjects, readField }: FieldFunctionOptions,
): StoreObject {
  const [before = 0, now = before] = [known, told].map((progress) => readField<number>("seq", progress));
  return known && now < before ? known : mergeObjects(known ?? {}, told);
}

export const client = new ApolloClient({
  // A question that is asked again because the data changed must not get the answer to one that was asked before.
  queryDeduplication: false,
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new ResumingLink(socket),
    new HttpLink({ uri: "/graphql", fetch: fetchWithKey }),
  ),
  cache: new InMemoryCache({
    typePolicies: {
      Load: { fields: { progress: { merge: newestProgress } } },
      PostalCode: { keyFields: ["id"] },
    },
  }),
  defaultOptions: {
    // What stands on the page is always asked for anew: totals change.
    watchQuery: { fetchPolicy: "cache-and-network", notifyOnNetworkStatusChange: true },
  },
});
