/** The protocol against a small server that keeps what it is told, and can be made to fail. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { giveUp, type Send, type UploadOptions, UploadRefused, upload } from "./upload";

/** What goes wrong with the next request that has a body. */
type Fault = "cut before" | "cut within" | "cut after" | "busy" | "unavailable" | "in the way";

class FakeLake {
  files = new Map<string, Buffer>();
  parts = new Map<string, Buffer>();
  faults: (Fault | undefined)[] = [];
  requests: string[] = [];
  inPieces = true;
  readonly server = createServer((request, response) => void this.answer(request, response));

  async start() {
    await new Promise<void>((resolve) => this.server.listen(0, "127.0.0.1", resolve));
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  private async answer(request: IncomingMessage, response: ServerResponse) {
    const path = decodeURIComponent((request.url ?? "").slice("/datalake/".length));
    const id = request.headers["upload-id"] as string | undefined;
    const range = request.headers["content-range"];
    this.requests.push(`${request.method} ${range ?? ""}`.trim());
    const tell = (status: number, headers: Record<string, string | number> = {}, body?: unknown) => {
      response.writeHead(status, headers).end(body === undefined ? undefined : JSON.stringify(body));
    };
    const refuse = (status: number, message: string, headers = {}) =>
      tell(status, headers, { errors: [{ message, extensions: { code: "CONFLICT" } }] });
    const had = this.parts.get(id ?? "") ?? Buffer.alloc(0);
    if (request.method === "HEAD") {
      return tell(204, { "Upload-Offset": had.length });
    }
    if (request.method === "DELETE") {
      this.parts.delete(id ?? "");
      return tell(204);
    }
    const fault = this.faults.shift();
    if (fault === "cut before") {
      return request.socket.destroy();
    }
    const chunks: Buffer[] = [];
    for await (const chunk of request) {
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks);
    if (fault === "unavailable") {
      return refuse(503, "later");
    }
    if (fault === "busy") {
      return refuse(409, "another request holds it", { "Retry-After": 1 });
    }
    if (fault === "in the way") {
      return refuse(409, "a folder has this name");
    }
    if (request.headers["if-none-match"] === "*" && this.files.has(path)) {
      return refuse(412, "the file exists");
    }
    const [, start = "0", total = `${body.length}`] = range?.match(/(\d+|\*)(?:-\d+)?\/(\d+)/) ?? [];
    if (range && start !== "*" && Number(start) !== had.length) {
      return refuse(409, "not at the offset", { "Upload-Offset": had.length });
    }
    if (fault === "cut within") {
      this.parts.set(id ?? "", Buffer.concat([had, body.subarray(0, body.length >> 1)]));
      return request.socket.destroy();
    }
    const has = Buffer.concat([had, body]);
    if (range && has.length < Number(total)) {
      this.parts.set(id ?? "", has);
      return fault === "cut after" ? request.socket.destroy() : tell(202, { "Upload-Offset": has.length });
    }
    const isNew = !this.files.has(path);
    this.files.set(path, has);
    this.parts.delete(id ?? "");
    if (fault === "cut after") {
      return request.socket.destroy();
    }
    tell(isNew ? 201 : 200, {}, { path, sizeBytes: has.length, modifiedAt: "2026-01-01T00:00:00Z" });
  }
}

describe("an upload", () => {
  let lake: FakeLake;
  let send: Send;
  const text = "0123456789".repeat(10);
  const file = new Blob([text]);
  let waits: number[];
  let sent: number[];

  beforeEach(async () => {
    lake = new FakeLake();
    const origin = await lake.start();
    [waits, sent] = [[], []];
    send = async ({ method, url, headers, body, signal }) => {
      const response = await fetch(origin + url, { method, headers, body: body && (await body.arrayBuffer()), signal });
      return { status: response.status, header: (name) => response.headers.get(name), body: await response.text() };
    };
  });
  afterEach(() => void lake.server.close());

  const start = (changes: Partial<UploadOptions> = {}) =>
    upload({
      file,
      path: "2015/pay stats.csv",
      id: "one",
      inPieces: true,
      replaces: false,
      isThere: async () => false,
      send,
      signal: new AbortController().signal,
      onSent: (bytes) => sent.push(bytes),
      onWaiting: (milliseconds) => waits.push(milliseconds),
      wait: async () => {},
      pieceBytes: 40,
      ...changes,
    });
  const kept = () => lake.files.get("2015/pay stats.csv")?.toString();

  test("comes in pieces", async () => {
    expect(await start()).toEqual({ path: "2015/pay stats.csv", sizeBytes: 100 });
    expect(kept()).toBe(text);
    expect(lake.requests).toEqual(["HEAD", "PUT bytes 0-39/100", "PUT bytes 40-79/100", "PUT bytes 80-99/100"]);
    expect(sent).toEqual([0, 40, 80]);
  });

  test("comes as a whole where there are no pieces", async () => {
    await start({ inPieces: false });
    expect(kept()).toBe(text);
    expect(lake.requests).toEqual(["PUT"]);
  });

  test("may be empty", async () => {
    expect(await start({ file: new Blob([]) })).toMatchObject({ sizeBytes: 0 });
    expect(lake.requests).toEqual(["HEAD", "PUT bytes */0"]);
  });

  for (const fault of ["cut before", "cut within", "cut after", "busy", "unavailable"] as const) {
    test(`goes on behind what the server has: ${fault}`, async () => {
      lake.faults = [undefined, fault];
      await start();
      expect(kept()).toBe(text);
      expect(waits).toHaveLength(1);
    });
  }

  test("is there although the answer to its last piece was lost", async () => {
    lake.faults = [undefined, undefined, "cut after"];
    expect(await start({ isThere: async () => kept() === text })).toEqual({
      path: "2015/pay stats.csv",
      sizeBytes: 100,
    });
    expect(kept()).toBe(text);
  });

  test("waits longer each time that nothing gets through", async () => {
    lake.faults = ["cut before", "cut before", "cut before", "cut before"];
    await start();
    const [first = 0, , , fourth = 0] = waits;
    expect(waits).toHaveLength(4);
    expect(fourth).toBeGreaterThan(first * 3);
  });

  test("starts where another one of the same id was stopped", async () => {
    lake.parts.set("one", Buffer.from(text.slice(0, 70)));
    await start();
    expect(kept()).toBe(text);
    expect(lake.requests).toEqual(["HEAD", "PUT bytes 70-99/100"]);
  });

  test("is ended where all bytes are there, and it is not", async () => {
    lake.parts.set("one", Buffer.from(text));
    await start();
    expect(kept()).toBe(text);
    expect(lake.requests).toEqual(["HEAD", "PUT bytes */100"]);
  });

  test("moves to the offset that the server tells", async () => {
    let asked = 0;
    lake.parts.set("one", Buffer.from(text.slice(0, 50)));
    await start({
      send: async (request) => {
        const answer = await send(request);
        // As if another tab had written between the question and the piece.
        return request.method === "HEAD" && asked++ === 0 ? { ...answer, header: () => "0" } : answer;
      },
    });
    expect(kept()).toBe(text);
    expect(lake.requests[2]).toBe("PUT bytes 50-89/100");
  });

  test("stops when it is told, and can be given up", async () => {
    const stop = new AbortController();
    const stopped = start({ signal: stop.signal, onSent: (bytes) => bytes >= 40 && stop.abort() });
    await expect(stopped).rejects.toThrow();
    expect(lake.parts.get("one")).toHaveLength(40);
    await giveUp({ path: "2015/pay stats.csv", id: "one", send });
    expect(lake.parts.size).toBe(0);
    expect(kept()).toBeUndefined();
  });

  test("replaces a file only if it may", async () => {
    lake.files.set("2015/pay stats.csv", Buffer.from("old"));
    await expect(start()).rejects.toEqual(new UploadRefused(412, "the file exists"));
    expect(kept()).toBe("old");
    await start({ replaces: true });
    expect(kept()).toBe(text);
  });

  test("ends with the server's words where it is not wanted", async () => {
    lake.faults = ["in the way"];
    await expect(start()).rejects.toEqual(new UploadRefused(409, "a folder has this name"));
  });
});
