/** What has to be done about a file before it is worth loading again. */
import { isUrl } from "../upload/names";
import type { words } from "./words";

/** How a source is corrected, in words. */
export const mendOf = (source: string, say: (typeof words)["en"]) => say.mend[isUrl(source) ? "url" : "lake"];

/** Whether a load failed for columns that its file lacks: the server names the first of them. */
export const lacksColumns = (error: string) => /^column '.*' is missing/.test(error);

/** Whether the same file may be loaded the next time: what stood in the way was not in it. */
export const mayPassNow = (error: string) => /does not answer|is away|was changed while/.test(error);
