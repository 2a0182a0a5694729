/**
 * Subscriptions that lose nothing. One that takes `$afterSeq` goes on behind what it saw last, on whatever server it comes back to; one that a
 * server ends because an engine is away is sent again.
 */
import { ApolloLink, Observable } from "@apollo/client";
import { type ExecutionResult, print } from "graphql";
import type { Client, SubscribePayload } from "graphql-ws";

/** What passes by itself: an engine is away, or the caller has too many subscriptions. */
const PASSES = ["UNAVAILABLE", "RATE_LIMITED"];
/** How long that is given. */
const UNAVAILABLE_MS = 2_000;

export class ResumingLink extends ApolloLink {
  constructor(socket: Client) {
    super((operation) => {
      const resumes = operation.query.definitions.some(
        (definition) =>
          definition.kind === "OperationDefinition" &&
          definition.variableDefinitions?.some(({ variable }) => variable.name.value === "afterSeq"),
      );
      const variables: Record<string, unknown> = { ...operation.variables };
      const payload: SubscribePayload = {
        operationName: operation.operationName,
        query: print(operation.query),
        variables,
      };
      return new Observable((observer) => {
        let end: () => void;
        let again: ReturnType<typeof setTimeout>;
        const subscribe = () => {
          let isAway = false;
          const retry = () => {
            again = setTimeout(subscribe, UNAVAILABLE_MS);
          };
          // graphql-ws sends the payload again, as it is by then, when it has a new connection.
          end = socket.subscribe<ApolloLink.Result["data"]>(payload, {
            next(result) {
              isAway = saysItPasses(result.errors);
              if (resumes) {
                variables.afterSeq = Math.max(Number(variables.afterSeq ?? 0), newestSeq(result)) || undefined;
              }
              if (!isAway) {
                observer.next(result as ApolloLink.Result);
              }
            },
            error(error) {
              if (saysItPasses(error)) {
                retry();
              } else {
                observer.error(asError(error));
              }
            },
            complete() {
              if (isAway) {
                retry();
              } else {
                observer.complete();
              }
            },
          });
        };
        subscribe();
        return () => {
          clearTimeout(again);
          end();
        };
      });
    });
  }
}

/** The number of the event in a result: `seq` of its only field. */
function newestSeq({ data }: Pick<ExecutionResult, "data">): number {
  const [told] = Object.values(data ?? {}) as ({ seq?: unknown } | null)[];
  return typeof told?.seq === "number" ? told.seq : 0;
}

function saysItPasses(errors: unknown): boolean {
  return Array.isArray(errors) && errors.some((error) => PASSES.includes(error?.extensions?.code));
}

function asError(error: unknown): Error {
  if (error instanceof Error) {
    return error;
  }
  const [first] = Array.isArray(error) ? error : [];
  return new Error(first?.message ?? "the subscription was ended by the server", { cause: error });
}
