import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { progressOf, refusal } from "../progress";
import { words } from "./words";

const REJECTED_NOTICE = graphql(`
  fragment RejectedNotice on Load {
    id
    dryRun
    rejectionCounts { code column count }
    ...LoadState
  }
`);

/** How much of a load that has succeeded was refused, and what can be done about most of it. */
export function RejectedNotice({ load: masked }: { load: FragmentType<typeof REJECTED_NOTICE> }) {
  const load = readFragment(REJECTED_NOTICE, masked);
  const progress = progressOf(load);
  const say = useMessages(words);
  const format = useFormat();
  const refused = refusal(progress);
  if (progress.state !== "SUCCEEDED" || !refused) {
    return null;
  }
  const [commonest, ...others] = [...load.rejectionCounts].sort((a, b) => b.count - a.count);
  const count = format.count(progress.rowsRejected);
  const all = format.count(progress.rowsRead);
  return (
    <div className={`rejected-notice ${refused === "most" ? "failure" : "warning"}`}>
      <p>
        <strong>{load.dryRun ? say.wouldReject(count, all) : say.hasRejected(count, all)}</strong>{" "}
        <a href="#rejections-title">{say.seeRejections}</a>
      </p>
      {commonest && (
        <p>
          {others.length > 0 && `${say.mostly} `}
          {say.codes[commonest.code]}. {say.help[commonest.code]} {load.dryRun ? say.thenForReal : say.thenAgain}
        </p>
      )}
    </div>
  );
}
