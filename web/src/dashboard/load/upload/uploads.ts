/**
 * The uploads of this tab. They live beside React, so that they go on while one looks at another page, and are remembered by name, size
 * and time of the file, so that the same file chosen again after a reload goes on where it was.
 */
import { useSyncExternalStore } from "react";
import { forget, keep, kept } from "../../ui/kept";
import { uuid } from "../uuid";
import { isLoadable, otherName } from "./names";
import { FileUnreadable, giveUp, type Stored, UploadRefused, upload } from "./upload";
import { sendByXhr } from "./xhr";

export type Trouble =
  | { kind: "ending" }
  | { kind: "too large"; maxBytes: number }
  | { kind: "folder" }
  | { kind: "unreadable" }
  | { kind: "refused"; message: string };

export interface UploadView {
  key: string;
  file: File;
  path: string;
  state: "next" | "sending" | "waiting" | "paused" | "exists" | "failed" | "done";
  sentBytes: number;
  /** Bytes a second, by the last seconds. */
  speed?: number;
  /** Where it goes on by itself, as `Date.now()` counts. */
  retryAt?: number;
  /** When it was there, as `Date.now()` counts. */
  doneAt?: number;
  trouble?: Trouble;
}

export interface UploadRules {
  maxBytes: number;
  inPieces: boolean;
  /** The size of the file of this name in the data lake, if there is one: asked first, for it costs nothing. */
  sizeOf(path: string): Promise<number | undefined>;
  /** It is there. */
  onStored(stored: Stored, file: File): void;
}

interface Entry extends UploadView {
  id: string;
  wanted: string;
  replaces: boolean;
  keepsBoth: boolean;
  /** Whether it began under a name that was free, now or before the page was loaded. */
  begun: boolean;
  rules: UploadRules;
  stop?: AbortController;
}

const AT_ONCE = 2;
const SPEED_MS = 3_000;

let entries: Entry[] = [];
const listeners = new Set<() => void>();

function change(key: string, changes: Partial<Entry>) {
  entries = entries.map((entry) => (entry.key === key ? { ...entry, ...changes } : entry));
  for (const listener of listeners) {
    listener();
  }
}

export function useUploads(): UploadView[] {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => entries,
  );
}

export function addUpload(file: File, folder: string, rules: UploadRules, isFolder = false) {
  const wanted = folder + file.name;
  const trouble = troubleOf(file, rules, isFolder);
  const begun = trouble ? undefined : remembered(file, wanted);
  const key = uuid();
  const entry: Entry = {
    key,
    file,
    wanted,
    path: begun?.path ?? wanted,
    id: begun?.id ?? uuid(),
    replaces: begun?.replaces ?? false,
    keepsBoth: false,
    begun: begun?.wasFree ?? false,
    rules,
    state: trouble ? "failed" : "next",
    trouble,
    sentBytes: 0,
  };
  entries = [...entries, entry];
  change(key, {});
  startNext();
}

export function pauseUpload(key: string) {
  change(key, { state: "paused", speed: undefined });
  entries.find((entry) => entry.key === key)?.stop?.abort();
}

export function resumeUpload(key: string) {
  change(key, { state: "next", trouble: undefined });
  startNext();
}

/** Answers the question whether a file that is there is replaced, or both are kept. */
export function settleName(key: string, how: "replace" | "keep both") {
  change(key, how === "replace" ? { replaces: true } : { keepsBoth: true });
  resumeUpload(key);
}

/** Gives an upload up, or takes one that has ended off the page. */
export function removeUpload(key: string) {
  const entry = entries.find((entry) => entry.key === key);
  if (!entry) {
    return;
  }
  entries = entries.filter((other) => other !== entry);
  entry.stop?.abort();
  if (entry.state !== "done") {
    forget(keptAs(entry.file));
    if (entry.rules.inPieces && entry.sentBytes > 0) {
      void giveUp({ path: entry.path, id: entry.id, send: sendByXhr });
    }
  }
  change(key, {});
  startNext();
}

/** A load of this file was started: its upload has served its purpose. */
export function takeLoaded(path: string) {
  for (const { key } of entries.filter((entry) => entry.state === "done" && entry.path === path)) {
    removeUpload(key);
  }
}

function troubleOf(file: File, { maxBytes }: UploadRules, isFolder: boolean): Trouble | undefined {
  if (isFolder) {
    return { kind: "folder" };
  }
  if (!isLoadable(file.name)) {
    return { kind: "ending" };
  }
  return file.size > maxBytes ? { kind: "too large", maxBytes } : undefined;
}

