import { useFormat, useMessages } from "../../locale";
import { When } from "../parts/When";
import { isLoadable } from "../upload/names";
import type { FolderView } from "./folders";
import { words } from "./words";

interface FilesTableProps {
  view: FolderView;
  folder: string;
  /** What is said where there is nothing. */
  nothing: string;
  openFolder(folder: string): void;
  startLoad(path: string): void;
}

export function FilesTable({ view: { folders, files }, folder, nothing, openFolder, startLoad }: FilesTableProps) {
  const say = useMessages(words);
  const format = useFormat();
  if (folders.length + files.length === 0) {
    return <p className="hint">{nothing}</p>;
  }
  return (
    <table className="listing files-table">
      <thead>
        <tr>
          <th scope="col">{say.name}</th>
          <th scope="col" className="number">
            {say.size}
          </th>
          <th scope="col" className="when">
            {say.modified}
          </th>
          <th scope="col">
            <span className="visually-hidden">{say.action}</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {folders.map(({ path, name, files }) => (
          <tr key={path}>
            <th scope="row" className="path">
              <button type="button" className="link" onClick={() => openFolder(path)}>
                {name}/
              </button>
            </th>
            <td className="number hint">{say.filesIn(files, format.count(files))}</td>
            <td className="when" />
            <td />
          </tr>
        ))}
        {files.map(({ path, sizeBytes, modifiedAt }) => (
          <tr key={path}>
            <th scope="row" className="path">
              {path.slice(folder.length)}
              <span className="hint when-below">
                <When at={modifiedAt} />
              </span>
              {!isLoadable(path) && <span className="hint">{say.notLoadable}</span>}
            </th>
            <td className="number">{format.bytes(sizeBytes)}</td>
            <td className="when">
              <When at={modifiedAt} />
            </td>
            <td className="number">
              {isLoadable(path) && (
                <button type="button" className="small" aria-label={say.loadOf(path)} onClick={() => startLoad(path)}>
                  {say.load}
                </button>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
