import { Link } from "wouter";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { StateBadge } from "../parts/StateBadge";
import { When } from "../parts/When";
import { progressOf, refusal } from "../progress";
import { words as common } from "../words";

export const HISTORY_LOAD = graphql(`
  fragment HistoryLoad on Load {
    id
    number
    source
    entity
    dryRun
    onlyRejected
    createdAt
    startedAt
    finishedAt
    ...LoadState
  }
`);

export function HistoryRow({ load: masked }: { load: FragmentType<typeof HISTORY_LOAD> }) {
  const load = readFragment(HISTORY_LOAD, masked);
  const progress = progressOf(load);
  const { state, rowsRead, rowsRejected } = progress;
  const say = useMessages(common);
  const format = useFormat();
  const { startedAt, finishedAt } = load;
  return (
    <tr data-refused={refusal(progress)}>
      <td>
        <Link href={`/loads/${load.number}`} className="load-number" aria-label={say.load(load.number)}>
          #{load.number}
        </Link>
      </td>
      <td>
        <StateBadge progress={progress} />
      </td>
      <th scope="row" className="path">
        {load.source}
        {load.dryRun && <em className="tag">{say.dryRun}</em>}
        <span className="hint">
          {say.entities[load.entity]}
          {load.onlyRejected && `, ${say.onlyRejected.toLowerCase()}`}
          <span className="when-below">
            {" · "}
            <When at={load.createdAt} />
          </span>
        </span>
      </th>
      <td className="number">{format.count(rowsRead)}</td>
      <td className="number" data-some={rowsRejected > 0}>
        {format.count(rowsRejected)}
      </td>
      <td className="when">
        <When at={load.createdAt} />
      </td>
      <td className="number took">
        {/* Of one that was undone, it is known when that was done. */}
        {startedAt &&
          finishedAt &&
          state !== "UNDONE" &&
          format.duration((Date.parse(finishedAt) - Date.parse(startedAt)) / 1000)}
      </td>
    </tr>
  );
}
