import { useRoles } from "../../api/roles";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { progressOf, refusal } from "../progress";
import { mendOf } from "./mend";
import { words } from "./words";

const REJECTED_NOTICE = graphql(`
  fragment RejectedNotice on Load {
    id
    source
    dryRun
    rejectionCounts { code column count }
    ...LoadState
  }
`);

/** How much of a load that has succeeded was refused, and what can be done about most of it. */
export function RejectedNotice({ load: masked }: { load: FragmentType<typeof REJECTED_NOTICE> }) {
  const load = readFragment(REJECTED_NOTICE, masked);
  const progress = progressOf(load);
  const { mayLoad } = useRoles();
  const say = useMessages(words);
  const format = useFormat();
  const refused = refusal(progress);
  if (progress.state !== "SUCCEEDED" || !refused) {
    return null;
  }
  const [commonest, second] = [...load.rejectionCounts].sort((a, b) => b.count - a.count);
  const isCommonest = commonest && commonest.count > (second?.count ?? 0);
  // Postal codes that are not there come by another load; all else is mended in the file.
  const mends = isCommonest && commonest.code === "UNKNOWN_POSTAL_CODE" ? "" : mendOf(load.source, say);
  const advice = isCommonest
    ? `${second ? `${say.mostly} ` : ""}${say.codes[commonest.code]}. ${say.help[commonest.code]}`
    : say.manyReasons;
  const count = format.count(progress.rowsRejected);
  const all = format.count(progress.rowsRead);
  return (
    <div className={`rejected-notice ${refused !== "some" ? "failure" : "warning"}`}>
      <p>
        <strong>
          {load.dryRun
            ? say.wouldReject(count, all)
            : refused === "all"
              ? say.allRejected(all)
              : say.hasRejected(count, all)}
        </strong>{" "}
        <a href="#rejections-title">{say.seeRejections}</a>
      </p>
      {mayLoad && commonest && (
        <p>
          {advice} {mends} {load.dryRun ? say.thenForReal : say.thenAgain}
        </p>
      )}
    </div>
  );
}
