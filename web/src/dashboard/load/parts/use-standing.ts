import { useFormat, useMessages } from "../../locale";
import type { Progress } from "../progress";
import { words } from "../words";

/** Where a load stands in words: its state, and how many rows one that has succeeded has refused. */
export function useStanding({ state, rowsRejected }: Progress): string {
  const say = useMessages(words);
  const format = useFormat();
  return state === "SUCCEEDED" && rowsRejected > 0
    ? say.succeededBut(format.count(rowsRejected), rowsRejected)
    : say.states[state];
}
