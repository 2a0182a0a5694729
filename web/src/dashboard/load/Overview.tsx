/** What can be loaded, what is on its way, and what was. */
import { FilesCard } from "./files/FilesCard";
import { HistoryCard } from "./history/HistoryCard";
import { RunningCard } from "./running/RunningCard";

interface OverviewProps {
  folder: string;
  openFolder(folder: string): void;
  startLoad(path: string): void;
  add(files: File[]): void;
}

export function Overview({ folder, openFolder, startLoad, add }: OverviewProps) {
  return (
    <>
      <RunningCard />
      <div className="overview-grid">
        <FilesCard folder={folder} openFolder={openFolder} startLoad={startLoad} add={add} />
        <HistoryCard />
      </div>
    </>
  );
}
