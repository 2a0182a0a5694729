import { useEffect, useMemo, useRef } from "react";
import { Brush, CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { type FragmentType, graphql, readFragment } from "../gql";
import type { Gender } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv } from "../ui/download";
import { downloadChart } from "../ui/picture";
import { BrushHandle } from "./BrushHandle";
import { describe } from "./describe";
import { fileName } from "./file-name";
import { type ByGender, GenderKeys, GenderTable, GenderValues, inPicture, useGenderLegend } from "./genders";
import { useFilter } from "./use-filter";
import { words } from "./words";

const SERIES = graphql(`
  fragment SeriesByGender on Query {
    timeSeries(filter: $always, by: [GENDER]) {
      gender
      points { period total { amount count } }
    }
  }
`);

interface SeriesProps {
  data: FragmentType<typeof SERIES> | undefined;
  busy: boolean;
}

/** One month: the exact amounts for people, numbers for the picture. */
interface Row {
  period: string;
  exact: ByGender;
  F?: number;
  M?: number;
}

const NOTHING: Series[] = [];

/** How long the strip has to rest before the page asks for the months under it. */
const REST_MS = 250;

/** All months, of which a strip below chooses those that everything on the page is about. */
export function SeriesByGender({ data, busy }: SeriesProps) {
  const say = useMessages(words);
  const format = useFormat();
  const { filter, change } = useFilter();
  const series = readFragment(SERIES, data)?.timeSeries ?? NOTHING;
  // The same rows as long as they are: with others the strip would forget that it is being dragged.
  const rows = useMemo(() => toRows(series), [series]);
  const genders = series.flatMap(({ gender }) => gender ?? []);
  const place = (month: string | undefined, otherwise: number) => {
    const found = rows.findIndex(({ period }) => period === month);
    return found < 0 ? otherwise : found;
  };
  const chosen = { startIndex: place(filter.from, 0), endIndex: place(filter.to, rows.length - 1) };
  const resting = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(resting.current), []);

  // Nothing is drawn anew before the strip rests: it would lose the pointer.
  const draw = ({ startIndex = 0, endIndex = rows.length - 1 }: { startIndex?: number; endIndex?: number }) => {
    clearTimeout(resting.current);
    resting.current = setTimeout(() => {
      change({
        from: startIndex === 0 ? undefined : rows[startIndex]?.period,
        to: endIndex === rows.length - 1 ? undefined : rows[endIndex]?.period,
      });
    }, REST_MS);
  };
  const shown = rows.slice(chosen.startIndex, chosen.endIndex + 1);
  const legend = useGenderLegend(genders);
  return (
    <Card
      title={say.series}
      className="series"
      busy={busy}
      exports={[
        {
          name: "CSV",
          run: () =>
            downloadCsv(
              fileName("by-month", filter),
              ["month", "gender", "amount", "count"],
              shown.flatMap(({ period, exact }) =>
                genders.map((gender) => [period, gender, exact[gender]?.amount, exact[gender]?.count]),
              ),
            ),
        },
        {
          name: "PNG",
          run: (card) =>
            downloadChart(
              fileName("by-month", filter),
              card,
              { title: say.series, about: describe(filter, say, format) },
              inPicture(legend),
            ),
        },
      ]}
      table={
        <GenderTable
          head={say.month}
          legend={legend}
          rows={shown.map(({ period, exact }) => ({ key: period, name: format.month(period), exact }))}
        />
      }
    >
      <GenderKeys legend={legend} />
      <div className="chart">
        <ResponsiveContainer width="100%" height="100%" minHeight={240}>
          {/* Other months are another chart: the strip of this one would keep ends that are not there any more. */}
          <LineChart
            key={`${rows[0]?.period} ${rows.at(-1)?.period}`}
            data={rows}
            margin={{ top: 8, right: 16, bottom: 0, left: 0 }}
            title={say.series}
            accessibilityLayer={false}
          >
            <CartesianGrid vertical={false} stroke="var(--line)" />
            <XAxis
              dataKey="period"
              tickFormatter={format.shortMonth}
              minTickGap={32}
              stroke="var(--soft)"
              tick={{ fill: "var(--soft)", fontSize: 12 }}
            />
            <YAxis
              width={64}
              tickFormatter={format.shortAmount}
              stroke="var(--soft)"
              tick={{ fill: "var(--soft)", fontSize: 12 }}
            />
            <Tooltip
              isAnimationActive={false}
              content={({ active, payload }) => {
                const row = payload?.[0]?.payload as Row | undefined;
                return active && row ? (
                  <GenderValues title={format.month(row.period)} legend={legend} exact={row.exact} />
                ) : null;
              }}
            />
            {legend.map(({ gender, name, colour }) => (
              <Line
                key={gender}
                dataKey={gender}
                name={name}
                stroke={colour}
                strokeWidth={2}
                strokeDasharray={gender === "M" ? "7 3" : undefined}
                dot={shown.length <= 24 ? { r: 3, strokeDasharray: "" } : false}
                isAnimationActive={false}
              />
            ))}
            {rows.length > 1 && (
              <Brush
                dataKey="period"
                {...chosen}
                onChange={draw}
                tickFormatter={format.shortMonth}
                height={32}
                travellerWidth={12}
                stroke="var(--control)"
                fill="var(--page)"
                ariaLabel={say.seriesHelp}
                traveller={({ x, y, width, height }) => (
                  <BrushHandle
                    {...{ x, y, width, height }}
                    names={[say.firstMonth, say.lastMonth]}
                    values={[
                      format.month(rows[chosen.startIndex]?.period ?? ""),
                      format.month(rows[chosen.endIndex]?.period ?? ""),
                    ]}
                  />
                )}
              />
            )}
          </LineChart>
        </ResponsiveContainer>
      </div>
      {rows.length > 1 && <p className="hint">{say.seriesHelp}</p>}
    </Card>
  );
}

interface Series {
  gender?: Gender | null;
  points: { period: string; total: { amount: string; count: number } }[];
}

function toRows(series: Series[]): Row[] {
  const rows = new Map<string, Row>();
  for (const { gender, points } of series) {
    for (const { period, total } of points) {
      const row = rows.get(period) ?? { period, exact: {} };
      if (gender) {
        row.exact[gender] = total;
        row[gender] = Number(total.amount);
      }
      rows.set(period, row);
    }
  }
  return [...rows.values()];
}
