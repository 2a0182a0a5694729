/** What comes after a load that has succeeded. */
import { Link } from "wouter";
import { useRoles } from "../../api/roles";
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useMessages } from "../../locale";
import { progressOf, refusal } from "../progress";
import { words } from "./words";

const NEXT_STEP = graphql(`
  fragment NextStep on Load {
    id
    entity
    dryRun
    ...LoadState
  }
`);

export function NextStep({ load: masked }: { load: FragmentType<typeof NEXT_STEP> }) {
  const load = readFragment(NEXT_STEP, masked);
  const progress = progressOf(load);
  const { mayLoad } = useRoles();
  const say = useMessages(words);
  if (progress.state !== "SUCCEEDED" || load.dryRun || refusal(progress) === "all") {
    return null;
  }
  if (load.entity === "PAYSTATS") {
    return (
      <p className="next-step">
        {say.afterwards.counted} <Link href="/">{say.afterwards.toStatistics}</Link>
      </p>
    );
  }
  return (
    mayLoad && (
      <p className="next-step">
        {say.afterwards.codes} <Link href="/loads">{say.afterwards.toLoads}</Link>
      </p>
    )
  );
}
