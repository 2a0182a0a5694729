/** How the page talks to the server: queries and mutations by HTTP, subscriptions by WebSocket. */
import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { OperationTypeNode } from "graphql";
import { createSocket } from "./connection";
import { ResumingLink } from "./resuming-link";

const origin = location.origin;

export const socket = createSocket(`${origin.replace(/^http/, "ws")}/graphql`);

export const client = new ApolloClient({
  link: ApolloLink.split(
    ({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION,
    new ResumingLink(socket),
    new HttpLink({ uri: "/graphql" }),
  ),
  cache: new InMemoryCache({
    typePolicies: {
      // Its fields are told one by one, in answers and by the subscription; it has no id beside its load.
      Load: { fields: { progress: { merge: true } } },
      PostalCode: { keyFields: ["id"] },
    },
  }),
  defaultOptions: {
    // What stands on the page is always asked for anew: totals change.
    watchQuery: { fetchPolicy: "cache-and-network", notifyOnNetworkStatusChange: true },
  },
});
