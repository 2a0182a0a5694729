import { useMessages } from "../../locale";
import { UploadRow } from "./UploadRow";
import { useUploads } from "./uploads";
import { words } from "./words";

interface UploadsCardProps {
  /** What was done before is not shown. */
  since: number;
  startLoad(path: string): void;
}

/** The uploads of this tab, if there are any. */
export function UploadsCard({ since, startLoad }: UploadsCardProps) {
  const say = useMessages(words);
  const uploads = useUploads().filter(({ doneAt = Number.POSITIVE_INFINITY }) => doneAt >= since);
  if (uploads.length === 0) {
    return null;
  }
  return (
    <section className="card" aria-labelledby="uploads-title">
      <div className="card-head">
        <h2 id="uploads-title">{say.title}</h2>
      </div>
      <ul className="rows">
        {uploads.map((upload) => (
          <UploadRow key={upload.key} upload={upload} startLoad={startLoad} />
        ))}
      </ul>
    </section>
  );
}
