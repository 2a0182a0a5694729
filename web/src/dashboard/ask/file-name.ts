/** Names of files that are taken away: what they hold, and the filter, so that two of them are told apart. */
import type { AgeGroup } from "../gql/graphql";
import type { Filter } from "./filter";

const AGES: Record<AgeGroup, string> = {
  UNDER_25: "to-24",
  FROM_25_TO_34: "25-34",
  FROM_35_TO_44: "35-44",
  FROM_45_TO_54: "45-54",
  FROM_55_TO_64: "55-64",
  FROM_65: "from-65",
};

/** More postal codes than these are counted: names of files have an end. */
const MOST_CODES = 4;

/** Such as `paystats-map-2015-02--2015-04-F-area`, without an ending. */
export function fileName(what: string, { from, to, ages, genders, codes, within, bbox }: Filter): string {
  const months = from && to && from !== to ? `${from}--${to}` : from === to ? from : from ? `from-${from}` : `to-${to}`;
  return [
    "paystats",
    what,
    months,
    ...genders,
    ...ages.map((age) => AGES[age]),
    ...(codes.length > MOST_CODES ? [`${codes.length}-postal-codes`] : codes.map((code) => code.replaceAll(" ", "_"))),
    within && "area",
    bbox && "view",
  ]
    .filter(Boolean)
    .join("-");
}
