import { useQuery } from "@apollo/client/react";
import { useEffect, useState } from "react";
import { graphql } from "../../gql";
import { type LakeFile, MOST_FILES } from "./folders";

export const LAKE_FILES = graphql(`
  query LakeFiles($prefix: String) {
    datalake(prefix: $prefix) { path sizeBytes modifiedAt }
  }
`);

const TYPING_MS = 300;

/** The files below a folder. Where there are more than the server tells, what is typed narrows the question. */
export function useFiles(folder: string, text: string) {
  const all = useQuery(LAKE_FILES, { variables: { prefix: folder } });
  const known = (all.data ?? (all.variables?.prefix === folder ? all.previousData : undefined))?.datalake;
  const isCut = known?.length === MOST_FILES;
  const typed = useLate(text.trim());
  const narrowed = useQuery(LAKE_FILES, { variables: { prefix: folder + typed }, skip: !isCut || typed === "" });
  const files = new Map<string, LakeFile>();
  for (const file of [...(known ?? []), ...(isCut && typed ? (narrowed.data?.datalake ?? []) : [])]) {
    files.set(file.path, file);
  }
  return {
    files: known && [...files.values()],
    isCut,
    busy: all.loading || narrowed.loading,
    error: all.error,
    refresh: () => void all.refetch().catch(() => {}),
  };
}

function useLate(text: string): string {
  const [late, setLate] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setLate(text), TYPING_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return late;
}
