/** Rows that stayed when a load was taken back. */
import { Link } from "wouter";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { progressOf } from "../progress";
import { words } from "./words";

const KEPT_ROWS = graphql(`
  fragment KeptRows on Load {
    id
    keptRows(first: 100) {
      databaseId
      reason
      load { id number }
    }
    ...LoadState
  }
`);

export function KeptRows({ load: masked }: { load: FragmentType<typeof KEPT_ROWS> }) {
  const load = readFragment(KEPT_ROWS, masked);
  const { rowsKept } = progressOf(load);
  const say = useMessages(words);
  const format = useFormat();
  const rows = load.keptRows;
  if (rows.length === 0) {
    return null;
  }
  return (
    <section className="card load-kept" aria-labelledby="kept-title">
      <h2 id="kept-title">{say.keptTitle}</h2>
      <p className="hint">{say.keptHint}</p>
      <table className="listing">
        <thead>
          <tr>
            <th scope="col" className="number">
              {say.keptId}
            </th>
            <th scope="col">{say.keptReason}</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ databaseId, reason, load }) => (
            <tr key={databaseId}>
              <td className="number">{databaseId}</td>
              <td>
                {say.keptReasons[reason]} {load && <Link href={`/loads/${load.number}`}>#{load.number}</Link>}
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      {rowsKept > rows.length && (
        <p className="hint">{say.keptFirst(format.count(rows.length), format.count(rowsKept))}</p>
      )}
    </section>
  );
}
