import { useMessages } from "../../locale";
import { UploadRow } from "./UploadRow";
import type { UploadView } from "./uploads";
import { words } from "./words";

interface UploadsCardProps {
  uploads: UploadView[];
  startLoad(path: string): void;
}

/** Uploads and what can be done with them, if there are any. */
export function UploadsCard({ uploads, startLoad }: UploadsCardProps) {
  const say = useMessages(words);
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
