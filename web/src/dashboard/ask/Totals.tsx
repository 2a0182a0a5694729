import { type FragmentType, graphql, readFragment } from "../gql";
import { useFormat, useMessages } from "../locale";
import type { MonthRange } from "./months";
import { COMPARISONS, type Comparison, useComparison } from "./use-comparison";
import { words } from "./words";

const TOTALS = graphql(`
  fragment Totals on Query {
    total(filter: $filter) { amount count }
    compare(filter: $always, months: $months, against: $against) @include(if: $compared) {
      whole { difference ratio }
    }
  }
`);

interface TotalsProps {
  data: FragmentType<typeof TOTALS> | undefined;
  busy: boolean;
  /** The earlier months that those shown are compared with. */
  against: MonthRange | undefined;
  /** Why there are none. */
  hint: string;
}

/** The total, and what it is more or less than that of earlier months. */
export function Totals({ data, busy, against, hint }: TotalsProps) {
  const say = useMessages(words);
  const format = useFormat();
  const { comparison, compareWith } = useComparison();
  const answer = readFragment(TOTALS, data);
  const whole = answer?.compare?.whole;
  return (
    <section className="card totals" aria-label={say.total} aria-busy={busy}>
      <p className="headline">
        <span className="label">{say.total}</span>
        <output className="amount">{answer ? format.amount(answer.total.amount) : "…"}</output>
        <span className="label">{answer && say.paystats(format.count(answer.total.count))}</span>
      </p>
      <div className="comparison">
        <label>
          <span className="label">{say.compareWith}</span>{" "}
          <select value={comparison} onChange={(event) => compareWith(event.target.value as Comparison)}>
            {COMPARISONS.map((name) => (
              <option key={name} value={name}>
                {say.comparisons[name]}
              </option>
            ))}
          </select>
        </label>
        {!against && <p className="hint">{hint}</p>}
        {against && whole && (
          <p className="difference">
            <strong>
              {whole.ratio === null || whole.ratio === undefined
                ? ""
                : `${arrow(whole.ratio)} ${format.change(whole.ratio)} `}
            </strong>
            {format.difference(whole.difference)}{" "}
            <span className="label">
              {say.before(
                against.from === against.to
                  ? format.month(against.from)
                  : `${format.shortMonth(against.from)} – ${format.shortMonth(against.to)}`,
              )}
            </span>
          </p>
        )}
      </div>
    </section>
  );
}

const arrow = (ratio: number) => (ratio > 0 ? "▲" : ratio < 0 ? "▼" : "＝");
