/** The WebSocket, and whether it stands. It is opened with the first subscription and comes back by itself for as long as the page is open. */
import { type Client, createClient } from "graphql-ws";
import { useSyncExternalStore } from "react";
import { fetchWithKey } from "./fetch-with-key";
import { authorization } from "./key";

export type ConnectionState = "connecting" | "connected" | "lost";

/** A server that says nothing for so long after a ping is not there any more. */
const SILENCE_MS = 5_000;
const PING_MS = 10_000;
const LONGEST_WAIT_MS = 10_000;
/** The close code of a server that does not accept the key, not any more, or with other roles. */
const KEY_HAS_CHANGED = 4403;

let state: ConnectionState = "connecting";
const listeners = new Set<() => void>();
const returns = new Set<() => void>();

function become(next: ConnectionState) {
  if (next !== state) {
    const isReturn = state === "lost" && next === "connected";
    state = next;
    for (const listener of listeners) {
      listener();
    }
    for (const listener of isReturn ? returns : []) {
      listener();
    }
  }
}

export function createSocket(url: string): Client {
  let silence: ReturnType<typeof setTimeout>;
  let current: WebSocket | undefined;
  let isRefused = false;
  return createClient({
    url,
    connectionParams: () => authorization(),
    keepAlive: PING_MS,
    retryAttempts: Number.POSITIVE_INFINITY,
    shouldRetry: () => true,
    async retryWait(retries) {
      if (isRefused) {
        await isAccepted();
        become("lost");
      }
      await backAgain(Math.min(LONGEST_WAIT_MS, 250 * 2 ** retries) * (0.75 + Math.random() / 2));
    },
    on: {
      connected(socket) {
        current = socket as WebSocket;
        become("connected");
      },
      closed(event) {
        clearTimeout(silence);
        isRefused = (event as CloseEvent).code === KEY_HAS_CHANGED;
        // Where the form for a key comes, no connection is said to be lost.
        if (!isRefused) {
          become("lost");
        }
      },
      ping(received) {
        if (!received) {
          clearTimeout(silence);
          silence = setTimeout(() => current?.close(4408, "no answer to a ping"), SILENCE_MS);
        }
      },
      pong(received) {
        if (received) {
          clearTimeout(silence);
        }
      },
    },
  });
}

/** Returns where the key is accepted, or nobody can say so now; where it is void, the form for another comes. */
async function isAccepted() {
  const headers = { "content-type": "application/json" };
  const body = JSON.stringify({ query: "{ __typename }" });
  await fetchWithKey("/graphql", { method: "POST", headers, body }).catch(() => {});
}

/** Waits, but not longer than the network is away. */
function backAgain(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    const go = () => {
      clearTimeout(timer);
      removeEventListener("online", go);
      resolve();
    };
    const timer = setTimeout(go, milliseconds);
    addEventListener("online", go);
  });
}

/** Calls `listener` each time that a lost connection is back. */
export function onReturn(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

export function useConnection(): ConnectionState {
  return useSyncExternalStore(
    (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    () => state,
  );
}
