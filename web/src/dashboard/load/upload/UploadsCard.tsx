import { useMessages } from "../../locale";
import { UploadRow } from "./UploadRow";
import { useUploads } from "./uploads";
import { words } from "./words";

/** The uploads of this tab, if there are any. */
export function UploadsCard({ startLoad }: { startLoad(path: string): void }) {
  const say = useMessages(words);
  const uploads = useUploads();
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
