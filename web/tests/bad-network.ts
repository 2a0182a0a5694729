/** A bad network: a proxy before the server whose connections can be cut, and which notes what is asked through it. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { Transform } from "node:stream";

export interface BadNetwork {
  /** Without a trailing slash: `http://127.0.0.1:40123`. */
  origin: string;
  /** The heads of all requests so far; where one has a body, the next one of its connection is not noted well. */
  requests: string[];
  /** Cuts all connections; what was under way is lost. Tells whether something had been asked on one of them. */
  cut(): boolean;
  /** Of the next `times` connections on which the server says something like `pattern`, nothing comes that is behind it. */
  holdBehind(pattern: RegExp, times: number): void;
  stop(): Promise<void>;
}

const MOST_OF_A_HEAD = 64 * 1024;

export async function startBadNetwork(origin: string): Promise<BadNetwork> {
  const { hostname, port } = new URL(origin);
  const requests: string[] = [];
  /** Whether something was asked, by connection. */
  const clients = new Map<Socket, boolean>();
  let held = { pattern: /$^/, times: 0 };
  /** Passes on what the server says on one connection, up to where it is held. */
  const untilHeld = () => {
    let said = "";
    return new Transform({
      transform(bytes, _encoding, done) {
        said += held.times > 0 ? bytes.toString("latin1") : "";
        const found = said.match(held.pattern);
        if (held.times === 0 || !found) {
          done(null, bytes);
          return;
        }
        held.times -= 1;
        const behind = said.length - ((found.index ?? 0) + found[0].length);
        // It is not done: no more is asked for.
        this.push(bytes.subarray(0, bytes.length - behind));
      },
    });
  };
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      // What was cut says so by an error; its end is all that matters.
      socket.on("error", () => {});
      socket.on("close", () => other.destroy());
    }
    client.pipe(upstream);
    upstream.pipe(untilHeld()).pipe(client);
    let head = "";
    client.on("data", (bytes) => {
      const heads = (head + bytes.toString("latin1")).split("\r\n\r\n");
      // A body has no such end, and may be long.
      head = (heads.pop() ?? "").slice(-MOST_OF_A_HEAD);
      requests.push(...heads);
      clients.set(client, heads.length > 0 || clients.get(client) === true);
    });
    client.on("close", () => clients.delete(client));
    clients.set(client, false);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address && typeof address === "object");

  const cut = () => {
    const cut = [...clients];
    clients.clear();
    for (const [client] of cut) {
      client.resetAndDestroy();
    }
    return cut.some(([, asked]) => asked);
  };
  return {
    origin: `http://127.0.0.1:${address.port}`,
    requests,
    cut,
    holdBehind: (pattern, times) => {
      held = { pattern, times };
    },
    stop: async () => {
      server.close();
      cut();
      await once(server, "close");
    },
  };
}
