/** One load, by its number: everything that is known of it, and everything that can be done with it. */
import { useQuery } from "@apollo/client/react";
import { Link } from "wouter";
import { useRoles } from "../../api/roles";
import { graphql, readFragment } from "../../gql";
import { useLive } from "../../live/Live";
import { useAskAgain } from "../../live/use-ask-again";
import { useMessages } from "../../locale";
import { Problem } from "../../ui/Problem";
import { Skeleton } from "../parts/Skeleton";
import { progressOf } from "../progress";
import { isUnderWay } from "../states";
import { words as common } from "../words";
import { KeptRows } from "./KeptRows";
import { LOAD_ACTIONS, LoadActions } from "./LoadActions";
import { LoadFacts } from "./LoadFacts";
import { LoadHead } from "./LoadHead";
import { LoadProgressCard } from "./LoadProgressCard";
import { NextStep } from "./NextStep";
import { RejectedNotice } from "./RejectedNotice";
import { RejectionsCard } from "./RejectionsCard";
import { TotalChanges } from "./TotalChanges";
import { words } from "./words";

const LOAD_PAGE = graphql(`
  query LoadPage($id: ID!) {
    load(id: $id) {
      id
      number
      dryRun
      ...LoadActions
      ...LoadHead
      ...NextStep
      ...RejectedNotice
      ...LoadFacts
      ...LoadProgressCard
      ...TotalChanges
      ...RejectionsCard
      ...KeptRows
    }
  }
`);

export function LoadPage({ number }: { number: string }) {
  const say = useMessages(words);
  const { load: name } = useMessages(common);
  const { mayLoad } = useRoles();
  const { changedStates } = useLive();
  const isNumber = /^\d{1,9}$/.test(number);
  const { data, error, loading, refetch } = useQuery(LOAD_PAGE, { variables: { id: number }, skip: !isNumber });
  const askAgain = () => refetch().catch(() => {});
  // What only a question tells (when it ended, what it changed) changes with its state.
  useAskAgain(changedStates, askAgain);

  const load = data?.load;
  if (!isNumber || (data && !load && !loading)) {
    return (
      <section className="empty">
        <h1>{say.unknown(number)}</h1>
        <p className="hint">{say.unknownHint}</p>
        <Link className="button" href="/loads">
          {say.back}
        </Link>
      </section>
    );
  }
  if (!load) {
    return (
      <>
        <h1>{name(number)}</h1>
        {error ? (
          <Problem error={error} retry={askAgain} />
        ) : (
          <section className="card">
            <Skeleton lines={8} />
          </section>
        )}
      </>
    );
  }
  const progress = progressOf(readFragment(LOAD_ACTIONS, load));
  return (
    <>
      <LoadHead load={load} />
      <NextStep load={load} />
      <RejectedNotice load={load} />
      {error && <Problem error={error} retry={askAgain} />}
      {mayLoad && <LoadActions load={load} />}
      <div className="load-grid">
        <div>
          <LoadProgressCard load={load} />
          {!isUnderWay(progress.state) && <TotalChanges load={load} />}
          <KeptRows load={load} />
        </div>
        <LoadFacts load={load} />
      </div>
      <RejectionsCard load={load} />
    </>
  );
}
