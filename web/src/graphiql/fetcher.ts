/**
 * How GraphiQL talks to the server that served it: queries and mutations by HTTP POST, subscriptions by
 * graphql-transport-ws on the same path. What the user writes into the headers pane is sent with both
 * (a WebSocket carries it as connection parameters, since a browser cannot set headers there), and so is the key of who has signed in, unless
 * another one is written there.
 */
import { createGraphiQLFetcher, type Fetcher, type FetcherOpts, type FetcherParams } from "@graphiql/toolkit";
import { Kind, type OperationDefinitionNode, parse } from "graphql";
import { authorization, keyIsVoid } from "../dashboard/api/key";

export function createFetcher(page: Location): Fetcher {
  const http = new URL("/graphql", page.href);
  const ws = new URL(http);
  ws.protocol = page.protocol === "https:" ? "wss:" : "ws:";
  const send = createGraphiQLFetcher({
    url: http.href,
    subscriptionUrl: ws.href,
    // There is no @defer here, and asking for multipart would make the server stream plain answers.
    enableIncrementalDelivery: false,
    fetch: fetchGraphQL,
  });
  return (params, options) => {
    const [written, known] = asWritten(params, options);
    return send(written, { ...known, headers: withKey(known.headers) });
  };
}

const isAuthorization = (name: string) => name.toLowerCase() === "authorization";

function withKey(headers: Record<string, string> = {}): Record<string, string> {
  return Object.keys(headers).some(isAuthorization) ? headers : { ...authorization(), ...headers };
}

/**
 * GraphiQL learns what an edited document holds only 100 ms later. Whoever runs it sooner would send the name of an operation
 * that is gone, or a subscription by HTTP; so the document itself is asked.
 */
function asWritten(params: FetcherParams, options: FetcherOpts = {}): [FetcherParams, FetcherOpts] {
  const documentAST = parseOrNothing(params.query);
  if (!documentAST) {
    return [params, options];
  }
  const operations = documentAST.definitions.filter(
    (definition): definition is OperationDefinitionNode => definition.kind === Kind.OPERATION_DEFINITION,
  );
  const names = operations.map(({ name }) => name?.value);
  const operationName = names.includes(params.operationName ?? undefined) ? params.operationName : names[0];
  return [
    { ...params, operationName },
    { ...options, documentAST },
  ];
}

/** A document with a syntax error goes out as it is: the server says best what is wrong with it. */
function parseOrNothing(query: string) {
  try {
    return parse(query);
  } catch {
    return undefined;
  }
}

/** `fetch`, but an answer that is not JSON (a proxy's error page) reads as a GraphQL error instead of failing to parse. */
async function fetchGraphQL(input: RequestInfo | URL, init?: RequestInit): Promise<Response> {
  const response = await fetch(input, init);
  // Of a key that somebody tries in the headers pane the answer tells.
  const shown = new Headers(init?.headers).get("Authorization");
  if (response.status === 401 && shown === (authorization().Authorization ?? null)) {
    await keyIsVoid();
  }
  if (response.headers.get("content-type")?.includes("json")) {
    return response;
  }
  const body = (await response.text()).slice(0, 500);
  const message = `The server answered with status ${response.status}, not with JSON`;
  return Response.json({ errors: [{ message, extensions: { body } }] });
}
