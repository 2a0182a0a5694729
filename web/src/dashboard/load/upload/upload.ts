/**
 * The protocol by which a file gets into the data lake: `PUT /datalake/{path}`, whole or in pieces. It knows neither React nor the page.
 *
 * `upload` returns when the file is there. A connection that breaks off is tried again with growing distance, from the byte that the
 * server has; what the server refuses for good is an `UploadRefused`. Stopped by its signal, what has arrived stays at the server: the
 * same `id` goes on, until `giveUp`.
 */

export const PIECE_BYTES = 8 * 1024 * 1024;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 30_000;

export interface Stored {
  path: string;
  sizeBytes: number;
}

export interface Request {
  method: "PUT" | "HEAD" | "DELETE";
  url: string;
  headers: Record<string, string>;
  body?: Blob;
  signal: AbortSignal;
  /** Bytes of the body that were handed to the network. */
  onSent?(bytes: number): void;
}

export interface Answer {
  status: number;
  header(name: string): string | null;
  body: string;
}

/** Sends one request; rejects where no answer came. */
export type Send = (request: Request) => Promise<Answer>;

export interface UploadOptions {
  file: Blob;
  /** Where it goes in the data lake. */
  path: string;
  /** Chosen by us; an upload that goes on has the one that it began with. */
  id: string;
  inPieces: boolean;
  /** Whether a file that is there may be replaced. */
  replaces: boolean;
  /** Whether a name that turns out to be taken was free when this began, and what has it now is as large as this file. */
  isThere(): Promise<boolean>;
  send: Send;
  signal: AbortSignal;
  /** Bytes that are there or on their way. */
  onSent(bytes: number): void;
  /** The connection was lost: it is tried again after so long. */
  onWaiting(milliseconds: number): void;
  /** Waits, unless the network is back earlier. */
  wait(milliseconds: number, signal: AbortSignal): Promise<void>;
  pieceBytes?: number;
}

/** The server does not want it. */
export class UploadRefused extends Error {
  constructor(
    readonly status: number,
    message: string,
  ) {
    super(message);
  }
}

/** The file cannot be read any more, for example because it was changed. */
export class FileUnreadable extends Error {}

export async function upload(options: UploadOptions): Promise<Stored> {
  const { file, signal, send, pieceBytes = PIECE_BYTES } = options;
  let failures = 0;
  let offset: number | undefined = options.inPieces ? undefined : 0;
  while (true) {
    signal.throwIfAborted();
    let answer: Answer;
    try {
      if (offset === undefined) {
        const asked = await send({ ...requestOf("HEAD", options), signal });
        if (asked.status === 204 || asked.status === 200) {
          offset = offsetIn(asked) ?? 0;
          options.onSent(offset);
          continue;
        }
        answer = asked;
      } else {
        const start = offset;
        const end = options.inPieces ? Math.min(start + pieceBytes, file.size) : file.size;
        const piece = file.slice(start, end);
        await assertReadable(piece);
        answer = await send({
          ...requestOf("PUT", options, rangeOf(start, end, file.size)),
          body: piece,
          signal,
          onSent: (bytes) => options.onSent(start + bytes),
        });
      }
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof FileUnreadable) {
        throw error;
      }
      await waitAgain();
      continue;
    }
    const { status } = answer;
    if (status === 201 || status === 200) {
      const { path, sizeBytes } = JSON.parse(answer.body) as Stored;
      return { path, sizeBytes };
    }
    if (status === 202) {
      const next = offsetIn(answer);
      if (next !== undefined && next > (offset ?? 0)) {
        failures = 0;
      }
      offset = next;
      options.onSent(offset ?? 0);
      continue;
    }
    // Where it goes on: the piece did not start there, or did not come as a whole.
    const told = offsetIn(answer);
    if (status >= 400 && told !== undefined && told !== offset && told <= file.size) {
      offset = told;
      options.onSent(offset);
      continue;
    }
    // Whoever sent its last piece again, this page or the browser by itself, had not heard that it was there.
    if (status === 412 && (await options.isThere())) {
      return { path: options.path, sizeBytes: file.size };
    }
    if (isTransient(answer)) {
      await waitAgain();
      continue;
    }
    throw new UploadRefused(status, messageIn(answer));
  }

  /** Afterwards the server is asked for what it has. */
  async function waitAgain() {
    const milliseconds = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** failures) * (0.75 + Math.random() / 2);
    failures += 1;
    options.onWaiting(milliseconds);
    await options.wait(milliseconds, signal);
    offset = options.inPieces ? undefined : 0;
  }
}

/** Tells the server to forget an upload. It forgets by itself later, so a failure is none. */
export async function giveUp(options: Pick<UploadOptions, "path" | "id" | "send">): Promise<void> {
  const request = { ...requestOf("DELETE", { ...options, inPieces: true, replaces: true }) };
  await options.send({ ...request, signal: AbortSignal.timeout(10_000) }).catch(() => {});
}

function requestOf(
  method: Request["method"],
  { path, id, inPieces, replaces }: Pick<UploadOptions, "path" | "id" | "inPieces" | "replaces">,
  range?: string,
): Pick<Request, "method" | "url" | "headers"> {
  const headers: Record<string, string> = {};
  if (inPieces) {
    headers["Upload-Id"] = id;
  }
  if (inPieces && range) {
    headers["Content-Range"] = range;
  }
  if (method === "PUT" && !replaces) {
    headers["If-None-Match"] = "*";
  }
  return { method, url: `/datalake/${path.split("/").map(encodeURIComponent).join("/")}`, headers };
}

const rangeOf = (start: number, end: number, size: number) =>
  start === end ? `bytes */${size}` : `bytes ${start}-${end - 1}/${size}`;

function offsetIn(answer: Answer): number | undefined {
  const text = answer.header("Upload-Offset");
  return text !== null && /^\d{1,16}$/.test(text) ? Number(text) : undefined;
}

/**
 * What a later try may mend. A conflict is one if the server says when to come again: the request that broke off still holds the upload,
 * until the server has noticed.
 */
const isTransient = ({ status, header }: Answer) =>
  status === 408 ||
  status === 429 ||
  (status >= 500 && status !== 507) ||
  (status === 409 && header("Retry-After") !== null) ||
  // The piece did not come as a whole; what came of it is there.
  (status === 400 && header("Upload-Offset") !== null);

function messageIn({ status, body }: Answer): string {
  // The answer to HEAD has no body; this is what it would say.
  if (status === 403 && body === "") {
    return "this takes the role loader";
  }
  try {
    const { errors } = JSON.parse(body) as { errors?: { message?: string }[] };
    return errors?.[0]?.message ?? `${status}`;
  } catch {
    return `${status}`;
  }
}

/** A browser tells a file that cannot be read from a network that is away in no other way. */
async function assertReadable(piece: Blob) {
  try {
    await piece.slice(0, 1).arrayBuffer();
  } catch (error) {
    throw new FileUnreadable("the file cannot be read", { cause: error });
  }
}
