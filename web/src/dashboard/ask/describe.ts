/** A filter in words: what pictures that are taken away show, and a page with folded filters. */
import type { Format } from "../locale/format";
import { type Filter, GENDERS, isEverything } from "./filter";
import type { MonthRange } from "./months";
import type { words } from "./words";

type Words = (typeof words)["en"];

export function describe(filter: Filter, say: Words, format: Format): string {
  if (isEverything(filter)) {
    return say.everything;
  }
  const { from, to } = filter;
  const months = [from && `${say.from} ${format.shortMonth(from)}`, to && `${say.to} ${format.shortMonth(to)}`];
  return joined([months.filter(Boolean).join(" "), ...others(filter, say, format)]);
}

/** The same with the months from the first to the last, also where all are meant. */
export function describeWithin(whole: MonthRange, filter: Filter, say: Words, format: Format): string {
  const [from, to] = [filter.from ?? whole.from, filter.to ?? whole.to];
  const months = from === to ? format.shortMonth(from) : `${format.shortMonth(from)} – ${format.shortMonth(to)}`;
  return joined([months, ...others(filter, say, format)]);
}

const joined = (parts: (string | false | undefined)[]) => parts.filter(Boolean).join(" · ");

/** All but the months. */
function others({ ages, genders, codes, within, bbox }: Filter, say: Words, format: Format) {
  return [
    genders.length < GENDERS.length && format.list(genders.map((gender) => say.genders[gender])),
    format.list(ages.map((age) => say.ages[age])),
    format.list(codes.length > 8 ? [...codes.slice(0, 8), "…"] : codes),
    within && say.lasso,
    bbox && say.viewport,
  ];
}
