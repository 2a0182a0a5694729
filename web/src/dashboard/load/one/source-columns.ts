/**
 * The names of a source's columns. Only the file of a load's refused rows has them: its header is read, and nothing else of it.
 */
import { useEffect, useState } from "react";
import { fetchWithKey } from "../../api/fetch-with-key";

/** What stands before the record in that file. */
const OURS = ["line", "column", "code", "value", "reason"];

/** They are looked for again with each `attempt` while they are not known. */
export function useSourceColumns(csv: string, attempt: unknown): string[] | undefined {
  const [columns, setColumns] = useState<string[]>();
  const isKnown = columns !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a load that runs may not have the file yet
  useEffect(() => {
    if (isKnown) {
      return;
    }
    const stop = new AbortController();
    readHeader(csv, stop.signal).then(setColumns, () => {});
    return () => stop.abort();
  }, [csv, attempt, isKnown]);
  return columns;
}

async function readHeader(url: string, signal: AbortSignal): Promise<string[] | undefined> {
  const response = await fetchWithKey(url, { signal });
  const reader = response.ok ? response.body?.getReader() : undefined;
  const decoder = new TextDecoder();
  let text = "";
  while (reader && !text.includes("\n")) {
    const { value, done } = await reader.read();
    text += decoder.decode(value, { stream: true });
    if (done) {
      break;
    }
  }
  await reader?.cancel();
  return text ? sourceColumns(text) : undefined;
}

/** The columns of the source in the header of the file of refused rows. */
export function sourceColumns(csv: string): string[] | undefined {
  const header = fieldsOf(csv);
  if (!OURS.every((name, index) => header[index] === name)) {
    return undefined;
  }
  const names = header.slice(OURS.length, header.at(-1) === "surplus" ? -1 : undefined);
  return names.map((name) => (name.startsWith("source.") ? name.slice("source.".length) : name));
}

/** The first record of a CSV. */
function fieldsOf(csv: string): string[] {
  const fields: string[] = [];
  const field = /(?:"((?:[^"]|"")*)"|([^,\r\n]*))(,|\r?\n|$)/y;
  for (let match = field.exec(csv); match; match = field.exec(csv)) {
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] !== ",") {
      break;
    }
  }
  return fields;
}
