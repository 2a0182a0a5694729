/** How much was paid, where, when and by whom: one filter, and what it comes to. */
import { NetworkStatus } from "@apollo/client";
import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import { Link } from "wouter";
import { useRoles } from "../api/roles";
import { DemoNotice } from "../demo/DemoNotice";
import { graphql } from "../gql";
import { useMessages } from "../locale";
import { Problem } from "../ui/Problem";
import { AgeAndGender } from "./AgeAndGender";
import "./ask.css";
import { FilterBar } from "./FilterBar";
import { always, among, statsFilter } from "./filter";
import { MapCard } from "./MapCard";
import { type MonthRange, rangeBefore, rangeYearBefore } from "./months";
import { OnePostalCode } from "./OnePostalCode";
import { Ranking } from "./Ranking";
import { SeriesByGender } from "./SeriesByGender";
import { Totals } from "./Totals";
import { useComparison } from "./use-comparison";
import { useFilter } from "./use-filter";
import { words } from "./words";

const ALL_MONTHS = graphql(`
  query AllMonths {
    timeSeries { points { period } }
    postalCodes(first: 1) { totalCount }
  }
`);

const ASK = graphql(`
  query Ask(
    $filter: StatsFilter!
    $always: StatsFilter!
    $among: StatsFilter!
    $compared: Boolean!
    $months: MonthRangeInput!
    $against: MonthRangeInput!
    $top: Int!
  ) {
    ...Totals
    ...SeriesByGender
    ...AgeAndGender
    ...Ranking
  }
`);

const FIRST_RANKS = 10;
const MORE_RANKS = 40;

export function AskPage() {
  const say = useMessages(words);
  const { mayLoad } = useRoles();
  const { data, error, refetch } = useQuery(ALL_MONTHS);
  const points = data?.timeSeries.flatMap(({ points }) => points) ?? [];
  const [first, last] = [points[0]?.period, points.at(-1)?.period];
  return (
    <div className="ask">
      <div className="title">
        <h1>{say.title}</h1>
        <p className="hint">{say.intro}</p>
        {mayLoad && first && (
          <p className="hint">
            <span className="for-mouse">{say.ownFiles} </span>
            <Link href="/loads">{say.toLoads}</Link>
          </p>
        )}
      </div>
      <DemoNotice />
      {error && <Problem error={error} retry={() => refetch()} />}
      {first && last ? (
        <Statistics whole={{ from: first, to: last }} />
      ) : data ? (
        <section className="card empty">
          <h2>{say.empty}</h2>
          <p>
            {mayLoad ? say.emptyHelp : say.emptyForReaders}
            {mayLoad && <span className="for-mouse"> {say.ownFiles}</span>}
          </p>
          {mayLoad && (
            <Link className="button primary" href="/loads">
              {say.toLoads}
            </Link>
          )}
        </section>
      ) : (
        !error && <p className="hint">{say.reading}</p>
      )}
    </div>
  );
}

function Statistics({ whole }: { whole: MonthRange }) {
  const say = useMessages(words);
  const { filter } = useFilter();
  const [top, setTop] = useState(FIRST_RANKS);
  const months = { from: filter.from ?? whole.from, to: filter.to ?? whole.to };
  const isNarrowed = filter.from !== undefined || filter.to !== undefined;
  const { comparison } = useComparison();
  const earlier = comparison === "year" ? rangeYearBefore(months) : rangeBefore(months);
  // With months of which nothing is known a comparison would mean nothing.
  const before = isNarrowed && earlier && earlier.from >= whole.from ? earlier : undefined;
  const { data, previousData, error, refetch, networkStatus } = useQuery(ASK, {
    variables: {
      filter: statsFilter(filter),
      always: statsFilter(always(filter)),
      among: statsFilter(among(filter)),
      compared: before !== undefined,
      months,
      against: before ?? months,
      top,
    },
  });
  // What was asked last stays until the next answer is there.
  const shown = data ?? previousData;
  const busy = networkStatus === NetworkStatus.setVariables || networkStatus === NetworkStatus.loading;
  const [code] = filter.codes;
  return (
    <>
      <FilterBar whole={whole} />
      {error && <Problem error={error} retry={() => refetch()} />}
      {filter.codes.length === 1 && code && <OnePostalCode code={code} />}
      <Totals
        data={shown}
        busy={busy}
        against={before}
        hint={isNarrowed ? say.nothingBefore[comparison] : say.chooseMonths}
      />
      <div className="statistics">
        <MapCard />
        <SeriesByGender data={shown} busy={busy} />
        <AgeAndGender data={shown} busy={busy} />
        <Ranking data={shown} busy={busy} top={top} more={() => setTop(top + MORE_RANKS)} />
      </div>
    </>
  );
}
