import { useEffect, useRef, useState } from "react";
import { guessedShare, type Progress } from "./progress";

const STEP_MS = 250;

/** Where the bar of a load stands now: it moves on between two events, and never back within a phase. */
export function useShare(progress: Progress): number {
  const { seq, state } = progress;
  const told = useRef({ seq, at: performance.now() });
  if (told.current.seq !== seq) {
    told.current = { seq, at: performance.now() };
  }
  const [, step] = useState(0);
  const moves = state === "LOADING";
  useEffect(() => {
    if (moves) {
      const timer = setInterval(() => step((count) => count + 1), STEP_MS);
      return () => clearInterval(timer);
    }
  }, [moves]);
  const farthest = useRef({ taken: false, share: 0 });
  const taken = state === "REVERTING";
  const before = farthest.current.taken === taken ? farthest.current.share : 0;
  const share = Math.max(before, guessedShare(progress, (performance.now() - told.current.at) / 1000));
  farthest.current = { taken, share };
  return share;
}
