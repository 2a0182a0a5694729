import { useRef } from "react";
import { useMessages } from "../../locale";
import { ENDINGS } from "./names";
import { words } from "./words";

/** The button that opens the system's dialog for files. */
export function ChooseFiles({ add }: { add(files: File[]): void }) {
  const say = useMessages(words);
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input
        ref={input}
        className="visually-hidden"
        type="file"
        multiple
        tabIndex={-1}
        aria-hidden="true"
        accept={[...ENDINGS, ".gz", ".zst"].join(",")}
        onChange={({ target }) => {
          add([...(target.files ?? [])]);
          // The same file may be chosen again.
          target.value = "";
        }}
      />
      <button type="button" className="primary" onClick={() => input.current?.click()}>
        {say.choose}
      </button>
    </>
  );
}
