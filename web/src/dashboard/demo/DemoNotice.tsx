/** Says that there are demo data, and whether there are others beside them, and removes them by undoing the loads that brought them. */
import { useMutation, useQuery } from "@apollo/client/react";
import { useCallback, useEffect, useState } from "react";
import { useRoles } from "../api/roles";
import { graphql } from "../gql";
import type { DemoLoadsQuery } from "../gql/graphql";
import { useLive } from "../live/Live";
import { useAskAgain } from "../live/use-ask-again";
import { useMessages } from "../locale";
import { Confirm } from "../ui/Confirm";
import { ErrorText } from "../ui/ErrorText";
import { words } from "./words";

/** What `paystats run` fills an empty store with, paystats first, as they need their postal codes; and all that there is. */
const DEMO_LOADS = graphql(`
  query DemoLoads {
    paystats: loads(filter: { source: "demo/paystats.csv", states: [SUCCEEDED, REVERTING] }, first: 20) {
      nodes { id state dryRun undoUntil progress { rowsInserted } }
    }
    postalCodes: loads(filter: { source: "demo/postal_codes.csv", states: [SUCCEEDED, REVERTING] }, first: 20) {
      nodes { id state dryRun undoUntil }
    }
    allCodes: postalCodes(first: 1) { totalCount }
    demoCodes: postalCodes(filter: { codePrefix: "DEMO" }, first: 1) { totalCount }
    total { count }
  }
`);

const REMOVE_DEMO_LOAD = graphql(`
  mutation RemoveDemoLoad($id: ID!) {
    undoLoad(input: { id: $id }) { load { id state } }
  }
`);

interface DemoNoticeProps {
  /** Where nothing is shown of the demo, it is a matter only of who has own data. */
  onlyBesideOthers?: boolean;
}

export function DemoNotice({ onlyBesideOthers = false }: DemoNoticeProps) {
  const say = useMessages(words);
  const { mayLoad } = useRoles();
  const { changedStates } = useLive();
  const { data, refetch } = useQuery(DEMO_LOADS);
  useAskAgain(changedStates, () => refetch().catch(() => {}));
  const [undo, { error, reset }] = useMutation(REMOVE_DEMO_LOAD);
  const [isWanted, setWanted] = useState(false);

  const loads = [...(data?.paystats.nodes ?? []), ...(data?.postalCodes.nodes ?? [])].filter(({ dryRun }) => !dryRun);
  const isUndoing = loads.some(({ state }) => state === "REVERTING");
  // One after the other: postal codes that are in use would stay.
  const next = isUndoing ? undefined : loads[0]?.id;
  const remove = useCallback(
    (id: string) => {
      undo({ variables: { id } })
        .then(() => refetch())
        .catch(() => setWanted(false));
    },
    [undo, refetch],
  );
  const isGone = loads.length === 0;
  useEffect(() => {
    // What is loaded again later is not removed for having been removed once.
    if (isGone) {
      setWanted(false);
    } else if (isWanted && next) {
      remove(next);
    }
  }, [isGone, isWanted, next, remove]);

  const isAmongOthers = data !== undefined && hasOthers(data);
  if (isGone || (onlyBesideOthers && !isAmongOthers)) {
    return null;
  }
  const isRemovable = loads.every(({ undoUntil }) => Date.parse(undoUntil) > Date.now());
  return (
    <section className="demo-notice" aria-label={say.region}>
      <p>{isAmongOthers ? say.isAmong : say.isAll}</p>
      {isUndoing || isWanted ? (
        <p className="hint" role="status">
          {say.removing}
        </p>
      ) : (
        isRemovable &&
        mayLoad && (
          <Confirm
            ask={say.remove}
            question={say.question}
            yes={say.yes}
            no={say.no}
            run={() => {
              reset();
              setWanted(true);
            }}
          />
        )
      )}
      {error && (
        <p className="failure" role="alert">
          <strong>{say.notDone}</strong> <ErrorText error={error} />
        </p>
      )}
    </section>
  );
}

/** Whether there are postal codes or paystats that the demo has not brought. */
function hasOthers({ paystats, allCodes, demoCodes, total }: DemoLoadsQuery): boolean {
  const ofDemo = paystats.nodes.filter(({ dryRun }) => !dryRun).map(({ progress }) => progress.rowsInserted);
  return allCodes.totalCount > demoCodes.totalCount || total.count > ofDemo.reduce((sum, rows) => sum + rows, 0);
}
