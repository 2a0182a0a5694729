import { useFormat, useMessages } from "../../locale";
import { type Progress, refusal } from "../progress";
import { words } from "../words";

/** Where a load stands in words: its state, and how many rows one that has succeeded has refused. */
export function useStanding(progress: Progress): string {
  const { state, rowsRejected } = progress;
  const say = useMessages(words);
  const format = useFormat();
  if (state !== "SUCCEEDED" || rowsRejected === 0) {
    return say.states[state];
  }
  const but = refusal(progress) === "all" ? say.nothingBut : say.succeededBut;
  return but(format.count(rowsRejected), rowsRejected);
}
