/** Asks this origin's `/graphql` one question by HTTP POST. Throws an `Error` whose message is fit to be shown. */
export async function ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Data> {
  const response = await fetch("/graphql", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "application/graphql-response+json, application/json;q=0.9",
    },
    body: JSON.stringify({ query, variables }),
    signal: AbortSignal.timeout(15_000),
  }).catch((cause: unknown) => {
    const timedOut = cause instanceof DOMException && cause.name === "TimeoutError";
    throw new Error(timedOut ? "The server did not answer in time." : "The server cannot be reached.", { cause });
  });
  if (!response.headers.get("content-type")?.includes("json")) {
    throw new Error(`The server answered with status ${response.status}.`);
  }
  const answer = (await response.json()) as { data?: Data | null; errors?: { message: string }[] };
  if (answer.errors?.length) {
    throw new Error(answer.errors.map((error) => error.message).join(" "));
  }
  if (!answer.data) {
    throw new Error("The server sent no data.");
  }
  return answer.data;
}