function startNext() {
  const running = entries.filter(({ state }) => state === "sending" || state === "waiting").length;
  for (const { key } of entries.filter(({ state }) => state === "next").slice(0, Math.max(0, AT_ONCE - running))) {
    change(key, { state: "sending" });
    void run(key).finally(startNext);
  }
}

async function run(key: string) {
  const stop = new AbortController();
  change(key, { stop });
  const entry = entries.find((entry) => entry.key === key);
  if (!entry) {
    return;
  }
  try {
    const { path, wasFree, isThere } = await freeName(entry);
    const finish = (stored: Stored) => {
      forget(keptAs(entry.file));
      change(key, { state: "done", doneAt: Date.now(), sentBytes: entry.file.size, path: stored.path });
      entry.rules.onStored(stored, entry.file);
    };
    if (path && isThere) {
      return finish({ path, sizeBytes: entry.file.size });
    }
    if (!path) {
      return change(key, { state: "exists" });
    }
    change(key, { path, begun: entry.begun || wasFree });
    remember(entry.file, { id: entry.id, wanted: entry.wanted, path, replaces: entry.replaces, wasFree });
    const speed = speedometer();
    const stored = await upload({
      file: entry.file,
      path,
      id: entry.id,
      inPieces: entry.rules.inPieces,
      replaces: entry.replaces,
      isThere: async () => wasFree && (await entry.rules.sizeOf(path).catch(() => undefined)) === entry.file.size,
      send: sendByXhr,
      signal: stop.signal,
      onSent: (sentBytes) => change(key, { state: "sending", sentBytes, speed: speed(sentBytes) }),
      onWaiting: (wait) => change(key, { state: "waiting", speed: undefined, retryAt: Date.now() + wait }),
      wait: waitForNetwork,
    });
    finish(stored);
  } catch (error) {
    if (stop.signal.aborted) {
      return;
    }
    if (error instanceof UploadRefused && error.status === 412) {
      change(key, { state: "exists", sentBytes: 0 });
    } else {
      const message = error instanceof Error ? error.message : String(error);
      const trouble: Trouble = error instanceof FileUnreadable ? { kind: "unreadable" } : { kind: "refused", message };
      change(key, { state: "failed", speed: undefined, trouble });
    }
  }
}

interface Name {
  /** None where a person has to say what becomes of the file that has it. */
  path?: string;
  /** Whether it is known that no file had it. */
  wasFree: boolean;
  /** Whether the file is there: the page was closed before it heard so. */
  isThere?: boolean;
}

/** The name that an upload takes. */
async function freeName({ file, path, wanted, replaces, keepsBoth, begun, rules }: Entry): Promise<Name> {
  if (replaces) {
    return { path, wasFree: false };
  }
  let name = path;
  for (let count = 2; ; count++) {
    try {
      const size = await rules.sizeOf(name);
      if (size === undefined) {
        return { path: name, wasFree: true };
      }
      if (begun && name === path && size === file.size) {
        return { path, wasFree: true, isThere: true };
      }
    } catch {
      // The upload itself finds out.
      return { path: name, wasFree: false };
    }
    if (!keepsBoth) {
      return { wasFree: false };
    }
    name = otherName(wanted, count);
  }
}

/** Bytes a second over the last seconds. */
function speedometer() {
  let seen: { at: number; bytes: number }[] = [];
  return (bytes: number) => {
    const at = performance.now();
    seen = [...seen.filter((earlier) => at - earlier.at < SPEED_MS && earlier.bytes <= bytes), { at, bytes }];
    const first = seen[0];
    return first && at > first.at ? ((bytes - first.bytes) * 1000) / (at - first.at) : undefined;
  };
}

function waitForNetwork(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      signal.removeEventListener("abort", go);
      resolve();
    };
    const timer = setTimeout(go, milliseconds);
    addEventListener("online", go);
    signal.addEventListener("abort", go);
  });
}

interface Remembered {
  id: string;
  wanted: string;
  path: string;
  replaces: boolean;
  wasFree: boolean;
}

const keptAs = ({ name, size, lastModified }: File) => `paystats.upload.${name}|${size}|${lastModified}`;

function remembered(file: File, wanted: string): Remembered | undefined {
  try {
    const found = JSON.parse(kept(keptAs(file)) ?? "null") as Remembered | null;
    return found?.wanted === wanted ? found : undefined;
  } catch {
    return undefined;
  }
}

const remember = (file: File, what: Remembered) => keep(keptAs(file), JSON.stringify(what));
