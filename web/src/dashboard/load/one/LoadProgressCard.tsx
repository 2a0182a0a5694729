/** How far a load is, and what became of its rows. */
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { Bar } from "../parts/Bar";
import { progressOf, refusal } from "../progress";
import { Pace } from "../running/Pace";
import { isUnderWay } from "../states";
import { useShare } from "../use-share";
import { words as common } from "../words";
import { words } from "./words";

const LOAD_PROGRESS_CARD = graphql(`
  fragment LoadProgressCard on Load {
    id
    number
    dryRun
    ...LoadState
  }
`);

export function LoadProgressCard({ load: masked }: { load: FragmentType<typeof LOAD_PROGRESS_CARD> }) {
  const load = readFragment(LOAD_PROGRESS_CARD, masked);
  const progress = progressOf(load);
  const say = useMessages(words);
  const name = useMessages(common);
  const format = useFormat();
  const share = useShare(progress);
  const { state, rowsRead, rowsInserted, rowsUpdated, rowsUnchanged, rowsRejected, rowsReverted, rowsKept } = progress;
  const goesBack = state === "REVERTING" || state === "UNDONE" || rowsReverted + rowsKept > 0;
  const labels = load.dryRun ? say.wouldCounts : goesBack ? say.hadCounts : say.counts;
  const counts = [
    ["read", labels.read, rowsRead],
    ["inserted", labels.inserted, rowsInserted],
    ["updated", labels.updated, rowsUpdated],
    ["unchanged", labels.unchanged, rowsUnchanged],
    ["rejected", labels.rejected, rowsRejected],
  ] as const;
  const undone = [
    ["reverted", say.reverted, rowsReverted],
    ["kept", say.kept, rowsKept],
  ] as const;
  return (
    <section className="card load-progress" aria-labelledby="progress-title">
      <h2 id="progress-title">{say.progress}</h2>
      {isUnderWay(state) && (
        <>
          <Bar name={name.progressOf(load.number)} share={share} tone={state === "REVERTING" ? "back" : undefined} />
          <Pace progress={progress} share={share} dryRun={load.dryRun} />
        </>
      )}
      {goesBack && !isUnderWay(state) && (
        <p className="undone">
          {rowsKept > 0
            ? say.someUndone(format.count(rowsReverted), format.count(rowsKept))
            : say.allUndone(format.count(rowsReverted))}
        </p>
      )}
      <dl className="tiles" data-refused={refusal(progress)}>
        {[...counts, ...(goesBack ? undone : [])].map(([key, label, count]) => (
          <div key={key} data-count={key} data-some={count > 0}>
            <dt>{label}</dt>
            <dd>{format.count(count)}</dd>
          </div>
        ))}
      </dl>
      {isUnderWay(state) && (
        <p className="hint">{say.bytes(format.bytes(progress.bytesRead), format.bytes(progress.bytesTotal))}</p>
      )}
    </section>
  );
}
