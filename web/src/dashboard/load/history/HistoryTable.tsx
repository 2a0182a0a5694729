import type { FragmentType } from "../../gql";
import { useMessages } from "../../locale";
import { type HISTORY_LOAD, HistoryRow } from "./HistoryRow";
import { words } from "./words";

interface HistoryTableProps {
  loads: ({ id: string } & FragmentType<typeof HISTORY_LOAD>)[];
  /** Whether it stands below another one: its head is there for screen readers alone then. */
  goesOn: boolean;
}

export function HistoryTable({ loads, goesOn }: HistoryTableProps) {
  const say = useMessages(words);
  return (
    <table className="listing history-table" aria-labelledby="history-title">
      <thead className={goesOn ? "visually-hidden" : undefined}>
        <tr>
          <th scope="col">{say.number}</th>
          <th scope="col">{say.state}</th>
          <th scope="col">{say.source}</th>
          <th scope="col" className="number">
            {say.rows}
          </th>
          <th scope="col" className="number">
            {say.rejected}
          </th>
          <th scope="col" className="when">
            {say.when}
          </th>
          <th scope="col" className="number took">
            {say.took}
          </th>
        </tr>
      </thead>
      <tbody>
        {loads.map((load) => (
          <HistoryRow key={load.id} load={load} />
        ))}
      </tbody>
    </table>
  );
}
