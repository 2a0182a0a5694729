/** Every load that has not ended. */
import { useQuery } from "@apollo/client/react";
import { graphql, readFragment } from "../../gql";
import { useLive } from "../../live/Live";
import { useAskAgain } from "../../live/use-ask-again";
import { useFormat, useMessages } from "../../locale";
import { Problem } from "../../ui/Problem";
import { Skeleton } from "../parts/Skeleton";
import { progressOf } from "../progress";
import { isUnderWay } from "../states";
import { RUNNING_LOAD, RunningLoad } from "./RunningLoad";
import { words } from "./words";

const RUNNING_LOADS = graphql(`
  query RunningLoads {
    loads(first: 100, filter: { states: [QUEUED, PLANNING, LOADING, ROLLING_UP, REVERTING] }) {
      totalCount
      nodes { id ...RunningLoad }
    }
  }
`);

export function RunningCard() {
  const say = useMessages(words);
  const format = useFormat();
  const { newLoads } = useLive();
  const { data, error, loading, refetch } = useQuery(RUNNING_LOADS);
  const askAgain = () => void refetch().catch(() => {});
  useAskAgain(newLoads, askAgain);
  // Told live: a load that has ended since it was asked leaves by itself.
  const loads = data?.loads.nodes.filter((load) => isUnderWay(progressOf(readFragment(RUNNING_LOAD, load)).state));
  return (
    <section className="card" aria-labelledby="running-title">
      <div className="card-head">
        <h2 id="running-title">{say.title}</h2>
      </div>
      {error && <Problem error={error} retry={askAgain} />}
      {!loads && loading && <Skeleton lines={2} />}
      {loads?.length === 0 && <p className="hint">{say.none}</p>}
      {loads && loads.length > 0 && (
        <ul className="rows">
          {loads.map((load) => (
            <RunningLoad key={load.id} load={load} />
          ))}
        </ul>
      )}
      {data && data.loads.totalCount > data.loads.nodes.length && (
        <p className="hint">{say.newest(format.count(data.loads.nodes.length), format.count(data.loads.totalCount))}</p>
      )}
    </section>
  );
}
