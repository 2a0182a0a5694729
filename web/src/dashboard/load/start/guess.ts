/** What the rows of a file are: by its header if it is at hand, else by its name. */
import type { LoadEntity } from "../../gql/graphql";
import { isGeoJson } from "../upload/names";
import { COLUMNS } from "./columns";

/** Enough for the header of any file that we know. */
const HEAD_BYTES = 4096;

export function guessByName(path: string): LoadEntity | undefined {
  const name = path.slice(path.lastIndexOf("/") + 1).toLowerCase();
  if (isGeoJson(name)) {
    return "POSTAL_CODES";
  }
  const isPaystats = /pay|stat|amount|spend|pago|gasto|tarjeta/.test(name);
  const isPlaces = /postal|zip|code|geo|area|c[oó]digo|zona|(^|[^a-z])cp([^a-z]|$)/.test(name);
  return isPaystats === isPlaces ? undefined : isPaystats ? "PAYSTATS" : "POSTAL_CODES";
}

/** By the names of the columns in a file's first line. */
export function guessByHeader(line: string): LoadEntity | undefined {
  const names = line
    .replace(/^\uFEFF/, "")
    .split(",")
    .map((name) => name.trim().replace(/^"(.*)"$/, "$1"));
  const fits = (entity: LoadEntity) => COLUMNS[entity].every((column) => names.includes(column));
  return fits("PAYSTATS") ? "PAYSTATS" : fits("POSTAL_CODES") ? "POSTAL_CODES" : undefined;
}

/** By what a file begins with. One that is compressed with zstd cannot be looked into here. */
export async function guessByContent(file: File): Promise<LoadEntity | undefined> {
  if (isGeoJson(file.name)) {
    return "POSTAL_CODES";
  }
  try {
    const head = /\.zst$/i.test(file.name) ? "" : await headOf(file);
    return guessByHeader(head.split(/[\r\n]/, 1)[0] ?? "") ?? guessByName(file.name);
  } catch {
    return guessByName(file.name);
  }
}

async function headOf(file: File): Promise<string> {
  if (!/\.gz$/i.test(file.name)) {
    return file.slice(0, HEAD_BYTES).text();
  }
  const reader = file.stream().pipeThrough(new DecompressionStream("gzip")).getReader();
  const { value } = await reader.read();
  void reader.cancel().catch(() => {});
  return new TextDecoder().decode(value?.slice(0, HEAD_BYTES));
}
