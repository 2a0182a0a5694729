import { useQuery } from "@apollo/client/react";
import { graphql } from "../gql";
import { useFormat, useMessages } from "../locale";
import { Problem } from "../ui/Problem";
import { everywhere, statsFilter } from "./filter";
import { useFilter } from "./use-filter";
import { words } from "./words";

const ONE_POSTAL_CODE = graphql(`
  query OnePostalCode($code: String!, $everywhere: StatsFilter!, $most: Int!) {
    postalCode(code: $code) { id code }
    stats(filter: $everywhere, groupBy: [POSTAL_CODE], orderBy: { field: AMOUNT }, first: $most) {
      postalCode { id code }
      share
    }
  }
`);

/** The API tells no rank, and at most this many rows: where there are more, how many is not said, and of those behind them nothing. */
const MOST_RANKS = 20_000;

/** One postal code among all: its place and its share. Everything below is about it alone. */
export function OnePostalCode({ code }: { code: string }) {
  const say = useMessages(words);
  const format = useFormat();
  const { filter, change } = useFilter();
  const { data, previousData, error } = useQuery(ONE_POSTAL_CODE, {
    variables: { code, everywhere: statsFilter(everywhere(filter)), most: MOST_RANKS },
  });
  const shown = data ?? previousData;
  const rows = shown?.stats ?? [];
  const index = rows.findIndex(({ postalCode }) => postalCode?.code === code);
  const row = rows[index];
  return (
    <section className="card one" aria-label={say.alone(code)}>
      <h2>{say.alone(code)}</h2>
      {error && <Problem error={error} />}
      {shown && !shown.postalCode && <p className="hint">{say.unknownCode(code)}</p>}
      {row && (
        <p>
          {say.rank(format.count(index + 1), rows.length < MOST_RANKS ? format.count(rows.length) : undefined)} ·{" "}
          {say.shareOf(format.share(row.share))}
        </p>
      )}
      <button type="button" onClick={() => change({ codes: [] })}>
        {say.back}
      </button>
    </section>
  );
}
