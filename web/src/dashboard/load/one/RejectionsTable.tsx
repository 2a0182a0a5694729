/** Refused rows as the source has them, with what is wrong marked. */
import type { RejectionsQuery } from "../../gql/graphql";
import { useFormat, useMessages } from "../../locale";
import { words } from "./words";

type Rejection = NonNullable<RejectionsQuery["load"]>["rejections"]["nodes"][number];

interface RejectionsTableProps {
  rows: Rejection[];
  /** The names of the source's columns, if they are known. */
  columns?: string[];
  busy: boolean;
}

export function RejectionsTable({ rows, columns, busy }: RejectionsTableProps) {
  const say = useMessages(words);
  const format = useFormat();
  const width = Math.max(columns?.length ?? 0, ...rows.map(({ fields }) => fields.length));
  const places = Array.from({ length: width }, (_, place) => place);
  const nameOf = (place: number) => columns && (columns[place] ?? say.surplus);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys
    <section className="scroller" tabIndex={0} aria-label={say.rejections} aria-busy={busy}>
      <table className="listing rejections">
        <thead>
          <tr>
            <th scope="col" className="number">
              {say.line}
            </th>
            <th scope="col">{say.what}</th>
            {columns ? (
              places.map((place) => (
                <th scope="col" key={place}>
                  {nameOf(place)}
                </th>
              ))
            ) : (
              <th scope="col" colSpan={width || 1}>
                {say.record}
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map(({ line, column, code, value, reason, fields }) => (
            <tr key={`${line} ${code} ${column}`}>
              <th scope="row" className="number">
                {format.count(line)}
              </th>
              <td className="reason">
                <strong>{say.codes[code]}</strong>
                {value !== null && value !== "" && <code className="value">{value}</code>}
                <span className="hint" lang="en">
                  {reason}
                </span>
              </td>
              {places.map((place) => (
                <td key={place} className="source-field" data-wrong={column !== null && nameOf(place) === column}>
                  <span title={fields[place]}>{fields[place]}</span>
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
