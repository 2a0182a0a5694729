/** One upload: how far it is, what is wrong with it, and what can be done about it. */
import { useRef } from "react";
import { roleIn } from "../../api/refusal";
import { useFormat, useMessages } from "../../locale";
import { useFocusHandedOn } from "../../ui/use-focus-handed-on";
import { words as frameWords } from "../../words";
import { Bar } from "../parts/Bar";
import { ENDINGS } from "./names";
import { pauseUpload, removeUpload, resumeUpload, settleName, type Trouble, type UploadView } from "./uploads";
import { words } from "./words";

export function UploadRow({ upload, startLoad }: { upload: UploadView; startLoad(path: string): void }) {
  const say = useMessages(words);
  const { key, file, path, state, sentBytes } = upload;
  const row = useRef<HTMLLIElement>(null);
  useFocusHandedOn(row);
  const share = file.size > 0 ? sentBytes / file.size : state === "done" ? 1 : 0;
  const action = (name: string, run: () => void) => (
    <button type="button" aria-label={say.of(name, path)} onClick={run}>
      {name}
    </button>
  );
  return (
    <li className="upload" data-state={state} ref={row}>
      <strong className="upload-name">{path}</strong>
      {(state === "sending" || state === "waiting" || state === "paused") && (
        <Bar name={say.progress(path)} share={share} tone={state === "sending" ? undefined : "still"} />
      )}
      <Standing upload={upload} />
      <div className="actions">
        {state === "exists" && action(say.replace, () => settleName(key, "replace"))}
        {state === "exists" && action(say.keepBoth, () => settleName(key, "keep both"))}
        {(state === "sending" || state === "waiting") && action(say.pause, () => pauseUpload(key))}
        {state === "paused" && action(say.goOn, () => resumeUpload(key))}
        {state === "failed" && canTryAgain(upload.trouble) && action(say.again, () => resumeUpload(key))}
        {state === "done" && action(say.startLoad, () => startLoad(path))}
        {action(state === "done" || state === "failed" ? say.dismiss : say.cancel, () => removeUpload(key))}
      </div>
    </li>
  );
}

const canTryAgain = (trouble?: Trouble) => trouble?.kind === "refused";

function Standing({ upload: { state, file, path, sentBytes, speed, trouble } }: { upload: UploadView }) {
  const say = useMessages(words);
  const { forbidden } = useMessages(frameWords);
  const format = useFormat();
  const amount = say.sending(format.bytes(sentBytes), format.bytes(file.size));
  if (state === "failed" && trouble) {
    return (
      <p className="failure" role="alert">
        {troubleText(trouble)}
      </p>
    );
  }
  if (state === "exists") {
    return (
      <p className="warning" role="alert">
        {say.exists(path)}
      </p>
    );
  }
  const parts = {
    next: [say.next],
    sending: [
      amount,
      speed ? say.speed(format.bytes(speed)) : undefined,
      speed ? say.left(format.duration((file.size - sentBytes) / speed)) : undefined,
    ],
    waiting: [amount, say.waiting],
    paused: [amount, say.paused],
    done: [format.bytes(file.size), say.done],
    failed: [],
  }[state];
  return <p className="hint facts">{parts.filter(Boolean).join(" · ")}</p>;

  function troubleText(trouble: Trouble): string {
    const role = trouble.kind === "refused" ? roleIn(trouble.message) : undefined;
    switch (trouble.kind) {
      case "ending":
        return say.ending(format.anyOf(ENDINGS));
      case "too large":
        return say.tooLarge(format.bytes(file.size), format.bytes(trouble.maxBytes));
      case "folder":
        return say.folder;
      case "unreadable":
        return say.unreadable;
      case "refused":
        return role ? forbidden(role) : say.refused(trouble.message);
    }
  }
}
