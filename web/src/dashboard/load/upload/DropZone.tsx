/** The whole window takes files that are dropped on it, on every page: the page of loads uploads them. */
import { useEffect, useRef, useState } from "react";
import { useLocation, useRoute, useSearchParams } from "wouter";
import { useMessages } from "../../locale";
import { type Dropped, giveDropped } from "./dropped";
import { words } from "./words";

export function DropZone() {
  const say = useMessages(words);
  const [over, setOver] = useState(false);
  const [isLoads] = useRoute("/loads/:number?");
  const [, navigate] = useLocation();
  const [search] = useSearchParams();
  const taken = useRef<(dropped: Dropped) => void>(giveDropped);
  taken.current = (dropped) => {
    giveDropped(dropped);
    if (!isLoads) {
      navigate("/loads");
    }
  };
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
    const enter = (event: DragEvent) => {
      if (hasFiles(event)) {
        event.preventDefault();
        setOver(true);
      }
    };
    const leave = (event: DragEvent) => event.relatedTarget === null && setOver(false);
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) {
        return;
      }
      event.preventDefault();
      setOver(false);
      const items = [...(event.dataTransfer?.items ?? [])].filter(({ kind }) => kind === "file");
      const dropped = items.flatMap((item) => {
        const file = item.getAsFile();
        return file ? [{ file, isFolder: item.webkitGetAsEntry()?.isDirectory === true }] : [];
      });
      const only = (folders: boolean) => dropped.filter(({ isFolder }) => isFolder === folders).map(({ file }) => file);
      taken.current({ files: only(false), folders: only(true) });
    };
    const events = { dragenter: enter, dragover: enter, dragleave: leave, drop } as const;
    for (const [name, listener] of Object.entries(events)) {
      addEventListener(name as keyof typeof events, listener);
    }
    return () => {
      for (const [name, listener] of Object.entries(events)) {
        removeEventListener(name as keyof typeof events, listener);
      }
    };
  }, []);
  return over ? (
    <div className="drop-here" aria-hidden="true">
      <p>
        <strong>{say.dropHere}</strong>
        <br />
        {say.intoFolder(search.get("folder") ?? "")}
      </p>
    </div>
  ) : null;
}
