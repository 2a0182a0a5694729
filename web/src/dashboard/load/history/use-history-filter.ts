import { useMemo } from "react";
import { useSearchParams } from "wouter";
import type { LoadEntity, LoadFilter, LoadState } from "../../gql/graphql";
import { STATES } from "../states";

const ENTITIES: LoadEntity[] = ["POSTAL_CODES", "PAYSTATS"];

/** The filter of the history, which is kept in the URL. */
export function useHistoryFilter() {
  const [params, setParams] = useSearchParams();
  const state = STATES.find((state) => state === params.get("state"));
  const entity = ENTITIES.find((entity) => entity === params.get("entity"));
  const filter = useMemo((): LoadFilter => ({ entity, states: state && [state] }), [state, entity]);
  const change = (values: Record<string, string>) =>
    setParams(
      (now) => {
        const next = new URLSearchParams(now);
        for (const [name, value] of Object.entries(values)) {
          if (value) {
            next.set(name, value);
          } else {
            next.delete(name);
          }
        }
        return next;
      },
      { replace: true },
    );
  return {
    state,
    entity,
    filter,
    set: (name: "state" | "entity", value: LoadState | LoadEntity | "") => change({ [name]: value }),
    clear: () => change({ state: "", entity: "" }),
  };
}
