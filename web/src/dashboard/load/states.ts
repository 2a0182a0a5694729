/** The states of a load, and which of them last. */
import type { LoadState } from "../gql/graphql";

export const UNDER_WAY = ["QUEUED", "PLANNING", "LOADING", "ROLLING_UP", "REVERTING"] as const satisfies LoadState[];
export const ENDED = ["SUCCEEDED", "FAILED", "CANCELLED", "UNDONE"] as const satisfies LoadState[];
export const STATES: LoadState[] = [...UNDER_WAY, ...ENDED];

export const isUnderWay = (state: LoadState) => (UNDER_WAY as LoadState[]).includes(state);
/** Whether nothing of it is there: it failed or was stopped as a whole. */
export const isVoid = (state: LoadState) => state === "FAILED" || state === "CANCELLED";
/** Whether `cancelLoad` makes sense: what is taken back already cannot be stopped. */
export const canBeCancelled = (state: LoadState) => isUnderWay(state) && state !== "REVERTING";
