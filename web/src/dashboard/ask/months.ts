/** Months as the API writes them, such as `2015-01`, and what can be counted with them. */

export interface MonthRange {
  from: string;
  /** Included. */
  to: string;
}

const toNumber = (month: string) => Number(month.slice(0, 4)) * 12 + Number(month.slice(5)) - 1;
const toMonth = (number: number) =>
  `${String(Math.floor(number / 12)).padStart(4, "0")}-${String((number % 12) + 1).padStart(2, "0")}`;

/** How many months a range has. */
export const lengthOf = ({ from, to }: MonthRange) => toNumber(to) - toNumber(from) + 1;

/** The range of the same length that ends where this one begins; `undefined` where the API has no such months. */
export function rangeBefore(range: MonthRange): MonthRange | undefined {
  const first = toNumber(range.from) - lengthOf(range);
  return first >= toNumber("1900-01") ? { from: toMonth(first), to: toMonth(toNumber(range.from) - 1) } : undefined;
}

/** The same months a year before; `undefined` where the API has no such months. */
export function rangeYearBefore({ from, to }: MonthRange): MonthRange | undefined {
  const [first, last] = [toNumber(from) - 12, toNumber(to) - 12];
  return first >= toNumber("1900-01") ? { from: toMonth(first), to: toMonth(last) } : undefined;
}

/** All months of a range, in order. */
export const monthsOf = (range: MonthRange) =>
  Array.from({ length: lengthOf(range) }, (_, index) => toMonth(toNumber(range.from) + index));
