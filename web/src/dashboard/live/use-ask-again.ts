import { useEffect, useRef } from "react";

const LEAST_MS = 300;

/** Asks again when `changes` has grown; many changes at once are one question. */
export function useAskAgain(changes: number, ask: () => unknown) {
  const newest = useRef(ask);
  newest.current = ask;
  const seen = useRef(changes);
  useEffect(() => {
    if (changes !== seen.current) {
      const timer = setTimeout(() => {
        seen.current = changes;
        newest.current();
      }, LEAST_MS);
      return () => clearTimeout(timer);
    }
  }, [changes]);
}
