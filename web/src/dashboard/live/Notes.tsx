/** Notes of what has just happened, at the lower end of every page. They go by themselves: the history keeps what they say. */
import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { Link, useLocation, useRoute } from "wouter";
import { useMessages } from "../locale";
import { useFocusHandedOn } from "../ui/use-focus-handed-on";
import { useLive } from "./Live";
import type { Note } from "./notes";
import { words } from "./words";

const SHOWN_MS = 10_000;

export function Notes() {
  const { notes, dismiss } = useLive();
  const [, params] = useRoute("/loads/:number");
  // The page of a load says all of it.
  const own = notes.filter(({ load }) => load !== undefined && String(load) === params?.number);
  useEffect(() => {
    for (const { key } of own) {
      dismiss(key);
    }
  });
  return (
    <div className="notes" role="status">
      {notes.map((note) => !own.includes(note) && <NoteView key={note.key} note={note} dismiss={dismiss} />)}
    </div>
  );
}

function NoteView({ note, dismiss }: { note: Note; dismiss(key: string): void }) {
  const say = useMessages(words);
  const { key, text, facts, load, tone } = note;
  const [path] = useLocation();
  const href = load === undefined ? "/" : `/loads/${load}`;
  const [isPointed, setPointed] = useState(false);
  const [hasFocus, setFocus] = useState(false);
  const isVisible = useSyncExternalStore(watchVisibility, () => document.visibilityState === "visible");
  const stays = tone === "failure" || isPointed || hasFocus || !isVisible;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a note that says something else is read anew
  useEffect(() => {
    if (!stays) {
      const timer = setTimeout(() => dismiss(key), SHOWN_MS);
      return () => clearTimeout(timer);
    }
  }, [stays, dismiss, key, note]);
  const part = useRef<HTMLDivElement>(null);
  useFocusHandedOn(part);
  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: who reads it is given the time
    <div
      className="note"
      data-tone={tone}
      ref={part}
      onPointerEnter={() => setPointed(true)}
      onPointerLeave={() => setPointed(false)}
      onFocus={() => setFocus(true)}
      onBlur={() => setFocus(false)}
    >
      <div className="note-text">
        <p>{text}</p>
        {facts.length > 0 && (
          <ul>
            {facts.map((fact) => (
              <li key={fact}>{fact}</li>
            ))}
          </ul>
        )}
      </div>
      {href !== path && <Link href={href}>{load === undefined ? say.toStatistics : say.show}</Link>}
      <button type="button" className="plain" aria-label={say.dismiss} onClick={() => dismiss(key)}>
        ×
      </button>
    </div>
  );
}

function watchVisibility(listener: () => void) {
  document.addEventListener("visibilitychange", listener);
  return () => document.removeEventListener("visibilitychange", listener);
}
