/** Rows that stayed when a load was undone: how many for which reason, and what can be done about them. */
import { Link } from "wouter";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { progressOf } from "../progress";
import { grouped, inRanges } from "./kept";
import { words } from "./words";

const KEPT_ROWS = graphql(`
  fragment KeptRows on Load {
    id
    keptRows(first: 1000) {
      databaseId
      reason
      load { id number }
    }
    ...LoadState
  }
`);

export function KeptRows({ load: masked }: { load: FragmentType<typeof KEPT_ROWS> }) {
  const load = readFragment(KEPT_ROWS, masked);
  const { rowsKept, rowsUpdated } = progressOf(load);
  const say = useMessages(words);
  const format = useFormat();
  const rows = load.keptRows;
  if (rows.length === 0) {
    return null;
  }
  return (
    <section className="card load-kept" aria-labelledby="kept-title">
      <h2 id="kept-title">{say.keptTitle}</h2>
      {rowsKept > rows.length && (
        <p className="hint">{say.keptFirst(format.count(rows.length), format.count(rowsKept))}</p>
      )}
      <ul className="rows">
        {grouped(rows).map(({ reason, load: newer, ids }) => {
          // Only a postal code that had been there has a code to return to.
          const isPerhapsCode = reason === "IN_USE" && rowsUpdated > 0;
          const why = isPerhapsCode ? say.keptInUseOrCode : say.keptReasons[reason];
          return (
            <li key={`${reason} ${newer}`}>
              <p>
                <strong>{why(format.count(ids.length), ids.length)}</strong>{" "}
                {newer !== undefined && (
                  <>
                    <Link href={`/loads/${newer}`}>#{newer}</Link>.{" "}
                  </>
                )}
                {say.keptAdvice[reason]}
              </p>
              <details>
                <summary>{say.keptIds}</summary>
                <p className="kept-ids">{inRanges(ids)}</p>
              </details>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
