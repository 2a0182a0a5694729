import { useFormat, useMessages } from "../../locale";
import { type Progress, refusal } from "../progress";
import { words } from "./words";

/** How many rows came to what, so far. */
export function Counts({ progress }: { progress: Progress }) {
  const { counts } = useMessages(words);
  const format = useFormat();
  const { rowsRead, rowsInserted, rowsUpdated, rowsUnchanged, rowsRejected } = progress;
  const all = [
    ["read", rowsRead],
    ["inserted", rowsInserted],
    ["updated", rowsUpdated],
    ["unchanged", rowsUnchanged],
    ["rejected", rowsRejected],
  ] as const;
  return (
    <dl className="counts" data-refused={refusal(progress)}>
      {all.map(([name, count]) => (
        <div key={name} data-count={name} data-some={count > 0}>
          <dt>{counts[name]}</dt>
          <dd>{format.count(count)}</dd>
        </div>
      ))}
    </dl>
  );
}
