import { useApolloClient } from "@apollo/client/react";
import type { MouseEvent } from "react";
import { type FragmentType, graphql, readFragment } from "../gql";
import { useFormat, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv } from "../ui/download";
import { fileName } from "./file-name";
import { among, chosen, statsFilter } from "./filter";
import { useFilter } from "./use-filter";
import { words } from "./words";

const RANKING = graphql(`
  fragment Ranking on Query {
    ranking: stats(filter: $among, groupBy: [POSTAL_CODE], orderBy: { field: AMOUNT }, first: $top) {
      postalCode { id code }
      total { amount count }
      share
    }
  }
`);

const WHOLE_RANKING = graphql(`
  query WholeRanking($filter: StatsFilter!) {
    stats(filter: $filter, groupBy: [POSTAL_CODE], orderBy: { field: AMOUNT }) {
      postalCode { id code }
      total { amount count }
      share
    }
  }
`);

interface RankingProps {
  data: FragmentType<typeof RANKING> | undefined;
  busy: boolean;
  top: number;
  more: () => void;
}

/** The postal codes with the greatest totals, those that were chosen among them. A click shows one alone; with Ctrl, ⌘ or Shift it is added. */
export function Ranking({ data, busy, top, more }: RankingProps) {
  const say = useMessages(words);
  const format = useFormat();
  const client = useApolloClient();
  const { filter, change } = useFilter();
  const rows = readFragment(RANKING, data)?.ranking ?? [];
  const greatest = Math.max(...rows.map(({ total }) => Math.abs(Number(total.amount))), Number.MIN_VALUE);
  const choose = (code: string, event: MouseEvent) => {
    const adds = event.ctrlKey || event.metaKey || event.shiftKey;
    change({ codes: chosen(filter.codes, code, adds) });
  };
  const save = async () => {
    const { data } = await client.query({
      query: WHOLE_RANKING,
      variables: { filter: statsFilter(among(filter)) },
      fetchPolicy: "network-only",
    });
    downloadCsv(
      fileName("by-postal-code", among(filter)),
      ["postal_code", "amount", "count", "share"],
      (data?.stats ?? []).map(({ postalCode, total, share }) => [postalCode?.code, total.amount, total.count, share]),
    );
  };
  return (
    <Card title={say.ranking} className="ranking" busy={busy} exports={[{ name: "CSV", run: save }]}>
      {data && rows.length === 0 && <p className="hint">{say.nothing}</p>}
      <ol>
        {rows.map(({ postalCode, total, share }) => (
          <li key={postalCode?.code}>
            <button
              type="button"
              aria-pressed={filter.codes.includes(postalCode?.code ?? "")}
              onClick={(event) => postalCode && choose(postalCode.code, event)}
            >
              <span className="code">{postalCode?.code}</span>
              <span className="value">{format.amount(total.amount)}</span>
              <span className="share">{format.share(share)}</span>
              <span
                className={Number(total.amount) < 0 ? "fill negative" : "fill"}
                style={{ inlineSize: `${(Math.abs(Number(total.amount)) / greatest) * 100}%` }}
              />
            </button>
          </li>
        ))}
      </ol>
      {rows.length === top && (
        <button type="button" onClick={more}>
          {say.more}
        </button>
      )}
    </Card>
  );
}
