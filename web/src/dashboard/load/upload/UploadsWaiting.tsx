/** What of the uploads waits elsewhere, wherever one is: a line each that leads there. */
import { Link } from "wouter";
import { useFormat, useMessages } from "../../locale";
import type { UploadView } from "./uploads";
import { words } from "./words";

/** So many are named; the others are counted. */
const NAMED = 3;

export function UploadsWaiting({ uploads }: { uploads: UploadView[] }) {
  const say = useMessages(words);
  const format = useFormat();
  if (uploads.length === 0) {
    return null;
  }
  return (
    <nav className="uploads-waiting" aria-label={say.title}>
      <ul>
        {uploads.slice(0, NAMED).map(({ key, path, state, sentBytes, file }) => (
          <li key={key}>
            <Link href="/loads">{say.waits[state](path, format.percent(wholePercents(sentBytes, file.size)))}</Link>
          </li>
        ))}
        {uploads.length > NAMED && (
          <li>
            <Link href="/loads">{say.more(format.count(uploads.length - NAMED))}</Link>
          </li>
        )}
      </ul>
    </nav>
  );
}

const wholePercents = (done: number, all: number) => (all > 0 ? Math.floor((done / all) * 100) / 100 : 0);
