import type { LoadState } from "../../gql/graphql";
import { type Progress, refusal } from "../progress";
import { useStanding } from "./use-standing";

/** Strokes in a square of 16. */
const ICONS: Record<LoadState, string> = {
  QUEUED: "M8 4v4l2.5 1.5M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0",
  PLANNING: "M3 4h10M3 8h7M3 12h4",
  LOADING: "M8 2v8M4.5 7 8 10.500 11.500 7M3 13.500h10",
  ROLLING_UP: "M12 4V3H4l4 5-4 5h8v-1",
  REVERTING: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6",
  SUCCEEDED: "m3 8.500 3.500 3.500L13 4.500",
  FAILED: "m4 4 8 8M12 4l-8 8",
  CANCELLED: "M3.800 3.800l8.400 8.400M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0",
  UNDONE: "M6 3 3 6l3 3M3 6h6a4 4 0 0 1 0 8H6",
};
const WARNING = "M8 2 1.500 13.500h13ZM8 6.500v3M8 11.500v.2";

/** Where a load stands as icon, colour and words. What has succeeded, but not with all of its rows, is no plain success. */
export function StateBadge({ progress }: { progress: Progress }) {
  const { state } = progress;
  const refused = state === "SUCCEEDED" ? refusal(progress) : undefined;
  const standing = useStanding(progress);
  return (
    <span className="load-state" data-state={state} data-refused={refused}>
      <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
        <path d={refused ? WARNING : ICONS[state]} />
      </svg>
      {standing}
    </span>
  );
}
