/** What the server says of a question that it did not answer: its code and its sentence. */
import { CombinedGraphQLErrors, ServerError } from "@apollo/client/errors";

interface Refusal {
  code?: unknown;
  message: string;
}

export function refusalIn(error: Error): Refusal {
  const [first] = CombinedGraphQLErrors.is(error)
    ? error.errors
    : ServerError.is(error)
      ? errorsIn(error.bodyText)
      : [];
  return { code: first?.extensions?.code, message: first?.message ?? error.message };
}

/** The role that it takes, in the sentence of a refusal. */
export const roleIn = (message: string) => message.match(/this takes the role (\w+)/)?.[1];

function errorsIn(body: string): { message?: string; extensions?: { code?: unknown } }[] {
  try {
    return JSON.parse(body).errors ?? [];
  } catch {
    return [];
  }
}
