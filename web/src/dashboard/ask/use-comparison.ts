import { useCallback } from "react";
import { useSearchParams } from "wouter";

/** What months are compared with: as many that end where they begin, or the same a year before. */
export const COMPARISONS = ["before", "year"] as const;
export type Comparison = (typeof COMPARISONS)[number];

const NAME = "compare";

/** The comparison that stands in the URL, and how to choose another. */
export function useComparison() {
  const [params, setParams] = useSearchParams();
  const comparison = COMPARISONS.find((name) => name === params.get(NAME)) ?? "before";
  const compareWith = useCallback(
    (next: Comparison) =>
      setParams((now) => {
        const params = new URLSearchParams(now);
        if (next === "before") {
          params.delete(NAME);
        } else {
          params.set(NAME, next);
        }
        return params;
      }),
    [setParams],
  );
  return { comparison, compareWith };
}
