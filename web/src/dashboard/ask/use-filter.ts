import { useCallback, useMemo } from "react";
import { useSearchParams } from "wouter";
import { type Filter, parseFilter, writeFilter } from "./filter";

/** The filter in the URL, and how to change it. Each change is a step that the browser's Back undoes, unless it `replaces` the last one. */
export function useFilter() {
  const [params, setParams] = useSearchParams();
  const filter = useMemo(() => parseFilter(params), [params]);
  const change = useCallback(
    (changes: Partial<Filter>, { replaces = false } = {}) =>
      setParams((now) => writeFilter({ ...parseFilter(now), ...changes }, now), { replace: replaces }),
    [setParams],
  );
  return { filter, change };
}
