/** What has to be done about a file before it is worth loading again. */
import { isUrl } from "../upload/names";
import type { words } from "./words";

type Words = (typeof words)["en"];

/** How a source is corrected, in words. */
export const mendOf = (source: string, say: Words) => say.mend[isUrl(source) ? "url" : "lake"];

/** The same after a failure, of which the server has said why. */
export const mendOfFailure = (error: string, source: string, say: Words) =>
  isNoText(error) ? `${say.noText} ${say.mendNoText[isUrl(source) ? "url" : "lake"]}` : mendOf(source, say);

/** Whether what was read is no text: another kind of file, or one that is saved otherwise. */
export const isNoText = (error: string) => /is not UTF-8 text$/.test(error);

/** What the server says, with the full stop that it leaves out. */
export const asSentence = (error: string) => (/[.?!]$/.test(error) ? error : `${error}.`);

/** Whether a load failed for columns that its file lacks: the server names the first of them. */
export const lacksColumns = (error: string) => /^column '.*' is missing/.test(error);

/** Whether the same file may be loaded the next time: what stood in the way was not in it. */
export const mayPassNow = (error: string) => /does not answer|is away|was changed while/.test(error);
