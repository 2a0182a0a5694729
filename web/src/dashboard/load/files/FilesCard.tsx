/** The data lake: folders and files, and a way to load each. */
import { useState } from "react";
import { useFormat, useMessages } from "../../locale";
import { useSettings } from "../../settings";
import { Problem } from "../../ui/Problem";
import { Skeleton } from "../parts/Skeleton";
import { ChooseFiles } from "../upload/ChooseFiles";
import { words as uploadWords } from "../upload/words";
import { FilesTable } from "./FilesTable";
import { inFolder, MOST_FILES, matching } from "./folders";
import { UrlSource } from "./UrlSource";
import { useFiles } from "./use-files";
import { Way } from "./Way";
import { words } from "./words";

interface FilesCardProps {
  folder: string;
  openFolder(folder: string): void;
  startLoad(path: string): void;
  add(files: File[]): void;
}

export function FilesCard({ folder, openFolder, startLoad, add }: FilesCardProps) {
  const say = useMessages(words);
  const { off } = useMessages(uploadWords);
  const format = useFormat();
  const { maxBytes } = useSettings().upload;
  const [text, setText] = useState("");
  const { files, isCut, busy, error, refresh } = useFiles(folder, text);
  const isEmpty = files?.length === 0 && folder === "";
  const view = files && (text.trim() ? { folders: [], files: matching(files, folder, text) } : inFolder(files, folder));
  return (
    <section className="card files" aria-labelledby="files-title" aria-busy={busy}>
      <div className="card-head">
        <h2 id="files-title">{say.title}</h2>
        <button type="button" onClick={refresh}>
          {say.refresh}
        </button>
        {maxBytes > 0 && <ChooseFiles add={add} />}
      </div>
      {!isEmpty && (
        <div className="files-tools">
          <Way folder={folder} open={openFolder} />
          <input
            type="search"
            aria-label={say.filter}
            placeholder={say.filter}
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
        </div>
      )}
      {error && <Problem error={error} retry={refresh} />}
      {!files && !error && <Skeleton lines={6} />}
      {isEmpty && (
        <div className="empty">
          <h3>{say.empty}</h3>
          <p className="hint">{maxBytes > 0 ? say.startByUpload : say.startByFolder}</p>
        </div>
      )}
      {view && !isEmpty && (
        <FilesTable
          view={view}
          folder={folder}
          nothing={text.trim() ? say.noneMatch : say.emptyFolder}
          openFolder={openFolder}
          startLoad={startLoad}
        />
      )}
      {isCut && <p className="hint">{say.first(format.count(MOST_FILES))}</p>}
      <UrlSource startLoad={startLoad} />
      <p className="hint">{maxBytes === 0 ? off : say.drop}</p>
    </section>
  );
}
