/** What a load does to the totals, by month. */
import { type FragmentType, graphql, readFragment } from "../../gql";
import { useFormat, useMessages } from "../../locale";
import { plus } from "../../locale/decimal";
import { progressOf } from "../progress";
import { words } from "./words";

const TOTAL_CHANGES = graphql(`
  fragment TotalChanges on Load {
    id
    entity
    dryRun
    totalChanges { month amount count }
    ...LoadState
  }
`);

/** Months that are seen without scrolling. */
const FIT = 12;

export function TotalChanges({ load: masked }: { load: FragmentType<typeof TOTAL_CHANGES> }) {
  const load = readFragment(TOTAL_CHANGES, masked);
  const say = useMessages(words);
  const format = useFormat();
  const { state } = progressOf(load);
  if (load.entity !== "PAYSTATS" || state === "FAILED" || state === "CANCELLED") {
    return null;
  }
  const changes = load.totalChanges;
  const greatest = Math.max(...changes.map(({ amount }) => Math.abs(Number(amount))), 0) || 1;
  const sum = changes.reduce(
    (sum, { amount, count }) => ({ amount: plus(sum.amount, amount), count: sum.count + count }),
    { amount: "0", count: 0 },
  );
  return (
    <section className="card load-changes" aria-labelledby="changes-title">
      <div className="card-head">
        <h2 id="changes-title">
          {load.dryRun ? say.changes.would : state === "UNDONE" ? say.changes.was : say.changes.will}
        </h2>
        {changes.length > 0 && (
          <span className="hint" id="changes-months">
            {say.months(format.count(changes.length), changes.length)}
          </span>
        )}
      </div>
      {changes.length === 0 ? (
        <p className="hint">{say.noChanges}</p>
      ) : (
        <section
          className="scroller tall"
          data-long={changes.length > FIT}
          // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
          tabIndex={0}
          aria-labelledby="changes-title changes-months"
        >
          <table className="listing">
            <thead>
              <tr>
                <th scope="col">{say.month}</th>
                <td className="spark" />
                <th scope="col" className="number">
                  {say.amount}
                </th>
                <th scope="col" className="number">
                  {say.paystats}
                </th>
              </tr>
            </thead>
            <tbody>
              {changes.map(({ month, amount, count }) => (
                <tr key={month}>
                  <th scope="row">{format.shortMonth(month)}</th>
                  <td className="spark" aria-hidden="true">
                    <div
                      data-sign={amount.startsWith("-") ? "-" : "+"}
                      style={{ inlineSize: `${(Math.abs(Number(amount)) / greatest) * 100}%` }}
                    />
                  </td>
                  <td className="number">{format.difference(amount)}</td>
                  <td className="number">{signed(count)}</td>
                </tr>
              ))}
            </tbody>
            <tfoot>
              <tr>
                <th scope="row">{say.sum}</th>
                <td className="spark" />
                <td className="number">{format.difference(sum.amount)}</td>
                <td className="number">{signed(sum.count)}</td>
              </tr>
            </tfoot>
          </table>
        </section>
      )}
    </section>
  );

  function signed(count: number) {
    return `${count > 0 ? "+" : ""}${format.count(count)}`;
  }
}
