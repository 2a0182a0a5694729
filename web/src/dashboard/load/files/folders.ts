/** The data lake as folders: its paths have slashes, and a folder is what paths have in common. */

export interface LakeFile {
  path: string;
  sizeBytes: number;
  modifiedAt: string;
}

/** The server tells so many files of a prefix, and no more. */
export const MOST_FILES = 1000;

export interface FolderView {
  folders: { path: string; name: string; files: number }[];
  files: LakeFile[];
}

export const nameOf = (path: string) => path.slice(path.lastIndexOf("/") + 1);

/** What stands in `folder`, which is empty or ends with a slash. */
export function inFolder(all: LakeFile[], folder: string): FolderView {
  const counts = new Map<string, number>();
  const files: LakeFile[] = [];
  for (const file of all.filter(({ path }) => path.startsWith(folder))) {
    const [name = "", ...deeper] = file.path.slice(folder.length).split("/");
    if (deeper.length === 0) {
      files.push(file);
    } else {
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
  }
  const folders = [...counts].map(([name, files]) => ({ path: `${folder}${name}/`, name, files }));
  return { folders, files };
}

/** Files below `folder` whose path from there has the text in it, in any case. */
export function matching(all: LakeFile[], folder: string, text: string): LakeFile[] {
  const wanted = text.trim().toLowerCase();
  return all.filter(({ path }) => path.startsWith(folder) && path.slice(folder.length).toLowerCase().includes(wanted));
}

/** The folders on the way to `folder`, from the outermost. */
export function wayTo(folder: string): { path: string; name: string }[] {
  const names = folder.split("/").filter(Boolean);
  return names.map((name, index) => ({ name, path: `${names.slice(0, index + 1).join("/")}/` }));
}
