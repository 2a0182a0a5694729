/** How far a load is. All that moves is in `progress`, which is the newest that was told or asked (see the cache's rule for it). */
import { type FragmentType, readFragment } from "../gql";
import { LOAD_PROGRESS, LOAD_STATE } from "../live/loads";

export const progressOf = (load: FragmentType<typeof LOAD_STATE>) =>
  readFragment(LOAD_PROGRESS, readFragment(LOAD_STATE, load).progress);

export type Progress = ReturnType<typeof progressOf>;

/** Seconds that a bar moves on by itself; a load that says nothing for longer stands still on the page, too. */
const LONGEST_GUESS_S = 5;

/** The share of the phase that is done: of a load that is undone, of its rows that had been written. */
export function shareDone({ state, fraction, rowsInserted, rowsUpdated, rowsReverted, rowsKept }: Progress): number {
  if (state !== "REVERTING") {
    return fraction;
  }
  const written = rowsInserted + rowsUpdated;
  return written > 0 ? Math.min(1, (rowsReverted + rowsKept) / written) : 0;
}

/** Where the bar may stand `seconds` after the last event, at the speed so far. Never beyond 1. */
export function guessedShare(progress: Progress, seconds: number): number {
  const { state, fraction, rowsRead, rowsPerSecond } = progress;
  const now = shareDone(progress);
  if (state !== "LOADING" || !rowsPerSecond || rowsRead === 0) {
    return now;
  }
  const shareOfARow = fraction / rowsRead;
  return Math.min(1, now + shareOfARow * rowsPerSecond * Math.min(Math.max(seconds, 0), LONGEST_GUESS_S));
}

/** Whether rows were refused, and whether these are most, or all, of those that were read. */
export function refusal({ rowsRead, rowsRejected }: Pick<Progress, "rowsRead" | "rowsRejected">) {
  if (rowsRejected === 0) {
    return undefined;
  }
  return rowsRejected === rowsRead ? "all" : rowsRejected * 2 > rowsRead ? "most" : "some";
}
