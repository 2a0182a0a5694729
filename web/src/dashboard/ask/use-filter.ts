import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { type Filter, parseFilter, writeFilter } from "./filter";

/** The filter in the URL, and how to change it. Each change is a step that the browser's Back undoes, unless it `replaces` the last one. */
export function useFilter() {
  const [params, setParams] = useSearchParams();
  // The same filter as long as it says the same: each move of the map changes the URL.
  const text = writeFilter(parseFilter(params), new URLSearchParams()).toString();
  const filter = useMemo(() => parseFilter(new URLSearchParams(text)), [text]);
  const change = useCallback(
    (changes: Partial<Filter>, { replaces = false } = {}) =>
      setParams((now) => writeFilter({ ...parseFilter(now), ...changes }, now), { replace: replaces }),
    [setParams],
  );
  return { filter, change };
}
