/** Subscriptions that lose nothing: one that takes `$afterSeq` goes on behind what it saw last, on whatever server it comes back to. */
import { ApolloLink, Observable } from "@apollo/client";
import { type ExecutionResult, print } from "graphql";
import type { Client, SubscribePayload } from "graphql-ws";

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
      return new Observable((observer) =>
        // graphql-ws sends the payload again, as it is by then, when it has a new connection.
        socket.subscribe<ApolloLink.Result["data"]>(payload, {
          next(result) {
            if (resumes) {
              variables.afterSeq = Math.max(Number(variables.afterSeq ?? 0), newestSeq(result)) || undefined;
            }
            observer.next(result as ApolloLink.Result);
          },
          error(error) {
            observer.error(asError(error));
          },
          complete() {
            observer.complete();
          },
        }),
      );
    });
  }
}

/** The number of the event in a result: `seq` of its only field. */
export function newestSeq({ data }: Pick<ExecutionResult, "data">): number {
  const [told] = Object.values(data ?? {}) as ({ seq?: unknown } | null)[];
  return typeof told?.seq === "number" ? told.seq : 0;
}

function asError(error: unknown): Error {
  if (error instanceof Error) {
    return error;
  }
  const [first] = Array.isArray(error) ? error : [];
  return new Error(first?.message ?? "the subscription was ended by the server", { cause: error });
}
