import { useMemo, useState } from "react";
import { CartesianGrid, Line, LineChart, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { type FragmentType, graphql, readFragment } from "../gql";
import type { Gender } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv } from "../ui/download";
import { downloadChart } from "../ui/picture";
import { describe } from "./describe";
import { fileName } from "./file-name";
import { type ByGender, GenderKeys, GenderTable, GenderValues, inPicture, useGenderLegend } from "./genders";
import { MonthStrip, type Range } from "./MonthStrip";
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

/** Beside the lines, in pixels: the strip, whose ends take as much, stands below them. `ask.css` knows both. */
const PLOT_START = 64;
const PLOT_END = 24;

/** All months, of which a strip below chooses those that everything on the page is about. */
export function SeriesByGender({ data, busy }: SeriesProps) {
  const say = useMessages(words);
  const format = useFormat();
  const { filter, change } = useFilter();
  const series = readFragment(SERIES, data)?.timeSeries ?? NOTHING;
  const rows = useMemo(() => toRows(series), [series]);
  const genders = series.flatMap(({ gender }) => gender ?? []);
  const place = (month: string | undefined, otherwise: number) => {
    const found = rows.findIndex(({ period }) => period === month);
    return found < 0 ? otherwise : found;
  };
  const chosen: Range = [place(filter.from, 0), place(filter.to, rows.length - 1)];
  /** Where the strip is while it moves: the chart is of these months at once, the rest of the page when it rests. */
  const [moving, setMoving] = useState<Range>();
  const range = moving ?? chosen;
  const choose = ([first, last]: Range) => {
    setMoving(undefined);
    change({
      from: first === 0 ? undefined : rows[first]?.period,
      to: last === rows.length - 1 ? undefined : rows[last]?.period,
    });
  };
  /** One month alone; all of them again where it is alone already. */
  const isAlone = (month: string) => filter.from === month && filter.to === month;
  const chooseAlone = (month: string) =>
    change(isAlone(month) ? { from: undefined, to: undefined } : { from: month, to: month });
  const shown = rows.slice(range[0], range[1] + 1);
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
          rows={shown.map(({ period, exact }) => ({ key: period, name: format.shortMonth(period), exact }))}
          choose={{ isChosen: isAlone, run: chooseAlone }}
        />
      }
    >
      <GenderKeys legend={legend} />
      <div className="chart">
        <ResponsiveContainer width="100%" height="100%" minHeight={240}>
          <LineChart
            data={shown}
            margin={{ top: 8, right: PLOT_END, bottom: 0, left: 0 }}
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
              width={PLOT_START}
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
                activeDot={({ cx, cy, payload }) => (
                  <Point {...{ cx, cy, colour }} choose={() => chooseAlone((payload as Row).period)} />
                )}
                isAnimationActive={false}
              />
            ))}
          </LineChart>
        </ResponsiveContainer>
      </div>
      {rows.length > 1 && (
        <>
          <MonthStrip
            months={rows.map(({ period }) => format.month(period))}
            range={range}
            names={[say.firstMonth, say.lastMonth]}
            onMove={setMoving}
            onDrop={choose}
            onGiveUp={() => setMoving(undefined)}
          />
          <p className="hint">{say.seriesHelp}</p>
        </>
      )}
    </Card>
  );
}

interface PointProps {
  cx: number | undefined;
  cy: number | undefined;
  colour: string;
  choose(): void;
}

/** The point of the month that the pointer is at. Keys choose a month in the table, or by the strip. */
function Point({ cx, cy, colour, choose }: PointProps) {
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the table has a button for it
    <g className="point" onClick={choose}>
      <circle cx={cx} cy={cy} r={12} fill="transparent" />
      <circle cx={cx} cy={cy} r={4} fill={colour} stroke="var(--surface)" strokeWidth={2} />
    </g>
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
