import { Bar, BarChart, CartesianGrid, ReferenceLine, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { type FragmentType, graphql, readFragment } from "../gql";
import type { Gender } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { Card } from "../ui/Card";
import { downloadCsv } from "../ui/download";
import { downloadChart } from "../ui/picture";
import { describe } from "./describe";
import { fileName } from "./file-name";
import { AGES, GENDERS, toggled } from "./filter";
import { GenderKeys, GenderTable, GenderValues, inPicture, useGenderLegend } from "./genders";
import { useFilter } from "./use-filter";
import { words } from "./words";

const AGE_AND_GENDER = graphql(`
  fragment AgeAndGender on Query {
    byAgeAndGender(filter: $filter) { age gender total { amount count } }
  }
`);

interface AgeAndGenderProps {
  data: FragmentType<typeof AGE_AND_GENDER> | undefined;
  busy: boolean;
}

/** A pyramid: women to the left, men to the right, the oldest at the top. */
export function AgeAndGender({ data, busy }: AgeAndGenderProps) {
  const say = useMessages(words);
  const format = useFormat();
  const { filter, change } = useFilter();
  const totals = readFragment(AGE_AND_GENDER, data)?.byAgeAndGender ?? [];
  const rows = AGES.toReversed().map((age) => {
    const of = (gender: Gender) => totals.find((row) => row.age === age && row.gender === gender)?.total;
    return {
      age,
      exact: { F: of("F"), M: of("M") },
      F: -Number(of("F")?.amount ?? 0),
      M: Number(of("M")?.amount ?? 0),
    };
  });
  type Row = (typeof rows)[number];
  const legend = useGenderLegend(
    GENDERS.filter((gender) => filter.genders.length === 0 || filter.genders.includes(gender)),
  );
  return (
    <Card
      title={say.pyramid}
      className="pyramid"
      busy={busy}
      exports={[
        {
          name: "CSV",
          run: () =>
            downloadCsv(
              fileName("by-age-and-gender", filter),
              ["age", "gender", "amount", "count"],
              totals.map(({ age, gender, total }) => [age, gender, total.amount, total.count]),
            ),
        },
        {
          name: "PNG",
          run: (card) =>
            downloadChart(
              fileName("by-age-and-gender", filter),
              card,
              { title: say.pyramid, about: describe(filter, say, format) },
              inPicture(legend),
            ),
        },
      ]}
      table={
        <GenderTable
          head={say.age}
          legend={legend}
          rows={rows.map(({ age, exact }) => ({ key: age, name: say.ages[age], exact }))}
        />
      }
    >
      <GenderKeys legend={legend} />
      <div className="chart">
        <ResponsiveContainer width="100%" height="100%" minHeight={240}>
          <BarChart
            data={rows}
            layout="vertical"
            stackOffset="sign"
            margin={{ top: 8, right: 16, bottom: 0, left: 0 }}
            title={say.pyramid}
            accessibilityLayer={false}
          >
            <CartesianGrid horizontal={false} stroke="var(--line)" />
            <XAxis
              type="number"
              tickFormatter={(value: number) => format.shortAmount(Math.abs(value))}
              stroke="var(--soft)"
              tick={{ fill: "var(--soft)", fontSize: 12 }}
            />
            <YAxis
              type="category"
              dataKey="age"
              width={92}
              tickFormatter={(age: Row["age"]) => say.ages[age]}
              stroke="var(--soft)"
              tick={{ fill: "var(--soft)", fontSize: 12 }}
            />
            <ReferenceLine x={0} stroke="var(--soft)" />
            <Tooltip
              isAnimationActive={false}
              cursor={{ fill: "var(--line)", opacity: 0.5 }}
              content={({ active, payload }) => {
                const row = payload?.[0]?.payload as Row | undefined;
                return active && row ? (
                  <GenderValues title={say.ages[row.age]} legend={legend} exact={row.exact} />
                ) : null;
              }}
            />
            {legend.map(({ gender, name, colour }) => (
              <Bar
                key={gender}
                dataKey={gender}
                name={name}
                stackId="people"
                fill={colour}
                isAnimationActive={false}
                cursor="pointer"
                onClick={({ payload }) => change({ ages: toggled(filter.ages, (payload as Row).age) })}
              />
            ))}
          </BarChart>
        </ResponsiveContainer>
      </div>
    </Card>
  );
}
