/** A filter in words: what pictures that are taken away show, and a page with folded filters. */
import type { Format } from "../locale/format";
import { type Filter, GENDERS, isEverything } from "./filter";
import type { words } from "./words";

export function describe(filter: Filter, say: (typeof words)["en"], format: Format): string {
  if (isEverything(filter)) {
    return say.everything;
  }
  const { from, to, ages, genders, codes, within, bbox } = filter;
  const months = [from && `${say.from} ${format.shortMonth(from)}`, to && `${say.to} ${format.shortMonth(to)}`];
  return [
    months.filter(Boolean).join(" "),
    genders.length < GENDERS.length && format.list(genders.map((gender) => say.genders[gender])),
    format.list(ages.map((age) => say.ages[age])),
    format.list(codes.length > 8 ? [...codes.slice(0, 8), "…"] : codes),
    within && say.lasso,
    bbox && say.viewport,
  ]
    .filter(Boolean)
    .join(" · ");
}
