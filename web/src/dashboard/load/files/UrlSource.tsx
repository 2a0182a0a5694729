import { useId, useState } from "react";
import { useMessages } from "../../locale";
import { words } from "./words";

/** A source outside the data lake. Which are allowed, the server says when a load of it is started. */
export function UrlSource({ startLoad }: { startLoad(source: string): void }) {
  const say = useMessages(words);
  const [url, setUrl] = useState("");
  const id = useId();
  return (
    <form
      className="url-source"
      onSubmit={(event) => {
        event.preventDefault();
        startLoad(url.trim());
        setUrl("");
      }}
    >
      <label htmlFor={id}>{say.orFromUrl}</label>
      <input
        id={id}
        inputMode="url"
        required
        pattern="\s*[A-Za-z][A-Za-z0-9+.\-]*://\S+\s*"
        title={say.urlForm}
        placeholder="https://… · s3://…"
        autoCapitalize="off"
        autoComplete="off"
        spellCheck={false}
        value={url}
        onChange={({ target }) => setUrl(target.value)}
      />
      <button type="submit" className="small" aria-label={say.loadUrl}>
        {say.load}
      </button>
    </form>
  );
}
