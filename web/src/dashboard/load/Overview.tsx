/** What can be loaded, what is on its way, and what was. */
import { FilesCard } from "./files/FilesCard";
import { HistoryCard } from "./history/HistoryCard";
import type { Draft } from "./LoadsPage";
import { RunningCard } from "./running/RunningCard";
import { StartForm } from "./start/StartForm";

interface OverviewProps {
  folder: string;
  drafts: Draft[];
  closeDraft(source: string): void;
  openFolder(folder: string): void;
  startLoad(path: string): void;
  add(files: File[]): void;
}

export function Overview({ folder, drafts, closeDraft, openFolder, startLoad, add }: OverviewProps) {
  return (
    <>
      {drafts.map((draft) => (
        <StartForm key={draft.source} {...draft} close={() => closeDraft(draft.source)} />
      ))}
      <RunningCard />
      <div className="overview-grid">
        <FilesCard folder={folder} openFolder={openFolder} startLoad={startLoad} add={add} />
        <HistoryCard />
      </div>
    </>
  );
}
