/**
 * A page of the history, and the pages after it. Each asks behind the end of the one before it, as that is now: a load that comes on top
 * moves the others down, and none is lost between two pages.
 */
import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";
import { graphql, readFragment } from "../../gql";
import type { LoadFilter } from "../../gql/graphql";
import { useLive } from "../../live/Live";
import { useAskAgain } from "../../live/use-ask-again";
import { Problem } from "../../ui/Problem";
import { Skeleton } from "../parts/Skeleton";
import { progressOf } from "../progress";
import { HISTORY_LOAD } from "./HistoryRow";
import { HistoryTable } from "./HistoryTable";

const PAGE = 20;

const HISTORY = graphql(`
  query History($filter: LoadFilter, $first: Int!, $after: String) {
    loads(filter: $filter, first: $first, after: $after) {
      totalCount
      pageInfo { hasNextPage endCursor }
      nodes { id ...HistoryLoad }
    }
  }
`);

/** What is known where the last page ends. */
export interface HistoryEnd {
  shown: number;
  all: number;
  hasMore: boolean;
}

interface HistoryPageProps {
  filter: LoadFilter;
  after?: string;
  /** How many pages are shown from this one on. */
  pages: number;
  shownBefore: number;
  tellEnd(end: HistoryEnd): void;
}

export function HistoryPage({ filter, after, pages, shownBefore, tellEnd }: HistoryPageProps) {
  const { newLoads, changedStates } = useLive();
  const { data, previousData, error, refetch } = useQuery(HISTORY, { variables: { filter, first: PAGE, after } });
  const askAgain = () => refetch().catch(() => {});
  useAskAgain(newLoads + changedStates, askAgain);

  const page = (data ?? previousData)?.loads;
  const wanted = filter.states;
  // Told live: a load that is in another state by now leaves by itself.
  const loads = page?.nodes.filter(
    (load) => !wanted || wanted.includes(progressOf(readFragment(HISTORY_LOAD, load)).state),
  );
  const { hasNextPage = false, endCursor } = page?.pageInfo ?? {};
  const goesOn = pages > 1 && hasNextPage && endCursor;
  const shown = shownBefore + (loads?.length ?? 0);
  const all = page?.totalCount;
  useEffect(() => {
    if (all !== undefined && !goesOn) {
      tellEnd({ shown, all, hasMore: hasNextPage });
    }
  }, [tellEnd, goesOn, shown, all, hasNextPage]);

  if (!loads) {
    return error ? <Problem error={error} retry={askAgain} /> : <Skeleton lines={8} />;
  }
  return (
    <>
      {error && <Problem error={error} retry={askAgain} />}
      {loads.length > 0 && <HistoryTable loads={loads} goesOn={shownBefore > 0} />}
      {goesOn && (
        <HistoryPage filter={filter} after={endCursor} pages={pages - 1} shownBefore={shown} tellEnd={tellEnd} />
      )}
    </>
  );
}
