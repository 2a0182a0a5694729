/** All loads, the newest first. */
import { useState } from "react";
import type { LoadEntity, LoadState } from "../../gql/graphql";
import { useFormat, useMessages } from "../../locale";
import { STATES } from "../states";
import { words as common } from "../words";
import { type HistoryEnd, HistoryPage } from "./HistoryPage";
import { useHistoryFilter } from "./use-history-filter";
import { words } from "./words";

export function HistoryCard() {
  const say = useMessages(words);
  const { states, entities } = useMessages(common);
  const { state, entity, filter, set, clear } = useHistoryFilter();
  const format = useFormat();
  const [end, setEnd] = useState<HistoryEnd>();
  const key = `${state}|${entity}`;
  // How many pages are shown, of which filter.
  const [shown, setShown] = useState({ key, pages: 1 });
  const pages = shown.key === key ? shown.pages : 1;
  return (
    <section className="card history" aria-labelledby="history-title">
      <div className="card-head">
        <h2 id="history-title">{say.title}</h2>
        <label>
          {say.state}
          <select value={state ?? ""} onChange={({ target }) => set("state", target.value as LoadState)}>
            <option value="">{say.any}</option>
            {STATES.map((state) => (
              <option key={state} value={state}>
                {states[state]}
              </option>
            ))}
          </select>
        </label>
        <label>
          {say.entity}
          <select value={entity ?? ""} onChange={({ target }) => set("entity", target.value as LoadEntity)}>
            <option value="">{say.any}</option>
            {(["POSTAL_CODES", "PAYSTATS"] as const).map((entity) => (
              <option key={entity} value={entity}>
                {entities[entity]}
              </option>
            ))}
          </select>
        </label>
      </div>
      <HistoryPage key={key} filter={filter} pages={pages} shownBefore={0} tellEnd={setEnd} />
      {end && end.shown === 0 && !end.hasMore && (
        <div className="empty">
          <p className="hint">{state || entity ? say.none : say.noneYet}</p>
          {(state || entity) && (
            <button type="button" onClick={clear}>
              {say.all}
            </button>
          )}
        </div>
      )}
      {end && (end.shown > 0 || end.hasMore) && (
        <div className="actions spread">
          <span className="hint">{say.count(format.count(end.shown), format.count(end.all))}</span>
          {end.hasMore && (
            <button type="button" onClick={() => setShown({ key, pages: pages + 1 })}>
              {say.more}
            </button>
          )}
        </div>
      )}
    </section>
  );
}
