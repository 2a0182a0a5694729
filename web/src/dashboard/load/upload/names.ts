/** Names of files in the data lake: which can be loaded, and which are free. */

const LOADABLE = /\.(csv|geojson|json)(\.gz|\.zst)?$/i;

export const ENDINGS = [".csv", ".geojson", ".json"];

export const isLoadable = (name: string) => LOADABLE.test(name);

export const isUrl = (source: string) => source.includes("://");

/** Postal codes alone come as GeoJSON. */
export const isGeoJson = (name: string) => /\.(geo)?json(\.gz|\.zst)?$/i.test(name);

/** `2015/paystats.csv.gz` as `2015/paystats-2.csv.gz`. */
export function otherName(path: string, count: number): string {
  const ending = path.match(LOADABLE)?.[0] ?? "";
  return `${path.slice(0, path.length - ending.length)}-${count}${ending}`;
}
