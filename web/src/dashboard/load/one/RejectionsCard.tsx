/** What was refused, and why: counts, a page of rows at a time, and all of them as a file. */
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { progressOf } from "../progress";
import { isUnderWay, isVoid } from "../states";
import { DownloadRejections } from "./DownloadRejections";
import { RejectionsPage } from "./RejectionsPage";
import { words } from "./words";

const REJECTIONS_CARD = graphql(`
  fragment RejectionsCard on Load {
    id
    rejectionsCsv
    rejectionCounts { code column count }
    ...LoadState
  }
`);

export function RejectionsCard({ load: masked }: { load: FragmentType<typeof REJECTIONS_CARD> }) {
  const load = readFragment(REJECTIONS_CARD, masked);
  const { state, rowsRejected } = progressOf(load);
  const say = useMessages(words);
  const format = useFormat();
  if (rowsRejected === 0 && isVoid(state)) {
    return null;
  }
  return (
    <section className="card load-rejections" aria-labelledby="rejections-title">
      <div className="card-head">
        <h2 id="rejections-title">{say.rejections}</h2>
        {rowsRejected > 0 && <DownloadRejections csv={load.rejectionsCsv} />}
      </div>
      {rowsRejected === 0 && <p className="hint">{isUnderWay(state) ? say.rejectionsNoneYet : say.rejectionsNone}</p>}
      {load.rejectionCounts.length > 0 && (
        <table className="listing reasons">
          <caption className="visually-hidden">{say.byReason}</caption>
          <thead>
            <tr>
              <th scope="col">{say.what}</th>
              <th scope="col">{say.column}</th>
              <th scope="col" className="number">
                {say.rows}
              </th>
            </tr>
          </thead>
          <tbody>
            {load.rejectionCounts.map(({ code, column, count }) => (
              <tr key={`${code} ${column}`}>
                <th scope="row">
                  {say.codes[code]}
                  <span className="hint help">{say.help[code]}</span>
                </th>
                <td>{column ? <code>{column}</code> : <span className="hint">{say.wholeRecord}</span>}</td>
                <td className="number">{format.count(count)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {rowsRejected > 0 && (
        <RejectionsPage id={load.id} csv={load.rejectionsCsv} rejected={rowsRejected} isGrowing={isUnderWay(state)} />
      )}
    </section>
  );
}
