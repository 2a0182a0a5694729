/** The whole window takes files that are dropped on it. */
import { useEffect, useRef, useState } from "react";
import { useMessages } from "../../locale";
import { words } from "./words";

interface DropZoneProps {
  /** Where they will go. */
  folder: string;
  add(files: File[], folders: File[]): void;
}

export function DropZone({ folder, add }: DropZoneProps) {
  const say = useMessages(words);
  const [over, setOver] = useState(false);
  const taken = useRef(add);
  taken.current = add;
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
      taken.current(only(false), only(true));
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
        {say.intoFolder(folder)}
      </p>
    </div>
  ) : null;
}
