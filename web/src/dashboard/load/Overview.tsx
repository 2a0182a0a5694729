/** What can be loaded, what is on its way, and what was. */
import { useRoles } from "../api/roles";
import { FilesCard } from "./files/FilesCard";
import { HistoryCard } from "./history/HistoryCard";
import { ReadOnly } from "./ReadOnly";
import { RunningCard } from "./running/RunningCard";

interface OverviewProps {
  folder: string;
  openFolder(folder: string): void;
  startLoad(path: string): void;
  add(files: File[]): void;
}

export function Overview({ folder, openFolder, startLoad, add }: OverviewProps) {
  const { mayLoad } = useRoles();
  return (
    <>
      {!mayLoad && <ReadOnly />}
      <RunningCard />
      <div className={mayLoad ? "overview-grid" : undefined}>
        {mayLoad && <FilesCard folder={folder} openFolder={openFolder} startLoad={startLoad} add={add} />}
        <HistoryCard />
      </div>
    </>
  );
}
