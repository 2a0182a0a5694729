/** What a note says of a load that has ended, or of totals that have changed: only what is new. */
import type { LoadState, Total } from "../gql/graphql";
import { minus } from "../locale/decimal";
import type { Format } from "../locale/format";
import type { words } from "./words";

type Words = (typeof words)["en"];

export interface Note {
  key: string;
  text: string;
  /** Amounts and counts, each of which stays on one line. */
  facts: string[];
  /** The number of the load that it tells of. */
  load?: number;
  /** A failure stays until it is closed. */
  tone?: "warning" | "failure";
}

export interface Ended {
  load: { id: string; number: number; source: string; dryRun: boolean };
  state: LoadState;
  error?: string | null;
  rowsRead: number;
  rowsInserted: number;
  rowsUpdated: number;
  rowsRejected: number;
}

export function noteOfLoad(ended: Ended, say: Words, format: Format): Note | undefined {
  const { state, rowsRead, rowsInserted, rowsUpdated, rowsRejected } = ended;
  const { id: key, number: load, source, dryRun } = ended.load;
  if (state === "FAILED") {
    return { key, load, text: say.failed(load, source, ended.error ?? ""), facts: [], tone: "failure" };
  }
  if (state === "UNDONE") {
    return { key, load, text: say.undone(load, source), facts: [] };
  }
  if (state !== "SUCCEEDED" || dryRun) {
    return undefined;
  }
  if (rowsRejected > 0 && rowsRejected === rowsRead) {
    const facts = [say.rejected(format.count(rowsRejected))];
    return { key, load, text: say.loadedNothing(load, source), facts, tone: "failure" };
  }
  const facts = [
    rowsInserted > 0 && say.inserted(format.count(rowsInserted)),
    rowsUpdated > 0 && say.updated(format.count(rowsUpdated)),
    rowsInserted + rowsUpdated === 0 && say.nothing,
    rowsRejected > 0 && say.rejected(format.count(rowsRejected)),
  ].filter((fact) => fact !== false);
  return { key, load, text: say.loaded(load, source), facts, tone: rowsRejected > 0 ? "warning" : undefined };
}

type Totals = Pick<Total, "amount" | "count">;

/** None where the totals are what they were. */
export function noteOfTotals(before: Totals, now: Totals, say: Words, format: Format): Note | undefined {
  const amount = minus(now.amount, before.amount);
  const count = now.count - before.count;
  const facts = [
    Number(amount) !== 0 && format.difference(amount),
    count !== 0 && say.paystats(format.countDifference(count)),
  ].filter((fact) => fact !== false);
  return facts.length === 0 ? undefined : { key: "totals", text: say.totalChanged, facts };
}
