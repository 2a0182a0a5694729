/** A page of refused rows, and the way to the next and the previous one. */
import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import { graphql } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { Problem } from "../../ui/Problem";
import { Skeleton } from "../parts/Skeleton";
import { RejectionsTable } from "./RejectionsTable";
import { useSourceColumns } from "./source-columns";
import { words } from "./words";

const REJECTIONS = graphql(`
  query Rejections($id: ID!, $first: Int, $after: String, $last: Int, $before: String) {
    load(id: $id) {
      id
      rejections(first: $first, after: $after, last: $last, before: $before) {
        totalCount
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
        nodes { line column code value reason fields }
      }
    }
  }
`);

const PAGE = 25;
/** While a load runs, its first refused rows are asked for so often. */
const POLL_MS = 2_000;

type Range = { first: number; after?: string } | { last: number; before: string };

interface RejectionsPageProps {
  id: string;
  csv: string;
  /** How many rows were refused, kept or not. */
  rejected: number;
  isGrowing: boolean;
}

export function RejectionsPage({ id, csv, rejected, isGrowing }: RejectionsPageProps) {
  const say = useMessages(words);
  const format = useFormat();
  const [range, setRange] = useState<Range>({ first: PAGE });
  const { data, previousData, error, loading, refetch } = useQuery(REJECTIONS, {
    variables: { id, ...range },
    pollInterval: isGrowing ? POLL_MS : 0,
  });
  const columns = useSourceColumns(csv, isGrowing);
  const page = (data ?? previousData)?.load?.rejections;
  const retry = () => void refetch().catch(() => {});
  if (!page) {
    return error ? <Problem error={error} retry={retry} /> : <Skeleton lines={6} />;
  }
  const { hasNextPage, hasPreviousPage, startCursor, endCursor } = page.pageInfo;
  const [first, last] = [page.nodes[0], page.nodes.at(-1)];
  return (
    <>
      {error && <Problem error={error} retry={retry} />}
      <RejectionsTable rows={page.nodes} columns={columns} busy={loading && !data} />
      <div className="actions spread">
        <span className="hint" role="status">
          {first && last && say.pageFrom(format.count(first.line), format.count(last.line))}
        </span>
        <button
          type="button"
          disabled={!hasPreviousPage}
          onClick={() => startCursor && setRange({ last: PAGE, before: startCursor })}
        >
          {say.previous}
        </button>
        <button
          type="button"
          disabled={!hasNextPage}
          onClick={() => endCursor && setRange({ first: PAGE, after: endCursor })}
        >
          {say.next}
        </button>
      </div>
      {!isGrowing && page.totalCount < rejected && (
        <p className="hint">{say.keptOnly(format.count(page.totalCount), format.count(rejected))}</p>
      )}
    </>
  );
}
