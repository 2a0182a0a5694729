import { useState } from "react";
import { fetchWithKey } from "../../api/fetch-with-key";
import { hasKey } from "../../api/key";
import { useMessages } from "../../locale";
import { download } from "../../ui/download";
import { Problem } from "../../ui/Problem";
import { words } from "./words";

/** All refused rows as a file: a link, or where a key has to be shown, which a link cannot, a button that fetches it. */
export function DownloadRejections({ csv }: { csv: string }) {
  const say = useMessages(words);
  const [state, setState] = useState<"busy" | Error>();
  if (!hasKey()) {
    return (
      <a className="button" href={csv} download>
        {say.download}
      </a>
    );
  }
  const save = async () => {
    setState("busy");
    try {
      await fetchFile(csv);
      setState(undefined);
    } catch (error) {
      setState(error as Error);
    }
  };
  return (
    <>
      <button type="button" aria-disabled={state === "busy"} onClick={() => state !== "busy" && void save()}>
        {state === "busy" ? say.downloading : say.download}
      </button>
      {state instanceof Error && <Problem error={state} />}
    </>
  );
}

/**
 * The server keeps some 100,000 rows of a load. The page never has them in its own memory: a `Blob` is the browser's, which puts a large
 * one on disk, and fails where there is no room for it.
 */
async function fetchFile(csv: string) {
  const response = await fetchWithKey(csv);
  if (!response.ok) {
    throw new Error(`${response.status} ${response.statusText}`);
  }
  const name = response.headers.get("Content-Disposition")?.match(/filename="([^"]+)"/)?.[1];
  download(name ?? "rejections.csv", await response.blob());
}
