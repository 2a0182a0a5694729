/** One load on its way: where it stands, how fast it is, and how to stop it. */
import { Link } from "wouter";
import { useRoles } from "../../api/roles";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useMessages } from "../../locale";
import { Bar } from "../parts/Bar";
import { StateBadge } from "../parts/StateBadge";
import { progressOf } from "../progress";
import { canBeCancelled } from "../states";
import { useShare } from "../use-share";
import { words as common } from "../words";
import { CancelLoad } from "./CancelLoad";
import { Counts } from "./Counts";
import { Pace } from "./Pace";

export const RUNNING_LOAD = graphql(`
  fragment RunningLoad on Load {
    id
    number
    source
    entity
    dryRun
    ...LoadState
  }
`);

export function RunningLoad({ load: masked }: { load: FragmentType<typeof RUNNING_LOAD> }) {
  const load = readFragment(RUNNING_LOAD, masked);
  const progress = progressOf(load);
  const say = useMessages(common);
  const { mayLoad } = useRoles();
  const share = useShare(progress);
  return (
    <li className="running">
      <div className="running-head">
        <Link href={`/loads/${load.number}`} className="load-number">
          #{load.number}
        </Link>
        <strong className="path">{load.source}</strong>
        <span className="hint">{say.entities[load.entity]}</span>
        {load.dryRun && <em className="tag">{say.dryRun}</em>}
        <StateBadge progress={progress} />
      </div>
      <Bar
        name={say.progressOf(load.number)}
        share={share}
        tone={progress.state === "REVERTING" ? "back" : undefined}
      />
      <Pace progress={progress} share={share} dryRun={load.dryRun} />
      <div className="running-foot">
        <Counts progress={progress} />
        {mayLoad && canBeCancelled(progress.state) && <CancelLoad id={load.id} number={load.number} />}
      </div>
    </li>
  );
}
