/** Loads: what can be loaded, what is on its way, and what was; or one load, by its number. */
import { useApolloClient } from "@apollo/client/react";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { useSearchParams } from "wouter";
import { DemoNotice } from "../demo/DemoNotice";
import type { LoadEntity } from "../gql/graphql";
import { useMessages } from "../locale";
import { useSettings } from "../settings";
import { LAKE_FILES } from "./files/use-files";
import "./load.css";
import { Overview } from "./Overview";
import { LoadPage } from "./one/LoadPage";
import { guessByContent, guessByName } from "./start/guess";
import { StartForm } from "./start/StartForm";
import { takeDropped } from "./upload/dropped";
import { UploadsCard } from "./upload/UploadsCard";
import { UploadsWaiting } from "./upload/UploadsWaiting";
import { addUpload, useUploads } from "./upload/uploads";
import { words } from "./words";

/** A form that is open for a file. */
export interface Draft {
  source: string;
  guess?: LoadEntity;
  /** Whether a person has asked for it just now. */
  takesFocus: boolean;
  /** As `Date.now()` counts. */
  openedAt: number;
}

export default function LoadsPage({ params }: { params: { number?: string } }) {
  const say = useMessages(words);
  const client = useApolloClient();
  const { upload } = useSettings();
  const [search, setSearch] = useSearchParams();
  const [drafts, setDrafts] = useState<Draft[]>([]);
  const folder = search.get("folder") ?? "";
  const { number } = params;
  // The page of a load shows files that came while one looks at it, and a line of each other one; the overview shows all.
  const since = useMemo(() => (number === undefined ? 0 : Date.now()), [number]);
  const uploads = useUploads();
  const isShown = ({ doneAt = Number.POSITIVE_INFINITY }) => doneAt >= since;

  useEffect(() => {
    document.title = `${number ? say.load(number) : say.title} · paystats`;
    return () => {
      document.title = "paystats";
    };
  }, [number, say]);

  const open = useCallback((opened: Omit<Draft, "openedAt">) => {
    const draft = { ...opened, openedAt: Date.now() };
    setDrafts((drafts) => [draft, ...drafts.filter(({ source }) => source !== draft.source)].sort(codesFirst));
  }, []);
  const close = useCallback((source: string) => {
    setDrafts((drafts) => drafts.filter((draft) => draft.source !== source));
  }, []);
  const startLoad = useCallback(
    (source: string) => open({ source, guess: guessByName(source), takesFocus: true }),
    [open],
  );
  const openFolder = (path: string) =>
    setSearch((now) => {
      const next = new URLSearchParams(now);
      next.delete("folder");
      if (path) {
        next.set("folder", path);
      }
      return next;
    });

  const rules = {
    ...upload,
    sizeOf: async (path: string) => {
      const { data } = await client.query({
        query: LAKE_FILES,
        variables: { prefix: path },
        fetchPolicy: "network-only",
      });
      return data?.datalake.find((file) => file.path === path)?.sizeBytes;
    },
    onStored: async ({ path }: { path: string }, file: File) => {
      client.refetchQueries({ include: [LAKE_FILES] }).catch(() => {});
      const guess = await guessByContent(file);
      // Who is about to type elsewhere is not disturbed.
      const isIdle = !document.activeElement?.matches("input, select, textarea");
      open({ source: path, guess, takesFocus: isIdle });
    },
  };
  const add = (files: File[], folders: File[] = []) => {
    for (const file of files) {
      addUpload(file, folder, rules);
    }
    for (const file of folders) {
      addUpload(file, folder, rules, true);
    }
  };
  const newestAdd = useRef(add);
  newestAdd.current = add;
  useEffect(() => takeDropped(({ files, folders }) => newestAdd.current(files, folders)), []);

  return (
    <div className="loads">
      {number === undefined && (
        <header className="page-head">
          <h1>{say.title}</h1>
          <p className="hint">{say.intro}</p>
        </header>
      )}
      <DemoNotice onlyBesideOthers />
      <UploadsWaiting uploads={uploads.filter((upload) => !isShown(upload))} />
      <UploadsCard uploads={uploads.filter(isShown)} startLoad={startLoad} />
      {drafts
        .filter(({ openedAt }) => openedAt >= since)
        .map((draft) => (
          <StartForm key={draft.source} {...draft} close={() => close(draft.source)} />
        ))}
      {number === undefined ? (
        <Overview folder={folder} openFolder={openFolder} startLoad={startLoad} add={add} />
      ) : (
        <LoadPage key={number} number={number} />
      )}
    </div>
  );
}

/** Paystats name postal codes, so these are loaded first. */
const codesFirst = (a: Draft, b: Draft) => Number(b.guess === "POSTAL_CODES") - Number(a.guess === "POSTAL_CODES");
