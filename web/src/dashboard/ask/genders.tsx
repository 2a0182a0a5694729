/** What pictures and tables with a part for each gender have in common. */
import type { Gender } from "../gql/graphql";
import { useFormat, useMessages } from "../locale";
import { plus } from "../locale/decimal";
import { type LegendEntry, resolved } from "../ui/picture";
import { Values } from "./Values";
import { words } from "./words";

/** Exact totals by gender; nothing where there are no paystats. */
export type ByGender = Partial<Record<Gender, { amount: string; count: number }>>;

interface Entry {
  gender: Gender;
  name: string;
  /** The colour, as CSS. */
  colour: string;
}

/** Names and colours of genders. */
export function useGenderLegend(genders: readonly Gender[]): Entry[] {
  const say = useMessages(words);
  return genders.map((gender) => ({ gender, name: say.genders[gender], colour: `var(--${gender.toLowerCase()})` }));
}

/** The same for a picture that knows no style sheet. */
export const inPicture = (legend: Entry[]): LegendEntry[] =>
  legend.map(({ gender, name }) => ({ text: name, colour: resolved(`--${gender.toLowerCase()}`) }));

export function GenderKeys({ legend }: { legend: Entry[] }) {
  return (
    <ul className="keys">
      {legend.map(({ gender, name }) => (
        <li key={gender} className={`key ${gender}`}>
          {name}
        </li>
      ))}
    </ul>
  );
}

/** The exact sum of those in the legend. */
const sumOf = (legend: Entry[], exact: ByGender) =>
  legend.reduce((sum, { gender }) => plus(sum, exact[gender]?.amount ?? "0"), "0");

/** What is under the pointer. */
export function GenderValues({ title, legend, exact }: { title: string; legend: Entry[]; exact: ByGender }) {
  const say = useMessages(words);
  const format = useFormat();
  const values: { key: string; name: string; text: string }[] = legend.map(({ gender, name }) => ({
    key: gender,
    name,
    text: format.amount(exact[gender]?.amount ?? "0"),
  }));
  if (legend.length > 1) {
    values.push({ key: "sum", name: say.total, text: format.amount(sumOf(legend, exact)) });
  }
  return <Values title={title} values={values} />;
}

interface GenderTableProps {
  /** What rows are. */
  head: string;
  legend: Entry[];
  rows: { key: string; name: string; exact: ByGender }[];
  /** Chooses a row by its key, where that can be done. */
  choose?: { isChosen(key: string): boolean; run(key: string): void };
}

/** The sum stands first: where there is no room for all columns, it is what most look for. */
export function GenderTable({ head, legend, rows, choose }: GenderTableProps) {
  const say = useMessages(words);
  const format = useFormat();
  return (
    <table>
      <thead>
        <tr>
          <th scope="col">{head}</th>
          {legend.length > 1 && (
            <th scope="col" className="number">
              {say.total}
            </th>
          )}
          {legend.map(({ gender, name }) => (
            <th scope="col" className="number" key={gender}>
              {name}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map(({ key, name, exact }) => (
          <tr key={key}>
            <th scope="row">
              {choose ? (
                <button
                  type="button"
                  className="link"
                  aria-pressed={choose.isChosen(key)}
                  onClick={() => choose.run(key)}
                >
                  {name}
                </button>
              ) : (
                name
              )}
            </th>
            {legend.length > 1 && <td className="number">{format.amount(sumOf(legend, exact))}</td>}
            {legend.map(({ gender }) => (
              <td className="number" key={gender}>
                {format.amount(exact[gender]?.amount ?? "0")}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}
