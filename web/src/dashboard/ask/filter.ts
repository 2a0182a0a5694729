/** What the page is about: one filter, kept in the URL, that everything on it asks with. */
import type { AgeGroup, Gender, StatsFilter } from "../gql/graphql";

/** West, south, east, north in degrees. */
export type BBox = [number, number, number, number];
/** A longitude and a latitude in degrees. */
export type Position = [number, number];

export interface Filter {
  /** First month, such as `2015-01`. */
  from?: string;
  /** Last month, included. */
  to?: string;
  ages: AgeGroup[];
  genders: Gender[];
  /** Postal codes that were chosen one by one. */
  codes: string[];
  /** What the map shows, if only that counts. */
  bbox?: BBox;
  /** A ring that was drawn on the map, not closed. */
  within?: Position[];
}

export const AGES = [
  "UNDER_25",
  "FROM_25_TO_34",
  "FROM_35_TO_44",
  "FROM_45_TO_54",
  "FROM_55_TO_64",
  "FROM_65",
] as const satisfies AgeGroup[];
export const GENDERS = ["F", "M"] as const satisfies Gender[];

export const EVERYTHING: Filter = { ages: [], genders: [], codes: [] };

/** The parameters that a filter takes in the URL. */
const NAMES = ["from", "to", "ages", "genders", "codes", "bbox", "within"] as const;

/** The filter in a URL. What cannot be understood is left out: links get old, and are cut by mail programs. */
export function parseFilter(params: URLSearchParams): Filter {
  const list = (name: string) => (params.get(name) ?? "").split(",").filter(Boolean);
  const month = (name: string) => {
    const text = params.get(name) ?? "";
    return /^(19\d\d|20\d\d|21\d\d)-(0[1-9]|1[0-2])$/.test(text) ? text : undefined;
  };
  const [from, to] = [month("from"), month("to")];
  const inOrder = !from || !to || from <= to;
  const bbox = numbers(params.get("bbox"));
  const ring = numbers(params.get("within"));
  const within = ring?.length && ring.length >= 6 && ring.length % 2 === 0 ? pairs(ring) : undefined;
  return {
    from: inOrder ? from : undefined,
    to: inOrder ? to : undefined,
    ages: AGES.filter((age) => list("ages").includes(age)),
    genders: GENDERS.filter((gender) => list("genders").includes(gender)),
    codes: [...new Set(list("codes").filter((code) => /^[\p{L}\p{N} -]{1,16}$/u.test(code)))],
    bbox: bbox?.length === 4 && isBox(bbox as BBox) ? (bbox as BBox) : undefined,
    within: within?.every(isPosition) ? within : undefined,
  };
}

/** Writes a filter into the parameters of a URL, and leaves the others as they are. */
export function writeFilter(filter: Filter, params: URLSearchParams): URLSearchParams {
  const next = new URLSearchParams(params);
  const values: Record<(typeof NAMES)[number], string | undefined> = {
    from: filter.from,
    to: filter.to,
    ages: filter.ages.join(","),
    genders: filter.genders.join(","),
    codes: filter.codes.join(","),
    bbox: filter.bbox?.map(inDegrees).join(BETWEEN),
    within: filter.within?.flat().map(inDegrees).join(BETWEEN),
  };
  for (const name of NAMES) {
    const value = values[name];
    if (value) {
      next.set(name, value);
    } else {
      next.delete(name);
    }
  }
  return next;
}

export const isEverything = (filter: Filter) => writeFilter(filter, new URLSearchParams()).size === 0;

/** The filter as the API takes it. */
export function statsFilter({ from, to, ages, genders, codes, bbox, within }: Filter): StatsFilter {
  return {
    from,
    to,
    ages: ages.length > 0 ? ages : undefined,
    genders: genders.length > 0 ? genders : undefined,
    postalCodes: codes.length > 0 ? codes : undefined,
    bbox: bbox && { west: bbox[0], south: bbox[1], east: bbox[2], north: bbox[3] },
    within: within && { type: "Polygon", coordinates: [[...within, within[0] as Position]] },
  };
}

/** The same people and months, wherever they are: what the map shows around those that count. */
export const everywhere = (filter: Filter): Filter => ({
  ...filter,
  codes: [],
  bbox: undefined,
  within: undefined,
});

/** The same without the postal codes that were chosen: what these stand among. */
export const among = (filter: Filter): Filter => ({ ...filter, codes: [] });

/** The same people and places, whenever: what the time series shows the chosen months in. */
export const always = (filter: Filter): Filter => ({ ...filter, from: undefined, to: undefined });

/** Takes one out of a list, or puts it in. */
export const toggled = <Item>(items: Item[], item: Item) =>
  items.includes(item) ? items.filter((other) => other !== item) : [...items, item];

/** The postal codes after a click on one: it alone, or nothing if it was alone; with `adds` the others stay. */
export const chosen = (codes: string[], code: string, adds: boolean) =>
  adds || (codes.length === 1 && codes[0] === code) ? toggled(codes, code) : [code];

/** Between numbers: a comma takes three characters in a URL. Links with commas are read, too. */
const BETWEEN = "_";

/** Five decimals are a metre. */
const inDegrees = (degrees: number) => String(Number(degrees.toFixed(5)));

function numbers(text: string | null): number[] | undefined {
  const all = text?.split(/[_,]/).map(Number);
  return all?.every(Number.isFinite) ? all : undefined;
}

const pairs = (flat: number[]) =>
  flat.flatMap((x, index): Position[] => (index % 2 === 0 ? [[x, flat[index + 1] as number]] : []));
const isPosition = ([x, y]: Position) => Math.abs(x) <= 180 && Math.abs(y) <= 90;
const isBox = ([west, south, east, north]: BBox) =>
  isPosition([west, south]) && isPosition([east, north]) && south < north && west !== east;
